//! The machines of each protocol, what is said to them, and a server that lets us in.

use crate::proto::{
    Downstream, LocalTls, LoginBounds, Upstream, UpstreamOptions,
    fuzz_logic::{session::Watched, talk::Vocabulary},
    imap, pop3, smtp,
};

/// A protocol.
pub(super) struct Rooms {
    pub(super) downstream: fn(LocalTls, LoginBounds) -> Box<dyn Downstream>,
    pub(super) upstream: fn(UpstreamOptions) -> Box<dyn Upstream>,
    pub(super) session: fn(u8) -> Box<dyn Watched>,
    pub(super) words: Vocabulary,
    /// What a good server says to this line of ours (none: its greeting).
    pub(super) answer: fn(Option<&str>) -> String,
    /// What a server says that repeats this line.
    pub(super) repeat: fn(&str) -> String,
}

pub(super) const ROOMS: [Rooms; 3] = [
    Rooms {
        downstream: |tls, bounds| Box::new(imap::downstream::ImapDownstream::new(tls, bounds)),
        upstream: |options| Box::new(imap::upstream::ImapUpstream::new(options)),
        session: |choice| Box::new(imap::relay::fuzz_logic::guard::session(choice)),
        words: IMAP,
        answer: imap_answer,
        repeat: |line| format!("{} BAD what is {line}\r\n", tag(line)),
    },
    Rooms {
        downstream: |tls, bounds| {
            let options = smtp::downstream::SmtpOptions {
                name: "localhost".into(),
                promise: smtp::extension::Extensions::UNKNOWN,
                obsolete_auth_line: false,
            };
            Box::new(smtp::downstream::SmtpDownstream::new(tls, bounds, options))
        },
        upstream: |options| Box::new(smtp::upstream::SmtpUpstream::new(options)),
        session: |choice| Box::new(smtp::relay::fuzz_logic::guard::session(choice)),
        words: SMTP,
        answer: smtp_answer,
        repeat: |line| format!("535 5.7.8 what is {line}\r\n"),
    },
    Rooms {
        downstream: |tls, bounds| Box::new(pop3::downstream::Pop3Downstream::new(tls, bounds)),
        upstream: |options| Box::new(pop3::upstream::Pop3Upstream::new(options)),
        session: |choice| Box::new(pop3::relay::fuzz_logic::guard::session(choice)),
        words: POP3,
        answer: pop3_answer,
        repeat: |line| format!("-ERR what is {line}\r\n"),
    },
];

/// The first word; a line of a SASL exchange has none, and ours are all `G1`, `G2` and so on.
fn tag(line: &str) -> &str {
    line.split(' ').next().filter(|tag| tag.starts_with('G') && tag.len() < 4).unwrap_or("G2")
}

fn imap_answer(line: Option<&str>) -> String {
    let Some(line) = line else { return format!("* OK [{IMAP_LIST}] x\r\n") };
    let words: Vec<&str> = line.split(' ').collect();
    match words.get(1).copied() {
        Some("CAPABILITY") => format!("* {IMAP_LIST}\r\n{} OK x\r\n", tag(line)),
        Some("AUTHENTICATE") if words.len() == 3 => "+ \r\n".into(),
        _ => format!("{} OK x\r\n", tag(line)),
    }
}

fn smtp_answer(line: Option<&str>) -> String {
    match line {
        None | Some("STARTTLS") => "220 x\r\n",
        Some(line) if line.starts_with("EHLO") => {
            "250-x\r\n250-STARTTLS\r\n250-CHUNKING\r\n250 AUTH XOAUTH2 OAUTHBEARER PLAIN LOGIN\r\n"
        }
        Some(line) if line.starts_with("AUTH") => "334 \r\n",
        Some(_) => "235 x\r\n",
    }
    .into()
}

fn pop3_answer(line: Option<&str>) -> String {
    match line {
        Some("CAPA") => "+OK\r\nUSER\r\nSTLS\r\nSASL XOAUTH2 OAUTHBEARER PLAIN\r\n.\r\n",
        Some(line) if line.starts_with("AUTH") => "+ \r\n",
        None | Some(_) => "+OK x\r\n",
    }
    .into()
}

const IMAP_LIST: &str =
    "CAPABILITY IMAP4rev1 STARTTLS AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=PLAIN LITERAL+";

const IMAP: Vocabulary = Vocabulary {
    client: &[
        "A LOGIN u L0cal-P4ssword\r\n",
        "A LOGIN u {14+}\r\nL0cal-P4ssword\r\n",
        "A LOGIN {1}\r\n",
        "u {14}\r\n",
        "L0cal-P4ssword\r\n",
        "A LOGIN u wrong\r\n",
        "A AUTHENTICATE PLAIN AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "A AUTHENTICATE PLAIN\r\n",
        "AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "A AUTHENTICATE LOGIN\r\n",
        "dQ==\r\n",
        "TDBjYWwtUDRzc3dvcmQ=\r\n",
        "*\r\n",
        "A STARTTLS\r\n",
        "A CAPABILITY\r\n",
        "A ID NIL\r\n",
        "A LOGOUT\r\n",
        "B NOOP\r\n",
        "B APPEND x {15}\r\n",
        "B APPEND x {15+}\r\n",
        "B IDLE\r\n",
        "DONE\r\n",
        "GET / HTTP/1.1\r\n",
        "B ",
    ],
    server: imap::relay::fuzz_logic::guard::WORDS.server,
    measures: imap::relay::fuzz_logic::guard::WORDS.measures,
};

const SMTP: Vocabulary = Vocabulary {
    client: &[
        "AUTH PLAIN AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "AUTH PLAIN\r\n",
        "AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "AUTH LOGIN\r\n",
        "AUTH LOGIN dQ==\r\n",
        "dQ==\r\n",
        "TDBjYWwtUDRzc3dvcmQ=\r\n",
        "AUTH PLAIN AHUAd3Jvbmc=\r\n",
        "*\r\n",
        "EHLO x\r\n",
        "HELO x\r\n",
        "STARTTLS\r\n",
        "MAIL FROM:<a>\r\n",
        "RCPT TO:<a>\r\n",
        "DATA\r\n",
        "\r\n.\r\n",
        "BDAT 14\r\n",
        "BDAT 0 LAST\r\n",
        "NOOP\r\n",
        "RSET\r\n",
        "QUIT\r\n",
        "XFOO\r\n",
        "GET / HTTP/1.1\r\n",
        "text\r\n",
    ],
    server: smtp::relay::fuzz_logic::guard::WORDS.server,
    measures: smtp::relay::fuzz_logic::guard::WORDS.measures,
};

const POP3: Vocabulary = Vocabulary {
    client: &[
        "USER u\r\n",
        "PASS L0cal-P4ssword\r\n",
        "PASS wrong\r\n",
        "AUTH PLAIN AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "AUTH PLAIN\r\n",
        "AHUATDBjYWwtUDRzc3dvcmQ=\r\n",
        "AUTH LOGIN\r\n",
        "dQ==\r\n",
        "TDBjYWwtUDRzc3dvcmQ=\r\n",
        "*\r\n",
        "STLS\r\n",
        "CAPA\r\n",
        "STAT\r\n",
        "LIST\r\n",
        "RETR 1\r\n",
        "TOP 1 0\r\n",
        "UIDL\r\n",
        "NOOP\r\n",
        "QUIT\r\n",
        "XTND XMIT\r\n",
        "APOP u 0\r\n",
        "GET / HTTP/1.1\r\n",
    ],
    server: pop3::relay::fuzz_logic::guard::WORDS.server,
    measures: pop3::relay::fuzz_logic::guard::WORDS.measures,
};
