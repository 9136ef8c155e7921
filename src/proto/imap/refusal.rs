//! The one table from a reason to IMAP's words, and the lines that carry it. The hard thing is that
//! the text comes from elsewhere: a line end or a bracket in it would be read as a response of its
//! own.

use crate::proto::{Refusal, RefusalReason, text::ascii};

/// The longest text a client is told, in octets. RFC 2683 section 3.2.1.5 has clients and servers
/// keep lines near 1000 octets; a link must fit in.
const MAX_TEXT: usize = 800;

/// The response codes of a refusal (RFC 5530 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// In the tagged NO to a login.
    pub login: &'static str,
    /// In an untagged BYE, if one fits.
    pub bye: Option<&'static str>,
}

/// The table. Only a wrong local login has AUTHENTICATIONFAILED, since on that one clients throw
/// the saved password away.
pub fn codes(reason: RefusalReason) -> Codes {
    let same = |code| Codes { login: code, bye: Some(code) };
    match reason {
        RefusalReason::WrongLogin => same("AUTHENTICATIONFAILED"),
        // "Temporary failure because a subsystem is down": the one code on which clients keep the
        // password and try again, which is right for all of these.
        RefusalReason::SignIn
        | RefusalReason::Policy
        | RefusalReason::Configuration
        | RefusalReason::TokenUnavailable
        | RefusalReason::UpstreamUnavailable
        | RefusalReason::ConnectionLimit => same("UNAVAILABLE"),
        RefusalReason::UpstreamRefused => same("CONTACTADMIN"),
        RefusalReason::NotAuthorized => same("AUTHORIZATIONFAILED"),
        RefusalReason::TlsRequired => same("PRIVACYREQUIRED"),
        RefusalReason::AccountLimit => same("LIMIT"),
        // RFC 3501 section 7.1.5 has these two as plain BYEs: nothing failed.
        RefusalReason::ShuttingDown | RefusalReason::Timeout => {
            Codes { login: "UNAVAILABLE", bye: None }
        }
        RefusalReason::TooManyFailures => Codes { login: "AUTHENTICATIONFAILED", bye: None },
    }
}

/// The response code in the tagged NO to a login.
pub fn code(reason: RefusalReason) -> &'static str {
    codes(reason).login
}

/// The answer to the login with this tag: an untagged ALERT if wanted (a reply has only one code,
/// RFC 3501 section 7.1), and the tagged NO.
pub fn login_refused(tag: &[u8], refusal: &Refusal) -> Vec<u8> {
    let text = text(&refusal.text);
    let mut reply = Vec::new();
    if refusal.alert {
        reply.extend(format!("* NO [ALERT] {text}\r\n").into_bytes());
    }
    reply.extend_from_slice(tag);
    reply.extend(format!(" NO [{}] {text}\r\n", code(refusal.reason)).into_bytes());
    reply
}

/// The last line of a connection, or the only one.
pub fn bye(refusal: &Refusal) -> Vec<u8> {
    let text = text(&refusal.text);
    let line = match codes(refusal.reason).bye {
        Some(code) => format!("* BYE [{code}] {text}\r\n"),
        // Without a code of ours, a bracket in front would be taken for one.
        None => {
            format!("* BYE {}\r\n", text.replacen('[', "(", usize::from(text.starts_with('['))))
        }
    };
    line.into_bytes()
}

/// What may stand as text in a response: printable, 7-bit, not empty, bounded.
///
/// `text = 1*TEXT-CHAR`, `TEXT-CHAR = <any CHAR except CR and LF>`; a CHAR has seven bits.
pub fn text(words: &str) -> String {
    ascii(words, MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use RefusalReason as R;
        let rows = [
            (R::WrongLogin, "AUTHENTICATIONFAILED", Some("AUTHENTICATIONFAILED")),
            (R::SignIn, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::Policy, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::Configuration, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::TokenUnavailable, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::UpstreamUnavailable, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::UpstreamRefused, "CONTACTADMIN", Some("CONTACTADMIN")),
            (R::NotAuthorized, "AUTHORIZATIONFAILED", Some("AUTHORIZATIONFAILED")),
            (R::TlsRequired, "PRIVACYREQUIRED", Some("PRIVACYREQUIRED")),
            (R::ConnectionLimit, "UNAVAILABLE", Some("UNAVAILABLE")),
            (R::AccountLimit, "LIMIT", Some("LIMIT")),
            (R::ShuttingDown, "UNAVAILABLE", None),
            (R::Timeout, "UNAVAILABLE", None),
            (R::TooManyFailures, "AUTHENTICATIONFAILED", None),
        ];
        for (reason, login, bye) in rows {
            assert_eq!(codes(reason), Codes { login, bye }, "{reason:?}");
        }
    }

    #[test]
    fn lines() {
        let mut refusal = Refusal::new(RefusalReason::SignIn, "Sign in: http://127.0.0.1:8025/s/1");
        assert_eq!(
            String::from_utf8(login_refused(b"A1", &refusal)).unwrap(),
            "A1 NO [UNAVAILABLE] Sign in: http://127.0.0.1:8025/s/1\r\n"
        );
        refusal.alert = true;
        assert_eq!(
            String::from_utf8(login_refused(b"A1", &refusal)).unwrap(),
            "* NO [ALERT] Sign in: http://127.0.0.1:8025/s/1\r\n\
             A1 NO [UNAVAILABLE] Sign in: http://127.0.0.1:8025/s/1\r\n"
        );
        let check = |reason, words: &str, line: &str| {
            assert_eq!(String::from_utf8(bye(&Refusal::new(reason, words))).unwrap(), line);
        };
        check(RefusalReason::ConnectionLimit, "Full", "* BYE [UNAVAILABLE] Full\r\n");
        check(RefusalReason::ShuttingDown, "Stopping", "* BYE Stopping\r\n");
        check(RefusalReason::Timeout, "[x] [y]", "* BYE (x] [y]\r\n");
    }

    #[test]
    fn text_stays_one_printable_line() {
        for (words, expected) in [
            ("plain", "plain"),
            ("a\r\nA1 OK in\0", "a??A1 OK in?"),
            ("Zugang für „Jürg“ – weiß …", "Zugang fuer \"Juerg\" - weiss ..."),
            ("naïve 日本", "na?ve ??"),
            ("", "Refused"),
            (" \r\n ", "Refused"),
        ] {
            assert_eq!(text(words), expected);
        }
        assert_eq!(text(&"x".repeat(800)).len(), 800);
        assert_eq!(text(&"x".repeat(801)), "x".repeat(797) + "...");
    }
}
