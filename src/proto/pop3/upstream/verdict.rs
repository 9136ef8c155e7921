//! What a server's `-ERR` means. The hard thing is that a refused token, a busy server and a mailbox
//! that does not fit all come as `-ERR`, and each asks for something else: a new token, patience, a
//! person. RFC 2449 section 8 and RFC 3206 have codes for that, which Exchange does not use.

use crate::{
    proto::{Rejection, pop3::reply::Answer},
    sasl::bearer::error_status,
};

/// Why a login failed, with the error challenge that came before.
pub(super) fn refused(answer: Answer<'_>, challenge: Option<&[u8]>) -> Rejection {
    let mut text = answer.words();
    if is_passing(answer) {
        return Rejection::Busy { text };
    }
    // "A system error, as opposed to the user's credentials" that is not passing (RFC 3206 section 4):
    // Gmail, where the mailbox has POP switched off. No other token helps.
    if answer.has_code("SYS") || text.to_ascii_lowercase().contains(NOT_CONNECTED) {
        return Rejection::NotConnected { text };
    }
    if let Some(status) = challenge.and_then(error_status) {
        text = format!("{text} (status {status})");
    }
    Rejection::Credential { text }
}

/// Whether a server says "not now", which says nothing about credential or mailbox: by a code of RFC
/// 2449 section 8.1 or RFC 3206 section 4, or in the words of Exchange and of Gmail.
pub(super) fn is_passing(answer: Answer<'_>) -> bool {
    if answer.has_code("AUTH") {
        return false;
    }
    let text = answer.words().to_ascii_lowercase();
    ["SYS/TEMP", "IN-USE", "LOGIN-DELAY"].iter().any(|code| answer.has_code(code))
        || [UNAVAILABLE, TOO_MANY].iter().any(|words| text.contains(words))
}

/// A fault of the upstream's, in our words.
pub(super) fn protocol(fault: &'static str) -> Rejection {
    Rejection::Protocol { fault }
}

/// Exchange's words for a good token that does not open this mailbox.
const NOT_CONNECTED: &str = "authenticated but not connected";
/// Exchange, when its back end cannot be reached ("Server Unavailable. 15").
const UNAVAILABLE: &str = "server unavailable";
/// Gmail at its limit of sessions, with or without a code.
const TOO_MANY: &str = "too many simultaneous connections";
