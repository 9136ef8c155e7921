//! Somebody who reads what the relay sent upstream, and the upstream's replies, as a server would: octet
//! by octet, and knowing nothing of the relay's code.

use std::collections::VecDeque;

/// What reached the upstream, and what it said.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    reply: Vec<u8>,
    /// Whether the reply that is under way began when nothing had been asked.
    unasked: Option<bool>,
    mode: Mode,
    /// What each command that has no reply yet may lead to.
    waiting: VecDeque<Leads>,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Commands,
    /// Octets of a chunk.
    Chunk(u64),
    /// What came last of a message.
    Message(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    ToData,
    Nowhere,
}

impl Reader {
    /// # Panics
    /// If there is a command that should not have come.
    pub(super) fn read_commands(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.read_octet(*octet));
    }

    fn read_octet(&mut self, octet: u8) {
        match &mut self.mode {
            Mode::Chunk(left) => {
                *left -= 1;
                if *left == 0 {
                    self.mode = Mode::Commands;
                }
            }
            Mode::Message(seen) => {
                seen.push(octet);
                if seen.ends_with(b"\r\n.\r\n") {
                    self.mode = Mode::Commands;
                }
            }
            Mode::Commands => {
                self.line.push(octet);
                if octet == b'\n' {
                    let line = std::mem::take(&mut self.line);
                    self.command(&line);
                }
            }
        }
    }

    fn command(&mut self, line: &[u8]) {
        let shown = line.escape_ascii();
        let content = line.strip_suffix(b"\r\n");
        let content = content.unwrap_or_else(|| refuse("a line that does not end in CRLF", &shown));
        if content.iter().any(|octet| b"\r\n\0".contains(octet)) {
            refuse("a line that can be read as two", &shown);
        }
        // A generous server takes any control for a space and skips what it does not like in front.
        let text = String::from_utf8_lossy(content).to_ascii_uppercase();
        let text = text.replace(|c: char| c.is_control(), " ");
        let mut words = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .filter(|word| !word.is_empty());
        let verb = words.next().unwrap_or_default();
        if FORBIDDEN.contains(&verb) || verb.starts_with("AUTH") {
            refuse("a command that must never come", &shown);
        }
        self.waiting.push_back(if verb == "DATA" { Leads::ToData } else { Leads::Nowhere });
        if verb == "BDAT" {
            let size = words.next().and_then(|size| size.parse().ok());
            match size.unwrap_or_else(|| refuse("a chunk without a size", &shown)) {
                0 => {}
                octets => self.mode = Mode::Chunk(octets),
            }
        }
    }

    /// Takes what the upstream said and the client was given.
    pub(super) fn read_replies(&mut self, octets: &[u8]) {
        for octet in octets {
            self.reply.push(*octet);
            if *octet == b'\n' {
                let line = std::mem::take(&mut self.reply);
                self.reply_line(&line);
            }
        }
    }

    fn reply_line(&mut self, line: &[u8]) {
        let code = line.get(..3).unwrap_or_default();
        let unasked = *self.unasked.get_or_insert(self.waiting.is_empty());
        if line.get(3) == Some(&b'-') {
            return;
        }
        self.unasked = None;
        let within = matches!(self.mode, Mode::Chunk(_) | Mode::Message(_));
        if within && self.waiting.len() == 1 && code.first() == Some(&b'2') {
            refuse("a message that is accepted before its end", &line.escape_ascii());
        }
        let leads = if unasked { None } else { self.waiting.pop_front() };
        if code.first() == Some(&b'3') && leads != Some(Leads::ToData) {
            refuse("a reply that asks for more where nothing can follow", &line.escape_ascii());
        }
        if code == b"354" {
            // The message's own fate.
            self.waiting.push_back(Leads::Nowhere);
            self.mode = Mode::Message(b"\r\n".to_vec());
        }
    }
}

#[allow(clippy::panic, reason = "it is what a test and a fuzzer look for")]
fn refuse(what: &str, line: &impl std::fmt::Display) -> ! {
    panic!("{what}: {line}")
}

const FORBIDDEN: [&str; 11] = [
    "STARTTLS",
    "EXPN",
    "ETRN",
    "ATRN",
    "TURN",
    "XCLIENT",
    "XFORWARD",
    "XEXCH50",
    "X-LINK2STATE",
    "X-EXPS",
    "X-ANONYMOUSTLS",
];
