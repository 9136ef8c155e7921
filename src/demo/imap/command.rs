//! What each command does, and the tagged answer that ends it.

use std::{borrow::Cow, collections::BTreeSet, io, num::NonZeroU32, time::SystemTime};

use bytes::Bytes;
use imap_codec::imap_types::{
    command::CommandBody,
    core::{Charset, IString, NString, Vec1},
    datetime::DateTime,
    extensions::{
        binary::LiteralOrLiteral8,
        uidplus::{UidElement, UidSet},
    },
    flag::{Flag as WireFlag, FlagPerm},
    mailbox::Mailbox as WireName,
    response::{Code, CodeOther, Data, Response, Status, StatusBody, StatusKind},
    search::SearchKey,
    sequence::SequenceSet,
};

use super::{
    listing::folder_name,
    search::{self, Candidate, Largest},
    selected::{Selected, mailbox_flags, ranges},
    session::Session,
};
use crate::demo::mailbox::{Content, Flag, Folder, MailboxError, Message};

/// How a command ended.
pub(super) struct Reply {
    pub(super) kind: StatusKind,
    pub(super) code: Option<Code<'static>>,
    pub(super) text: Cow<'static, str>,
}

impl Reply {
    pub(super) fn ok(text: &'static str) -> Self {
        Self { kind: StatusKind::Ok, code: None, text: text.into() }
    }

    pub(super) fn no(text: &'static str) -> Self {
        Self { kind: StatusKind::No, code: None, text: text.into() }
    }

    pub(super) fn bad(text: &'static str) -> Self {
        Self { kind: StatusKind::Bad, code: None, text: text.into() }
    }

    pub(super) fn read_only() -> Self {
        Self::no("The folder is open for reading only")
    }

    pub(super) fn not_selected() -> Self {
        Self::bad("Select a folder first")
    }

    pub(super) fn with(self, code: Option<Code<'static>>) -> Self {
        Self { code, ..self }
    }
}

impl From<MailboxError> for Reply {
    fn from(error: MailboxError) -> Self {
        let other = |name: &'static str| Code::Other(CodeOther::unvalidated(name.as_bytes()));
        let code = match error {
            MailboxError::NoFolder => other("NONEXISTENT"),
            MailboxError::FolderExists => other("ALREADYEXISTS"),
            MailboxError::BadName => other("CANNOT"),
            MailboxError::Full => Code::OverQuota,
            MailboxError::TooLarge => Code::TooBig,
        };
        Self { kind: StatusKind::No, code: Some(code), text: error.to_string().into() }
    }
}

