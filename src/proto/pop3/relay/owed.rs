//! What the client waits for, in the order of its commands. The hard thing is the shape of each reply:
//! what a command's name and arguments do not tell, nobody tells.

use std::collections::VecDeque;

use crate::proto::pop3::syntax::{Verb, no_arguments};

/// What is due for one line of the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// The upstream replies.
    Reply(Shape),
    /// We do, once everything before it has passed.
    Answer(&'static str),
}

/// What follows the first line of a reply, if that is `+OK`; an `-ERR` is always one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Line,
    /// Lines, and one with a single dot.
    Lines,
    /// The same, to be filtered.
    Capabilities,
    /// The same: a whole message.
    Message,
    /// Nothing, ever: it was QUIT.
    Farewell,
}

impl Shape {
    /// The shape of the reply to `verb`; `rest` is what follows it on its line.
    pub(super) fn of(verb: Verb, rest: &[u8]) -> Self {
        let bare = no_arguments(rest);
        match verb {
            Verb::Retr => Self::Message,
            Verb::Top => Self::Lines,
            Verb::Capa => Self::Capabilities,
            // Without an argument they list everything (RFC 1939 sections 5 and 7, RFC 6856
            // section 3.2).
            Verb::List | Verb::Uidl | Verb::Lang if bare => Self::Lines,
            // With an argument a server may as well not know it.
            Verb::Quit if bare => Self::Farewell,
            Verb::List
            | Verb::Uidl
            | Verb::Lang
            | Verb::Quit
            | Verb::Stat
            | Verb::Dele
            | Verb::Noop
            | Verb::Rset
            | Verb::Last
            | Verb::Utf8
            // These are kept and never get here.
            | Verb::User
            | Verb::Pass
            | Verb::Apop
            | Verb::Auth
            | Verb::Stls => Self::Line,
        }
    }
}

/// Everything that is due, what is passing just now included.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Owed>);

impl Queue {
    /// Whether the client must wait before it may ask for more.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= COMMANDS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the upstream's reply comes next.
    pub(super) fn awaits_reply(&self) -> bool {
        matches!(self.next(), Some(Owed::Reply(_)))
    }

    pub(super) fn next(&self) -> Option<Owed> {
        self.0.front().copied()
    }

    pub(super) fn push(&mut self, owed: Owed) {
        self.0.push_back(owed);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop_front();
    }
}

/// Commands that may be under way at once; a client that pipelines more is slowed down.
const COMMANDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pop3::syntax::verb;

    #[test]
    fn shapes() {
        for (line, expected) in [
            ("STAT", Shape::Line),
            ("list", Shape::Lines),
            ("LIST ", Shape::Lines),
            ("LIST 1", Shape::Line),
            ("UIDL", Shape::Lines),
            ("UIDL  2", Shape::Line),
            ("RETR 1", Shape::Message),
            ("RETR", Shape::Message),
            ("TOP 1 0", Shape::Lines),
            ("CAPA", Shape::Capabilities),
            ("LANG", Shape::Lines),
            ("LANG *", Shape::Line),
            ("LANG de", Shape::Line),
            ("DELE 1", Shape::Line),
            ("NOOP", Shape::Line),
            ("RSET", Shape::Line),
            ("LAST", Shape::Line),
            ("UTF8", Shape::Line),
            ("QUIT", Shape::Farewell),
            ("QUIT now", Shape::Line),
        ] {
            let (verb, rest) = verb(line.as_bytes()).unwrap();
            assert_eq!(Shape::of(verb, rest), expected, "{line}");
        }
    }
}
