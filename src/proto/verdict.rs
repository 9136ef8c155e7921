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

/// Whether a refusal can be the credential's fault. Exchange's 5.7.139 says that the mailbox or the
/// tenant has the protocol switched off, 5.7.30 that it takes no passwords, RFC 4954 section 6 has 534
/// and 538 for a mechanism that is too weak, RFC 5530 section 3 two codes of IMAP: another token or
/// password changes none of these. But Exchange has 5.7.139 for a wrong password too.
#[cfg(any(test, feature = "gateway"))]
pub(crate) fn is_about_the_credential(text: &str) -> bool {
    let policy = ["5.7.139", "5.7.30"].iter().any(|code| text.contains(code))
        || ["534", "538", "[PRIVACYREQUIRED]", "[CONTACTADMIN]"]
            .iter()
            .any(|code| text.starts_with(code));
    !policy || text.contains("credentials were incorrect")
}

/// A fault of the upstream's, in our words.
pub(crate) fn protocol(fault: &'static str) -> Rejection {
    Rejection::Protocol { fault }
}

/// Why nothing is said with a name, a token or a password that would end its line or leave its field.
pub(crate) const UNSENDABLE: &str = "user name or credential hold what cannot be sent";

/// Characters of the list of capabilities that a rejection quotes.
pub(crate) const OFFERED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::is_about_the_credential;

    #[test]
    fn what_another_credential_can_change() {
        for (text, expected) in [
            ("AUTHENTICATE failed.", true),
            ("535 5.7.3 Authentication unsuccessful [PR0P264CA0001]", true),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
                false,
            ),
            ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", true),
            ("550 5.7.30 Basic authentication is not supported for Client Submission.", false),
            ("534 5.7.9 Application-specific password required", false),
            ("535 534 is no code here", true),
            ("[CONTACTADMIN] Your account is blocked.", false),
            ("[PRIVACYREQUIRED] Not over this connection.", false),
            ("[EXPIRED] That password has expired.", true),
            ("Ask [CONTACTADMIN] yourself", true),
        ] {
            assert_eq!(is_about_the_credential(text), expected, "{text}");
        }
    }
}
