//! Delivery status notifications (RFC 3461, RFC 3464): who asks for NOTIFY=SUCCESS finds a report in the
//! inbox. The demo delivers or refuses at once, so it has nothing to tell of delays and failures.

use std::fmt::Write as _;

use super::{
    delivery::{Trace, quoted},
    transaction::{Recipient, Transaction},
};

/// The report that a sender has asked for; `None` if it wants none. `is_user` tells whose messages
/// have reached their inbox; all others stay in Sent, which reports nothing by itself (RFC 3464
/// section 2.3.3 calls that relayed).
pub(super) fn report(
    trace: &Trace,
    transaction: &Transaction,
    message: &[u8],
    is_user: impl Fn(&str) -> bool,
) -> Option<String> {
    let asked = transaction.recipients.iter().filter(|recipient| recipient.report);
    let asked: Vec<(&Recipient, bool)> =
        asked.map(|recipient| (recipient, is_user(&recipient.address))).collect();
    if asked.is_empty() {
        return None;
    }
    let header = header(message);
    // RFC 6533 section 6: the types for what is not ASCII.
    let (status_type, header_type) = if transaction.utf8 {
        ("message/global-delivery-status", "message/global-headers")
    } else {
        ("message/delivery-status", "text/rfc822-headers")
    };
    let Trace { id, date, .. } = trace;
    let sender = quoted(&transaction.sender);
    let mut people = String::new();
    let mut status = format!("Reporting-MTA: dns; localhost\r\nArrival-Date: {date}\r\n");
    if let Some(envelope_id) = &transaction.envelope_id {
        status += &format!("Original-Envelope-Id: {}\r\n", printable(envelope_id));
    }
    for (recipient, delivered) in asked {
        let _ = write!(people, "  {}: {}\r\n", recipient.address, fate(delivered));
        status += &recipient_fields(recipient, delivered);
    }
    Some(format!(
        "\
Return-Path: <>\r
Date: {date}\r
From: Mail delivery <postmaster@localhost>\r
To: <{sender}>\r
Subject: Your message has been delivered\r
Message-ID: <report-{id}@localhost>\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary=\"{id}\"\r
\r
--{id}\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
You wanted to know what became of your message {id}:\r
\r
{people}\r
--{id}\r
Content-Type: {status_type}\r
\r
{status}\r
--{id}\r
Content-Type: {header_type}\r
Content-Transfer-Encoding: 8bit\r
\r
{header}\r
--{id}--\r
"
    ))
}

/// The fields about one recipient, behind an empty line (RFC 3464 section 2.3).
fn recipient_fields(recipient: &Recipient, delivered: bool) -> String {
    let address = quoted(&recipient.address);
    let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
    let original = recipient.original.as_ref();
    let original =
        original.map(|known| format!("Original-Recipient: rfc822; {}\r\n", printable(known)));
    let action = if delivered { "delivered" } else { "relayed" };
    format!(
        "\r\n{}Final-Recipient: {kind}; {address}\r\nAction: {action}\r\nStatus: 2.0.0\r\n",
        original.unwrap_or_default()
    )
}

fn fate(delivered: bool) -> &'static str {
    if delivered { "it is in the inbox." } else { "it is in Sent, since nothing leaves the demo." }
}

/// The header alone: RET=FULL is about failures only (RFC 3461 section 4.3).
fn header(message: &[u8]) -> String {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n");
    let header = message.get(..end.map_or(message.len(), |end| end + 2)).unwrap_or_default();
    let header = header.get(..HEADER).unwrap_or(header);
    String::from_utf8_lossy(header).into_owned()
}

/// A decoded xtext may hold anything.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// Octets of a header that are given back.
const HEADER: usize = 64 * 1024;
