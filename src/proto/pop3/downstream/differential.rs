//! The commands of a client that has not logged in yet, read by us and by a second reading of RFC 1939, RFC 2449
//! and RFC 5034 that knows words and lines and nothing of our machine. (The one crate for POP3, pop3-codec,
//! stands still at nom 7 and cannot tell a password with a blank from two words.) The hard thing is
//! to write down what comes back, so that each command has exactly one answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Pop3Downstream;
use crate::proto::{
    Downstream as _, DownstreamEvent, LocalTls, LoginBounds, Machine as _, Output, Refusal,
    RefusalReason,
};

/// Takes `data` for what a client sends before its login, under TLS.
///
/// # Panics
/// If the second reading understands it otherwise.
pub fn fuzz_commands(data: &[u8]) {
    // LF alone ends a line before login (`proto::line`); what has no end is no line.
    let whole = data.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
    let (input, _) = data.split_at(whole);
    assert_eq!(serve(input), Reader::default().read(input), "{}", input.escape_ascii());
}

/// What a client hears, in short: `+`, `-`, `?` for a challenge, a login as it was understood, and `!` for the
/// end.
#[derive(Default)]
struct Reader {
    heard: Vec<String>,
    /// The name of a USER that has no PASS yet.
    user: Option<Vec<u8>>,
    /// A SASL exchange: the mechanism, and the name where LOGIN has told it.
    exchange: Option<(bool, Option<Vec<u8>>)>,
    recognized: bool,
    over: bool,
}

impl Reader {
    fn read(mut self, input: &[u8]) -> Vec<String> {
        for line in input.split_inclusive(|&octet| octet == b'\n') {
            if self.over {
                break;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            self.line(line.strip_suffix(b"\r").unwrap_or(line));
        }
        self.heard
    }

    fn line(&mut self, line: &[u8]) {
        if let Some((is_plain, name)) = self.exchange.take() {
            return match line {
                b"*" => self.say("-"),
                line => self.response(is_plain, name, line),
            };
        }
        // RFC 1939 section 3: a keyword of three or four letters, arguments behind single blanks.
        let mut words = line.splitn(2, |&octet| octet == b' ');
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        let rest = words.next();
        let blank = rest.is_none_or(|rest| rest.iter().all(|&octet| octet == b' '));
        match keyword.as_slice() {
            b"USER" => {
                self.user = Some(rest.unwrap_or_default().to_vec());
                self.say("+");
            }
            b"PASS" => match self.user.take() {
                Some(user) => self.login(&user, rest.unwrap_or_default()),
                None => self.say("-"),
            },
            b"AUTH" if blank => self.say("+"),
            b"AUTH" => self.auth(rest.unwrap_or_default()),
            b"CAPA" | b"NOOP" if blank => self.say("+"),
            b"QUIT" if blank => {
                self.say("+");
                self.end();
            }
            b"CAPA" | b"NOOP" | b"QUIT" | b"STLS" => self.say("-"),
            known if KNOWN.contains(&known) => self.say("-"),
            // Somebody who has not said a word of POP3: a browser, say.
            _ if !self.recognized && !line.is_empty() => {
                self.say("-");
                self.end();
            }
            _ => return self.say("-"),
        }
        self.recognized = true;
    }

    /// RFC 5034: `"AUTH" SP auth-type [SP (base64 / "=")]`, with blanks at the end for nothing.
    fn auth(&mut self, rest: &[u8]) {
        let end = rest.iter().rposition(|&octet| octet != b' ').map_or(0, |at| at + 1);
        let (rest, _) = rest.split_at(end);
        let words: Vec<&[u8]> = rest.split(|&octet| octet == b' ').collect();
        let (name, initial) = match words.as_slice() {
            [name] => (name.to_ascii_uppercase(), None),
            [name, initial] => (name.to_ascii_uppercase(), Some(*initial)),
            _ => return self.say("-"),
        };
        let is_plain = match name.as_slice() {
            b"PLAIN" => true,
            b"LOGIN" => false,
            _ => return self.say("-"),
        };
        match initial {
            None => self.ask(is_plain, None),
            Some(b"=") => self.message(is_plain, None, &[]),
            Some(initial) => self.response(is_plain, None, initial),
        }
    }

    fn response(&mut self, is_plain: bool, name: Option<Vec<u8>>, line: &[u8]) {
        match STANDARD.decode(line) {
            Ok(message) => self.message(is_plain, name, &message),
            Err(_) => self.say("-"),
        }
    }

    fn message(&mut self, is_plain: bool, name: Option<Vec<u8>>, message: &[u8]) {
        let parts: Vec<&[u8]> = message.split(|&octet| octet == 0).collect();
        match (is_plain, name, parts.as_slice()) {
            (false, None, _) => self.ask(false, Some(message.to_vec())),
            (false, Some(name), _) => self.login(&name, message),
            (true, _, [authzid, name, password]) if authzid.is_empty() || authzid == name => {
                self.login(name, password);
            }
            (true, ..) => self.say("-"),
        }
    }

    fn ask(&mut self, is_plain: bool, name: Option<Vec<u8>>) {
        self.exchange = Some((is_plain, name));
        self.say("?");
    }

    /// All are wrong here. A name is good for one of them, however it was told.
    fn login(&mut self, name: &[u8], password: &[u8]) {
        self.user = None;
        self.heard.push(shown(name, password));
        self.say("-");
    }

    fn say(&mut self, what: &str) {
        self.heard.push(what.to_owned());
    }

    fn end(&mut self) {
        self.over = true;
        self.say("!");
    }
}

fn shown(name: &[u8], password: &[u8]) -> String {
    format!("{} {}", name.escape_ascii(), password.escape_ascii())
}

/// What comes after a login or is not offered (RFC 1939, RFC 1460, RFC 6856).
const KNOWN: [&[u8]; 12] = [
    b"APOP", b"STAT", b"LIST", b"RETR", b"DELE", b"RSET", b"TOP", b"UIDL", b"LAST", b"UTF8",
    b"LANG", b"STLS",
];

/// The same of our machine.
fn serve(input: &[u8]) -> Vec<String> {
    // Numbers that nothing here reaches; the bounds have tests of their own.
    let bounds = LoginBounds {
        line: usize::MAX,
        literal: usize::MAX,
        total: usize::MAX,
        faults: usize::MAX,
    };
    let mut machine = Pop3Downstream::new(LocalTls::Established, bounds);
    let mut heard = Vec::new();
    // The greeting is no answer.
    let _ = machine.poll_output();
    machine.handle_input(input);
    let mut in_list = false;
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Event(DownstreamEvent::Login(credentials)) => {
                heard.push(shown(&credentials.login, credentials.password.expose()));
                machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "wrong")));
            }
            Output::Event(DownstreamEvent::Close) => heard.push("!".to_owned()),
            Output::Event(DownstreamEvent::StartTls) => unreachable!("TLS inside TLS"),
            Output::Transmit(replies) => {
                for line in replies.split_inclusive(|&octet| octet == b'\n') {
                    heard.extend(answer(line, &mut in_list));
                }
            }
        }
    }
    heard
}

