//! FETCH and STORE: what is told of a message, and what is marked on it.

use std::{borrow::Cow, io};

use imap_codec::imap_types::{
    IntoStatic as _, ToStatic as _,
    core::{Literal, NString, Vec1},
    datetime::DateTime,
    fetch::{MacroOrMessageDataItemNames, MessageDataItem, MessageDataItemName, Section},
    flag::{Flag as WireFlag, FlagFetch, StoreResponse, StoreType},
    response::{Data, Response},
    sequence::SequenceSet,
};
use mail_parser::MessageParser;

use super::{
    command::Reply,
    section,
    selected::{self, Handle, Selected, mailbox_flags, wire_flags},
    session::Session,
    structure,
};
use crate::demo::mailbox::{Flag, Folder, Message};

impl Session<'_> {
    pub(super) async fn fetch(
        &mut self,
        set: &SequenceSet,
        names: MacroOrMessageDataItemNames<'_>,
        uid: bool,
    ) -> io::Result<Reply> {
        let handles = match self.resolve(set, uid) {
            Ok(handles) => handles,
            Err(reply) => return Ok(reply),
        };
        let mut names = match names {
            MacroOrMessageDataItemNames::Macro(short) => short.expand().into_static(),
            MacroOrMessageDataItemNames::MessageDataItemNames(names) => names,
        };
        if uid && !names.contains(&MessageDataItemName::Uid) {
            names.insert(0, MessageDataItemName::Uid);
        }
        let mut missing = false;
        for handle in handles {
            let Some((message, marked)) = self.read_message(handle, names.iter().any(marks_seen))
            else {
                missing = true;
                continue;
            };
            let mut items = items(&message, handle, &names);
            if marked && !names.contains(&MessageDataItemName::Flags) {
                items.push(flags_item(&message));
            }
            let Ok(items) = Vec1::try_from(items) else { continue };
            self.wire.send(&Response::Data(Data::Fetch { seq: handle.number, items })).await?;
        }
        // RFC 2180 section 4.1.2: another session has removed it, and this client does not know yet.
        Ok(if missing { Reply::no("Some of these messages are gone") } else { Reply::ok("Done") })
    }

    pub(super) async fn store(
        &mut self,
        set: &SequenceSet,
        kind: StoreType,
        response: StoreResponse,
        flags: &[WireFlag<'_>],
        uid: bool,
    ) -> io::Result<Reply> {
        let handles = match self.resolve(set, uid) {
            Ok(handles) => handles,
            Err(reply) => return Ok(reply),
        };
        let flags = mailbox_flags(flags);
        let changed = self.change_selected(|folder| {
            let mut changed = Vec::new();
            for handle in handles {
                let Some(message) = folder.message_mut(handle.uid.get()) else { continue };
                match kind {
                    StoreType::Replace => message.flags.clone_from(&flags),
                    StoreType::Add => message.flags.extend(flags.iter().cloned()),
                    StoreType::Remove => message.flags.retain(|flag| !flags.contains(flag)),
                }
                while message.flags.len() > selected::FLAGS {
                    message.flags.pop_last();
                }
                changed.push((handle, message.clone()));
            }
            changed
        });
        let Some(changed) = changed else { return Ok(Reply::read_only()) };
        for (handle, message) in changed {
            self.told_flags(handle, &message);
            if response == StoreResponse::Answer {
                self.wire.send(&Response::Data(selected::flags(handle, &message))).await?;
            }
        }
        Ok(Reply::ok("Done"))
    }

    /// A message, and whether this has just marked it as read.
    fn read_message(&mut self, handle: Handle, marks: bool) -> Option<(Message, bool)> {
        let selected = self.selected.as_ref()?;
        let marks = marks && !selected.read_only;
        let message = self.server.mailbox.read(|content| {
            let folder = content.folder(&selected.folder).ok()?;
            if selected.is(folder) { folder.message(handle.uid.get()).cloned() } else { None }
        })?;
        if !marks || message.flags.contains(&Flag::Seen) {
            return Some((message, false));
        }
        let message = self.change_selected(|folder| {
            let message = folder.message_mut(handle.uid.get())?;
            message.flags.insert(Flag::Seen);
            Some(message.clone())
        })??;
        self.told_flags(handle, &message);
        Some((message, true))
    }

    /// Changes the selected folder; `None` if there is none, or only for reading.
    pub(super) fn change_selected<R>(&self, change: impl FnOnce(&mut Folder) -> R) -> Option<R> {
        let selected = self.selected.as_ref().filter(|selected| !selected.read_only)?;
        self.server.mailbox.change(|content| {
            let folder = content.folder_mut(&selected.folder).ok()?;
            selected.is(folder).then(|| change(folder))
        })
    }

    pub(super) fn resolve(&self, set: &SequenceSet, uid: bool) -> Result<Vec<Handle>, Reply> {
        let selected = self.selected.as_ref().ok_or_else(Reply::not_selected)?;
        Selected::resolve(selected, set, uid)
            .map_err(|_| Reply::bad("There are not that many messages"))
    }

    fn told_flags(&mut self, handle: Handle, message: &Message) {
        if let Some(selected) = &mut self.selected {
            selected.told_flags(handle, &message.flags);
        }
    }
}

