//! What the two mechanisms that carry a bearer token have in common. The hard thing is that name and
//! token are glued together with separators: whoever can put a separator into one of them writes
//! fields of his own, and whoever can put in a line end writes commands.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_till, take_until, take_while1},
    character::complete::multispace0,
    sequence::{delimited, preceded},
};

use super::base64;
use crate::secret::Secret;

/// Whether `user` can be sent: not empty, and without controls. That keeps out `^A`, which separates
/// the fields of both mechanisms, NUL, which ends strings, and line ends.
pub fn user_is_sendable(user: &str) -> bool {
    !user.is_empty() && !user.chars().any(char::is_control)
}

/// Whether `token` can be sent: visible ASCII and nothing else.
///
/// That is RFC 6749 appendix A.12 without the space. RFC 6750 section 2.1 is narrower (`b64token`),
/// but tokens are opaque, and nothing in this range can leave its field.
pub fn token_is_sendable(token: &Secret) -> bool {
    !token.is_empty() && token.expose().iter().all(u8::is_ascii_graphic)
}

/// The `status` of an error challenge, given as it stands on the wire: base64 of a JSON object
/// (RFC 7628 section 3.2.2; Google's XOAUTH2 page).
///
/// It is advice for a log line, so the reading is lenient: padding may be missing, JSON may come
/// bare, the value may be a string or a number. What is no printable ASCII is left out (RFC 6749
/// section 5.2 allows nothing else in an error code). `None` when there is nothing of the kind.
pub fn error_status(challenge: &[u8]) -> Option<String> {
    let challenge = challenge.get(..CHALLENGE_BOUND).unwrap_or(challenge).trim_ascii();
    if challenge.starts_with(b"{") {
        return status(challenge);
    }
    let symbols = challenge.iter().copied().filter(|&octet| octet != b'=');
    let mut padded: Vec<u8> = symbols.collect();
    // What a cut or sloppy encoder leaves beyond whole groups is dropped if it cannot be padded.
    if padded.len() % 4 == 1 {
        padded.pop();
    }
    padded.resize(padded.len().next_multiple_of(4), b'=');
    status(&base64::decode(&padded)?)
}

fn status(json: &[u8]) -> Option<String> {
    let (_, value) = status_member(json).ok()?;
    let printable = value.iter().filter(|&&octet| octet == b' ' || octet.is_ascii_graphic());
    let text: String = printable.take(STATUS_BOUND).map(|&octet| char::from(octet)).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// `%x22 "status" %x22 name-separator value` of RFC 8259, wherever it stands.
fn status_member(json: &[u8]) -> IResult<&[u8], &[u8]> {
    let name = (take_until("\"status\""), tag("\"status\""));
    let separator = delimited(multispace0, tag(":"), multispace0);
    let string = delimited(tag("\""), take_till(|octet| octet == b'"'), tag("\""));
    let number = take_while1(|octet: u8| octet.is_ascii_digit());
    preceded((name, separator), alt((string, number))).parse(json)
}

/// Octets of a challenge that are looked at; real ones have about 150.
const CHALLENGE_BOUND: usize = 4096;

/// Characters of a status that are kept; real ones are `401` or `invalid_token`.
const STATUS_BOUND: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(json: &str) -> Vec<u8> {
        base64::encode(json.as_bytes())
    }

    #[test]
    fn google_s_own_example() {
        let challenge = b"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K";
        assert_eq!(error_status(challenge).as_deref(), Some("401"));
    }

    #[test]
    fn statuses() {
        for (challenge, expected) in [
            (
                wire(r#"{"status":"invalid_token","schemes":"bearer","scope":"mail"}"#),
                "invalid_token",
            ),
            (wire("{ \"scope\": \"\", \"status\" : 400 }"), "400"),
            (br#"{"status":"400"}"#.to_vec(), "400"),
            (b"eyJzdGF0dXMiOiI0MDEifQ".to_vec(), "401"),
            (b"eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_vec(), "401"),
        ] {
            assert_eq!(error_status(&challenge).as_deref(), Some(expected));
        }
        // It goes into a log line (RFC 6749 section 5.2: what an error code may hold is ASCII).
        let steering = wire("{\"status\":\"4\u{202e}0\u{200b}1\u{1b}[2J\u{e9}\"}");
        assert_eq!(error_status(&steering).as_deref(), Some("401[2J"));
        let long = wire(&format!(r#"{{"status":"{}"}}"#, "x".repeat(500)));
        assert_eq!(error_status(&long).map(|status| status.len()), Some(STATUS_BOUND));
    }

    #[test]
    fn no_status() {
        for challenge in [
            b"".to_vec(),
            b"=".to_vec(),
            b"not base64!".to_vec(),
            wire("{}"),
            wire(r#"{"status":""}"#),
            wire(r#"{"status":["x"]}"#),
            wire(r#"{"status""#),
            vec![b'A'; 100_000],
        ] {
            assert_eq!(error_status(&challenge), None);
        }
    }

    #[test]
    fn sendable() {
        assert!(user_is_sendable("j\u{f6}rg@example.ch"));
        for user in ["", "a\u{1}auth=Bearer x", "a\r\nb", "a\0", "a\tb", "a\u{7f}", "a\u{85}b"] {
            assert!(!user_is_sendable(user), "{user:?}");
        }
        assert!(token_is_sendable(&Secret::new("EwBAAl3.-_~+/==")));
        for token in ["", "a b", "a\r\n", "a\u{1}", "\u{e9}"] {
            assert!(!token_is_sendable(&Secret::new(token)), "{token:?}");
        }
    }
}
