//! What the words of a refusal mean, where a protocol has no code for it, or a provider does not use it.
//! The hard thing is that "no" is said to a bad token, by a busy server, and for a mailbox that does not
//! fit, and each asks for something else: a new token, patience, a person.

use super::Rejection;
use crate::sasl::bearer::error_status;

/// Whether Exchange says that a good token does not open this mailbox.
pub(crate) fn says_not_connected(text: &str) -> bool {
    says(text, "authenticated but not connected")
}

/// Whether a server says "not now" in words: Exchange, when its back end cannot be reached ("Server
/// Unavailable. 15"), and Gmail at its limit of sessions, with or without a code.
pub(crate) fn says_not_now(text: &str) -> bool {
    says(text, "server unavailable") || says(text, "too many simultaneous connections")
}

fn says(text: &str, words: &str) -> bool {
    text.to_ascii_lowercase().contains(words)
}

/// A refusal of the credential itself, with the status of the error challenge that came before.
pub(crate) fn credential(text: String, challenge: Option<&[u8]>) -> Rejection {
    match challenge.and_then(error_status) {
        Some(status) => Rejection::Credential { text: format!("{text} (status {status})") },
        None => Rejection::Credential { text },
    }
}

/// A fault of the upstream's, in our words.
pub(crate) fn protocol(fault: &'static str) -> Rejection {
    Rejection::Protocol { fault }
}

/// Why nothing is said with a name, a token or a password that would end its line or leave its field.
pub(crate) const UNSENDABLE: &str = "user name or credential hold what cannot be sent";

/// Characters of the list of capabilities that a rejection quotes.
pub(crate) const OFFERED: usize = 1000;
