//! What a server's NO means. The hard thing is that a refused token, a busy server and a mailbox that
//! does not fit all come as NO, and each asks for something else: a new token, patience, a person.

use crate::{
    proto::{
        BearerMechanism, Rejection,
        imap::response::{Answer, Condition},
    },
    sasl::bearer::error_status,
};

/// Why AUTHENTICATE failed, with the error challenge that came before.
pub(super) fn refused(answer: Answer<'_>, challenge: Option<&[u8]>) -> Rejection {
    let mut text = answer.words();
    if text.to_ascii_lowercase().contains(NOT_CONNECTED) {
        return Rejection::NotConnected { text };
    }
    if answer.condition == Condition::Bad {
        return protocol("it does not understand AUTHENTICATE");
    }
    if answer.code.is_some_and(is_about_the_server) {
        return Rejection::Busy { text };
    }
    if let Some(status) = challenge.and_then(error_status) {
        text = format!("{text} (status {status})");
    }
    Rejection::Credential { text }
}

/// A fault of the upstream's, in our words.
pub(super) fn protocol(fault: &'static str) -> Rejection {
    Rejection::Protocol { fault }
}

/// The mechanism's registered name.
pub(super) fn name(mechanism: BearerMechanism) -> &'static str {
    match mechanism {
        BearerMechanism::XOAuth2 => "XOAUTH2",
        BearerMechanism::OAuthBearer => "OAUTHBEARER",
    }
}

/// Response codes of RFC 5530 section 3 that say "not now" and nothing about the token.
fn is_about_the_server(code: &[u8]) -> bool {
    [b"UNAVAILABLE".as_slice(), b"LIMIT", b"INUSE", b"SERVERBUG"]
        .iter()
        .any(|busy| code.eq_ignore_ascii_case(busy))
}

/// Exchange's words for a good token that does not open this mailbox.
const NOT_CONNECTED: &str = "authenticated but not connected";
