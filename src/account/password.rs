//! Local passwords: the gateway's own, several per account, named, revocable. The hard thing is that
//! three answers must cost the same (wrong password, unknown name, account without a password) while
//! the right one, asked again, must cost nothing: one Argon2id evaluation serves all passwords of an
//! account, and the last successes are remembered under a key that dies with the process.

use std::{
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, rand};

use super::{
    successes::{Success, Successes},
    worker::{Worker, WorkerError},
};
use crate::{
    config::AccountConfig,
    secret::Secret,
    store::{LocalPassword, Store, StoreError},
};

/// Checks, sets and removes local passwords.
pub struct Passwords {
    store: Arc<dyn Store>,
    worker: Worker,
    /// Stands in for the salt where there is none.
    dummy_salt: [u8; 16],
    process_key: hmac::Key,
    successes: Mutex<Successes>,
}

/// A password that was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The password's name, for the log.
    pub name: String,
    /// Its digest: tells it from a later one of the same name.
    pub digest: [u8; 32],
    /// The store's generation in which it was right.
    pub generation: i64,
}

impl Passwords {
    /// # Errors
    /// The threads cannot be started, or the system has no randomness.
    pub fn new(store: Arc<dyn Store>) -> io::Result<Self> {
        Ok(Self {
            store,
            worker: Worker::start()?,
            dummy_salt: random()?,
            process_key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            successes: Mutex::default(),
        })
    }

    /// Whether this is one of the account's passwords; `None` as the account is an unknown name.
    ///
    /// A password with octets beyond ASCII is tried as the UTF-8 text that it is, and as the UTF-8
    /// form of the Latin-1 text that it may be: old programs send what the screen showed in the one
    /// or the other. Passwords are stored in UTF-8. How many forms are tried depends on the octets
    /// sent alone, never on what is stored.
    ///
    /// `site` is where the question comes from, if that counts: each has a share of the checks.
    ///
    /// # Errors
    /// The store cannot be read, or too many checks are waiting: never to be told as a wrong
    /// password.
    pub async fn verify(
        &self,
        account: Option<&AccountConfig>,
        password: &Secret,
        site: Option<IpAddr>,
    ) -> Result<Option<Verified>, StoreError> {
        let key = account.map_or_else(String::new, AccountConfig::key);
        let generation = self.store.generation().await?;
        let cache_key = self.cache_key(&key, password);
        if let Some(success) = self.successes().find(&cache_key, generation) {
            return Ok(Some(success.into()));
        }
        let stored = self.store.local_passwords(&key).await?;
        let stored = stored.filter(|_| account.is_some() && !password.is_empty());
        if let Some(success) = self.successes().confirm(&cache_key, generation, stored.as_ref()) {
            return Ok(Some(success.into()));
        }
        let salt = stored.as_ref().map_or(self.dummy_salt, |stored| stored.salt);
        let mut found = None;
        for form in forms(password) {
            let digest = self.digest(form, salt, site).await?;
            let candidates = stored.as_ref().map_or(&[][..], |stored| &stored.passwords);
            found = find(candidates, &digest).or(found);
        }
        let Some(found) = found else { return Ok(None) };
        let success = Success { name: found.name.clone(), digest: found.digest, generation };
        self.successes().insert(cache_key, success.clone());
        Ok(Some(success.into()))
    }

    /// Adds a password to an account, or replaces the one of the same name.
    ///
    /// # Errors
    /// The password or its name is not fit, there are too many, or the store refuses.
    pub async fn set(
        &self,
        account: &AccountConfig,
        name: &str,
        password: &Secret,
    ) -> Result<(), SetPasswordError> {
        fit(name, password)?;
        let key = account.key();
        if let Some(stored) = self.store.local_passwords(&key).await?
            && stored.passwords.len() >= MAX_PASSWORDS
            && stored.passwords.iter().all(|password| password.name != name)
        {
            return Err(SetPasswordError::TooMany);
        }
        let proposed = random().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let salt = self.store.password_salt(&key, proposed).await?;
        let digest = self.digest(as_utf8(password), salt, None).await?;
        let created = whole_seconds(SystemTime::now());
        let password = LocalPassword { name: name.to_owned(), digest, created };
        Ok(self.store.write_local_password(&key, &password).await?)
    }

