//! SASL LOGIN (draft-murchison-sasl-login): two prompts, two bare answers. The hard thing is the
//! prompts: the draft says that clients ignore them, and so do we, but old ones compare the text, so
//! ours must be exactly this one.

use super::{bearer::user_is_sendable, plain::password_is_sendable};
use crate::secret::Secret;

/// Asks for the login name.
pub const NAME_CHALLENGE: &[u8] = b"Username:";

/// Asks for the password.
pub const PASSWORD_CHALLENGE: &[u8] = b"Password:";

/// What we answer to the two prompts of a server, before base64: the name, then the password.
///
/// `None` if one of them cannot be sent. The draft does not say what can be: it is what
/// [PLAIN](super::plain) can carry.
pub fn responses(user: &str, password: &Secret) -> Option<[Secret; 2]> {
    if !user_is_sendable(user) || !password_is_sendable(password) {
        return None;
    }
    Some([Secret::new(user), password.clone()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sasl::{
        base64,
        exchange::{Mechanism, Progress, begin},
    };

    #[test]
    fn what_cannot_be_sent() {
        assert!(responses("a", &Secret::new("b")).is_some());
        for (user, password) in [("", "x"), ("a\0b", "x"), ("a", ""), ("a", "x\0y")] {
            assert!(responses(user, &Secret::new(password)).is_none(), "{user:?}");
        }
    }

    proptest! {
        /// Our own server side reads what we send.
        #[test]
        fn round_trip(user in "\\PC{1,30}", password in prop::collection::vec(1..=255u8, 1..30)) {
            let [name, secret] = responses(&user, &Secret::new(password.as_slice())).unwrap();
            let name = base64::encode(name.expose());
            let secret = base64::encode(secret.expose());
            let Progress::Challenge { exchange, .. } = begin(Mechanism::Login, Some(&name)) else {
                panic!("no second prompt");
            };
            let Progress::Complete { login, password: read, .. } = exchange.respond(&secret) else {
                panic!("not read");
            };
            prop_assert_eq!(login, user.as_bytes());
            prop_assert_eq!(read.expose(), password);
        }
    }
}
