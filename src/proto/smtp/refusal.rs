//! The one table from a reason to SMTP's codes, and the lines that carry them. The hard thing is that
//! a permanent code makes mail programs forget the password and jobs give their message up, so that
//! only a wrong local login may have one.

use crate::proto::{Refusal, RefusalReason, text::ascii};

/// The longest text a client is told, in octets: with its codes and CRLF a reply line stays within
/// the 512 octets of RFC 5321 section 4.5.3.1.5.
const MAX_TEXT: usize = 480;

/// The codes of a refusal: the reply code (RFC 4954 section 6, RFC 5321 section 4.2.3) and the enhanced
/// status code (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// In the reply to AUTH.
    pub login: &'static str,
    /// In the last reply of a connection.
    pub goodbye: &'static str,
}

/// The table.
pub fn codes(reason: RefusalReason) -> Codes {
    match reason {
        RefusalReason::WrongLogin | RefusalReason::TooManyFailures => {
            Codes { login: CREDENTIALS_INVALID, goodbye: CLOSED_BY_POLICY }
        }
        RefusalReason::TlsRequired => Codes { login: TLS_REQUIRED, goodbye: CLOSED_BY_POLICY },
        // On this code clients keep the password and the message, and try again, which is right for
        // all of these.
        RefusalReason::SignIn
        | RefusalReason::Policy
        | RefusalReason::Configuration
        | RefusalReason::TokenUnavailable
        | RefusalReason::UpstreamRefused
        | RefusalReason::NotAuthorized
        | RefusalReason::AccountLimit => {
            Codes { login: TEMPORARY_FAILURE, goodbye: CLOSED_BY_POLICY }
        }
        RefusalReason::UpstreamUnavailable | RefusalReason::Timeout => {
            Codes { login: TEMPORARY_FAILURE, goodbye: BAD_CONNECTION }
        }
        RefusalReason::ConnectionLimit | RefusalReason::ShuttingDown => {
            Codes { login: TEMPORARY_FAILURE, goodbye: NOT_ACCEPTING }
        }
    }
}

/// RFC 4954 section 6: "Authentication credentials invalid".
const CREDENTIALS_INVALID: &str = "535 5.7.8";
/// RFC 4954 section 6: "Temporary authentication failure".
const TEMPORARY_FAILURE: &str = "454 4.7.0";
/// RFC 3207 section 4: "Must issue a STARTTLS command first".
const TLS_REQUIRED: &str = "530 5.7.0";
/// RFC 3463 section 3.8, X.7.0: security or policy.
const CLOSED_BY_POLICY: &str = "421 4.7.0";
/// RFC 3463 section 3.4, X.3.2: the system is being shut down or under too much load.
const NOT_ACCEPTING: &str = "421 4.3.2";
/// RFC 3463 section 3.5, X.4.2: a connection that timed out or broke.
const BAD_CONNECTION: &str = "421 4.4.2";

/// The answer to an AUTH.
pub fn login_refused(refusal: &Refusal) -> Vec<u8> {
    line(codes(refusal.reason).login, refusal)
}

/// The last line of a connection, or the only one.
pub fn goodbye(refusal: &Refusal) -> Vec<u8> {
    line(codes(refusal.reason).goodbye, refusal)
}

/// Whether the client is to do something about it before it tries again: then it must hear so in the
/// answer to its AUTH, and not only that the connection ends.
pub(crate) fn is_permanent(reason: RefusalReason) -> bool {
    codes(reason).login.starts_with('5')
}

fn line(codes: &str, refusal: &Refusal) -> Vec<u8> {
    format!("{codes} {}\r\n", ascii(&refusal.text, MAX_TEXT)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use RefusalReason as R;
        let rows = [
            (R::WrongLogin, "535 5.7.8", "421 4.7.0"),
            (R::SignIn, "454 4.7.0", "421 4.7.0"),
            (R::Policy, "454 4.7.0", "421 4.7.0"),
            (R::Configuration, "454 4.7.0", "421 4.7.0"),
            (R::TokenUnavailable, "454 4.7.0", "421 4.7.0"),
            (R::UpstreamUnavailable, "454 4.7.0", "421 4.4.2"),
            (R::UpstreamRefused, "454 4.7.0", "421 4.7.0"),
            (R::NotAuthorized, "454 4.7.0", "421 4.7.0"),
            (R::TlsRequired, "530 5.7.0", "421 4.7.0"),
            (R::ConnectionLimit, "454 4.7.0", "421 4.3.2"),
            (R::AccountLimit, "454 4.7.0", "421 4.7.0"),
            (R::ShuttingDown, "454 4.7.0", "421 4.3.2"),
            (R::Timeout, "454 4.7.0", "421 4.4.2"),
            (R::TooManyFailures, "535 5.7.8", "421 4.7.0"),
        ];
        for (reason, login, goodbye) in rows {
            assert_eq!(codes(reason), Codes { login, goodbye }, "{reason:?}");
            // RFC 2034 section 4: both codes are of the same class.
            for code in [login, goodbye] {
                assert_eq!(code.as_bytes()[0], code.as_bytes()[4], "{code}");
            }
        }
    }

    #[test]
    fn lines() {
        let refusal = Refusal::new(RefusalReason::SignIn, "Sign in: http://127.0.0.1:8025/s/1");
        assert_eq!(login_refused(&refusal), b"454 4.7.0 Sign in: http://127.0.0.1:8025/s/1\r\n");
        assert_eq!(goodbye(&refusal), b"421 4.7.0 Sign in: http://127.0.0.1:8025/s/1\r\n");
        let refusal = Refusal::new(RefusalReason::Timeout, "first\r\n235 2.7.0 second\0");
        assert_eq!(goodbye(&refusal), b"421 4.4.2 first??235 2.7.0 second?\r\n");
        let refusal = Refusal::new(RefusalReason::Policy, "ü".repeat(1000));
        assert!(login_refused(&refusal).len() <= 512);
    }
}
