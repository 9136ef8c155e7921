//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2) from what mail-parser found. The hard
//! thing is that IMAP wants most header texts as they stand, while mail-parser decodes them: those are
//! cut from the message, and names of people are encoded again.

use std::{borrow::Cow, fmt::Write as _};

use imap_codec::imap_types::{
    body::{
        BasicFields, Body, BodyStructure, Disposition, MultiPartExtensionData,
        SinglePartExtensionData, SpecificFields,
    },
    core::{IString, NString, Quoted, Vec1},
    envelope::{Address, Envelope},
};
use mail_parser::{
    Addr, Address as Addresses, ContentType, HeaderName, HeaderValue, Message, MessagePart,
    MimeHeaders as _, PartType,
};

use super::section::{Place, nested};

/// The ENVELOPE of a message.
pub(super) fn envelope(message: &Message<'_>) -> Envelope<'static> {
    let text = |name: HeaderName<'static>| {
        Place::root(message).map_or(NString::NIL, |root| field(&root, &name))
    };
    let people = |name: HeaderName<'static>| addresses(message.header(name));
    let from = people(HeaderName::From);
    let or_from = |list: Vec<Address<'static>>| if list.is_empty() { from.clone() } else { list };
    Envelope {
        date: text(HeaderName::Date),
        subject: text(HeaderName::Subject),
        sender: or_from(people(HeaderName::Sender)),
        reply_to: or_from(people(HeaderName::ReplyTo)),
        to: people(HeaderName::To),
        cc: people(HeaderName::Cc),
        bcc: people(HeaderName::Bcc),
        in_reply_to: text(HeaderName::InReplyTo),
        message_id: text(HeaderName::MessageId),
        from,
    }
}

