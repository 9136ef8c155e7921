//! What a server's NO means. The hard thing is that a refused token, a busy server and a mailbox that
//! does not fit all come as NO, and each asks for something else: a new token, patience, a person.

use crate::proto::{
    Rejection,
    imap::response::{Answer, Condition},
    verdict::{credential, protocol, says_not_connected, says_not_now},
};

/// Why the login failed, with the error challenge that came before.
pub(super) fn refused(answer: Answer<'_>, challenge: Option<&[u8]>) -> Rejection {
    let text = answer.words();
    // RFC 5530 section 3 has the code for "authentication succeeded", but not for this mailbox.
    let unauthorized =
        answer.code.is_some_and(|code| code.eq_ignore_ascii_case(b"AUTHORIZATIONFAILED"));
    if unauthorized || says_not_connected(&text) {
        return Rejection::NotConnected { text };
    }
    if is_about_the_server(answer, &text) {
        return Rejection::Busy { text };
    }
    // Whoever has sent a challenge has understood.
    if answer.condition == Condition::Bad && challenge.is_none() {
        return protocol("it does not understand the login");
    }
    credential(text, challenge)
}

/// Why the first command after a login that was accepted failed.
pub(super) fn no_access(answer: Answer<'_>) -> Rejection {
    let text = answer.words();
    if is_about_the_server(answer, &text) {
        return Rejection::Busy { text };
    }
    Rejection::NotConnected { text }
}

/// What a goodbye right after the login means: a server that stops, unless it says otherwise.
pub(super) fn sent_away(answer: Answer<'_>) -> Rejection {
    let text = answer.words();
    let lower = text.to_ascii_lowercase();
    if ["not connected", CLOSED].iter().any(|words| lower.contains(words)) {
        return Rejection::NotConnected { text };
    }
    Rejection::Busy { text }
}

/// Whether a server says "not now", which says nothing about token or mailbox: by a response code of
/// RFC 5530 section 3, or in the words of Exchange and of Gmail.
fn is_about_the_server(answer: Answer<'_>, text: &str) -> bool {
    let coded = answer.code.is_some_and(|code| {
        [b"UNAVAILABLE".as_slice(), b"LIMIT", b"INUSE", b"SERVERBUG"]
            .iter()
            .any(|busy| code.eq_ignore_ascii_case(busy))
    });
    coded || says_not_now(text)
}

/// Exchange's goodbye behind those ("Connection closed. 14").
const CLOSED: &str = "connection closed";
