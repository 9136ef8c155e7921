//! A folder as one client sees it. The hard thing is numbering: a client counts messages from one, and
//! those numbers may only change when it is told (RFC 3501 section 7.4.1). So each session keeps its
//! own list of UIDs, and compares it with the folder when it may tell what changed.

use std::{collections::BTreeSet, num::NonZeroU32, ops::RangeInclusive};

use imap_codec::imap_types::{
    core::Vec1,
    fetch::MessageDataItem,
    flag::{Flag as WireFlag, FlagFetch},
    response::Data,
    sequence::{SeqOrUid, Sequence, SequenceSet},
};

use crate::demo::mailbox::{Flag, Folder, Mailbox, Message};

/// A selected folder.
pub(super) struct Selected {
    pub(super) folder: String,
    validity: u32,
    pub(super) read_only: bool,
    known: Vec<Known>,
}

/// What the client knows of a message; its number is its place in the list, plus one.
struct Known {
    uid: u32,
    flags: BTreeSet<Flag>,
}

/// A message with the number by which this client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) number: NonZeroU32,
    pub(super) uid: NonZeroU32,
}

/// A sequence number that no message has (RFC 3501 section 9: an error, unlike an unused UID).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSuchNumber;

impl Selected {
    /// A view of the folder as it is now.
    pub(super) fn new(name: &str, folder: &Folder, read_only: bool) -> Self {
        let known = folder.messages.iter().map(Known::new).collect();
        Self { folder: name.to_owned(), validity: folder.validity, read_only, known }
    }

    /// What changed since the client was told last. Removals wait where they may not be told.
    pub(super) fn changes(&mut self, mailbox: &Mailbox, removals: bool) -> Vec<Data<'static>> {
        mailbox.read(|content| {
            let folder = content.folder(&self.folder).ok();
            let folder = folder.filter(|folder| folder.validity == self.validity);
            let mut told = Vec::new();
            if removals {
                self.forget_removed(folder, &mut told);
            }
            if let Some(folder) = folder {
                self.learn(folder, &mut told);
            }
            told
        })
    }

    /// All messages that the client knows, with what it knows of their flags.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> {
        self.known.iter().zip(1..).filter_map(|(known, number)| Handle::new(number, known.uid))
    }

    /// The messages of a set that the client gave, in ascending order.
    pub(super) fn resolve(
        &self,
        set: &SequenceSet,
        uid: bool,
    ) -> Result<Vec<Handle>, NoSuchNumber> {
        let count = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let last_uid = self.known.last().map_or(0, |known| known.uid);
        let ranges = ranges(set, if uid { last_uid } else { count });
        if !uid && count > 0 && ranges.iter().any(|range| *range.end() > count) {
            return Err(NoSuchNumber);
        }
        let wanted = |handle: &Handle| {
            let key = if uid { handle.uid } else { handle.number };
            ranges.iter().any(|range| range.contains(&key.get()))
        };
        Ok(self.handles().filter(wanted).collect())
    }

    /// Notes that the client has just been told these flags.
    pub(super) fn told_flags(&mut self, handle: Handle, flags: &BTreeSet<Flag>) {
        if let Ok(at) = self.known.binary_search_by_key(&handle.uid.get(), |known| known.uid)
            && let Some(known) = self.known.get_mut(at)
        {
            known.flags.clone_from(flags);
        }
    }

    /// Whether this is the folder that was selected, and not a later one of the same name.
    pub(super) fn is(&self, folder: &Folder) -> bool {
        self.validity == folder.validity
    }

    fn forget_removed(&mut self, folder: Option<&Folder>, told: &mut Vec<Data<'static>>) {
        let is_there =
            |known: &Known| folder.is_some_and(|folder| folder.message(known.uid).is_some());
        let mut number = 1;
        self.known.retain(|known| {
            let stays = is_there(known);
            if stays {
                number += 1;
            } else {
                // Each removal moves the later messages down, so the number stays the same.
                told.extend(NonZeroU32::new(number).map(Data::Expunge));
            }
            stays
        });
    }

    fn learn(&mut self, folder: &Folder, told: &mut Vec<Data<'static>>) {
        for (known, number) in self.known.iter_mut().zip(1..) {
            let Some(message) = folder.message(known.uid) else { continue };
            if known.flags != message.flags {
                known.flags.clone_from(&message.flags);
                told.extend(Handle::new(number, known.uid).map(|handle| flags(handle, message)));
            }
        }
        let last_uid = self.known.last().map_or(0, |known| known.uid);
        let fresh = folder.messages.iter().filter(|message| message.uid > last_uid);
        let before = self.known.len();
        self.known.extend(fresh.map(Known::new));
        if self.known.len() > before {
            told.push(Data::Exists(u32::try_from(self.known.len()).unwrap_or(u32::MAX)));
        }
    }
}

impl Known {
    fn new(message: &Message) -> Self {
        Self { uid: message.uid, flags: message.flags.clone() }
    }
}

impl Handle {
    fn new(number: u32, uid: u32) -> Option<Self> {
        Some(Self { number: NonZeroU32::new(number)?, uid: NonZeroU32::new(uid)? })
    }
}

/// A set as ranges that run upwards; `*` is the largest number in use.
pub(super) fn ranges(set: &SequenceSet, largest: u32) -> Vec<RangeInclusive<u32>> {
    let number = |value: &SeqOrUid| match value {
        SeqOrUid::Value(value) => value.get(),
        SeqOrUid::Asterisk => largest,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(value) => number(value)..=number(value),
        Sequence::Range(from, to) => {
            let (from, to) = (number(from), number(to));
            from.min(to)..=from.max(to)
        }
    };
    set.0.as_ref().iter().map(range).collect()
}