impl Session<'_> {
    /// Does what a logged-in client asks, up to the tagged answer.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are alike here")]
    pub(super) async fn execute(&mut self, body: CommandBody<'static>) -> io::Result<Reply> {
        match body {
            CommandBody::Capability => self.capability().await,
            CommandBody::Id { .. } => self.id().await,
            CommandBody::Noop => Ok(Reply::ok("Done")),
            CommandBody::Check if self.selected.is_some() => Ok(Reply::ok("Done")),
            CommandBody::Namespace => self.namespace().await,
            CommandBody::List { reference, mailbox_wildcard } => {
                self.list(&reference, &mailbox_wildcard, false).await
            }
            CommandBody::Lsub { reference, mailbox_wildcard } => {
                self.list(&reference, &mailbox_wildcard, true).await
            }
            CommandBody::Status { mailbox, item_names } => self.status(mailbox, &item_names).await,
            CommandBody::Select { mailbox } => self.select(&mailbox, false).await,
            CommandBody::Examine { mailbox } => self.select(&mailbox, true).await,
            CommandBody::Create { mailbox } => {
                // A trailing delimiter announces folders below (RFC 3501 section 6.3.3).
                Ok(self.change_folders(|content| {
                    let name = folder_name(&mailbox)?;
                    content.create(name.strip_suffix('/').unwrap_or(name))
                }))
            }
            CommandBody::Delete { mailbox } => {
                Ok(self.change_folders(|content| content.delete(folder_name(&mailbox)?)))
            }
            CommandBody::Rename { from, to } => Ok(self
                .change_folders(|content| content.rename(folder_name(&from)?, folder_name(&to)?))),
            CommandBody::Subscribe { mailbox } => Ok(self.subscribe(&mailbox, true)),
            CommandBody::Unsubscribe { mailbox } => Ok(self.subscribe(&mailbox, false)),
            CommandBody::Append { mailbox, flags, date, message } => {
                Ok(self.append(&mailbox, &flags, date.as_ref(), message))
            }
            other => self.execute_selected(other).await,
        }
    }

    /// The commands that need a selected folder.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are alike here")]
    async fn execute_selected(&mut self, body: CommandBody<'static>) -> io::Result<Reply> {
        let Some(selected) = &self.selected else {
            return Ok(Reply::bad("Not known here, or only after SELECT"));
        };
        match body {
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid } => {
                self.fetch(&sequence_set, macro_or_item_names, uid).await
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid } => {
                self.store(&sequence_set, kind, response, &flags, uid).await
            }
            CommandBody::Search { charset, criteria, uid } => {
                self.search(charset.as_ref(), &criteria, uid).await
            }
            CommandBody::Copy { sequence_set, mailbox, uid } => {
                self.copy(&sequence_set, &mailbox, uid, false).await
            }
            CommandBody::Move { sequence_set, mailbox, uid } => {
                self.copy(&sequence_set, &mailbox, uid, true).await
            }
            CommandBody::Expunge => Ok(self.expunge(None)),
            CommandBody::ExpungeUid { sequence_set } => Ok(self.expunge(Some(&sequence_set))),
            CommandBody::Close => {
                if !selected.read_only {
                    self.expunge(None);
                }
                self.selected = None;
                Ok(Reply::ok("Closed"))
            }
            CommandBody::Unselect => {
                self.selected = None;
                Ok(Reply::ok("Closed"))
            }
            _ => Ok(Reply::bad("Not known here")),
        }
    }

    async fn id(&mut self) -> io::Result<Reply> {
        let string = |text: &'static str| IString::try_from(text).map_err(io::Error::other);
        let name = (string("name")?, NString(Some(string("saslgate demo")?)));
        let data = Data::Id { parameters: Some(vec![name]) };
        self.wire.send(&Response::Data(data)).await?;
        Ok(Reply::ok("Done"))
    }

    async fn select(&mut self, mailbox: &WireName<'_>, read_only: bool) -> io::Result<Reply> {
        // Even a failed SELECT leaves nothing selected (RFC 3501 section 6.3.1).
        self.selected = None;
        let opened = folder_name(mailbox).and_then(|name| {
            self.server.mailbox.read(|content| {
                let folder = content.folder(name)?;
                Ok((Selected::new(name, folder, read_only), summary(folder, read_only)))
            })
        });
        let (selected, responses) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(error.into()),
        };
        for response in responses {
            self.wire.send(&response).await?;
        }
        self.selected = Some(selected);
        let code = if read_only { Code::ReadOnly } else { Code::ReadWrite };
        Ok(Reply::ok("Selected").with(Some(code)))
    }

    fn change_folders(
        &self,
        change: impl FnOnce(&mut Content) -> Result<(), MailboxError>,
    ) -> Reply {
        match self.server.mailbox.change(change) {
            Ok(()) => Reply::ok("Done"),
            Err(error) => error.into(),
        }
    }

    fn subscribe(&self, mailbox: &WireName<'_>, subscribed: bool) -> Reply {
        self.change_folders(|content| {
            content.folder_mut(folder_name(mailbox)?)?.subscribed = subscribed;
            Ok(())
        })
    }

    fn append(
        &self,
        mailbox: &WireName<'_>,
        flags: &[WireFlag<'_>],
        date: Option<&DateTime>,
        message: LiteralOrLiteral8<'_>,
    ) -> Reply {
        let content = match message {
            LiteralOrLiteral8::Literal(literal) => Bytes::from(literal.into_inner().into_owned()),
            LiteralOrLiteral8::Literal8(_) => {
                return Reply::no("Send it as text").with(Some(Code::UnknownCte));
            }
        };
        let received = date.map_or_else(SystemTime::now, |date| (*date.as_ref()).into());
        let stored = folder_name(mailbox).and_then(|name| {
            self.server.mailbox.append(name, content, mailbox_flags(flags), received)
        });
        match stored {
            Ok((validity, uid)) => Reply::ok("Stored").with(append_uid(validity, uid)),
            Err(MailboxError::NoFolder) => {
                Reply::no("There is no such folder").with(Some(Code::TryCreate))
            }
            Err(error) => error.into(),
        }
    }

    async fn search(
        &mut self,
        charset: Option<&Charset<'_>>,
        criteria: &Vec1<SearchKey<'_>>,
        uid: bool,
    ) -> io::Result<Reply> {
        if charset.is_some_and(|charset| !search::is_known(charset)) {
            let allowed = ["US-ASCII", "UTF-8"].map(Charset::try_from);
            let allowed = allowed.into_iter().flatten().collect();
            return Ok(Reply::no("Unknown charset").with(Some(Code::BadCharset { allowed })));
        }
        let Some(selected) = &self.selected else { return Ok(Reply::not_selected()) };
        let largest = selected.handles().last().map_or(Largest { number: 0, uid: 0 }, |last| {
            Largest { number: last.number.get(), uid: last.uid.get() }
        });
        let messages: Vec<_> = self.server.mailbox.read(|content| {
            let folder = content.folder(&selected.folder).ok().filter(|found| selected.is(found));
            let find = |uid| folder.and_then(|folder| folder.message(uid)).cloned();
            let handles = selected.handles();
            handles.filter_map(|handle| Some((handle, find(handle.uid.get())?))).collect()
        });
        let found = messages.iter().filter(|(handle, message)| {
            let candidate = Candidate::new(message, *handle, largest);
            criteria.as_ref().iter().all(|key| candidate.matches(key))
        });
        let number = |(handle, _): &(_, Message)| -> NonZeroU32 {
            let handle: &super::selected::Handle = handle;
            if uid { handle.uid } else { handle.number }
        };
        let numbers = found.map(number).collect();
        self.wire.send(&Response::Data(Data::Search(numbers))).await?;
        Ok(Reply::ok("Done"))
    }

    async fn copy(
        &mut self,
        set: &SequenceSet,
        mailbox: &WireName<'_>,
        uid: bool,
        remove: bool,
    ) -> io::Result<Reply> {
        let handles = match self.resolve(set, uid) {
            Ok(handles) => handles,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = &self.selected else { return Ok(Reply::not_selected()) };
        if remove && selected.read_only {
            return Ok(Reply::read_only());
        }
        let uids: Vec<u32> = handles.iter().map(|handle| handle.uid.get()).collect();
        let copied = folder_name(mailbox).and_then(|name| {
            let from = &selected.folder;
            self.server.mailbox.change(|content| transfer(content, from, name, &uids, remove))
        });
        match copied {
            Ok(copied) if remove => {
                // RFC 6851 section 4.3: told before the EXPUNGE responses.
                let text = "Moved".try_into().map_err(io::Error::other)?;
                let body = StatusBody { kind: StatusKind::Ok, code: copied.code(), text };
                self.wire.send(&Response::Status(Status::Untagged(body))).await?;
                Ok(Reply::ok("Done"))
            }
            Ok(copied) => Ok(Reply::ok("Copied").with(copied.code())),
            Err(MailboxError::NoFolder) => {
                Ok(Reply::no("There is no such folder").with(Some(Code::TryCreate)))
            }
            Err(error) => Ok(error.into()),
        }
    }

    /// Removes what is marked as deleted, or only those of it whose UIDs are in the set.
    fn expunge(&self, uids: Option<&SequenceSet>) -> Reply {
        let removed = self.change_selected(|folder| {
            let largest = folder.messages.last().map_or(0, |message| message.uid);
            let ranges = uids.map(|set| ranges(set, largest));
            let is_named = |uid: u32| {
                ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&uid)))
            };
            folder.messages.retain(|message| {
                !(message.flags.contains(&Flag::Deleted) && is_named(message.uid))
            });
        });
        if removed.is_some() { Reply::ok("Done") } else { Reply::read_only() }
    }
}

