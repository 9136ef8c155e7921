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
