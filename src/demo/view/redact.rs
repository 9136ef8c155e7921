//! What may be shown at all, whatever the protocol. The hard thing is that what is not known to be
//! harmless must not be shown: each protocol's leg shows the commands that it knows, and of everything
//! else, that it was there.

use crate::{proto::Side, secret::Secret};

/// Knows what secrets are called, and the one that must not pass in any place.
pub(super) struct Redact {
    mailbox: String,
    password: Secret,
}

impl Redact {
    pub(super) fn new(mailbox: &str, password: &Secret) -> Self {
        Self { mailbox: mailbox.to_owned(), password: password.clone() }
    }

    /// Hides a line in which the local password has turned up where no password belongs.
    pub(super) fn guard(&self, text: String) -> String {
        let password = self.password.expose();
        let found = !password.is_empty()
            && text.as_bytes().windows(password.len()).any(|window| window == password);
        if found { "<hidden: it holds the password>".into() } else { shortened(text) }
    }

    /// What stands for the responses of a mechanism; `None` if the mechanism is not known.
    pub(super) fn secret(&self, side: Side, mechanism: &str) -> Option<String> {
        Some(match (mechanism.to_ascii_uppercase().as_str(), side) {
            ("XOAUTH2" | "OAUTHBEARER", Side::Upstream) => {
                format!("<access token of {}>", self.mailbox)
            }
            ("XOAUTH2" | "OAUTHBEARER", Side::Downstream) => "<access token>".into(),
            ("PLAIN", _) => "<user name and password>".into(),
            ("LOGIN", _) => "<user name or password>".into(),
            _ => return None,
        })
    }

    /// What is shown of what follows AUTH in SMTP and POP3, with the word itself, and what stands for
    /// the responses.
    pub(super) fn auth(&self, side: Side, arguments: &[u8]) -> (String, String) {
        let mut words = arguments.splitn(2, |octet| *octet == b' ');
        let mechanism = readable(words.next().unwrap_or_default());
        match (self.secret(side, &mechanism), words.next()) {
            (Some(secret), None) => (format!("AUTH {mechanism}"), secret),
            (Some(secret), Some(_)) => (format!("AUTH {mechanism} {secret}"), secret),
            (None, _) => ("AUTH <hidden>".into(), "<hidden>".into()),
        }
    }
}

/// What is shown of a client's line within an exchange. Three forms hold nothing: the cancellation, and
/// the empty answers to an error challenge (RFC 7628 section 3.2.3).
pub(super) fn response(secret: &str, line: &[u8]) -> String {
    match line.trim_ascii() {
        bare @ (b"*" | b"AQ==" | b"") => readable(bare),
        _ => secret.to_owned(),
    }
}

/// What stands for a literal.
pub(super) fn literal(what: Option<&'static str>, octets: usize) -> String {
    match what {
        Some(what) => format!("… {octets} octets{what}"),
        None => "<hidden>".into(),
    }
}

/// Octets as text without anything that a terminal would act on.
pub(super) fn readable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets.trim_ascii_end());
    text.chars().map(|character| if character.is_control() { '·' } else { character }).collect()
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

pub(super) const COMMAND_HIDDEN: &str = "<hidden: not a command that is known here>";

/// Instead of what follows, for good.
pub(super) const LOST: &str = "<hidden: too much at once>";

pub(super) const ANSWER_HIDDEN: &str = "<hidden: an answer to a hidden line>";

/// Characters of one line.
const WIDTH: usize = 120;
