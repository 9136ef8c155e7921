//! The replies that the client is owed, in order. The hard thing is that nothing in a reply tells which
//! command it answers: it answers the one in front here (RFC 2920 section 3.2), and an answer of ours
//! has its place in the same order.

use std::collections::VecDeque;

use super::answer::Answer;

/// A reply that is owed, by what it will mean.
#[derive(Debug)]
pub(super) enum Expected {
    /// Whether a transaction begins.
    Mail {
        /// The reverse-path.
        sender: String,
    },
    /// Whether a recipient is taken.
    Rcpt {
        /// The forward-path.
        recipient: String,
    },
    /// Whether a message may follow.
    Data,
    /// What becomes of the message behind DATA; so many octets of it have passed.
    Message {
        /// Octets that have passed.
        octets: u64,
    },
    /// What becomes of a chunk, and behind the last one of the message.
    Chunk {
        /// Octets that have passed.
        octets: u64,
        /// Whether the message ends with it.
        last: bool,
    },
    /// What the upstream can do.
    Ehlo,
    /// HELO or RSET: whether the transaction is over.
    Reset,
    /// Behind QUIT nothing follows.
    Quit,
    /// Nothing to the relay.
    Other,
    /// The command is none that we know.
    Unknown,
    /// An answer of ours.
    Local(Answer),
}

impl Expected {
    /// Whether it must be known before another command can be passed on.
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Data | Self::Ehlo | Self::Quit | Self::Unknown)
    }

    /// Whether the reply may ask for more (RFC 5321 section 4.2.1: `3yz`).
    pub(super) fn may_ask(&self, code: u16) -> bool {
        matches!(self, Self::Data) && code == 354
    }

    /// Whether the reply's words are worth keeping.
    pub(super) fn settles_message(&self) -> bool {
        matches!(self, Self::Data | Self::Message { .. } | Self::Chunk { .. })
    }

    /// Whether a client that does not hear the reply may send its message again.
    fn is_verdict(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::Chunk { last: true, .. } | Self::Quit)
    }

    fn concerns_message(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::Chunk { .. })
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outstanding(VecDeque<Expected>);

impl Outstanding {
    /// Whether the client must wait before another command of its can be read.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the reply in front is the last one, too.
    pub(super) fn is_one(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether a message's fate is not known yet.
    pub(super) fn has_message(&self) -> bool {
        self.0.iter().any(Expected::concerns_message)
    }

    /// Whether a verdict is owed, the last reply aside if what it answers has not passed whole.
    pub(super) fn has_verdict(&self, last_is_open: bool) -> bool {
        let whole = self.0.len().saturating_sub(usize::from(last_is_open));
        self.0.iter().take(whole).any(Expected::is_verdict)
    }

    pub(super) fn front(&self) -> Option<&Expected> {
        self.0.front()
    }

    pub(super) fn push(&mut self, expected: Expected) {
        self.0.push_back(expected);
    }

    pub(super) fn pop(&mut self) -> Option<Expected> {
        self.0.pop_front()
    }

    /// The answer of ours that is due, if one is.
    pub(super) fn pop_local(&mut self) -> Option<Answer> {
        let Some(&Expected::Local(answer)) = self.0.front() else { return None };
        self.0.pop_front();
        Some(answer)
    }

    /// So many octets of the message that is under way have passed; nobody cares if its fate is known
    /// already.
    pub(super) fn count(&mut self, passed: u64) {
        if let Some(octets) = self.message_octets() {
            *octets = octets.saturating_add(passed);
        }
    }

    /// So many of them were none of the message.
    pub(super) fn discount(&mut self, passed: u64) {
        if let Some(octets) = self.message_octets() {
            *octets = octets.saturating_sub(passed);
        }
    }

    /// While a message is under way no other command is, so its reply is the last one.
    fn message_octets(&mut self) -> Option<&mut u64> {
        match self.0.back_mut() {
            Some(Expected::Message { octets } | Expected::Chunk { octets, .. }) => Some(octets),
            Some(_) | None => None,
        }
    }
}

/// Commands that may be under way at once: a transaction of 100 recipients (RFC 5321 section
/// 4.5.3.1.8) fits.
const MOST: usize = 128;
