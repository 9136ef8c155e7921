//! The inbox as POP3 shows it: numbered when the client logs in and never again, whatever others do
//! meanwhile; what the client deletes is removed when it says QUIT, and only then. The hard thing is
//! that two such clients would delete behind each other's backs, so there is a lock.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, timeout},
};

use crate::demo::mailbox::{INBOX, Mailbox};

/// The messages of one session, and the lock on them.
pub(super) struct Maildrop {
    messages: Vec<Entry>,
    validity: u32,
    lock: OwnedSemaphorePermit,
}

struct Entry {
    uid: u32,
    content: Bytes,
    /// As it is sent: see [`lines`].
    octets: usize,
    deleted: bool,
}

impl Maildrop {
    /// Locks the inbox; `None` if another client has it. One that has just gone is waited for.
    pub(super) async fn open(mailbox: &Mailbox, lock: &Arc<Semaphore>) -> Option<Self> {
        let lock = timeout(LOCK_WAIT, Arc::clone(lock).acquire_owned()).await.ok()?.ok()?;
        let (validity, contents) = mailbox.read(|content| {
            let Ok(inbox) = content.folder(INBOX) else { return (0, Vec::new()) };
            let messages = inbox.messages.iter();
            (inbox.validity, messages.map(|one| (one.uid, one.content.clone())).collect())
        });
        let entry = |(uid, content): (u32, Bytes)| {
            let octets = lines(&content).map(|line| line.len() + 2).sum();
            Entry { uid, content, octets, deleted: false }
        };
        Some(Self { messages: contents.into_iter().map(entry).collect(), validity, lock })
    }

    /// How many messages there are, and their octets, without those that are to be deleted.
    pub(super) fn status(&self) -> (usize, usize) {
        self.live().fold((0, 0), |(count, all), (_, entry)| (count + 1, all + entry.octets))
    }

    /// Number and octets of each message.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.live().map(|(number, entry)| (number, entry.octets))
    }

    /// Number and unique id of each message (RFC 1939 section 7): ids outlive the session.
    pub(super) fn ids(&self) -> impl Iterator<Item = (usize, String)> {
        self.live().map(|(number, entry)| (number, format!("{}.{}", self.validity, entry.uid)))
    }

    /// A message by its number.
    pub(super) fn message(&self, number: usize) -> Option<&Bytes> {
        self.live().find(|(known, _)| *known == number).map(|(_, entry)| &entry.content)
    }

    /// Marks a message for deletion. False: there is no such message.
    pub(super) fn delete(&mut self, number: usize) -> bool {
        let entry = number.checked_sub(1).and_then(|index| self.messages.get_mut(index));
        match entry {
            Some(entry) if !entry.deleted => {
                entry.deleted = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes all marks away.
    pub(super) fn reset(&mut self) {
        for entry in &mut self.messages {
            entry.deleted = false;
        }
    }

    /// Removes what is marked, and opens the lock.
    pub(super) fn update(self, mailbox: &Mailbox) {
        let marked = self.messages.iter().filter(|entry| entry.deleted).map(|entry| entry.uid);
        let marked: BTreeSet<u32> = marked.collect();
        if !marked.is_empty() {
            mailbox.change(|content| {
                let Ok(inbox) = content.folder_mut(INBOX) else { return };
                if inbox.validity == self.validity {
                    inbox.messages.retain(|message| !marked.contains(&message.uid));
                }
            });
        }
        drop(self.lock);
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Entry)> {
        (1..).zip(&self.messages).filter(|(_, entry)| !entry.deleted)
    }
}

/// A message line by line, without the line ends. POP3 sends each with CRLF, whatever the message has:
/// a bare LF would end a line for some clients and not for others, and a `.` behind it the message.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|octet| *octet == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

const LOCK_WAIT: Duration = Duration::from_secs(2);
