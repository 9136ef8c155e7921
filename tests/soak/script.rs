//! What is said after a login, by both: commands and their answers, octet by octet. The content is made to be
//! misread: lines that look like commands, tagged answers and message ends, dots, bare line ends.

use crate::{chance::Chance, plan::Protocol};

/// One command, or a part of one, and the answer to it.
#[derive(Clone)]
pub struct Exchange {
    pub client: Vec<u8>,
    pub answer: Answer,
    /// The client sends nothing more before it has the answer.
    pub waits: bool,
}

#[derive(Clone)]
pub enum Answer {
    Upstream(Vec<u8>),
    /// The command stays in the gateway, whose answer is one line that begins with one of these.
    Gateway(Vec<String>),
}

impl Exchange {
    fn new(client: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) -> Self {
        Self { client: client.into(), answer: Answer::Upstream(answer.into()), waits: false }
    }

    fn waiting(client: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) -> Self {
        Self { waits: true, ..Self::new(client, answer) }
    }

    fn guarded(client: String, answers: &[String]) -> Self {
        let answer = Answer::Gateway(answers.to_vec());
        Self { client: client.into_bytes(), answer, waits: true }
    }

    /// What the upstream answers.
    pub fn answer(&self) -> &[u8] {
        match &self.answer {
            Answer::Upstream(octets) => octets,
            Answer::Gateway(_) => &[],
        }
    }

    pub fn reaches_upstream(&self) -> bool {
        matches!(self.answer, Answer::Upstream(_))
    }
}

pub fn script(protocol: Protocol, number: u64, polite: bool, chance: &mut Chance) -> Vec<Exchange> {
    let mut script = Vec::new();
    for at in 0..1 + chance.below(6) {
        // A guarded command waits for its turn, so that the place of its answer is known.
        if let Some(last) = script.last_mut() {
            let last: &mut Exchange = last;
            last.waits |= chance.percent(50);
        }
        match protocol {
            Protocol::Imap => imap(&format!("n{number}x{at}"), &mut script, chance),
            Protocol::Pop3 => pop3(at, &mut script, chance),
            Protocol::Smtp => smtp(&format!("n{number}m{at}"), &mut script, chance),
        }
    }
    if polite {
        script.push(match protocol {
            Protocol::Imap => Exchange::new("bye LOGOUT\r\n", "* BYE till then\r\nbye OK done\r\n"),
            Protocol::Pop3 => Exchange::new("QUIT\r\n", "+OK till then\r\n"),
            Protocol::Smtp => Exchange::new("QUIT\r\n", "221 2.0.0 till then\r\n"),
        });
    }
    script
}

/// A guarded command must stand alone: nothing may be under way when it comes.
fn alone(script: &mut [Exchange]) {
    if let Some(last) = script.last_mut() {
        last.waits = true;
    }
}

fn imap(tag: &str, script: &mut Vec<Exchange>, chance: &mut Chance) {
    match chance.below(12) {
        0 => script.push(Exchange::new(format!("{tag} NOOP\r\n"), format!("{tag} OK done\r\n"))),
        1 | 2 => {
            let answer = format!(
                "* 23 EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 7] {tag}\r\n{tag} OK [READ-WRITE] in\r\n"
            );
            script.push(Exchange::new(format!("{tag} SELECT \"IN{{3}}BOX\"\r\n"), answer));
        }
        3..=6 => {
            let mail = content(chance, tag);
            let mut answer = format!("* 5 FETCH (BODY[] {{{}}}\r\n", mail.len()).into_bytes();
            answer.extend(mail);
            answer.extend(format!(" UID 9)\r\n{tag} OK fetched\r\n").into_bytes());
            script.push(Exchange::new(format!("{tag} UID FETCH 9 BODY.PEEK[]\r\n"), answer));
        }
        7 | 8 => {
            let mut mail = content(chance, tag);
            let command = format!("{tag} APPEND Sent (\\Seen) {{{}}}\r\n", mail.len());
            script.push(Exchange::waiting(command, "+ go on\r\n"));
            mail.extend(b"\r\n");
            script.push(Exchange::new(mail, format!("{tag} OK [APPENDUID 7 9] kept\r\n")));
        }
        9 => {
            let mail = content(chance, tag);
            let mut command = format!("{tag} APPEND Sent {{{}+}}\r\n", mail.len()).into_bytes();
            command.extend(mail);
            command.extend(b"\r\n");
            script.push(Exchange::new(command, format!("{tag} OK kept\r\n")));
        }
        10 => {
            let news = "+ idling\r\n* 24 EXISTS\r\n* 1 RECENT\r\n";
            script.push(Exchange::waiting(format!("{tag} IDLE\r\n"), news));
            script.push(Exchange::new("DONE\r\n", format!("{tag} OK idled\r\n")));
        }
        _ => {
            alone(script);
            let answers = [format!("{tag} BAD "), format!("{tag} NO ")];
            let command = format!("{tag} LOGIN me \"L0cal-again\"\r\n");
            script.push(Exchange::guarded(command, &answers));
        }
    }
}