/// An answer in short; the lines of a list (RFC 1939 section 3) belong to the first one.
fn answer(line: &[u8], in_list: &mut bool) -> Option<String> {
    if *in_list {
        *in_list = line != b".\r\n";
        return None;
    }
    *in_list = line.ends_with(b" follow\r\n");
    let short = match line {
        [b'+', b' ', ..] => "?",
        [b'+', b'O', b'K', ..] => "+",
        [b'-', b'E', b'R', b'R', ..] => "-",
        _ => unreachable!("no answer: {}", line.escape_ascii()),
    };
    Some(short.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "USER a\r\nPASS b  c \r\nUSER\r\nPASS\r\nPASS x\r\n",
            "CAPA\r\nAUTH\r\nauth plain\r\nAGEAYg==\r\nAUTH LOGIN YQ==\r\nYg==\r\nQUIT\r\nNOOP\r\n",
            "AUTH PLAIN =\r\nAUTH PLAIN AGEAYg== \r\nAUTH PLAIN a b\r\nAUTH  PLAIN\r\nAUTH X\r\n",
            "AUTH LOGIN\r\n*\r\nAUTH LOGIN\r\nYQ==\r\nY\r\nSTLS\r\nSTLS x\r\nAPOP a b\r\nTOP 1 2\r\n",
            "USER a\r\nAUTH PLAIN eABhAGI=\r\nPASS b\r\nQUIT x\r\nCAPA  \nnoop\r\nXTND\r\n",
            "\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nQUIT\r\n",
            "USER a",
            "",
        ] {
            fuzz_commands(client.as_bytes());
        }
    }
}