/// What SELECT tells of a folder.
fn summary(folder: &Folder, read_only: bool) -> Vec<Response<'static>> {
    let system =
        [WireFlag::Answered, WireFlag::Flagged, WireFlag::Deleted, WireFlag::Seen, WireFlag::Draft];
    let permanent = if read_only {
        Vec::new()
    } else {
        let system = system.iter().cloned().map(FlagPerm::Flag);
        system.chain([FlagPerm::Asterisk]).collect()
    };
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let first_unseen = folder.messages.iter().position(|it| !it.flags.contains(&Flag::Seen));
    let codes = [
        (
            first_unseen.and_then(|at| Code::unseen(count(at.saturating_add(1))).ok()),
            "First unseen",
        ),
        (Some(Code::permanentflags(permanent)), "Flags that stay"),
        (Code::uidnext(folder.next_uid).ok(), "Next UID"),
        (Code::uidvalidity(folder.validity).ok(), "UIDs valid"),
    ];
    let told = |(code, text): (Option<Code<'static>>, &'static str)| {
        Status::ok(None, Some(code?), text).ok().map(Response::Status)
    };
    let data =
        [Data::Flags(system.to_vec()), Data::Exists(count(folder.messages.len())), Data::Recent(0)];
    data.into_iter().map(Response::Data).chain(codes.into_iter().filter_map(told)).collect()
}

