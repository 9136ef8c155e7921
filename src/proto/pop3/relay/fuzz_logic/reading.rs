//! POP3 servers as they read, octet by octet, and knowing nothing of the relay's code. The hard thing is
//! where a line ends: at CRLF, at LF, at CR, or where a buffer is full.

use std::collections::VecDeque;

use crate::proto::fuzz_logic::session::{Listening, Reading};

/// How this server reads. None of them: by the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Habits {
    /// A bare LF ends a line.
    pub(in crate::proto) bare_lf: bool,
    /// A bare CR does, too.
    pub(in crate::proto) bare_cr: bool,
    /// Controls are blanks, and blanks in front of a command are skipped.
    pub(in crate::proto) generous: bool,
    /// What does not fit into 255 octets is the next line.
    pub(in crate::proto) short: bool,
}

/// One server, with one way to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Server {
    habits: Habits,
    line: Vec<u8>,
    /// Whether the reply to each command may have many lines.
    waiting: VecDeque<bool>,
    said: Vec<u8>,
    /// In the lines of a reply.
    inside: bool,
}

impl Server {
    /// A server at rest.
    pub(in crate::proto) fn new(habits: Habits) -> Self {
        Self { habits, line: Vec::new(), waiting: VecDeque::new(), said: Vec::new(), inside: false }
    }

    fn command(&mut self) -> Result<(), &'static str> {
        let line = std::mem::take(&mut self.line);
        let text: String = line.iter().map(|&octet| char::from(octet)).collect();
        let text = text.to_ascii_uppercase();
        let text = match self.habits.generous {
            true => text.replace(|c: char| c <= ' ' || c == '\u{7f}', " ").trim_start().to_owned(),
            false => text.trim_end_matches(['\r', '\n']).to_owned(),
        };
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        if FORBIDDEN.contains(&word) {
            return Err("a command that must never come");
        }
        let all = rest.trim().is_empty();
        self.waiting.push_back(match word {
            "RETR" | "TOP" | "CAPA" => true,
            "LIST" | "UIDL" | "LANG" => all,
            _ => false,
        });
        Ok(())
    }

    /// It says a line.
    fn says(mut self, line: &[u8]) -> Option<Self> {
        if self.inside {
            self.inside = line != b".\r\n";
            return Some(self);
        }
        let ok = line.to_ascii_uppercase().starts_with(b"+OK");
        // Unasked it can only say goodbye.
        let many = self.waiting.pop_front()?;
        self.inside = ok && many;
        Some(self)
    }
}

impl Reading for Server {
    fn read(&mut self, octet: u8) -> Result<(), &'static str> {
        let Habits { bare_lf, bare_cr, short, .. } = self.habits;
        if bare_cr && self.line.last() == Some(&b'\r') && octet != b'\n' {
            self.command()?;
        }
        self.line.push(octet);
        let crlf = self.line.ends_with(b"\r\n");
        if crlf || octet == b'\n' && bare_lf {
            self.command()?;
        } else if short && self.line.len() >= 255 {
            return Err("a line that is two to some");
        }
        Ok(())
    }

    fn hear(&mut self, octet: u8) -> Option<Vec<Self>> {
        self.said.push(octet);
        (octet == b'\n').then(|| {
            let line = std::mem::take(&mut self.said);
            self.clone().says(&line).into_iter().collect()
        })
    }

    fn answers(&self) -> Vec<String> {
        let answers: &[&str] = match self.waiting.front() {
            Some(true) => &["+OK\r\na\r\n.\r\n", "-ERR x\r\n", "+OK\r\n..\r\n\n.\r\n.\r\n"],
            Some(false) => &["+OK x\r\n", "-ERR x\r\n"],
            None => &["-ERR bye\r\n"],
        };
        answers.iter().map(|&answer| answer.to_owned()).collect()
    }

    fn is_between_commands(&self) -> bool {
        // Behind QUIT all is dropped, also where a bare LF ends it, which is no end to this one.
        let quits = self.line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"QUIT"));
        self.line.is_empty() || quits && self.line.ends_with(b"\n")
    }
}

/// Only a model of both sides can tell a reply's end; `pop3_relay` has one. This one knows lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Ear {
    in_line: bool,
}

impl Listening for Ear {
    fn hear(&mut self, octet: u8) {
        self.in_line = octet != b'\n';
    }

    fn is_at_rest(&self) -> bool {
        !self.in_line
    }
}

const FORBIDDEN: [&str; 6] = ["USER", "PASS", "APOP", "AUTH", "STLS", "RPOP"];
