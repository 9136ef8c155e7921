//! SMTP servers as they read, octet by octet, and knowing nothing of the relay's code. The hard thing is
//! that only replies tell a message from commands, and that nothing but their order tells whose a reply is.

use std::collections::VecDeque;

use crate::proto::fuzz_logic::session::{Listening, Reading};

/// How this server reads what RFC 5321 forbids to send. None of them: by the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Habits {
    /// A bare LF ends a line.
    pub(in crate::proto) bare_lf: bool,
    /// A bare CR does, too.
    pub(in crate::proto) bare_cr: bool,
    /// What is no letter is skipped in front of a verb, and any other octet ends one.
    pub(in crate::proto) generous: bool,
    /// A NUL ends a line's text.
    pub(in crate::proto) c_string: bool,
}

/// One server, with one way to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Server {
    habits: Habits,
    mode: Mode,
    line: Vec<u8>,
    /// What each command that has no reply yet may lead to.
    waiting: VecDeque<Leads>,
    /// A message is under way, and its reply has been given.
    said: Vec<u8>,
    chunking: bool,
    /// The present reply to EHLO has it.
    offers_chunking: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Commands,
    Chunk(u64),
    /// What came last of a message.
    Message(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    ToData,
    ToExtensions,
    Nowhere,
}

impl Server {
    /// A server at rest.
    pub(in crate::proto) fn new(habits: Habits, chunking: bool) -> Self {
        Self {
            habits,
            mode: Mode::Commands,
            line: Vec::new(),
            waiting: VecDeque::new(),
            said: Vec::new(),
            chunking,
            offers_chunking: false,
        }
    }

    /// A line without its end.
    fn command(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let line = match line.iter().position(|&octet| octet == 0) {
            Some(nul) if self.habits.c_string => line.get(..nul).unwrap_or_default(),
            Some(_) | None => line,
        };
        let text: String = line.iter().map(|&octet| char::from(octet)).collect();
        let text = text.to_ascii_uppercase();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let text = match self.habits.generous {
            true => text.trim_start_matches(|c| !word(c)).replace(|c| !word(c), " "),
            false => text,
        };
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let verb = words.next().unwrap_or_default();
        if FORBIDDEN.contains(&verb) || verb.starts_with("AUTH") {
            return Err("a command that must never come");
        }
        self.waiting.push_back(match verb {
            "DATA" => Leads::ToData,
            "EHLO" => Leads::ToExtensions,
            _ => Leads::Nowhere,
        });
        if verb == "BDAT" && self.chunking {
            let octets = words.next().and_then(|size| size.parse().ok());
            match octets.ok_or("a chunk without a size")? {
                0 => {}
                octets => self.mode = Mode::Chunk(octets),
            }
        }
        Ok(())
    }

    /// It says a line of a reply.
    fn says(mut self, line: &[u8]) -> Option<Self> {
        let code = line.get(..3)?;
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).to_ascii_uppercase();
        self.offers_chunking |= text.split_ascii_whitespace().next() == Some("CHUNKING");
        if line.get(3) == Some(&b'-') {
            return Some(self);
        }
        let offers_chunking = std::mem::take(&mut self.offers_chunking);
        // Unasked it can only say goodbye.
        let leads = self.waiting.pop_front().filter(|_| code != b"421")?;
        match (leads, code) {
            (Leads::ToData, b"354") => {
                self.waiting.push_back(Leads::Nowhere);
                self.mode = Mode::Message(b"\r\n".to_vec());
            }
            (_, [b'3', ..]) => return None,
            (Leads::ToExtensions, b"250") => self.chunking = offers_chunking,
            (Leads::ToData | Leads::ToExtensions | Leads::Nowhere, _) => {}
        }
        Some(self)
    }
}

impl Reading for Server {
    fn read(&mut self, octet: u8) -> Result<(), &'static str> {
        match &mut self.mode {
            Mode::Chunk(left) => {
                *left -= 1;
                if *left == 0 {
                    self.mode = Mode::Commands;
                }
                return Ok(());
            }
            Mode::Message(seen) => {
                seen.push(octet);
                if seen.ends_with(b"\r\n.\r\n") {
                    self.mode = Mode::Commands;
                }
                return Ok(());
            }
            Mode::Commands => {}
        }
        if self.waiting.iter().any(|leads| *leads == Leads::ToData) {
            return Err("octets before the reply to DATA");
        }
        let Habits { bare_lf, bare_cr, .. } = self.habits;
        let after_cr = self.line.last() == Some(&b'\r');
        let ended_before = bare_cr && after_cr && octet != b'\n';
        if ended_before {
            let line = std::mem::take(&mut self.line);
            self.command(line.strip_suffix(b"\r").unwrap_or_default())?;
        }
        self.line.push(octet);
        if octet == b'\n' && (after_cr || bare_lf) {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\n").unwrap_or_default();
            self.command(line.strip_suffix(b"\r").unwrap_or(line))?;
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
            Some(Leads::ToData) => &["354 go\r\n", "554 no\r\n"],
            Some(Leads::ToExtensions) => &["250-x\r\n250-SIZE 9\r\n250 CHUNKING\r\n", "250 x\r\n"],
            Some(Leads::Nowhere) => &["250 x\r\n", "452 x\r\n", "250-x\r\n250 x\r\n", "503 x\r\n"],
            None => &["421 x\r\n"],
        };
        answers.iter().map(|&answer| answer.to_owned()).collect()
    }

    fn is_between_commands(&self) -> bool {
        self.mode == Mode::Commands && self.line.is_empty()
    }
}

/// Tells replies apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Ear {
    line: Vec<u8>,
    open: bool,
}

impl Listening for Ear {
    fn hear(&mut self, octet: u8) {
        self.line.push(octet);
        if octet == b'\n' {
            self.open = self.line.get(3) == Some(&b'-');
            self.line.clear();
        }
    }

    fn is_at_rest(&self) -> bool {
        !self.open && self.line.is_empty()
    }
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
