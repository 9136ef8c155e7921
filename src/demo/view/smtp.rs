//! An SMTP leg. The hard thing is to know what a client's octets are: a command, a response within AUTH,
//! or a message. Only the server's reply tells, so what comes before it is kept until then; replies are
//! told apart by their order alone.

use std::collections::VecDeque;

use smtp_proto::Request;

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
}

/// What the client's next octets are.
enum Expects {
    Command,
    /// A line of AUTH, by the name of its secret.
    Response(String),
    /// A message, and how much of it has been.
    Content(Dots, usize),
    /// A chunk: what is left of it, and how much it is in all.
    Chunk(u64, u64),
    /// The next reply tells.
    Reply,
}

/// What a reply is to.
enum Owed {
    /// What was shown; the greeting, too.
    Shown,
    Hidden,
    /// AUTH, and the name of its secret.
    Auth(String),
    Data,
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            client: Heard::default(),
            server: Heard::default(),
            expects: Expects::Command,
            owed: [Owed::Shown].into(),
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
        while let Some(line) = self.server.line() {
            let text = self.reply(redact, &line);
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
        let waits = matches!(self.expects, Expects::Reply);
        if self.client.settle(waits) {
            lines.push(Line { speaker: Speaker::Client, text: LOST.into() });
        }
    }

    fn next_of_client(&mut self, redact: &Redact, side: Side) -> Option<String> {
        match &mut self.expects {
            Expects::Command => {
                let line = self.client.line()?;
                Some(redact.guard(self.command(redact, &line, side)))
            }
            Expects::Response(secret) => {
                let line = self.client.line()?;
                let text = if *line == *b"=" { "=".into() } else { response(secret, &line) };
                self.expects = Expects::Reply;
                Some(text)
            }
            Expects::Content(dots, octets) => {
                let ended = self.client.content(|heard| {
                    let end = dots.take(heard, |content| *octets += content.len());
                    (end.unwrap_or(heard.len()), end.is_some())
                });
                let text = literal(Some(" of message"), *octets);
                ended.then(|| {
                    self.expects = Expects::Command;
                    self.owed.push_back(Owed::Shown);
                    text
                })
            }
            Expects::Chunk(left, octets) => {
                *left -= self.client.content(|heard| {
                    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(heard.len());
                    (used, u64::try_from(used).unwrap_or_default())
                });
                let text = format!("… {octets} octets of message");
                (*left == 0).then(|| {
                    self.expects = Expects::Command;
                    text
                })
            }
            Expects::Reply => None,
        }
    }

    /// What is shown of a command, and what follows from it.
    fn command(&mut self, redact: &Redact, line: &[u8], side: Side) -> String {
        let mut words = line.splitn(2, |octet| *octet == b' ');
        let word = words.next().unwrap_or_default().to_ascii_uppercase();
        let rest = words.next().unwrap_or_default();
        let mut owed = Owed::Shown;
        let text = match word.as_slice() {
            b"AUTH" => {
                let (text, secret) = redact.auth(side, rest);
                self.expects = Expects::Reply;
                owed = Owed::Auth(secret);
                text
            }
            b"BDAT" => self.chunk(line, rest),
            b"DATA" => {
                self.expects = Expects::Reply;
                owed = Owed::Data;
                bare("DATA", rest)
            }
            b"EHLO" | b"HELO" => readable(line),
            b"MAIL" | b"RCPT" if is_path(line) => readable(line),
            b"MAIL" | b"RCPT" => bare(&readable(&word), rest),
            word if HARMLESS.contains(&word) => bare(&readable(word), rest),
            _ => {
                owed = Owed::Hidden;
                COMMAND_HIDDEN.into()
            }
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

    fn chunk(&mut self, line: &[u8], rest: &[u8]) -> String {
        let size = rest.split(|octet| *octet == b' ').next().unwrap_or_default();
        match str::from_utf8(size).ok().and_then(|size| size.parse().ok()) {
            Some(0) => readable(line),
            Some(size) => {
                self.expects = Expects::Chunk(size, size);
                readable(line)
            }
            None => {
                // Nobody knows where the message ends that follows.
                self.client.give_up();
                "BDAT <hidden>".into()
            }
        }
    }

    /// What is shown of a line of a reply, and what follows from it.
    fn reply(&mut self, redact: &Redact, line: &[u8]) -> String {
        let code = line.get(..3).unwrap_or_default();
        if code.len() < 3 || !code.iter().all(u8::is_ascii_digit) {
            return ANSWER_HIDDEN.into();
        }
        let ends = line.get(3) != Some(&b'-');
        let text = redact.guard(readable(line));
        match self.owed.front() {
            Some(Owed::Auth(secret)) if code == b"334" => {
                if ends {
                    self.expects = Expects::Response(secret.clone());
                }
                return if line.len() > 4 { "334 <challenge>".into() } else { text };
            }
            // It is about the connection, whatever else there is to say.
            None if code == b"421" => return text,
            None => return ANSWER_HIDDEN.into(),
            Some(_) if !ends => {}
            Some(Owed::Data) if code == b"354" => {
                self.expects = Expects::Content(Dots::default(), 0);
            }
            Some(Owed::Auth(_) | Owed::Data) => self.expects = Expects::Command,
            Some(Owed::Shown | Owed::Hidden) => {}
        }
        let hidden = matches!(self.owed.front(), Some(Owed::Hidden));
        if ends {
            self.owed.pop_front();
        }
        if hidden { ANSWER_HIDDEN.into() } else { text }
    }
}

/// Whether this is a MAIL or RCPT as it should be. What else begins with these words is perhaps part of
/// a message that the client sends though DATA was refused.
fn is_path(line: &[u8]) -> bool {
    let line = [line, b"\r\n"].concat();
    matches!(Request::parse(&mut line.iter()), Ok(Request::Mail { .. } | Request::Rcpt { .. }))
}

/// A command whose arguments mean nothing, or nothing that people need to see.
fn bare(word: &str, rest: &[u8]) -> String {
    if rest.is_empty() { word.to_owned() } else { format!("{word} …") }
}

/// The other commands.
const HARMLESS: &[&[u8]] = &[b"EXPN", b"HELP", b"NOOP", b"QUIT", b"RSET", b"STARTTLS", b"VRFY"];

/// Replies that may be waited for.
const OWED: usize = 20_000;
