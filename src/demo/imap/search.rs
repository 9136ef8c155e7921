//! SEARCH (RFC 3501 section 6.4.4). The hard thing is text: what a person looks for is compared with
//! decoded headers and decoded texts, in any case of letters.

use std::cell::OnceCell;

use chrono::NaiveDate;
use imap_codec::imap_types::{core::Charset, search::SearchKey};
use mail_parser::{HeaderName, HeaderValue, Message as Parsed, PartType};

use super::{
    fetch::{date, parse, size},
    selected::{Handle, ranges},
};
use crate::demo::mailbox::{Flag, Message};

/// One message that may be found.
pub(super) struct Candidate<'a> {
    message: &'a Message,
    handle: Handle,
    largest: Largest,
    parsed: OnceCell<Parsed<'a>>,
}

/// What `*` means in the folder.
#[derive(Clone, Copy)]
pub(super) struct Largest {
    pub(super) number: u32,
    pub(super) uid: u32,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(message: &'a Message, handle: Handle, largest: Largest) -> Self {
        Self { message, handle, largest, parsed: OnceCell::new() }
    }

    /// Whether the key fits. imap-codec bounds how deep keys lie inside one another.
    pub(super) fn matches(&self, key: &SearchKey<'_>) -> bool {
        let text =
            |wanted: &dyn AsRef<[u8]>| String::from_utf8_lossy(wanted.as_ref()).to_lowercase();
        match key {
            SearchKey::And(keys) => keys.as_ref().iter().all(|key| self.matches(key)),
            SearchKey::Or(one, other) => self.matches(one) || self.matches(other),
            SearchKey::Not(key) => !self.matches(key),
            SearchKey::All | SearchKey::Old => true,
            // The demo does not keep who was told first.
            SearchKey::New | SearchKey::Recent => false,
            SearchKey::SequenceSet(set) => {
                let ranges = ranges(set, self.largest.number);
                ranges.iter().any(|range| range.contains(&self.handle.number.get()))
            }
            SearchKey::Uid(set) => {
                let ranges = ranges(set, self.largest.uid);
                ranges.iter().any(|range| range.contains(&self.handle.uid.get()))
            }
            SearchKey::Answered => self.has(&Flag::Answered),
            SearchKey::Deleted => self.has(&Flag::Deleted),
            SearchKey::Draft => self.has(&Flag::Draft),
            SearchKey::Flagged => self.has(&Flag::Flagged),
            SearchKey::Seen => self.has(&Flag::Seen),
            SearchKey::Unanswered => !self.has(&Flag::Answered),
            SearchKey::Undeleted => !self.has(&Flag::Deleted),
            SearchKey::Undraft => !self.has(&Flag::Draft),
            SearchKey::Unflagged => !self.has(&Flag::Flagged),
            SearchKey::Unseen => !self.has(&Flag::Seen),
            SearchKey::Keyword(name) => self.has(&keyword(name.as_ref())),
            SearchKey::Unkeyword(name) => !self.has(&keyword(name.as_ref())),
            SearchKey::Larger(octets) => size(self.message) > *octets,
            SearchKey::Smaller(octets) => size(self.message) < *octets,
            SearchKey::Before(day) => self.received().is_some_and(|date| date < *day.as_ref()),
            SearchKey::On(day) => self.received().is_some_and(|date| date == *day.as_ref()),
            SearchKey::Since(day) => self.received().is_some_and(|date| date >= *day.as_ref()),
            SearchKey::SentBefore(day) => self.sent().is_some_and(|date| date < *day.as_ref()),
            SearchKey::SentOn(day) => self.sent().is_some_and(|date| date == *day.as_ref()),
            SearchKey::SentSince(day) => self.sent().is_some_and(|date| date >= *day.as_ref()),
            SearchKey::From(wanted) => self.header("From", &text(wanted)),
            SearchKey::To(wanted) => self.header("To", &text(wanted)),
            SearchKey::Cc(wanted) => self.header("Cc", &text(wanted)),
            SearchKey::Bcc(wanted) => self.header("Bcc", &text(wanted)),
            SearchKey::Subject(wanted) => self.header("Subject", &text(wanted)),
            SearchKey::Header(name, wanted) => {
                self.header(&String::from_utf8_lossy(name.as_ref()), &text(wanted))
            }
            SearchKey::Body(wanted) => self.body(&text(wanted)),
            SearchKey::Text(wanted) => {
                let wanted = text(wanted);
                self.any_header(&wanted) || self.body(&wanted)
            }
        }
    }

    fn parsed(&self) -> &Parsed<'a> {
        self.parsed.get_or_init(|| parse(&self.message.content))
    }

    fn has(&self, flag: &Flag) -> bool {
        self.message.flags.contains(flag)
    }

    fn received(&self) -> Option<NaiveDate> {
        date(self.message).map(|date| date.as_ref().date_naive())
    }

    /// The date in the header, "disregarding time and timezone".
    fn sent(&self) -> Option<NaiveDate> {
        let date = self.parsed().header(HeaderName::Date)?.as_datetime()?;
        NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
    }

    fn header(&self, name: &str, wanted: &str) -> bool {
        let Some(root) = self.parsed().parts.first() else { return false };
        let mut fields = root.headers.iter();
        fields.any(|field| {
            field.name().eq_ignore_ascii_case(name) && value_contains(&field.value, wanted)
        })
    }

    fn any_header(&self, wanted: &str) -> bool {
        let Some(root) = self.parsed().parts.first() else { return false };
        root.headers.iter().any(|field| {
            field.name().to_lowercase().contains(wanted) || value_contains(&field.value, wanted)
        })
    }

    fn body(&self, wanted: &str) -> bool {
        self.parsed().parts.iter().any(|part| match &part.body {
            PartType::Text(text) | PartType::Html(text) => contains(text, wanted),
            PartType::Message(inner) => {
                let mut texts = inner.parts.iter().filter_map(|part| part.text_contents());
                texts.any(|text| contains(text, wanted))
            }
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => false,
        })
    }
}

/// Whether the texts of a search can be read.
pub(super) fn is_known(charset: &Charset<'_>) -> bool {
    let name = charset.as_ref();
    name.eq_ignore_ascii_case("US-ASCII") || name.eq_ignore_ascii_case("UTF-8")
}

fn keyword(name: &str) -> Flag {
    Flag::Keyword(name.to_ascii_lowercase())
}

fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(wanted)
}

fn value_contains(value: &HeaderValue<'_>, wanted: &str) -> bool {
    match value {
        HeaderValue::Text(text) => contains(text, wanted),
        HeaderValue::TextList(texts) => texts.iter().any(|text| contains(text, wanted)),
        HeaderValue::Address(addresses) => addresses.iter().any(|address| {
            let name = address.name.as_deref().unwrap_or_default();
            let address = address.address.as_deref().unwrap_or_default();
            contains(&format!("{name} <{address}>"), wanted)
        }),
        HeaderValue::DateTime(date) => contains(&date.to_rfc822(), wanted),
        HeaderValue::ContentType(kind) => {
            let subtype = kind.c_subtype.as_deref().unwrap_or_default();
            contains(&format!("{}/{subtype}", kind.c_type), wanted)
        }
        HeaderValue::Received(_) | HeaderValue::Empty => wanted.is_empty(),
    }
}