/// The FETCH response that tells a message's flags.
pub(super) fn flags(handle: Handle, message: &Message) -> Data<'static> {
    let flags = wire_flags(&message.flags).map(FlagFetch::Flag).collect();
    let items =
        Vec1::unvalidated(vec![MessageDataItem::Uid(handle.uid), MessageDataItem::Flags(flags)]);
    Data::Fetch { seq: handle.number, items }
}

/// Flags as IMAP names them.
pub(super) fn wire_flags(flags: &BTreeSet<Flag>) -> impl Iterator<Item = WireFlag<'static>> {
    flags.iter().filter_map(|flag| {
        Some(match flag {
            Flag::Answered => WireFlag::Answered,
            Flag::Flagged => WireFlag::Flagged,
            Flag::Deleted => WireFlag::Deleted,
            Flag::Seen => WireFlag::Seen,
            Flag::Draft => WireFlag::Draft,
            Flag::Keyword(name) => WireFlag::keyword(name.clone().try_into().ok()?),
        })
    })
}

/// Flags as the mailbox keeps them. Unknown system flags are left out, and so are keywords beyond a
/// bound.
pub(super) fn mailbox_flags(flags: &[WireFlag<'_>]) -> BTreeSet<Flag> {
    let flag = |flag: &WireFlag<'_>| {
        Some(match flag {
            WireFlag::Answered => Flag::Answered,
            WireFlag::Flagged => Flag::Flagged,
            WireFlag::Deleted => Flag::Deleted,
            WireFlag::Seen => Flag::Seen,
            WireFlag::Draft => Flag::Draft,
            WireFlag::Extension(_) => return None,
            WireFlag::Keyword(name) => {
                let name = name.as_ref().to_ascii_lowercase();
                return (name.len() <= KEYWORD_LENGTH).then_some(Flag::Keyword(name));
            }
        })
    };
    flags.iter().filter_map(flag).take(FLAGS).collect()
}

const KEYWORD_LENGTH: usize = 64;

/// Flags of one message.
pub(super) const FLAGS: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::demo::mailbox::{INBOX, MailboxLimits};

    fn mailbox(messages: usize) -> Mailbox {
        let mailbox = Mailbox::new(MailboxLimits::default());
        for _ in 0..messages {
            add(&mailbox);
        }
        mailbox
    }

    fn add(mailbox: &Mailbox) {
        let flags = BTreeSet::new();
        mailbox.append(INBOX, "m".into(), flags, SystemTime::UNIX_EPOCH).unwrap();
    }

    fn remove(mailbox: &Mailbox, uids: &[u32]) {
        mailbox.change(|content| {
            let folder = content.folder_mut(INBOX).unwrap();
            folder.messages.retain(|message| !uids.contains(&message.uid));
        });
    }

    fn select(mailbox: &Mailbox) -> Selected {
        mailbox.read(|content| Selected::new(INBOX, content.folder(INBOX).unwrap(), false))
    }

    fn numbers(selected: &Selected, set: &str, uid: bool) -> Result<Vec<u32>, NoSuchNumber> {
        let handles = selected.resolve(&set.try_into().unwrap(), uid)?;
        Ok(handles.into_iter().map(|handle| handle.number.get()).collect())
    }

    #[test]
    fn numbers_change_only_when_the_client_is_told() {
        let mailbox = mailbox(5);
        let mut selected = select(&mailbox);
        remove(&mailbox, &[2, 4]);
        add(&mailbox);
        assert_eq!(selected.changes(&mailbox, false), [Data::Exists(6)]);
        assert_eq!(numbers(&selected, "6", true), Ok(vec![6]));
        let expunge = |number| Data::expunge(number).unwrap();
        assert_eq!(selected.changes(&mailbox, true), [expunge(2), expunge(3)]);
        assert_eq!(numbers(&selected, "6", true), Ok(vec![4]));
        assert_eq!(selected.changes(&mailbox, true), []);
    }

    #[test]
    fn a_folder_that_is_gone_is_told_as_emptied() {
        let mailbox = mailbox(2);
        let mut selected = select(&mailbox);
        mailbox.change(|content| content.rename(INBOX, "Elsewhere")).unwrap();
        let expunge = Data::expunge(1).unwrap();
        assert_eq!(selected.changes(&mailbox, true), [expunge.clone(), expunge]);
    }

    #[test]
    fn flags_that_another_session_set_are_told_once() {
        let mailbox = mailbox(1);
        let mut selected = select(&mailbox);
        mailbox.change(|content| {
            let message = content.folder_mut(INBOX).unwrap().message_mut(1).unwrap();
            message.flags.insert(Flag::Seen);
        });
        assert_eq!(selected.changes(&mailbox, false).len(), 1);
        assert_eq!(selected.changes(&mailbox, false), []);
    }

    #[test]
    fn sets_are_resolved_by_number_and_by_uid() {
        let mailbox = mailbox(5);
        remove(&mailbox, &[1, 2]);
        let selected = select(&mailbox);
        assert_eq!(numbers(&selected, "1,3", false), Ok(vec![1, 3]));
        assert_eq!(numbers(&selected, "*", false), Ok(vec![3]));
        assert_eq!(numbers(&selected, "*:2", false), Ok(vec![2, 3]));
        assert_eq!(numbers(&selected, "4", false), Err(NoSuchNumber));
        assert_eq!(numbers(&selected, "4", true), Ok(vec![2]));
        assert_eq!(numbers(&selected, "1:2", true), Ok(vec![]));
        assert_eq!(numbers(&selected, "9:*", true), Ok(vec![3]));
    }
}
