//! Which octets of a message a FETCH section means (RFC 3501 section 6.4.5). mail-parser says where
//! headers and bodies lie. The hard thing is numbering: a message without parts has a part 1, which is
//! its text, and a message inside a message starts to count anew.

use std::{borrow::Cow, num::NonZeroU32};

use imap_codec::imap_types::{
    core::{AString, Vec1},
    fetch::{Part, Section},
};
use mail_parser::{Encoding, Message, MessagePart, PartType};

/// The content of a section of a parsed message; `None` where there is no such part.
pub(super) fn content<'a>(
    message: &'a Message<'a>,
    section: Option<&Section<'_>>,
) -> Option<Cow<'a, [u8]>> {
    let raw = message.raw_message();
    let content = match section {
        None => raw,
        Some(Section::Part(part)) => Place::of_part(message, part)?.body()?,
        Some(Section::Mime(part)) => Place::of_part(message, part)?.header()?,
        Some(Section::Header(part)) => Place::of_message(message, part.as_ref())?.header()?,
        Some(Section::Text(part)) => Place::of_message(message, part.as_ref())?.body()?,
        Some(Section::HeaderFields(part, names)) => {
            let place = Place::of_message(message, part.as_ref())?;
            return Some(place.fields(|field| is_among(field, names)).into());
        }
        Some(Section::HeaderFieldsNot(part, names)) => {
            let place = Place::of_message(message, part.as_ref())?;
            return Some(place.fields(|field| !is_among(field, names)).into());
        }
    };
    Some(Cow::Borrowed(content))
}

/// A cut of `BODY[...]<origin.length>`.
pub(super) fn cut(content: &[u8], origin: u32, length: NonZeroU32) -> &[u8] {
    let origin = usize::try_from(origin).unwrap_or(usize::MAX);
    let length = usize::try_from(length.get()).unwrap_or(usize::MAX);
    let rest = content.get(origin..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

/// A message inside a part, unless it is encoded: then (against RFC 2046 section 5.2.1) its octets are
/// not in the outer message, and nothing inside can be named.
pub(super) fn nested<'a>(part: &'a MessagePart<'a>) -> Option<&'a Message<'a>> {
    match &part.body {
        PartType::Message(nested) if part.encoding == Encoding::None => Some(nested),
        PartType::Message(_)
        | PartType::Text(_)
        | PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => None,
    }
}

/// A part, and the message by whose octets its offsets count.
pub(super) struct Place<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) part: &'a MessagePart<'a>,
}

impl<'a> Place<'a> {
    /// The message itself, with its own headers.
    pub(super) fn root(message: &'a Message<'a>) -> Option<Self> {
        Some(Self { message, part: message.parts.first()? })
    }

    /// The octets behind the header.
    pub(super) fn body(&self) -> Option<&'a [u8]> {
        self.octets(self.part.offset_body, self.part.offset_end)
    }

    /// The header with the empty line that ends it.
    fn header(&self) -> Option<&'a [u8]> {
        self.octets(self.part.offset_header, self.part.offset_body)
    }

    /// The header fields that are wanted, as they stand, with an empty line.
    fn fields(&self, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut found = Vec::new();
        for header in self.part.headers.iter().filter(|header| wanted(header.name())) {
            let field = self.octets(header.offset_field, header.offset_end);
            found.extend_from_slice(field.unwrap_or_default());
        }
        found.extend_from_slice(b"\r\n");
        found
    }

    /// The part with this number.
    fn of_part(message: &'a Message<'a>, part: &Part) -> Option<Self> {
        let mut place = Self::root(message)?;
        let mut at_root = true;
        for number in part.0.as_ref() {
            if !at_root && let Some(inner) = nested(place.part) {
                place = Self::root(inner)?;
                at_root = true;
            }
            let number = usize::try_from(number.get()).ok()?;
            if let PartType::Multipart(parts) = &place.part.body {
                place.part = place.message.part(*parts.get(number - 1)?)?;
            } else if !at_root || number != 1 {
                return None;
            }
            at_root = false;
        }
        Some(place)
    }

    /// The message that HEADER and TEXT mean: the outermost one, or one inside a part.
    fn of_message(message: &'a Message<'a>, part: Option<&Part>) -> Option<Self> {
        match part {
            None => Self::root(message),
            Some(part) => Self::root(nested(Self::of_part(message, part)?.part)?),
        }
    }

    fn octets(&self, from: u32, to: u32) -> Option<&'a [u8]> {
        self.message.raw_message.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }
}

fn is_among(field: &str, names: &Vec1<AString<'_>>) -> bool {
    names.as_ref().iter().any(|name| name.as_ref().eq_ignore_ascii_case(field.as_bytes()))
}
