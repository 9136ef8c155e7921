//! Secrets at rest: XChaCha20-Poly1305 with a random nonce for each. The hard thing is that a sealed
//! value must not open anywhere but in its own place, so the account and the column are part of what
//! is authenticated: a row copied to another account is noise there.

use aws_lc_rs::rand;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};

use super::StoreError;
use crate::secret::Secret;

/// What a sealed value is; goes into the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column<'a> {
    RefreshToken,
    AccessToken,
    /// For the account's mail server of this protocol.
    UpstreamPassword {
        protocol: &'a str,
        host: &'a str,
    },
    /// Of no account: tells at start whether the key is the store's.
    KeyCheck,
}

/// The store's key, ready for use. It wipes itself.
pub(super) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    pub(super) fn new(key: &Secret) -> Result<Self, StoreError> {
        XChaCha20Poly1305::new_from_slice(key.expose())
            .map(Self)
            .map_err(|_| StoreError::Key("The store's key has a wrong length.".to_owned()))
    }

    /// `format (1 octet) nonce (24) ciphertext tag (16)`.
    pub(super) fn seal(
        &self,
        column: Column<'_>,
        account: &str,
        secret: &Secret,
    ) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce).map_err(|_| no_cipher())?;
        let aad = associated_data(column, account);
        let payload = Payload { msg: secret.expose(), aad: &aad };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| no_cipher())?;
        let mut blob = Vec::with_capacity(1 + NONCE_LENGTH + sealed.len());
        blob.push(FORMAT);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// `None`: sealed by another key, for another place, or damaged. Which of them cannot be told.
    pub(super) fn open(&self, column: Column<'_>, account: &str, blob: &[u8]) -> Option<Secret> {
        let (format, rest) = blob.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>()?;
        if *format != FORMAT {
            return None;
        }
        let aad = associated_data(column, account);
        let payload = Payload { msg: sealed, aad: &aad };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().map(Secret::new)
    }
}

/// Neither the names of columns, protocols and hosts nor a login hold a NUL, so no two places share their
/// associated data.
fn associated_data(column: Column<'_>, account: &str) -> Vec<u8> {
    let mut words = vec!["saslgate store"];
    match column {
        Column::RefreshToken => words.push("refresh_token"),
        Column::AccessToken => words.push("access_token"),
        Column::UpstreamPassword { protocol, host } => {
            words.extend(["upstream_password", protocol, host]);
        }
        Column::KeyCheck => words.push("key_check"),
    }
    words.push(account);
    words.join("\0").into_bytes()
}

fn no_cipher() -> StoreError {
    StoreError::Unavailable("The operating system has no random numbers to seal with.".to_owned())
}

/// Of the blob. A later cipher gets the next number.
const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(octet: u8) -> Sealer {
        Sealer::new(&Secret::new([octet; 32])).unwrap()
    }

    #[test]
    fn opens_in_its_own_place_only() {
        let secret = Secret::new("refresh");
        let blob = sealer(1).seal(Column::RefreshToken, "a@example.test", &secret).unwrap();
        let open = |octet, column, account| {
            sealer(octet).open(column, account, &blob).map(|secret| secret.expose().to_vec())
        };
        assert_eq!(open(1, Column::RefreshToken, "a@example.test"), Some(b"refresh".to_vec()));
        assert_eq!(open(2, Column::RefreshToken, "a@example.test"), None, "another key");
        assert_eq!(open(1, Column::AccessToken, "a@example.test"), None, "another column");
        assert_eq!(open(1, Column::RefreshToken, "b@example.test"), None, "another account");
        assert_eq!(
            open(1, Column::UpstreamPassword { protocol: "smtp", host: "h" }, "a@example.test"),
            None
        );
    }

    #[test]
    fn a_password_is_for_one_server() {
        let seal = |protocol| {
            let password = Secret::new("password");
            sealer(1)
                .seal(Column::UpstreamPassword { protocol, host: "h" }, "a", &password)
                .unwrap()
        };
        let opens = |blob: &[u8], protocol, account| {
            sealer(1)
                .open(Column::UpstreamPassword { protocol, host: "h" }, account, blob)
                .is_some()
        };
        let blob = seal("smtp");
        assert!(opens(&blob, "smtp", "a"));
        assert!(!opens(&blob, "imap", "a"), "another protocol");
        assert!(!opens(&blob, "smtp", "b"), "another account");
        assert!(!opens(&blob, "smt", "pa"), "the border between the two counts");
    }

    #[test]
    fn damage_at_any_octet_shows() {
        let blob = sealer(1).seal(Column::AccessToken, "a", &Secret::new("x")).unwrap();
        for at in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[at] ^= 1;
            assert!(sealer(1).open(Column::AccessToken, "a", &damaged).is_none(), "octet {at}");
            assert!(sealer(1).open(Column::AccessToken, "a", &blob[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let seal = || sealer(1).seal(Column::AccessToken, "a", &Secret::new("x")).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_wrong_key_length_is_refused() {
        assert!(Sealer::new(&Secret::new([0; 16])).is_err());
    }
}
