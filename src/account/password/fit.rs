//! What can be a local password. The hard thing is what no client could send.

use std::fmt;

use crate::{secret::Secret, store::StoreError};

/// Why a password was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetPasswordError {
    /// It is empty.
    Empty,
    /// It is longer than [`MAX_PASSWORD`] octets, or has a NUL, CR or LF, which no client can send.
    Unsendable,
    /// The name is empty, longer than 64 octets, or has control characters.
    Name,
    /// The account has 64 passwords.
    TooMany,
    /// The store refused.
    Store(StoreError),
}

impl From<StoreError> for SetPasswordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for SetPasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty: choose one, or use --generate"),
            Self::Unsendable => write!(
                f,
                "the password is longer than {MAX_PASSWORD} octets or contains a line end or NUL, \
                 which mail programs cannot send"
            ),
            Self::Name => f.write_str(
                "the password's name is empty, too long or has control characters: choose a short \
                 word, such as the computer's name",
            ),
            Self::TooMany => {
                write!(f, "the account has {MAX_PASSWORDS} passwords already: remove one first")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SetPasswordError {}

/// # Errors
/// No client could send the password, or nobody could tell it by that name.
pub(super) fn fit(name: &str, password: &Secret) -> Result<(), SetPasswordError> {
    if password.is_empty() {
        return Err(SetPasswordError::Empty);
    }
    let unsendable = |octet: &u8| matches!(octet, b'\0' | b'\r' | b'\n');
    if password.len() > MAX_PASSWORD || password.expose().iter().any(unsendable) {
        return Err(SetPasswordError::Unsendable);
    }
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(SetPasswordError::Name);
    }
    Ok(())
}

/// Octets in one password: far beyond any that is typed, and less than the smallest bound on a login.
pub const MAX_PASSWORD: usize = 256;

const MAX_NAME: usize = 64;
pub(super) const MAX_PASSWORDS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        proto::{imap, pop3},
        sasl::{
            base64,
            exchange::{Mechanism, Progress, begin},
            plain,
        },
    };

    /// With the octets that mean something to one protocol or another.
    fn octet() -> impl Strategy<Value = u8> {
        prop_oneof![any::<u8>(), prop::sample::select(b" \t\"\\{}+=*\0\r\n".as_slice())]
    }

    proptest! {
        /// What can be a password can be sent, and arrives, whatever the protocol and the form.
        #[test]
        fn what_is_fit_can_be_sent(password in vec(octet(), 0..40)) {
            let secret = Secret::new(password.as_slice());
            if fit("name", &secret).is_err() {
                return Ok(());
            }
            let escaped: Vec<u8> = password
                .iter()
                .flat_map(|&it| if b"\"\\".contains(&it) { vec![b'\\', it] } else { vec![it] })
                .collect();
            let literal = [format!("{{{}}}\r\n", password.len()).as_bytes(), &password].concat();
            for spelled in [[b"\"", escaped.as_slice(), b"\""].concat(), literal] {
                let arguments = [b" u ", spelled.as_slice(), b"\r\n"].concat();
                let (_, read) = imap::syntax::login(&arguments).unwrap();
                prop_assert_eq!(read.expose(), password.as_slice());
            }
            let line = [b"PASS ", password.as_slice()].concat();
            let (_, rest) = pop3::syntax::verb(&line).unwrap();
            prop_assert_eq!(pop3::syntax::argument(rest), password.as_slice());
            let message = base64::encode(&[b"\0u\0", password.as_slice()].concat());
            let Progress::Complete { password: read, .. } = begin(Mechanism::Plain, Some(&message))
            else {
                return Err(TestCaseError::fail("PLAIN was not read"));
            };
            prop_assert_eq!(read.expose(), password.as_slice());
            prop_assert!(plain::initial_response("u", &secret).is_some());
        }
    }
}
