//! What the other program keeps encrypted under the password that mail programs send: PBKDF2 (RFC 8018)
//! with SHA-256 makes a key of it, Fernet (version 0x80: AES-128-CBC with PKCS 7, HMAC-SHA-256) uses it.
//! The hard thing is that a wrong password and a spoiled value look the same, and that the file says how
//! many iterations there are: it must not say for how long this program computes.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    hmac,
    iv::FixedLength,
    pbkdf2,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The encrypted values of one account.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: Option<u32>,
    pub(super) access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) client_secret: Option<String>,
}

/// They were opened by a password.
#[derive(Debug)]
pub struct Opened {
    /// A refresh token.
    pub refresh_token: Option<Secret>,
    /// The application's secret.
    pub client_secret: Option<Secret>,
}

/// Why they were not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// Not by this password, or they are spoiled.
    Wrong,
    /// The number of iterations is not one that is computed here.
    Iterations,
}

impl Sealed {
    /// Whether there is anything to open, and so to judge a password by.
    pub fn is_there(&self) -> bool {
        !self.salt.is_empty() && self.values().next().is_some()
    }

    /// Whether the application's secret is only to be had with the password.
    pub fn has_client_secret(&self) -> bool {
        self.client_secret.is_some()
    }

    /// Whether a sign-in is kept.
    pub fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    fn values(&self) -> impl Iterator<Item = &String> {
        [&self.refresh_token, &self.client_secret, &self.access_token].into_iter().flatten()
    }

    /// Opens them all.
    ///
    /// # Errors
    /// The password is wrong, or the numbers are out of bounds.
    pub fn open(&self, password: &Secret) -> Result<Opened, Unsealed> {
        if !self.is_there() {
            return Err(Unsealed::Wrong);
        }
        for iterations in self.candidates()? {
            let key = derive(password, &self.salt, iterations);
            let open = |value: &Option<String>| value.as_ref().map(|it| decrypt(&key, it));
            if self.values().any(|value| decrypt(&key, value).is_none()) {
                continue;
            }
            return Ok(Opened {
                refresh_token: open(&self.refresh_token).flatten(),
                client_secret: open(&self.client_secret).flatten(),
            });
        }
        Err(Unsealed::Wrong)
    }

    /// The written number first; then those that the program has used without writing them.
    fn candidates(&self) -> Result<Vec<NonZeroU32>, Unsealed> {
        let written = match self.iterations {
            None => LEGACY_ITERATIONS,
            Some(number) if number <= MAX_ITERATIONS => number,
            Some(_) => return Err(Unsealed::Iterations),
        };
        let mut numbers = vec![written, ITERATIONS, LEGACY_ITERATIONS];
        numbers.dedup();
        Ok(numbers.into_iter().filter_map(NonZeroU32::new).collect())
    }
}

/// Signing key and encryption key.
fn derive(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.expose(), key.as_mut());
    key
}

/// One Fernet token: version, time, initial vector, ciphertext, signature.
pub(super) fn decrypt(key: &[u8; 32], token: &str) -> Option<Secret> {
    let token = URL_SAFE.decode(token.trim()).ok()?;
    let (signing, encryption) = key.split_at_checked(16)?;
    let (signed, signature) = token.split_at_checked(token.len().checked_sub(32)?)?;
    let signing = hmac::Key::new(hmac::HMAC_SHA256, signing);
    hmac::verify(&signing, signed, signature).ok()?;
    let (&0x80, rest) = signed.split_first()? else { return None };
    let (_time, rest) = rest.split_at_checked(8)?;
    let (vector, ciphertext) = rest.split_at_checked(16)?;
    let vector = <[u8; 16]>::try_from(vector).ok()?;
    let cipher = UnboundCipherKey::new(&AES_128, encryption).ok()?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(cipher).ok()?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(vector));
    let plain = cipher.decrypt(&mut plain, context).ok()?;
    Some(Secret::new(&*plain))
}

/// The token of which `signed` is all but the signature.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_sign(key: &[u8; 32], signed: &[u8]) -> String {
    let (signing, _) = key.split_at(16);
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, signing), signed);
    URL_SAFE.encode([signed, signature.as_ref()].concat())
}

pub(super) fn salt(text: Option<&str>) -> Vec<u8> {
    let salt = text.and_then(|it| STANDARD.decode(it).ok()).unwrap_or_default();
    if salt.len() > MAX_SALT { Vec::new() } else { salt }
}

/// What the program uses today, and what it used before it wrote the number down.
const ITERATIONS: u32 = 1_200_000;
const LEGACY_ITERATIONS: u32 = 100_000;
/// Some seconds.
const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_SALT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's cryptography.
    #[test]
    fn a_token_made_elsewhere() {
        let key = URL_SAFE.decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwFe4c=").unwrap();
        let key = <[u8; 32]>::try_from(key).unwrap();
        let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0OD7gpnE1CokgUVpyN6w6fnBg6t4n7AMO9NQyik4uHThenvXliQ4EsRYaVckQVmkXMtw==";
        assert_eq!(decrypt(&key, token).unwrap().expose(), b"hello");
        let spoiled = token.replace("CokgU", "CokgV");
        assert!(decrypt(&key, &spoiled).is_none());
        for length in 0..token.len() {
            assert!(decrypt(&key, token.get(..length).unwrap()).is_none());
        }
    }

    #[test]
    fn a_file_does_not_say_how_long_we_compute() {
        let sealed = Sealed {
            salt: vec![1],
            iterations: Some(u32::MAX),
            access_token: Some("x".into()),
            ..Sealed::default()
        };
        assert_eq!(sealed.open(&Secret::new("p")).unwrap_err(), Unsealed::Iterations);
    }
}
