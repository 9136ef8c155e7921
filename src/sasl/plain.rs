//! SASL PLAIN (RFC 4616), the server's side. The hard thing is the authorization identity: whoever
//! could set it freely would log in with one account's password and act as another.

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

#[cfg(test)]
mod tests {
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
}
