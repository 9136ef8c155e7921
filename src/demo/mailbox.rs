//! The mail that the demo's provider keeps, in memory and without any protocol: the IMAP server
//! reads and changes it, and whatever delivers mail only calls [`Mailbox::append`]. The hard thing
//! is its bound: everyone may append, so messages, octets and folders all have an upper limit.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use tokio::sync::watch;

pub use super::folder::{Flag, Folder, Message, Purpose};

/// The folder that every mailbox has and where mail arrives.
pub const INBOX: &str = "INBOX";

/// Folders with messages, shared by all sessions.
#[derive(Debug)]
pub struct Mailbox {
    content: Mutex<Content>,
    changes: watch::Sender<()>,
}

/// Everything inside a [`Mailbox`], while nobody else changes it.
#[derive(Debug)]
pub struct Content {
    folders: BTreeMap<String, Folder>,
    limits: MailboxLimits,
    next_validity: u32,
}

/// Upper limits of a [`Mailbox`].
#[derive(Clone, Copy, Debug)]
pub struct MailboxLimits {
    /// Messages in all folders together.
    pub messages: usize,
    /// Octets of all messages together.
    pub octets: usize,
    /// Octets of one message.
    pub message_octets: usize,
    /// Folders.
    pub folders: usize,
    /// Octets of a folder's name.
    pub name: usize,
}

impl Default for MailboxLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            octets: 64 * 1024 * 1024,
            message_octets: 32 * 1024 * 1024,
            folders: 100,
            name: 200,
        }
    }
}

/// Why the mailbox did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxError {
    /// There is no folder of that name.
    NoFolder,
    /// There is one already.
    FolderExists,
    /// The name is empty, too long, has an empty level, or is one that must stay.
    BadName,
    /// A limit is reached.
    Full,
    /// The message is larger than one may be.
    TooLarge,
}

impl fmt::Display for MailboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFolder => "There is no such folder",
            Self::FolderExists => "A folder of that name exists already",
            Self::BadName => "A folder cannot have that name, or must keep it",
            Self::Full => "The demo's mailbox is full: delete something first",
            Self::TooLarge => "The message is too large for the demo's mailbox",
        })
    }
}

impl std::error::Error for MailboxError {}

impl Mailbox {
    /// Empty standard folders: INBOX, Drafts, Sent, Trash.
    pub fn new(limits: MailboxLimits) -> Self {
        let mut content = Content { folders: BTreeMap::new(), limits, next_validity: 1 };
        for (name, purpose) in [
            (INBOX, None),
            ("Drafts", Some(Purpose::Drafts)),
            ("Sent", Some(Purpose::Sent)),
            ("Trash", Some(Purpose::Trash)),
        ] {
            content.add_folder(name, purpose);
        }
        Self { content: Mutex::new(content), changes: watch::Sender::new(()) }
    }

    /// The content, for reading. Others wait meanwhile: keep it short.
    pub fn read<R>(&self, look: impl FnOnce(&Content) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the content, and tells everyone who [watches](Self::watch).
    pub fn change<R>(&self, change: impl FnOnce(&mut Content) -> R) -> R {
        let result = change(&mut self.lock());
        self.changes.send_replace(());
        result
    }

    /// Stores a message in a folder. Returns the folder's validity and the message's UID.
    ///
    /// # Errors
    /// When there is no such folder or a limit is reached.
    pub fn append(
        &self,
        folder: &str,
        content: Bytes,
        flags: BTreeSet<Flag>,
        received: SystemTime,
    ) -> Result<(u32, u32), MailboxError> {
        self.change(|mailbox| mailbox.append(folder, content, flags, received))
    }

    /// Hears of every change from now on.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // No change leaves the content half done, so a panic elsewhere does not spoil it.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// All folders by name, in the order of their names.
    pub fn folders(&self) -> impl Iterator<Item = (&str, &Folder)> {
        self.folders.iter().map(|(name, folder)| (name.as_str(), folder))
    }

    /// One folder.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn folder(&self, name: &str) -> Result<&Folder, MailboxError> {
        self.folders.get(name).ok_or(MailboxError::NoFolder)
    }

