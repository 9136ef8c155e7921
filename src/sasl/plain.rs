//! SASL PLAIN (RFC 4616), both sides. The hard thing is the authorization identity: whoever
//! could set it freely would log in with one account's password and act as another.

use super::bearer::user_is_sendable;
use crate::secret::Secret;

/// A decoded PLAIN message.
#[derive(Debug)]
pub struct Plain {
    /// The login name, not necessarily UTF-8.
    pub authcid: Vec<u8>,
    /// The password.
    pub password: Secret,
}

/// Why a PLAIN message is refused without a look at the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainError {
    /// Not three parts with a NUL between them.
    Malformed,
    /// The client wants to act as somebody else than it logs in as.
    Authzid,
}

/// Decodes the message that a client sends.
///
/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd`
///
/// The grammar wants at least one octet in `authcid` and in `passwd`. An empty one passes here all
/// the same: a person who left a field empty must hear "wrong login" from the account check, on
/// which mail programs ask again, and not a complaint about syntax, on which they give up.
pub fn decode(message: &[u8]) -> Result<Plain, PlainError> {
    let mut parts = message.split(|&octet| octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(PlainError::Malformed);
    };
    if !authzid.is_empty() && authzid != authcid {
        return Err(PlainError::Authzid);
    }
    Ok(Plain { authcid: authcid.to_vec(), password: Secret::new(password) })
}

/// The message that we send, before base64, without an authorization identity: `NUL authcid NUL
/// passwd`.
///
/// `None` if the name or the password cannot be sent: empty, or with a NUL or, in the name, another control.
pub fn initial_response(user: &str, password: &Secret) -> Option<Secret> {
    if !user_is_sendable(user) || !password_is_sendable(password) {
        return None;
    }
    Some(Secret::new([b"\0", user.as_bytes(), b"\0", password.expose()].concat()))
}

/// Whether `password` can be sent: not empty, and without the NUL that would end it.
pub fn password_is_sendable(password: &Secret) -> bool {
    !password.is_empty() && !password.expose().contains(&0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(message: &[u8], expected: Result<(&str, &str), PlainError>) {
        let decoded = decode(message);
        let seen = decoded.as_ref().map(|p| (p.authcid.as_slice(), p.password.expose()));
        let expected = expected.map(|(login, password)| (login.as_bytes(), password.as_bytes()));
        assert_eq!(seen, expected.as_ref().map(|&parts| parts), "{message:?}");
    }

    #[test]
    fn messages() {
        // RFC 4616 section 4, both examples.
        check(b"\0tim\0tanstaaftanstaaf", Ok(("tim", "tanstaaftanstaaf")));
        check(b"Ursel\0Kurt\0xipj3plmq", Err(PlainError::Authzid));
        check(b"tim\0tim\0x", Ok(("tim", "x")));
        check("\0jürg\0grün €".as_bytes(), Ok(("jürg", "grün €")));
        check(b"\0tim\0", Ok(("tim", "")));
        check(b"\0\0x", Ok(("", "x")));
        check(b"tim\0\0x", Err(PlainError::Authzid));
    }

    #[test]
    fn malformed() {
        for message in [&b""[..], b"\0", b"tim", b"tim\0x", b"\0tim\0x\0", b"\0tim\0x\0y"] {
            check(message, Err(PlainError::Malformed));
        }
    }

    #[test]
    fn what_we_send() {
        // RFC 4616 section 4.
        let response = initial_response("tim", &Secret::new("tanstaaftanstaaf")).unwrap();
        assert_eq!(response.expose(), b"\0tim\0tanstaaftanstaaf");
        for (user, password) in [("", "x"), ("a\0b", "x"), ("a", ""), ("a", "x\0y")] {
            assert!(initial_response(user, &Secret::new(password)).is_none(), "{user:?}");
        }
    }

    proptest! {
        /// Our own server side reads what we send.
        #[test]
        fn round_trip(user in "\\PC{1,30}", password in prop::collection::vec(1..=255u8, 1..30)) {
            let response = initial_response(&user, &Secret::new(password.as_slice())).unwrap();
            let read = decode(response.expose()).unwrap();
            prop_assert_eq!(read.authcid, user.as_bytes());
            prop_assert_eq!(read.password.expose(), password);
        }
    }
}
