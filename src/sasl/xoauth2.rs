//! XOAUTH2: Google's and Microsoft's own mechanism, described on their pages only. Its hard thing is
//! the failure: the server may send an error as a challenge, and waits for an empty answer before it
//! says NO.

use super::bearer::{token_is_sendable, user_is_sendable};
use crate::secret::Secret;

/// What answers the error challenge, before base64: nothing.
pub const ERROR_ANSWER: &[u8] = b"";

/// The initial response before base64: `"user=" user ^A "auth=Bearer " token ^A ^A`.
///
/// `None` if the name or the token [cannot be sent](super::bearer).
pub fn initial_response(user: &str, token: &Secret) -> Option<Secret> {
    if !user_is_sendable(user) || !token_is_sendable(token) {
        return None;
    }
    let parts = [b"user=", user.as_bytes(), b"\x01auth=Bearer ", token.expose(), b"\x01\x01"];
    Some(Secret::new(parts.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::base64;

    /// Microsoft's example ("Authenticate an IMAP, POP or SMTP connection using OAuth").
    #[test]
    fn microsoft_s_own_example() {
        let token = Secret::new("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
        let response = initial_response("test@contoso.onmicrosoft.com", &token).unwrap();
        let expected = "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        assert_eq!(base64::encode(response.expose()), expected.as_bytes());
    }

    #[test]
    fn what_could_leave_its_field_is_not_sent() {
        let token = Secret::new("t");
        assert!(initial_response("a\u{1}auth=Bearer other", &token).is_none());
        assert!(initial_response("a", &Secret::new("t\u{1}\u{1}")).is_none());
        assert!(initial_response("a", &Secret::new("")).is_none());
    }
}
