//! What a server's `-ERR` means. The hard thing is that a refused token, a busy server and a mailbox
//! that does not fit all come as `-ERR`, and each asks for something else: a new token, patience, a
//! person. RFC 2449 section 8 and RFC 3206 have codes for that, which Exchange does not use.

use crate::proto::{
    Rejection,
    pop3::reply::Answer,
    verdict::{credential, says_not_connected, says_not_now},
};

/// Why a login failed, with the error challenge that came before.
pub(super) fn refused(answer: Answer<'_>, challenge: Option<&[u8]>) -> Rejection {
    let text = answer.words();
    if is_passing(answer) {
        return Rejection::Busy { text };
    }
    // "A system error, as opposed to the user's credentials" that is not passing (RFC 3206 section 4):
    // Gmail, where the mailbox has POP switched off. No other token helps.
    if answer.has_code("SYS") || says_not_connected(&text) {
        return Rejection::NotConnected { text };
    }
    credential(text, challenge)
}

/// Whether a server says "not now", which says nothing about credential or mailbox: by a code of RFC
/// 2449 section 8.1 or RFC 3206 section 4, or in the words of Exchange and of Gmail.
pub(super) fn is_passing(answer: Answer<'_>) -> bool {
    if answer.has_code("AUTH") {
        return false;
    }
    ["SYS/TEMP", "IN-USE", "LOGIN-DELAY"].iter().any(|code| answer.has_code(code))
        || says_not_now(&answer.words())
}