/// Parses a message, or finds nothing in it.
pub(super) fn parse(content: &[u8]) -> mail_parser::Message<'_> {
    // mail-parser keeps a message inside a message by recursion, which a hostile one could exhaust.
    let nests = |window: &[u8]| {
        [b"rfc822", b"global", b"digest"].iter().any(|word| window.eq_ignore_ascii_case(*word))
    };
    let deep = content.windows(6).filter(|window| nests(window)).nth(NESTED).is_some();
    let parsed = if deep { None } else { MessageParser::default().parse(content) };
    parsed.unwrap_or_else(|| mail_parser::Message { raw_message: content.into(), ..<_>::default() })
}

fn items(
    message: &Message,
    handle: Handle,
    names: &[MessageDataItemName<'_>],
) -> Vec<MessageDataItem<'static>> {
    let content = &message.content;
    let parsed = if names.iter().any(needs_parts) { parse(content) } else { <_>::default() };
    let section = |section: Section<'_>| {
        section::content(&parsed, Some(&section)).unwrap_or_default().into_owned()
    };
    let item = |name: &MessageDataItemName<'_>| match name {
        MessageDataItemName::Uid => Some(MessageDataItem::Uid(handle.uid)),
        MessageDataItemName::Flags => Some(flags_item(message)),
        MessageDataItemName::InternalDate => date(message).map(MessageDataItem::InternalDate),
        MessageDataItemName::Rfc822Size => Some(MessageDataItem::Rfc822Size(size(message))),
        MessageDataItemName::Rfc822 => Some(MessageDataItem::Rfc822(literal(content.to_vec()))),
        MessageDataItemName::Rfc822Header => {
            Some(MessageDataItem::Rfc822Header(literal(section(Section::Header(None)))))
        }
        MessageDataItemName::Rfc822Text => {
            Some(MessageDataItem::Rfc822Text(literal(section(Section::Text(None)))))
        }
        MessageDataItemName::Envelope => {
            Some(MessageDataItem::Envelope(structure::envelope(&parsed)))
        }
        MessageDataItemName::Body => {
            Some(MessageDataItem::Body(structure::body_structure(&parsed, false)))
        }
        MessageDataItemName::BodyStructure => {
            Some(MessageDataItem::BodyStructure(structure::body_structure(&parsed, true)))
        }
        MessageDataItemName::BodyExt { section, partial, .. } => {
            let whole = match section {
                None => Some(Cow::Borrowed(&**content)),
                Some(section) => section::content(&parsed, Some(section)),
            };
            let data = whole.map(|whole| match partial {
                None => whole.into_owned(),
                Some((origin, length)) => section::cut(&whole, *origin, *length).to_vec(),
            });
            Some(MessageDataItem::BodyExt {
                section: section.as_ref().map(Section::to_static),
                origin: partial.map(|(origin, _)| origin),
                data: data.map_or(NString::NIL, literal),
            })
        }
        // The capability BINARY is not offered.
        MessageDataItemName::Binary { .. } | MessageDataItemName::BinarySize { .. } => None,
    };
    names.iter().filter_map(item).collect()
}

/// Whether asking for this item marks the message as read (RFC 3501 section 6.4.5).
fn marks_seen(name: &MessageDataItemName<'_>) -> bool {
    matches!(
        name,
        MessageDataItemName::BodyExt { peek: false, .. }
            | MessageDataItemName::Rfc822
            | MessageDataItemName::Rfc822Text
    )
}

fn needs_parts(name: &MessageDataItemName<'_>) -> bool {
    !matches!(
        name,
        MessageDataItemName::Uid
            | MessageDataItemName::Flags
            | MessageDataItemName::InternalDate
            | MessageDataItemName::Rfc822Size
            | MessageDataItemName::Rfc822
            | MessageDataItemName::BodyExt { section: None, .. }
    )
}

fn flags_item(message: &Message) -> MessageDataItem<'static> {
    MessageDataItem::Flags(wire_flags(&message.flags).map(FlagFetch::Flag).collect())
}

/// A literal in any case: some clients, curl among them, expect messages in no other form.
fn literal(content: Vec<u8>) -> NString<'static> {
    Literal::try_from(content).map_or(NString::NIL, NString::from)
}

/// The octets of a message.
pub(super) fn size(message: &Message) -> u32 {
    u32::try_from(message.content.len()).unwrap_or(u32::MAX)
}

/// When a message came in, in UTC.
pub(super) fn date(message: &Message) -> Option<DateTime> {
    let since = message.received.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).ok()?;
    DateTime::try_from(chrono::DateTime::from_timestamp(seconds, 0)?.fixed_offset()).ok()
}

/// How many signs of messages inside messages are looked into.
const NESTED: usize = 100;
