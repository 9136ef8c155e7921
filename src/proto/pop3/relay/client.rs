//! The client's side. The hard thing is to pass on nothing but whole lines that every server takes for
//! one command, since a password may stand wherever a server begins to read anew.
//!
//! ```text
//!          ┌── kept, answered ──┐
//!          ▼                    │      a bare LF
//! ───► Start ◄─────── command, CRLF ─────────────► Await
//!       ▲  │ │                                       │
//!       │  │ └─ QUIT ──► Quit   its reply has passed │
//!       │  └─ too long ─► TooLong ── its end ──┐     │
//!       └──────────────────────────────────────┴─────┘
//! ```

use super::{
    kept::{Kept, sort},
    owed::{Owed, Queue, Shape},
};
use crate::proto::{Step, line::strip_line_end};

/// Follows what the client sends.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    /// The upstream takes one command at a time.
    paced: bool,
    commands: u64,
    guarded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A command may begin here.
    Start,
    /// A line that ended in a bare LF must be answered first: to a server that reads on to CRLF, what
    /// comes next is a part of it.
    Await,
    /// In a line that is too long.
    TooLong,
    /// It has taken its leave: nobody reads what else it sends (RFC 1939 section 6).
    Quit,
}

impl Client {
    pub(super) fn new() -> Self {
        Self { state: State::Start, paced: false, commands: 0, guarded: 0 }
    }

    /// Whether each command waits for the reply to the one before it.
    pub(super) fn pace(&mut self, paced: bool) {
        self.paced = paced;
    }

    /// Commands, and those of them that were kept.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.commands, self.guarded)
    }

    /// Whether the upstream can free what is held.
    pub(super) fn awaits_upstream(&self, owed: &Queue) -> bool {
        match self.state {
            State::Quit => false,
            State::Await => !owed.is_empty(),
            State::Start | State::TooLong => owed.is_full() || self.paced && !owed.is_empty(),
        }
    }

    /// Decides on the front of what the client sent.
    pub(super) fn inspect(&mut self, input: &[u8], owed: &mut Queue) -> Step {
        if input.is_empty() || self.awaits_upstream(owed) {
            return Step::Hold;
        }
        match self.state {
            State::Start | State::Await => self.command(input, owed),
            State::TooLong => match line_end(input) {
                Some(end) => {
                    self.keep(Kept::TooLong, owed);
                    Step::Discard(end)
                }
                None => Step::Discard(input.len()),
            },
            State::Quit => Step::Discard(input.len()),
        }
    }

    fn command(&mut self, input: &[u8], owed: &mut Queue) -> Step {
        let near = input.get(..LINE).unwrap_or(input);
        let Some(end) = line_end(near) else {
            self.state = if near.len() < LINE { State::Start } else { State::TooLong };
            return if near.len() < LINE { Step::Hold } else { Step::Discard(near.len()) };
        };
        let (line, _) = input.split_at(end);
        let (verb, rest) = match sort(strip_line_end(line)) {
            Ok(command) => command,
            Err(kept) => {
                self.keep(kept, owed);
                return Step::Discard(end);
            }
        };
        let shape = Shape::of(verb, rest);
        owed.push(Owed::Reply(shape));
        self.commands += 1;
        self.state = match shape {
            Shape::Farewell => State::Quit,
            Shape::Line | Shape::Lines | Shape::Capabilities | Shape::Message => {
                if line.ends_with(b"\r\n") { State::Start } else { State::Await }
            }
        };
        Step::Forward(end)
    }

    /// The line that ends here is answered and not passed on.
    fn keep(&mut self, kept: Kept, owed: &mut Queue) {
        owed.push(Owed::Answer(kept.answer()));
        self.commands += 1;
        self.guarded += 1;
        self.state = State::Start;
    }
}

/// How many octets the first line has, its end included.
fn line_end(input: &[u8]) -> Option<usize> {
    input.iter().position(|&octet| octet == b'\n').map(|lf| lf + 1)
}

/// Octets of a command with its end: as many as a server must read as one line (RFC 2449 section 4).
/// One with a buffer of that size takes the rest for the next command.
const LINE: usize = 255;
