//! The one table from a reason to POP3's words, and the lines that carry it. The hard thing is that a
//! POP3 client knows only `-ERR`, and takes it for a wrong password unless a response code says
//! otherwise (RFC 3206 section 3); and some clients read the words for want of a code they know.

use crate::proto::{Refusal, RefusalReason, text::ascii};

/// Octets of a response's first line, its CRLF included (RFC 2449 section 4).
const MAX_LINE: usize = 512;

/// The response codes of a refusal (RFC 2449 section 8, RFC 3206).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// In the answer to a login.
    pub login: &'static str,
    /// In the last line of a connection, if one fits: AUTH and IN-USE answer a login and nothing else.
    pub bye: Option<&'static str>,
}

/// The table. Only a wrong local login has AUTH, since on that one clients throw the saved password
/// away; AUTH-RESP-CODE in CAPA tells them that it is the only one (RFC 3206 section 6).
pub fn codes(reason: RefusalReason) -> Codes {
    let same = |code| Codes { login: code, bye: Some(code) };
    match reason {
        RefusalReason::WrongLogin | RefusalReason::TooManyFailures => {
            Codes { login: "AUTH", bye: None }
        }
        // "Unlikely to be resolved without intervention": clients show the text (RFC 3206 section 4).
        RefusalReason::SignIn
        | RefusalReason::Policy
        | RefusalReason::Configuration
        | RefusalReason::UpstreamRefused
        | RefusalReason::NotAuthorized
        | RefusalReason::TlsRequired => same("SYS/PERM"),
        RefusalReason::TokenUnavailable
        | RefusalReason::UpstreamUnavailable
        | RefusalReason::ConnectionLimit
        | RefusalReason::ShuttingDown
        | RefusalReason::Timeout => same("SYS/TEMP"),
        // "The authentication was successful, but the user's maildrop is currently in use (probably by
        // another POP3 client)" (RFC 2449 section 8.1.2). That the maildrop bears more than one client
        // makes no difference to the one that must wait, and it is the code that most clients know.
        RefusalReason::AccountLimit => Codes { login: "IN-USE", bye: Some("SYS/TEMP") },
    }
}

/// The answer to a login. POP3 has no alert: every client that shows errors shows this one.
pub fn login_refused(refusal: &Refusal) -> Vec<u8> {
    line(Some(codes(refusal.reason).login), &refusal.text)
}

/// The last line of a connection, or the only one, where no login waits for its answer.
///
/// RFC 1939 section 3 has the autologout timer end a session without a word; servers say one all the
/// same, and a client that wakes up behind the timer reads it as the answer to its next command.
pub fn bye(refusal: &Refusal) -> Vec<u8> {
    line(codes(refusal.reason).bye, &refusal.text)
}

fn line(code: Option<&str>, words: &str) -> Vec<u8> {
    let Some(code) = code else {
        // Without a code no bracket may stand in the text (RFC 2449 section 3, `schar`).
        let text = ascii(&words.replace('[', "(").replace(']', ")"), MAX_LINE - "-ERR \r\n".len());
        return format!("-ERR {text}\r\n").into_bytes();
    };
    let aside = if code.starts_with("SYS/") { UNAVAILABLE } else { "" };
    let frame = "-ERR [] \r\n".len() + code.len() + aside.len();
    let text = ascii(words, MAX_LINE - frame);
    format!("-ERR [{code}] {text}{aside}\r\n").into_bytes()
}

/// fetchmail does not know the codes of RFC 3206. Unless it finds `[IN-USE]`, `[LOGIN-DELAY]`, or
/// "service" with "unavailable", it reports a wrong password, and after some of these stops polling.
const UNAVAILABLE: &str = " (service unavailable)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use RefusalReason as R;
        let rows = [
            (R::WrongLogin, "AUTH", None),
            (R::SignIn, "SYS/PERM", Some("SYS/PERM")),
            (R::Policy, "SYS/PERM", Some("SYS/PERM")),
            (R::Configuration, "SYS/PERM", Some("SYS/PERM")),
            (R::TokenUnavailable, "SYS/TEMP", Some("SYS/TEMP")),
            (R::UpstreamUnavailable, "SYS/TEMP", Some("SYS/TEMP")),
            (R::UpstreamRefused, "SYS/PERM", Some("SYS/PERM")),
            (R::NotAuthorized, "SYS/PERM", Some("SYS/PERM")),
            (R::TlsRequired, "SYS/PERM", Some("SYS/PERM")),
            (R::ConnectionLimit, "SYS/TEMP", Some("SYS/TEMP")),
            (R::AccountLimit, "IN-USE", Some("SYS/TEMP")),
            (R::ShuttingDown, "SYS/TEMP", Some("SYS/TEMP")),
            (R::Timeout, "SYS/TEMP", Some("SYS/TEMP")),
            (R::TooManyFailures, "AUTH", None),
        ];
        for (reason, login, bye) in rows {
            assert_eq!(codes(reason), Codes { login, bye }, "{reason:?}");
        }
    }

    #[test]
    fn lines() {
        for (reason, words, login, last) in [
            (RefusalReason::WrongLogin, "No [x]", "-ERR [AUTH] No [x]", "-ERR No (x)"),
            (RefusalReason::AccountLimit, "Full", "-ERR [IN-USE] Full", "-ERR [SYS/TEMP] Full (…)"),
            (
                RefusalReason::SignIn,
                "Sign in: http://127.0.0.1:8025/s/1",
                "-ERR [SYS/PERM] Sign in: http://127.0.0.1:8025/s/1 (…)",
                "-ERR [SYS/PERM] Sign in: http://127.0.0.1:8025/s/1 (…)",
            ),
            (
                RefusalReason::Timeout,
                "Für „Jürg“\r\n+OK\0",
                "-ERR [SYS/TEMP] Fuer \"Juerg\"??+OK? (…)",
                "-ERR [SYS/TEMP] Fuer \"Juerg\"??+OK? (…)",
            ),
            (RefusalReason::TooManyFailures, "", "-ERR [AUTH] Refused", "-ERR Refused"),
        ] {
            let refusal = Refusal { alert: true, ..Refusal::new(reason, words) };
            let whole = |line: &str| line.replace("(…)", "(service unavailable)") + "\r\n";
            assert_eq!(String::from_utf8(login_refused(&refusal)).unwrap(), whole(login));
            assert_eq!(String::from_utf8(bye(&refusal)).unwrap(), whole(last));
        }
    }

    #[test]
    fn a_line_is_within_the_bound() {
        for reason in
            [RefusalReason::WrongLogin, RefusalReason::SignIn, RefusalReason::AccountLimit]
        {
            let refusal = Refusal::new(reason, "x".repeat(600));
            assert_eq!(login_refused(&refusal).len(), MAX_LINE);
            assert_eq!(bye(&refusal).len(), MAX_LINE);
        }
    }
}