    /// Removes the password of that name. Returns whether there was one.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn remove(&self, account: &AccountConfig, name: &str) -> Result<bool, StoreError> {
        self.store.remove_local_password(&account.key(), name).await
    }

    async fn digest(
        &self,
        password: Secret,
        salt: [u8; 16],
        site: Option<IpAddr>,
    ) -> Result<[u8; 32], StoreError> {
        let key = self.worker.stretch(password, salt, site).await.map_err(|error| match error {
            WorkerError::Busy => {
                StoreError::Unavailable("too many password checks are waiting; try again".into())
            }
            WorkerError::Gone => {
                StoreError::Unavailable("the password checker has stopped; restart saslgate".into())
            }
        })?;
        Ok(tag(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()), &[DIGEST_LABEL]))
    }

    fn cache_key(&self, account: &str, password: &Secret) -> [u8; 32] {
        // An account's key has no NUL, so the two cannot run into each other.
        tag(&self.process_key, &[account.as_bytes(), b"\0", password.expose()])
    }

    fn successes(&self) -> MutexGuard<'_, Successes> {
        self.successes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Success> for Verified {
    fn from(success: Success) -> Self {
        Self { name: success.name, digest: success.digest, generation: success.generation }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

/// A new password: sixteen letters and digits in groups of four, 80 bits; none of them looks like
/// another, and all are ASCII, so every program sends the same octets.
///
/// # Errors
/// The system has no randomness.
pub fn generate() -> io::Result<Secret> {
    let mut password = Vec::with_capacity(GROUPS * 5 - 1);
    for group in 0..GROUPS {
        if group > 0 {
            password.push(b'-');
        }
        for octet in random::<4>()? {
            // 32 letters: the lower five bits choose without bias.
            password.extend(ALPHABET.get(usize::from(octet & 31)));
        }
    }
    Ok(Secret::new(password))
}

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

fn fit(name: &str, password: &Secret) -> Result<(), SetPasswordError> {
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

/// The texts that these octets may mean, in UTF-8; at least one, at most two.
fn forms(password: &Secret) -> Vec<Secret> {
    let octets = password.expose();
    if octets.is_ascii() {
        return vec![password.clone()];
    }
    match std::str::from_utf8(octets) {
        Ok(_) => vec![password.clone(), from_latin1(octets)],
        Err(_) => vec![from_latin1(octets)],
    }
}

/// What is stored: octets that are not UTF-8 are taken for Latin-1.
fn as_utf8(password: &Secret) -> Secret {
    match std::str::from_utf8(password.expose()) {
        Ok(_) => password.clone(),
        Err(_) => from_latin1(password.expose()),
    }
}

fn from_latin1(octets: &[u8]) -> Secret {
    let mut text = Vec::with_capacity(octets.len() * 2);
    for &octet in octets {
        text.extend_from_slice(char::from(octet).encode_utf8(&mut [0; 4]).as_bytes());
    }
    Secret::new(text)
}

/// Looks at every candidate, so that the time says nothing about which one it was.
fn find<'a>(candidates: &'a [LocalPassword], digest: &[u8; 32]) -> Option<&'a LocalPassword> {
    let mut found = None;
    for candidate in candidates {
        if verify_slices_are_equal(&candidate.digest, digest).is_ok() {
            found = Some(candidate);
        }
    }
    found
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; 32];
    for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    tag
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    rand::fill(&mut octets).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(octets)
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Octets in one password: far beyond any that is typed, and less than the smallest bound on a login.
pub const MAX_PASSWORD: usize = 256;

const DIGEST_LABEL: &[u8] = b"saslgate local password v1";
const MAX_NAME: usize = 64;
const MAX_PASSWORDS: usize = 64;
const GROUPS: usize = 4;
/// Lower case and digits without i, l, o and 0 (1 stays, alone of its looks).
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
