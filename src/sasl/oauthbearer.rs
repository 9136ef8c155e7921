//! OAUTHBEARER (RFC 7628). Its hard thing is the frame around the fields, the GS2 header of RFC 5801,
//! in which the user name has an escape of its own; and, as with XOAUTH2, that an error comes as a
//! challenge which must be answered.

use super::bearer::{token_is_sendable, user_is_sendable};
use crate::secret::Secret;

/// What answers the error challenge, before base64: one `^A` (RFC 7628 section 3.2.3).
pub const ERROR_ANSWER: &[u8] = b"\x01";

/// The initial response before base64, with the host and port that were dialled (RFC 7628
/// section 3.1):
/// `"n,a=" saslname "," ^A "host=" host ^A "port=" port ^A "auth=Bearer " token ^A ^A`.
///
/// `None` if a name or the token [cannot be sent](super::bearer).
pub fn initial_response(user: &str, host: &str, port: u16, token: &Secret) -> Option<Secret> {
    if !user_is_sendable(user) || !user_is_sendable(host) || !token_is_sendable(token) {
        return None;
    }
    let user = saslname(user);
    let fields = format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer ");
    Some(Secret::new([fields.as_bytes(), token.expose(), b"\x01\x01"].concat()))
}

/// `saslname = 1*(saslchar / "=2C" / "=3D")` (RFC 5801 section 4).
fn saslname(user: &str) -> String {
    user.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::base64;

    /// RFC 7628 section 4.1.
    #[test]
    fn rfc_example() {
        let token = Secret::new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        let response = initial_response("user@example.com", "server.example.com", 143, &token);
        let expected = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
        assert_eq!(base64::encode(response.unwrap().expose()), expected.as_bytes());
    }

    #[test]
    fn names_are_escaped() {
        let response = initial_response("a,b=c", "h", 1, &Secret::new("t")).unwrap();
        let expected = b"n,a=a=2Cb=3Dc,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01";
        assert_eq!(response.expose(), expected);
    }

    #[test]
    fn what_could_leave_its_field_is_not_sent() {
        let token = Secret::new("t");
        assert!(initial_response("a\u{1}", "h", 1, &token).is_none());
        assert!(initial_response("a", "h\u{1}", 1, &token).is_none());
        assert!(initial_response("a", "h", 1, &Secret::new("t t")).is_none());
    }
}
