//! A POP3 leg. The hard thing is that nothing in a response tells whether it has one line or many: the
//! command does, so responses are told apart by their order alone.

use std::collections::VecDeque;

use super::{
    conversation::{self, Line, Speaker},
    lines::Heard,
    redact::{ANSWER_HIDDEN, COMMAND_HIDDEN, LOST, Redact, literal, readable, response},
};
use crate::{demo::smtp::Dots, proto::Side};

/// One leg.
pub(super) struct Leg {
    client: Heard,
    server: Heard,
    expects: Expects,
    owed: VecDeque<Owed>,
    body: Body,
}

/// What the client's next line is.
enum Expects {
    Command,
    /// A line of AUTH, by the name of its secret.
    Response(String),
    /// The next response tells.
    Answer,
}

/// What a response is to.
enum Owed {
    /// What was shown and has one line; the greeting, too.
    Line,
    Hidden,
    /// AUTH, and the name of its secret.
    Auth(String),
    List,
    Message,
}

/// What the server's next octets are.
enum Body {
    None,
    List,
    /// A message, and how much of it has been.
    Message(Dots, usize),
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            client: Heard::default(),
            server: Heard::default(),
            expects: Expects::Command,
            owed: [Owed::Line].into(),
            body: Body::None,
        }
    }
}

impl conversation::Leg for Leg {
    fn hear_client(&mut self, redact: &Redact, side: Side, bytes: &[u8], lines: &mut Vec<Line>) {
        self.client.push(bytes);
        self.follow_client(redact, side, lines);
    }

    fn hear_server(&mut self, redact: &Redact, side: Side, bytes: &[u8], lines: &mut Vec<Line>) {
        self.server.push(bytes);
        while let Some(text) = self.next_of_server(redact) {
            lines.push(Line { speaker: Speaker::Server, text });
            self.follow_client(redact, side, lines);
        }
        self.server.settle(false);
    }
}

impl Leg {
    /// Tells what the client has said, as far as it is clear what it is.
    fn follow_client(&mut self, redact: &Redact, side: Side, lines: &mut Vec<Line>) {
        while let Some(text) = self.next_of_client(redact, side) {
            lines.push(Line { speaker: Speaker::Client, text });
        }
        if self.client.settle(matches!(self.expects, Expects::Answer)) {
            lines.push(Line { speaker: Speaker::Client, text: LOST.into() });
        }
    }

    fn next_of_client(&mut self, redact: &Redact, side: Side) -> Option<String> {
        match &self.expects {
            Expects::Command => {
                let line = self.client.line()?;
                Some(redact.guard(self.command(redact, &line, side)))
            }
            Expects::Response(secret) => {
                let text = response(secret, &self.client.line()?);
                self.expects = Expects::Answer;
                Some(text)
            }
            Expects::Answer => None,
        }
    }

    /// What is shown of a command, and what follows from it.
    fn command(&mut self, redact: &Redact, line: &[u8], side: Side) -> String {
        let mut words = line.splitn(2, |octet| *octet == b' ');
        let word = words.next().unwrap_or_default().to_ascii_uppercase();
        let rest = words.next().unwrap_or_default();
        let are_numbers = rest.iter().all(|octet| octet.is_ascii_digit() || *octet == b' ');
        let (text, owed) = match (word.as_slice(), rest) {
            (b"AUTH", b"") => ("AUTH".into(), Owed::List),
            (b"AUTH", rest) => {
                let (text, secret) = redact.auth(side, rest);
                self.expects = Expects::Answer;
                (text, Owed::Auth(secret))
            }
            (b"USER", _) => (readable(line), Owed::Line),
            (b"PASS", _) => ("PASS <password>".into(), Owed::Line),
            (b"APOP", _) => ("APOP <hidden>".into(), Owed::Line),
            (b"CAPA" | b"LIST" | b"UIDL", b"") => (readable(line), Owed::List),
            (b"RETR" | b"TOP", _) if are_numbers => (readable(line), Owed::Message),
            (word, _) if HARMLESS.contains(&word) && are_numbers => (readable(line), Owed::Line),
            _ => (COMMAND_HIDDEN.into(), Owed::Hidden),
        };
        if self.owed.len() < OWED {
            self.owed.push_back(owed);
            return text;
        }
        // Nobody could tell any more which reply is to what.
        self.client.give_up();
        self.owed.clear();
        LOST.into()
    }

    fn next_of_server(&mut self, redact: &Redact) -> Option<String> {
        match &mut self.body {
            Body::None => {
                let line = self.server.line()?;
                Some(self.status(redact, &line))
            }
            Body::List => {
                let line = self.server.line()?;
                if *line == *b"." {
                    self.body = Body::None;
                }
                Some(redact.guard(readable(&line)))
            }
            Body::Message(dots, octets) => {
                let ended = self.server.content(|heard| {
                    let end = dots.take(heard, |content| *octets += content.len());
                    (end.unwrap_or(heard.len()), end.is_some())
                });
                let text = literal(Some(" of message"), *octets);
                ended.then(|| {
                    self.body = Body::None;
                    text
                })
            }
        }
    }

    /// What is shown of a status line, and what follows from it.
    fn status(&mut self, redact: &Redact, line: &[u8]) -> String {
        let is_ok = line.starts_with(b"+OK");
        if let Some(Owed::Auth(secret)) = self.owed.front()
            && !is_ok
            && line.starts_with(b"+")
        {
            self.expects = Expects::Response(secret.clone());
            return if line == b"+" { "+".into() } else { "+ <challenge>".into() };
        }
        if !is_ok && !line.starts_with(b"-ERR") {
            // An answer to a hidden command perhaps, which has more lines than anybody knows.
            return ANSWER_HIDDEN.into();
        }
        let text = redact.guard(readable(line));
        match self.owed.pop_front() {
            None if is_ok => return ANSWER_HIDDEN.into(),
            Some(Owed::Hidden) => return ANSWER_HIDDEN.into(),
            Some(Owed::Auth(_)) => self.expects = Expects::Command,
            Some(Owed::List) if is_ok => self.body = Body::List,
            Some(Owed::Message) if is_ok => self.body = Body::Message(Dots::default(), 0),
            // Without a command: why the server goes.
            None | Some(Owed::Line | Owed::List | Owed::Message) => {}
        }
        text
    }
}

/// The other commands: their arguments are numbers.
const HARMLESS: &[&[u8]] =
    &[b"DELE", b"LAST", b"LIST", b"NOOP", b"QUIT", b"RSET", b"STAT", b"STLS", b"UIDL"];

/// Responses that may be waited for.
const OWED: usize = 20_000;