fn pop3(at: usize, script: &mut Vec<Exchange>, chance: &mut Chance) {
    match chance.below(10) {
        0 => script.push(Exchange::new("STAT\r\n", "+OK 2 320\r\n")),
        1 => script.push(Exchange::new("UIDL\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n")),
        2 => script.push(Exchange::new("LIST 1\r\n", "+OK 1 120\r\n")),
        3..=6 => {
            let mut answer = b"+OK here it is\r\n".to_vec();
            answer.extend(stuffed(&content(chance, "+OK")));
            script.push(Exchange::new(format!("RETR {}\r\n", at + 1), answer));
        }
        7 => {
            let top = "+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n";
            script.push(Exchange::new("TOP 1 0\r\n", top));
        }
        8 => script.push(Exchange::new("RETR 99\r\n", "-ERR no such message\r\n")),
        _ => {
            alone(script);
            let command = "PASS L0cal-again\r\n".to_owned();
            script.push(Exchange::guarded(command, &["-ERR ".to_owned()]));
        }
    }
}

fn smtp(id: &str, script: &mut Vec<Exchange>, chance: &mut Chance) {
    match chance.below(10) {
        0 => script.push(Exchange::new("NOOP\r\n", "250 2.0.0 Ok\r\n")),
        1 => {
            alone(script);
            let command = "AUTH PLAIN AEwwY2FsAEwwY2FsLWFnYWlu\r\n".to_owned();
            script.push(Exchange::guarded(command, &["503 ".to_owned()]));
        }
        2 => script.push(Exchange::new(
            format!("VRFY {id}\r\n"),
            "252-2.0.0 perhaps\r\n252 2.0.0 or not\r\n",
        )),
        kind => {
            let sender = format!("MAIL FROM:<{id}@soak.test>\r\n");
            script.push(Exchange::new(sender, "250 2.1.0 Ok\r\n"));
            for to in 0..1 + chance.below(2) {
                let recipient = format!("RCPT TO:<r{to}@soak.test>\r\n");
                script.push(Exchange::new(recipient, "250-2.1.5 Well\r\n250 2.1.5 Ok\r\n"));
            }
            let end = if chance.percent(80) {
                format!("250 2.0.0 Ok: queued as {id}\r\n")
            } else {
                "554 5.7.1 not this one\r\n".to_owned()
            };
            if kind < 8 {
                script.push(Exchange::waiting("DATA\r\n", "354 go on\r\n"));
                script.push(Exchange::new(stuffed(&content(chance, id)), end));
            } else {
                let first = content(chance, id);
                script.push(Exchange::new(chunk(&first, ""), "250 2.0.0 more\r\n"));
                script.push(Exchange::new(chunk(&content(chance, id), " LAST"), end));
            }
        }
    }
}

fn chunk(content: &[u8], last: &str) -> Vec<u8> {
    let mut chunk = format!("BDAT {}{last}\r\n", content.len()).into_bytes();
    chunk.extend(content);
    chunk
}

/// As it passes in DATA or behind RETR, its end included (RFC 5321 section 4.5.2).
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend(b"\r\n");
    }
    stuffed.extend(b".\r\n");
    stuffed
}

/// Mail-like octets of any length, most of them short.
fn content(chance: &mut Chance, tag: &str) -> Vec<u8> {
    let longest = match chance.below(100) {
        0..70 => 2_000,
        70..95 => 40_000,
        95..99 => 300_000,
        _ => 1_500_000,
    };
    let length = chance.below(longest);
    let mut content = Vec::with_capacity(length + 100);
    while content.len() < length {
        match chance.below(16) {
            0 => content.extend(format!("{tag} OK done\r\n").bytes()),
            1 => content.extend(b".\r\n"),
            2 => content.extend(b"..dots\r\n"),
            3 => content.extend(b"x LOGIN me {3}\r\n"),
            4 => content.extend(b"QUIT\r\n221 bye\r\n"),
            5 => content.extend(b"\r\n"),
            6 => content.extend(b"* BYE [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n"),
            7 => content.extend(b"\x80\xff\xe9 8 bit\r\n"),
            _ => {
                let line = 20 + chance.below(if longest > 40_000 { 900 } else { 60 });
                let letter = b'a' + (chance.below(26) as u8);
                content.extend(std::iter::repeat_n(letter, line));
                content.extend(b"\r\n");
            }
        }
    }
    content.truncate(length);
    content
}
