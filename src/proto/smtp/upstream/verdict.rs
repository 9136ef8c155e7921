//! What a server's refusal means. The hard thing is that SMTP answers by numbers which say only "later"
//! or "never": what a "never" is about, the token, the mailbox or a policy, stands in its words, and
//! those must reach whoever reads them.

use crate::proto::{
    Rejection,
    smtp::reply::Reply,
    verdict::{credential, protocol, says_not_connected},
};

/// Why AUTH failed after the first response, with the error challenge that came before.
pub(super) fn refused(reply: &Reply, challenge: Option<&[u8]>) -> Rejection {
    let text = reply.words();
    match reply.code {
        400..=499 => Rejection::Busy { text },
        500.. if says_not_connected(&text) => Rejection::NotConnected { text },
        500.. => credential(text, challenge),
        _ => protocol("a reply that AUTH does not have"),
    }
}

/// Why the server does not begin with a mechanism that it has listed. The credential has not been sent,
/// so this cannot be about it: RFC 4954 section 4 has 504, Postfix says 503, and Exchange 504 too where
/// a setting forbids AUTH.
pub(super) fn not_begun(reply: &Reply, offered: &str, mechanism: &str) -> Rejection {
    match reply.code {
        500.. => Rejection::NoMechanism {
            offered: format!("{offered}; and says to AUTH {mechanism}: {}", reply.words()),
        },
        _ => refused(reply, None),
    }
}

/// Why the server does not ask for the password that LOGIN has behind the name. The name alone may be
/// refused; a 503, 504 or 530 (RFC 4954 sections 4 and 6) is about neither.
pub(super) fn not_gone_on(reply: &Reply, offered: &str) -> Rejection {
    match reply.code {
        503 | 504 | 530 => not_begun(reply, offered, "LOGIN"),
        _ => refused(reply, None),
    }
}

/// Why EHLO failed. Without it there are no extensions, so no AUTH (RFC 5321 section 4.1.1.1).
pub(super) fn no_extensions(reply: &Reply) -> Rejection {
    let text = reply.words();
    match reply.code {
        500 | 502 | 504 => {
            Rejection::NoMechanism { offered: format!("nothing, not even EHLO: {text}") }
        }
        400.. => Rejection::Busy { text },
        _ => protocol("a reply that EHLO does not have"),
    }
}

/// Why the server does not want us at all.
pub(super) fn not_greeted(reply: &Reply) -> Rejection {
    match reply.code {
        400.. => Rejection::Busy { text: reply.words() },
        _ => protocol("it does not greet"),
    }
}
