//! Commands that the upstream has not answered. The hard thing is a tag that is used twice: the answer
//! to the first must not pass for the answer to the second. So none is ever forgotten for its age: a
//! server that answers some commands with an untagged BAD alone (RFC 3501 section 7.1.3) leaves their
//! tags here, and once they leave no room, the connection ends.

use std::collections::VecDeque;

/// The tags of commands under way, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    tags: VecDeque<Box<[u8]>>,
    octets: usize,
    /// Untagged BADs where a tagged one may have been due: never more than there are tags, since one
    /// that came beside a tagged answer says nothing of later commands.
    untagged: usize,
}

impl Outstanding {
    /// Whether the client must wait for answers before it may send more.
    pub(super) fn is_full(&self) -> bool {
        self.tags.len() >= COMMANDS || self.octets >= OCTETS
    }

    /// Whether waiting is in vain: for all that can be known, every answer has come without its tag.
    pub(super) fn is_lost(&self) -> bool {
        self.is_full() && self.untagged >= self.tags.len()
    }

    /// Some command's answer came without a tag.
    pub(super) fn handle_untagged_bad(&mut self) {
        self.untagged = (self.untagged + 1).min(self.tags.len());
    }

    pub(super) fn add(&mut self, tag: &[u8]) {
        self.octets += tag.len();
        self.tags.push_back(tag.into());
    }

    pub(super) fn contains(&self, tag: &[u8]) -> bool {
        self.tags.iter().any(|one| &**one == tag)
    }

    pub(super) fn remove(&mut self, tag: &[u8]) {
        if let Some(place) = self.tags.iter().position(|one| &**one == tag) {
            self.tags.remove(place);
            self.octets -= tag.len();
            self.untagged = self.untagged.min(self.tags.len());
        }
    }
}

/// Commands that may be under way at once; a client that pipelines more is slowed down.
const COMMANDS: usize = 1024;

/// Octets of their tags, from which on the client waits.
const OCTETS: usize = 16 * 1024;
