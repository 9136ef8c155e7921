//! Where a message goes: a copy of everything sent into Sent, as large providers do it, and what is
//! addressed to the user into the inbox, with the trace fields of a final delivery. The hard thing is
//! that a message is accepted whole or not at all: whoever hears 250 finds it in both places.

use std::{borrow::Cow, collections::BTreeSet, io, net::IpAddr, time::SystemTime};

use bytes::{Bytes, BytesMut};
use chrono::DateTime;

use super::{report, session::Hello, transaction::Transaction};
use crate::demo::{
    mailbox::{Content, Flag, INBOX, MailboxError, Purpose},
    random_word,
    server::Server,
};

/// How a message came here.
pub(super) struct Trace {
    /// What the server calls it.
    pub(super) id: String,
    /// When it came, as header fields write it.
    pub(super) date: String,
    from: String,
    extended: bool,
    received: SystemTime,
}

impl Trace {
    /// The trace of a message that has come just now.
    pub(super) fn new(hello: Option<&Hello>, client: IpAddr) -> io::Result<Self> {
        let received = SystemTime::now();
        let since = received.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        let date = DateTime::from_timestamp(seconds, 0).unwrap_or_default().to_rfc2822();
        let name: String =
            hello.map_or("unknown", |hello| &hello.name).chars().map(plain).collect();
        Ok(Self {
            id: random_word(12)?.to_ascii_uppercase(),
            date,
            from: format!("{name} ([{client}])"),
            extended: hello.is_some_and(|hello| hello.extended),
            received,
        })
    }

    /// The fields of RFC 5321 section 4.4, in front of the message; `with` by RFC 3848 and RFC 6531.
    fn fields(&self, transaction: &Transaction, recipient: &str) -> String {
        let with = match (self.extended, transaction.utf8) {
            (true, true) => "UTF8SMTPSA",
            (true, false) => "ESMTPSA",
            (false, _) => "SMTP",
        };
        format!(
            "Return-Path: <{}>\r\n\
             Received: from {}\r\n\
             \tby localhost (saslgate demo) with {with} id {}\r\n\
             \tfor <{}>; {}\r\n",
            quoted(&transaction.sender),
            self.from,
            self.id,
            quoted(recipient),
            self.date
        )
    }
}

/// Files a message, and what reports its sender has asked for.
pub(super) fn deliver(
    server: &Server,
    trace: &Trace,
    transaction: &Transaction,
    message: Bytes,
) -> Result<(), MailboxError> {
    let user = |address: &str| address.eq_ignore_ascii_case(&server.user);
    let own = transaction.recipients.iter().find(|recipient| user(&recipient.address));
    let arrival = own.map(|recipient| {
        let fields = trace.fields(transaction, &recipient.address);
        let mut whole = BytesMut::with_capacity(fields.len() + message.len());
        whole.extend_from_slice(fields.as_bytes());
        whole.extend_from_slice(&message);
        whole.freeze()
    });
    // A sender elsewhere gets no report: nothing leaves the demo.
    let report = user(&transaction.sender)
        .then(|| report::report(trace, transaction, &message, user))
        .flatten();
    server.mailbox.change(|content| {
        let arrives = arrival.is_some();
        if let Some(arrival) = arrival {
            content.append(INBOX, arrival, BTreeSet::new(), trace.received)?;
        }
        let filed = file_copy(content, message, trace.received);
        if filed.is_err() && arrives {
            content.folder_mut(INBOX)?.messages.pop();
        }
        filed?;
        if let Some(report) = report {
            // The message itself is delivered: that there is no room for the report changes nothing.
            let _ = content.append(INBOX, report.into(), BTreeSet::new(), trace.received);
        }
        Ok(())
    })
}

/// The copy for the sender, as it was sent. Clients rename and delete folders: what is meant is the
/// folder that has this purpose, and if there is none, a new one.
fn file_copy(
    content: &mut Content,
    message: Bytes,
    received: SystemTime,
) -> Result<(), MailboxError> {
    let is_sent = |purpose: Option<Purpose>| purpose == Some(Purpose::Sent);
    let known = content.folders().find(|(_, folder)| is_sent(folder.purpose));
    let name = match known {
        Some((name, _)) => name.to_owned(),
        None => {
            match content.create(SENT) {
                Ok(()) | Err(MailboxError::FolderExists) => {}
                Err(error) => return Err(error),
            }
            SENT.to_owned()
        }
    };
    content.append(&name, message, [Flag::Seen].into(), received).map(drop)
}

/// What may stand in a header field as it is; an EHLO argument may hold anything.
fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() || "-.:[]".contains(character) { character } else { '?' }
}

/// An address as a path writes it: smtp-proto takes the quotes away (RFC 5321 section 4.1.2).
pub(super) fn quoted(address: &str) -> Cow<'_, str> {
    let is_atom = |character: char| {
        character.is_alphanumeric()
            || !character.is_ascii()
            || "!#$%&'*+-/=?^_`{|}~.".contains(character)
    };
    match address.rsplit_once('@') {
        Some((local, domain)) if !local.chars().all(is_atom) => {
            let local = local.replace('\\', "\\\\").replace('"', "\\\"");
            Cow::Owned(format!("\"{local}\"@{domain}"))
        }
        _ => Cow::Borrowed(address),
    }
}

const SENT: &str = "Sent";