/// The structure of a message: BODYSTRUCTURE if `extended`, else BODY.
pub(super) fn body_structure(message: &Message<'_>, extended: bool) -> BodyStructure<'static> {
    Place::root(message).map_or_else(nothing, |root| structure(&root, extended, 0))
}

fn structure(place: &Place<'_>, extended: bool, depth: usize) -> BodyStructure<'static> {
    if let PartType::Multipart(parts) = &place.part.body
        && depth < DEPTH
    {
        let parts = parts.iter().filter_map(|id| place.message.part(*id));
        let bodies: Vec<_> = parts
            .map(|part| structure(&Place { message: place.message, part }, extended, depth + 1))
            .collect();
        if let Ok(bodies) = Vec1::try_from(bodies) {
            let content_type = place.part.content_type();
            let subtype = content_type.and_then(ContentType::subtype).unwrap_or("mixed");
            let extension_data = extended.then(|| MultiPartExtensionData {
                parameter_list: parameters(content_type),
                tail: Some(disposition(place.part)),
            });
            return BodyStructure::Multi { bodies, subtype: string(subtype), extension_data };
        }
    }
    let body = place.body().unwrap_or_default();
    let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
    BodyStructure::Single {
        body: Body {
            basic: basic_fields(place, size),
            specific: specific_fields(place, body, extended, depth),
        },
        extension_data: extended.then(|| SinglePartExtensionData {
            md5: NString::NIL,
            tail: Some(disposition(place.part)),
        }),
    }
}

fn basic_fields(place: &Place<'_>, size: u32) -> BasicFields<'static> {
    let encoding = place.part.content_transfer_encoding().unwrap_or("7bit");
    BasicFields {
        parameter_list: parameters(place.part.content_type()),
        id: field(place, &HeaderName::ContentId),
        description: field(place, &HeaderName::ContentDescription),
        content_transfer_encoding: string(encoding),
        size,
    }
}

fn specific_fields(
    place: &Place<'_>,
    body: &[u8],
    extended: bool,
    depth: usize,
) -> SpecificFields<'static> {
    let lines = body.iter().filter(|octet| **octet == b'\n').count();
    let number_of_lines = u32::try_from(lines).unwrap_or(u32::MAX);
    if let Some(inner) = nested(place.part)
        && depth < DEPTH
        && let Some(root) = Place::root(inner)
    {
        return SpecificFields::Message {
            envelope: Box::new(envelope(inner)),
            body_structure: Box::new(structure(&root, extended, depth + 1)),
            number_of_lines,
        };
    }
    let content_type = place.part.content_type();
    match content_type.map(|kind| (kind.ctype(), kind.subtype().unwrap_or("octet-stream"))) {
        None => SpecificFields::Text { subtype: string("plain"), number_of_lines },
        Some(("text", subtype)) => {
            SpecificFields::Text { subtype: string(subtype), number_of_lines }
        }
        // What should have had parts inside and has none that can be named.
        Some(("multipart", _) | ("message", "rfc822")) => {
            SpecificFields::Basic { r#type: string("application"), subtype: string("octet-stream") }
        }
        Some((kind, subtype)) => {
            SpecificFields::Basic { r#type: string(kind), subtype: string(subtype) }
        }
    }
}

fn parameters(content_type: Option<&ContentType<'_>>) -> Vec<(IString<'static>, IString<'static>)> {
    let attributes = content_type.and_then(ContentType::attributes).unwrap_or_default();
    attributes.iter().map(|pair| (string(&pair.name), string(&pair.value))).collect()
}

fn disposition(part: &MessagePart<'_>) -> Disposition<'static> {
    let disposition = part.content_disposition();
    Disposition {
        disposition: disposition.map(|found| (string(found.ctype()), parameters(Some(found)))),
        tail: None,
    }
}

/// The text of a header field as it stands, without its folding.
fn field(place: &Place<'_>, name: &HeaderName<'_>) -> NString<'static> {
    let Some(header) = place.part.headers.iter().rfind(|header| header.name == *name) else {
        return NString::NIL;
    };
    let (Ok(from), Ok(to)) =
        (usize::try_from(header.offset_start), usize::try_from(header.offset_end))
    else {
        return NString::NIL;
    };
    let raw = place.message.raw_message.get(from..to).unwrap_or_default();
    let unfolded: Vec<u8> =
        raw.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    NString::try_from(unfolded.trim_ascii().to_vec()).unwrap_or(NString::NIL)
}

fn addresses(header: Option<&HeaderValue<'_>>) -> Vec<Address<'static>> {
    match header.and_then(HeaderValue::as_address) {
        None => Vec::new(),
        Some(Addresses::List(list)) => list.iter().map(address).collect(),
        Some(Addresses::Group(groups)) => groups
            .iter()
            .flat_map(|group| {
                // RFC 3501 section 7.4.2: a group is told by two marks around its members.
                let mark = |mailbox| Address {
                    name: NString::NIL,
                    adl: NString::NIL,
                    mailbox,
                    host: NString::NIL,
                };
                let members = group.addresses.iter().map(address);
                let start = group.name.as_deref().map(|name| mark(encoded(name)));
                let end = start.as_ref().map(|_| mark(NString::NIL));
                start.into_iter().chain(members).chain(end).collect::<Vec<_>>()
            })
            .collect(),
    }
}

fn address(addr: &Addr<'_>) -> Address<'static> {
    let address = addr.address.as_deref().unwrap_or_default();
    let (mailbox, host) = address.rsplit_once('@').unwrap_or((address, ""));
    Address {
        name: addr.name.as_deref().map_or(NString::NIL, encoded),
        adl: NString::NIL,
        mailbox: nstring(mailbox.to_owned()),
        host: nstring(host.to_owned()),
    }
}

/// A name as it may stand in a header: an encoded word (RFC 2047 section 4.2) where it is not ASCII.
fn encoded(name: &str) -> NString<'static> {
    if name.is_ascii() {
        return nstring(name.to_owned());
    }
    let mut word = String::from("=?UTF-8?Q?");
    for octet in name.bytes() {
        match octet {
            b' ' => word.push('_'),
            _ if octet.is_ascii_alphanumeric() => word.push(char::from(octet)),
            // Writing to a string cannot fail.
            _ => drop(write!(word, "={octet:02X}")),
        }
    }
    word.push_str("?=");
    nstring(word)
}

fn nstring(text: String) -> NString<'static> {
    NString::try_from(text).unwrap_or(NString::NIL)
}

/// A text as a string of the protocol, which holds everything but NUL.
fn string(text: &str) -> IString<'static> {
    let text: Cow<'_, str> =
        if text.contains('\0') { text.replace('\0', "?").into() } else { text.into() };
    IString::try_from(text.into_owned())
        .unwrap_or_else(|_| IString::Quoted(Quoted::unvalidated("")))
}

/// What is told of a message in which nothing can be found.
fn nothing() -> BodyStructure<'static> {
    BodyStructure::Single {
        body: Body {
            basic: BasicFields {
                parameter_list: Vec::new(),
                id: NString::NIL,
                description: NString::NIL,
                content_transfer_encoding: string("7bit"),
                size: 0,
            },
            specific: SpecificFields::Text { subtype: string("plain"), number_of_lines: 0 },
        },
        extension_data: None,
    }
}

/// How deep parts may lie inside one another; deeper ones are told as opaque data.
const DEPTH: usize = 20;
