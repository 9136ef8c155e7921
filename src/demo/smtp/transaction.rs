//! An envelope, from MAIL to the end of the message. smtp-proto knows the parameters of many extensions;
//! those that EHLO has not offered are refused here, since a client that uses one relies on it.

use std::borrow::Cow;

use smtp_proto::{
    MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MAIL_SMTPUTF8, MailFrom,
    RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS, RcptTo,
};

use super::{SIZE_LIMIT, receive::Growing};

/// A message under way.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Empty for the null reverse-path.
    pub(super) sender: String,
    /// Addresses and header fields may be in UTF-8 (RFC 6531).
    pub(super) utf8: bool,
    /// What the client calls it, for reports (RFC 3461 section 4.4).
    pub(super) envelope_id: Option<String>,
    pub(super) recipients: Vec<Recipient>,
    pub(super) chunks: Chunks,
}

/// An accepted RCPT.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) address: String,
    /// The recipient that the sender named first (RFC 3461 section 4.2).
    pub(super) original: Option<String>,
    /// NOTIFY=SUCCESS.
    pub(super) report: bool,
}

/// What came by BDAT.
#[derive(Debug)]
pub(super) enum Chunks {
    None,
    Some(Growing),
    /// One was refused, so the message cannot be whole any more.
    Failed,
}

impl Transaction {
    /// Begins with a MAIL command, or says the reply that refuses it.
    pub(super) fn begin(from: MailFrom<Cow<'_, str>>) -> Result<Self, &'static str> {
        let offered =
            MAIL_BODY_7BIT | MAIL_BODY_8BITMIME | MAIL_RET_FULL | MAIL_RET_HDRS | MAIL_SMTPUTF8;
        let other = from.trans_id.is_some()
            || from.solicit.is_some()
            || from.mtrk.is_some()
            || from.by != 0
            || from.hold_for != 0
            || from.hold_until != 0
            || from.mt_priority != 0;
        if other || from.flags & !offered != 0 {
            return Err(NOT_OFFERED);
        }
        if from.size > SIZE_LIMIT {
            return Err("552 5.3.4 This is larger than the demo takes");
        }
        let utf8 = from.flags & MAIL_SMTPUTF8 != 0;
        if !utf8 && !from.address.is_ascii() {
            return Err(NEEDS_UTF8);
        }
        Ok(Self {
            sender: from.address.into_owned(),
            utf8,
            envelope_id: from.env_id.map(Cow::into_owned),
            recipients: Vec::new(),
            chunks: Chunks::None,
        })
    }

    /// Adds a recipient, or says the reply that refuses it.
    pub(super) fn add(&mut self, to: RcptTo<Cow<'_, str>>) -> Result<(), &'static str> {
        let notify =
            RCPT_NOTIFY_SUCCESS | RCPT_NOTIFY_FAILURE | RCPT_NOTIFY_DELAY | RCPT_NOTIFY_NEVER;
        if to.flags & !notify != 0 || to.rrvs != 0 {
            return Err(NOT_OFFERED);
        }
        let never = to.flags & RCPT_NOTIFY_NEVER != 0;
        if never && to.flags & notify != RCPT_NOTIFY_NEVER {
            return Err("501 5.5.4 NEVER stands alone");
        }
        if to.address.is_empty() {
            return Err("501 5.1.3 A recipient has a name and a domain");
        }
        if !self.utf8 && !to.address.is_ascii() {
            return Err(NEEDS_UTF8);
        }
        if self.recipients.len() >= RECIPIENTS {
            return Err("452 4.5.3 Too many recipients");
        }
        self.recipients.push(Recipient {
            address: to.address.into_owned(),
            original: to.orcpt.map(Cow::into_owned),
            report: to.flags & RCPT_NOTIFY_SUCCESS != 0,
        });
        Ok(())
    }
}

/// RFC 5321 section 4.1.1.11.
pub(super) const NOT_OFFERED: &str = "555 5.5.4 This parameter is not offered here";

/// RFC 6531 section 3.5.
const NEEDS_UTF8: &str = "553 5.6.7 This address needs SMTPUTF8 in MAIL";

/// RFC 5321 section 4.5.3.1.8 asks for a hundred.
const RECIPIENTS: usize = 100;
