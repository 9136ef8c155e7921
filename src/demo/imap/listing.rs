//! Folders by name: LIST, LSUB, STATUS and NAMESPACE. Names stay as clients write them (modified
//! UTF-7, RFC 3501 section 5.1.3): the demo never shows them to people.

use std::{io, num::NonZeroU32};

use imap_codec::imap_types::{
    core::{Atom, QuotedChar},
    extensions::namespace::Namespace,
    flag::FlagNameAttribute,
    mailbox::{ListMailbox, Mailbox as WireName},
    response::{Data, Response},
    status::{StatusDataItem, StatusDataItemName},
};

use super::{command::Reply, session::Session};
use crate::demo::mailbox::{Flag, Folder, INBOX, Purpose};

impl Session<'_> {
    pub(super) async fn list(
        &mut self,
        reference: &WireName<'_>,
        pattern: &ListMailbox<'_>,
        subscribed: bool,
    ) -> io::Result<Reply> {
        let pattern = match pattern {
            ListMailbox::Token(text) => text.as_ref(),
            ListMailbox::String(text) => text.as_ref(),
        };
        let (Some(reference), Ok(pattern)) = (list_reference(reference), str::from_utf8(pattern))
        else {
            return Ok(Reply::ok("Nothing has such a name"));
        };
        let delimiter = delimiter()?;
        if pattern.is_empty() && !subscribed {
            // RFC 3501 section 6.3.8: only the delimiter is asked for.
            let items = vec![FlagNameAttribute::Noselect];
            let mailbox = WireName::try_from("").map_err(io::Error::other)?;
            let data = Data::List { items, delimiter: Some(delimiter), mailbox };
            self.wire.send(&Response::Data(data)).await?;
            return Ok(Reply::ok("Done"));
        }
        let pattern = format!("{reference}{pattern}");
        let found: Vec<(String, Option<Purpose>)> = self.server.mailbox.read(|content| {
            let fits = |(name, folder): &(&str, &Folder)| {
                (folder.subscribed || !subscribed) && matches(&pattern, name)
            };
            let folders = content.folders().filter(fits);
            folders.map(|(name, folder)| (name.to_owned(), folder.purpose)).collect()
        });
        for (name, purpose) in found {
            let mailbox = WireName::try_from(name).map_err(io::Error::other)?;
            let items = purpose.map(attribute).transpose()?.into_iter().collect();
            let delimiter = Some(delimiter);
            let data = if subscribed {
                Data::Lsub { items, delimiter, mailbox }
            } else {
                Data::List { items, delimiter, mailbox }
            };
            self.wire.send(&Response::Data(data)).await?;
        }
        Ok(Reply::ok("Done"))
    }

    pub(super) async fn status(
        &mut self,
        mailbox: WireName<'static>,
        names: &[StatusDataItemName],
    ) -> io::Result<Reply> {
        let items = folder_name(&mailbox).and_then(|name| {
            self.server.mailbox.read(|content| {
                let folder = content.folder(name)?;
                Ok(names.iter().filter_map(|name| status_item(folder, name)).collect())
            })
        });
        let items = match items {
            Ok(items) => items,
            Err(error) => return Ok(error.into()),
        };
        self.wire.send(&Response::Data(Data::Status { mailbox, items })).await?;
        Ok(Reply::ok("Done"))
    }

    /// RFC 2342: one personal namespace without a prefix.
    pub(super) async fn namespace(&mut self) -> io::Result<Reply> {
        let prefix = "".try_into().map_err(io::Error::other)?;
        let data = Data::Namespace {
            personal: vec![Namespace::new(prefix, Some(delimiter()?))],
            other: Vec::new(),
            shared: Vec::new(),
        };
        self.wire.send(&Response::Data(data)).await?;
        Ok(Reply::ok("Done"))
    }
}

/// The name by which the mailbox knows a folder.
pub(super) fn folder_name<'a>(
    name: &'a WireName<'_>,
) -> Result<&'a str, crate::demo::mailbox::MailboxError> {
    let octets = match name {
        WireName::Inbox => return Ok(INBOX),
        WireName::Other(name) => name.as_ref(),
    };
    let name = str::from_utf8(octets).ok().filter(|name| name.is_ascii());
    name.ok_or(crate::demo::mailbox::MailboxError::BadName)
}

fn list_reference<'a>(name: &'a WireName<'_>) -> Option<&'a str> {
    folder_name(name).ok()
}

fn status_item(folder: &Folder, name: &StatusDataItemName) -> Option<StatusDataItem> {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let deleted =
        || folder.messages.iter().filter(|message| message.flags.contains(&Flag::Deleted));
    Some(match name {
        StatusDataItemName::Messages => StatusDataItem::Messages(count(folder.messages.len())),
        StatusDataItemName::Recent => StatusDataItem::Recent(0),
        StatusDataItemName::UidNext => StatusDataItem::UidNext(NonZeroU32::new(folder.next_uid)?),
        StatusDataItemName::UidValidity => {
            StatusDataItem::UidValidity(NonZeroU32::new(folder.validity)?)
        }
        StatusDataItemName::Unseen => StatusDataItem::Unseen(count(folder.unseen())),
        StatusDataItemName::Deleted => StatusDataItem::Deleted(count(deleted().count())),
        StatusDataItemName::DeletedStorage => {
            let octets: usize = deleted().map(|message| message.content.len()).sum();
            StatusDataItem::DeletedStorage(u64::try_from(octets).unwrap_or(u64::MAX))
        }
    })
}

/// The attributes of RFC 6154.
fn attribute(purpose: Purpose) -> io::Result<FlagNameAttribute<'static>> {
    let name = match purpose {
        Purpose::Drafts => "Drafts",
        Purpose::Sent => "Sent",
        Purpose::Trash => "Trash",
    };
    Ok(FlagNameAttribute::from(Atom::try_from(name).map_err(io::Error::other)?))
}

fn delimiter() -> io::Result<QuotedChar> {
    QuotedChar::try_from('/').map_err(io::Error::other)
}

/// Whether a name fits a pattern: `*` stands for anything, `%` for anything within one level. The
/// work is bounded by the product of both lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Which beginnings of the name, by length, the pattern so far fits.
    let mut fits = vec![false; name.len() + 1];
    if let Some(empty) = fits.first_mut() {
        *empty = true;
    }
    for wanted in pattern.chars() {
        let mut before = false;
        let mut reached = false;
        for (fit, character) in
            fits.iter_mut().zip(std::iter::once(None).chain(name.iter().map(Some)))
        {
            let was = *fit;
            reached = match wanted {
                '*' => was || reached,
                '%' => was || (reached && character != Some(&'/')),
                _ => before && character == Some(&wanted),
            };
            *fit = reached;
            before = was;
        }
    }
    // INBOX is the one name without case (RFC 3501 section 5.1).
    let inbox =
        || name.iter().eq(&['I', 'N', 'B', 'O', 'X']) && pattern.eq_ignore_ascii_case(INBOX);
    fits.last().is_some_and(|fit| *fit) || inbox()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_as_the_rfc_says() {
        for (pattern, name, expected) in [
            ("*", "Work/2024/May", true),
            ("%", "Work", true),
            ("%", "Work/2024", false),
            ("%/%", "Work/2024", true),
            ("Work*", "Work/2024", true),
            ("Work/%", "Work", false),
            ("W%k", "Work", true),
            ("*k/*4", "Work/2024", true),
            ("work", "Work", false),
            ("inbox", "INBOX", true),
            ("", "Work", false),
            ("Work", "Workshop", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