    /// One folder, to change its messages' flags or to remove messages.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn folder_mut(&mut self, name: &str) -> Result<&mut Folder, MailboxError> {
        self.folders.get_mut(name).ok_or(MailboxError::NoFolder)
    }

    /// Stores a message: see [`Mailbox::append`].
    ///
    /// # Errors
    /// When there is no such folder or a limit is reached.
    pub fn append(
        &mut self,
        folder: &str,
        content: Bytes,
        flags: BTreeSet<Flag>,
        received: SystemTime,
    ) -> Result<(u32, u32), MailboxError> {
        self.folder(folder)?;
        if content.len() > self.limits.message_octets {
            return Err(MailboxError::TooLarge);
        }
        let (messages, octets) = self.usage();
        if messages >= self.limits.messages
            || octets.saturating_add(content.len()) > self.limits.octets
        {
            return Err(MailboxError::Full);
        }
        let folder = self.folder_mut(folder)?;
        let uid = folder.next_uid;
        folder.next_uid = uid.checked_add(1).ok_or(MailboxError::Full)?;
        folder.messages.push(Message { uid, received, flags, content });
        Ok((folder.validity, uid))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// When the name is bad or taken, or there are too many folders.
    pub fn create(&mut self, name: &str) -> Result<(), MailboxError> {
        self.check_new_name(name)?;
        if self.folders.len() >= self.limits.folders {
            return Err(MailboxError::Full);
        }
        self.add_folder(name, None);
        Ok(())
    }

    /// Removes a folder with its messages; folders below it stay.
    ///
    /// # Errors
    /// When there is no such folder, or it is the inbox.
    pub fn delete(&mut self, name: &str) -> Result<(), MailboxError> {
        if name == INBOX {
            return Err(MailboxError::BadName);
        }
        self.folders.remove(name).map(drop).ok_or(MailboxError::NoFolder)
    }

    /// Renames a folder and those below it. Renaming the inbox moves its messages into a new folder
    /// and leaves it empty (RFC 3501 section 6.3.5).
    ///
    /// # Errors
    /// When there is no such folder, or a new name is bad or taken.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), MailboxError> {
        self.folder(from)?;
        self.check_new_name(to)?;
        if from == INBOX {
            self.create(to)?;
            let messages = std::mem::take(&mut self.folder_mut(INBOX)?.messages);
            let folder = self.folder_mut(to)?;
            for mut message in messages {
                message.uid = folder.next_uid;
                folder.next_uid = folder.next_uid.saturating_add(1);
                folder.messages.push(message);
            }
            return Ok(());
        }
        let below = format!("{from}/");
        let moves: Vec<(String, String)> = self
            .folders
            .keys()
            .filter_map(|name| {
                let rest = if name == from { "" } else { name.strip_prefix(&below)? };
                let separator = if rest.is_empty() { "" } else { "/" };
                Some((name.clone(), format!("{to}{separator}{rest}")))
            })
            .collect();
        for (_, name) in &moves {
            self.check_new_name(name)?;
        }
        for (old, new) in moves {
            if let Some(folder) = self.folders.remove(&old) {
                self.folders.insert(new, folder);
            }
        }
        Ok(())
    }

    fn add_folder(&mut self, name: &str, purpose: Option<Purpose>) {
        let folder = Folder {
            purpose,
            subscribed: true,
            validity: self.next_validity,
            next_uid: 1,
            messages: Vec::new(),
        };
        self.next_validity = self.next_validity.saturating_add(1);
        self.folders.insert(name.to_owned(), folder);
    }

    fn check_new_name(&self, name: &str) -> Result<(), MailboxError> {
        let sound = name.len() <= self.limits.name
            && name.split('/').all(|level| !level.is_empty())
            && !name.chars().any(|character| character.is_control() || "*%".contains(character));
        if !sound {
            return Err(MailboxError::BadName);
        }
        if self.folders.contains_key(name) { Err(MailboxError::FolderExists) } else { Ok(()) }
    }

    fn usage(&self) -> (usize, usize) {
        let messages = self.folders.values().flat_map(|folder| &folder.messages);
        messages.fold((0, 0), |(count, octets), message| {
            (count + 1, octets.saturating_add(message.content.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(mailbox: &Mailbox, folder: &str, content: &'static str) -> Result<u32, MailboxError> {
        mailbox
            .append(folder, content.into(), BTreeSet::new(), SystemTime::UNIX_EPOCH)
            .map(|(_, uid)| uid)
    }

    fn names(mailbox: &Mailbox) -> Vec<String> {
        mailbox.read(|content| content.folders().map(|(name, _)| name.to_owned()).collect())
    }

    #[test]
    fn limits_hold_and_deleting_makes_room() {
        let limits = MailboxLimits { messages: 3, octets: 10, message_octets: 6, ..<_>::default() };
        let mailbox = Mailbox::new(limits);
        assert_eq!(append(&mailbox, "INBOX", "1234567"), Err(MailboxError::TooLarge));
        assert_eq!(append(&mailbox, "INBOX", "123456"), Ok(1));
        assert_eq!(append(&mailbox, "Sent", "12345"), Err(MailboxError::Full));
        assert_eq!(append(&mailbox, "Sent", "1234"), Ok(1));
        assert_eq!(append(&mailbox, "Nowhere", ""), Err(MailboxError::NoFolder));
        mailbox.change(|content| content.folder_mut("INBOX").unwrap().messages.clear());
        assert_eq!(append(&mailbox, "INBOX", "1"), Ok(2));
        assert_eq!(append(&mailbox, "INBOX", "2"), Ok(3));
        assert_eq!(append(&mailbox, "INBOX", "3"), Err(MailboxError::Full));
    }

    #[test]
    fn renaming_takes_the_folders_below_along() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        mailbox.change(|content| {
            assert_eq!(content.create("Work"), Ok(()));
            assert_eq!(content.create("Work/2024"), Ok(()));
            assert_eq!(content.create("Workshop"), Ok(()));
            assert_eq!(content.create("Work"), Err(MailboxError::FolderExists));
            assert_eq!(content.create("a//b"), Err(MailboxError::BadName));
            assert_eq!(content.rename("Work", "Old"), Ok(()));
            assert_eq!(content.delete("INBOX"), Err(MailboxError::BadName));
        });
        let expected = ["Drafts", "INBOX", "Old", "Old/2024", "Sent", "Trash", "Workshop"];
        assert_eq!(names(&mailbox), expected);
    }

    #[test]
    fn renaming_the_inbox_leaves_an_empty_one() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        append(&mailbox, "INBOX", "a").unwrap();
        mailbox.change(|content| content.rename("INBOX", "Before")).unwrap();
        mailbox.read(|content| {
            assert!(content.folder("INBOX").unwrap().messages.is_empty());
            assert_eq!(content.folder("Before").unwrap().messages[0].content, "a");
        });
    }

    #[test]
    fn a_change_is_heard() {
        let mailbox = Mailbox::new(MailboxLimits::default());
        let mut watch = mailbox.watch();
        assert!(!watch.has_changed().unwrap());
        append(&mailbox, "INBOX", "a").unwrap();
        assert!(watch.has_changed().unwrap());
        watch.mark_unchanged();
    }
}
