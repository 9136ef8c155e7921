//! A folder of the demo's mailbox, and the messages in it. UIDs only grow, so a message is found by
//! halving and a UID never means another message.

use std::{collections::BTreeSet, time::SystemTime};

use bytes::Bytes;

/// One folder. Messages are in ascending order of their UIDs.
#[derive(Debug)]
pub struct Folder {
    /// What the folder is for, where that is known.
    pub purpose: Option<Purpose>,
    /// Whether it is among the folders that a client asked to be shown.
    pub subscribed: bool,
    /// Tells this folder from an earlier one of the same name.
    pub validity: u32,
    /// The UID of the message that comes next.
    pub next_uid: u32,
    /// What is in it.
    pub messages: Vec<Message>,
}

impl Folder {
    /// The message with this UID.
    pub fn message(&self, uid: u32) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }

    /// The message with this UID, to change its flags.
    pub fn message_mut(&mut self, uid: u32) -> Option<&mut Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get_mut(at)
    }

    /// How many messages were not read yet.
    pub fn unseen(&self) -> usize {
        self.messages.iter().filter(|message| !message.flags.contains(&Flag::Seen)).count()
    }
}

/// The special uses that the sample folders have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Copies of what was sent.
    Sent,
    /// Unfinished messages.
    Drafts,
    /// Deleted messages.
    Trash,
}

/// One message as it was stored.
#[derive(Clone, Debug)]
pub struct Message {
    /// Unique and ascending within the folder.
    pub uid: u32,
    /// When it came in.
    pub received: SystemTime,
    /// What is known about it.
    pub flags: BTreeSet<Flag>,
    /// The message itself (RFC 5322), never changed.
    pub content: Bytes,
}

/// A mark on a message. The order is the one in which people expect to see them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// It was answered.
    Answered,
    /// It wants attention.
    Flagged,
    /// It is to be removed.
    Deleted,
    /// It was read.
    Seen,
    /// It is not finished.
    Draft,
    /// A client's own mark, in lower case since marks are compared without case.
    Keyword(String),
}