/// Copies of messages: where they went.
struct Transfer {
    validity: u32,
    pairs: Vec<(u32, u32)>,
}

impl Transfer {
    fn code(&self) -> Option<Code<'static>> {
        let set = |uids: Vec<u32>| {
            let uids: Vec<_> = uids.into_iter().filter_map(NonZeroU32::new).collect();
            Vec1::try_from(uids.into_iter().map(UidElement::Single).collect::<Vec<_>>()).map(UidSet)
        };
        let (source, destination) = self.pairs.iter().copied().unzip();
        Some(Code::CopyUid {
            uid_validity: NonZeroU32::new(self.validity)?,
            source: set(source).ok()?,
            destination: set(destination).ok()?,
        })
    }
}

/// Copies messages all or none (RFC 3501 section 6.4.7), and removes them from where they were.
fn transfer(
    content: &mut Content,
    from: &str,
    to: &str,
    uids: &[u32],
    remove: bool,
) -> Result<Transfer, MailboxError> {
    let source = content.folder(from)?;
    let messages: Vec<_> = uids.iter().filter_map(|uid| source.message(*uid)).cloned().collect();
    let mut done = Transfer { validity: content.folder(to)?.validity, pairs: Vec::new() };
    for Message { uid, received, flags, content: octets } in messages {
        match content.append(to, octets, flags, received) {
            Ok((_, copy)) => done.pairs.push((uid, copy)),
            Err(error) => {
                let copies: BTreeSet<u32> = done.pairs.iter().map(|(_, copy)| *copy).collect();
                let target = content.folder_mut(to)?;
                target.messages.retain(|message| !copies.contains(&message.uid));
                return Err(error);
            }
        }
    }
    if remove {
        let moved: BTreeSet<u32> = done.pairs.iter().map(|(uid, _)| *uid).collect();
        content.folder_mut(from)?.messages.retain(|message| !moved.contains(&message.uid));
    }
    Ok(done)
}

fn append_uid(validity: u32, uid: u32) -> Option<Code<'static>> {
    let uid = NonZeroU32::new(uid)?;
    Some(Code::AppendUid { uid_validity: NonZeroU32::new(validity)?, uid })
}
