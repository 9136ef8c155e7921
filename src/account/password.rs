//! Local passwords: the gateway's own, several per account, named, revocable. The hard thing is that
//! four answers must cost the same (wrong password, unknown name, account without a password, a right
//! password outside its limits) while the right one, asked again, must cost nothing: one Argon2id
//! evaluation serves all passwords of an account, and the last successes are remembered under a key
//! that dies with the process.

mod fit;
mod generate;

use std::{
    fmt, io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, rand};
use tokio_util::sync::CancellationToken;
use tracing::trace;

use self::fit::{MAX_PASSWORDS, fit};
use super::{
    last_use::{LastUses, UsedPassword},
    successes::{Success, Successes},
    worker::{Lane, Place, Worker, WorkerError},
};
use crate::{
    config::{AccountConfig, Protocol},
    fingerprint::fingerprint,
    secret::Secret,
    store::{
        LocalPassword, LocalPasswords, PasswordUse, Store, StoreError,
        limits::{LimitChange, LimitFault, PasswordLimits},
    },
    upstream::site,
};

pub use self::{
    fit::{MAX_PASSWORD, SetPasswordError},
    generate::generate,
};

/// Checks, sets and removes local passwords.
pub struct Passwords {
    store: Arc<dyn Store>,
    worker: Worker,
    /// Stands in for the salt where there is none.
    dummy_salt: [u8; 16],
    process_key: hmac::Key,
    successes: Mutex<Successes>,
    uses: LastUses,
}

/// Where a login comes from, which limits of a password go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What is spoken there.
    pub protocol: Protocol,
    /// The client's.
    pub address: IpAddr,
}

impl Origin {
    /// # Errors
    /// A login from here is outside these limits.
    pub fn within(self, limits: &PasswordLimits) -> Result<(), LimitFault> {
        limits.permit(self.protocol.name(), self.address)
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The password is right.
    Right(Verified),
    /// It would be right elsewhere. Only the log may tell this from a wrong one.
    OutOfLimits {
        /// The password's name.
        name: String,
        /// What it may be used for.
        limits: PasswordLimits,
        /// Which of them forbids it.
        fault: LimitFault,
    },
    /// It is none of the account's, or there is no such account.
    Wrong,
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
    /// Where it was right.
    pub origin: Origin,
}

/// What can be known of a password without an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// It was right before, and still is.
    Right(Verified),
    /// Nobody has seen it right yet.
    Not {
        /// None of the account's passwords was used at this site last.
        stranger: bool,
    },
}

enum Seen {
    Right(Verified),
    Not(Unseen),
}

/// What a password that is not remembered has to be compared with.
struct Unseen {
    key: String,
    cache_key: [u8; 32],
    generation: i64,
    stored: Option<LocalPasswords>,
}

impl Unseen {
    fn was_used_at(&self, address: IpAddr) -> bool {
        let mut passwords = self.stored.iter().flat_map(|stored| &stored.passwords);
        passwords.any(|password| {
            password.last_used.as_ref().is_some_and(|used| site(used.address) == site(address))
        })
    }
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
            uses: LastUses::default(),
        })
    }

    /// Whether this is one of the account's passwords, for a login from `origin`; `None` as the account is
    /// an unknown name. A right one is noted as used.
    ///
    /// A password with octets beyond ASCII is tried as the UTF-8 text that it is, and as the UTF-8
    /// form of the Latin-1 text that it may be: old programs send what the screen showed in the one
    /// or the other. Passwords are stored in UTF-8. How many forms are tried depends on the octets
    /// sent alone, never on what is stored.
    ///
    /// `lane` is with whom the question shares a part of the checks, if that counts.
    ///
    /// # Errors
    /// The store cannot be read, or too many checks are waiting: never to be told as a wrong
    /// password.
    pub async fn verify(
        &self,
        account: Option<&AccountConfig>,
        password: &Secret,
        origin: Origin,
        lane: Option<Lane>,
    ) -> Result<Checked, StoreError> {
        let Unseen { key, cache_key, generation, stored } =
            match self.look_up(account, password, origin).await? {
                Seen::Right(verified) => return Ok(Checked::Right(verified)),
                Seen::Not(unseen) => unseen,
            };
        let salt = stored.as_ref().map_or(self.dummy_salt, |stored| stored.salt);
        let mut found = Vec::new();
        for form in forms(password) {
            let place = self.worker.place(lane).await.map_err(unchecked)?;
            // Behind a restart many come with the same one: whoever was first has found it.
            let found_meanwhile = self.successes().confirm(&cache_key, generation, stored.as_ref());
            let is_permitted = |it: &Success| origin.within(&it.limits).is_ok();
            if let Some(success) = found_meanwhile.filter(is_permitted) {
                return Ok(Checked::Right(self.right(key, success, origin)));
            }
            // Whoever measures what a guess costs counts these.
            trace!("a local password is evaluated");
            let digest = self.digest(place, form, salt).await?;
            let candidates = stored.as_ref().map_or(&[][..], |stored| &stored.passwords);
            found.extend(find(candidates, &digest));
        }
        // Two of an account may be the same text, each with limits of its own.
        let within = found.iter().find(|it| origin.within(&it.limits).is_ok());
        let Some(found) = within.or_else(|| found.first()) else { return Ok(Checked::Wrong) };
        let (name, limits) = (found.name.clone(), found.limits.clone());
        if let Err(fault) = origin.within(&limits) {
            return Ok(Checked::OutOfLimits { name, limits, fault });
        }
        let success = Success { name, digest: found.digest, generation, limits };
        self.successes().insert(cache_key, success.clone());
        Ok(Checked::Right(self.right(key, success, origin)))
    }

    /// As far as it can be known without an evaluation: whether this is one of the account's passwords, for a
    /// login from `origin`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recall(
        &self,
        account: Option<&AccountConfig>,
        password: &Secret,
        origin: Origin,
    ) -> Result<Recalled, StoreError> {
        Ok(match self.look_up(account, password, origin).await? {
            Seen::Right(verified) => Recalled::Right(verified),
            Seen::Not(unseen) => Recalled::Not { stranger: !unseen.was_used_at(origin.address) },
        })
    }

    async fn look_up(
        &self,
        account: Option<&AccountConfig>,
        password: &Secret,
        origin: Origin,
    ) -> Result<Seen, StoreError> {
        let key = account.map_or_else(String::new, AccountConfig::key);
        let generation = self.store.generation().await?;
        let cache_key = self.cache_key(&key, password);
        // What is remembered but outside its limits here goes the whole way of a wrong password.
        let permitted = |success: &Success| origin.within(&success.limits).is_ok();
        let remembered = self.successes().find(&cache_key, generation);
        if let Some(success) = remembered.filter(permitted) {
            return Ok(Seen::Right(self.right(key, success, origin)));
        }
        let stored = self.store.local_passwords(&key).await?;
        let stored = stored.filter(|_| account.is_some() && !password.is_empty());
        let remembered = self.successes().confirm(&cache_key, generation, stored.as_ref());
        if let Some(success) = remembered.filter(permitted) {
            return Ok(Seen::Right(self.right(key, success, origin)));
        }
        Ok(Seen::Not(Unseen { key, cache_key, generation, stored }))
    }

    fn right(&self, account: String, success: Success, origin: Origin) -> Verified {
        let Success { name, digest, generation, .. } = success;
        let used = PasswordUse {
            at: SystemTime::now(),
            protocol: origin.protocol.name().to_owned(),
            address: origin.address.to_canonical(),
        };
        self.uses.note(UsedPassword { account, name: name.clone(), digest }, used);
        Verified { name, digest, generation, origin }
    }

    /// Writes down now and then when passwords were last used, until `stop`.
    pub async fn keep_last_uses(&self, stop: &CancellationToken) {
        self.uses.keep(self.store.as_ref(), stop).await;
    }

    /// Adds a password to an account, or replaces the one of the same name, whose limits stay.
    ///
    /// # Errors
    /// The password or its name is not fit, there are too many, or the store refuses.
    pub async fn set(
        &self,
        account: &AccountConfig,
        name: &str,
        password: &Secret,
    ) -> Result<(), SetPasswordError> {
        self.set_limited(account, name, password, &LimitChange::default()).await.map(|_| ())
    }

    /// The same, with a change of limits. Returns what they are then.
    ///
    /// # Errors
    /// As for [`Self::set`].
    pub async fn set_limited(
        &self,
        account: &AccountConfig,
        name: &str,
        password: &Secret,
        change: &LimitChange,
    ) -> Result<PasswordLimits, SetPasswordError> {
        fit(name, password)?;
        let key = account.key();
        let stored = self.store.local_passwords(&key).await?.map(|it| it.passwords);
        let stored = stored.unwrap_or_default();
        let is_known = stored.iter().any(|password| password.name == name);
        if stored.len() >= MAX_PASSWORDS && !is_known {
            return Err(SetPasswordError::TooMany);
        }
        let proposed = random().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let salt = self.store.password_salt(&key, proposed).await?;
        let place = self.worker.place(None).await.map_err(unchecked)?;
        let digest = self.digest(place, as_utf8(password), salt).await?;
        let created = whole_seconds(SystemTime::now());
        let password = LocalPassword {
            name: name.to_owned(),
            digest,
            created,
            limits: PasswordLimits::default(),
            last_used: None,
        };
        // Only now: the digest takes its time, and the limits may become narrower meanwhile.
        Ok(self.store.change_local_password(&key, &password, change).await?)
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
        place: Place,
        password: Secret,
        salt: [u8; 16],
    ) -> Result<[u8; 32], StoreError> {
        let key = self.worker.stretch(place, password, salt).await.map_err(unchecked)?;
        Ok(digest_of(&key))
    }

    fn cache_key(&self, account: &str, password: &Secret) -> [u8; 32] {
        fingerprint(&self.process_key, &[account.as_bytes(), password.expose()])
    }

    fn successes(&self) -> MutexGuard<'_, Successes> {
        self.successes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

fn unchecked(error: WorkerError) -> StoreError {
    StoreError::Unavailable(match error {
        WorkerError::Busy => "too many password checks are waiting; try again".into(),
        WorkerError::Gone => "the password checker has stopped; restart saslgate".into(),
    })
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
fn find<'a>(candidates: &'a [LocalPassword], digest: &[u8; 32]) -> Vec<&'a LocalPassword> {
    let is_it = |it: &&LocalPassword| verify_slices_are_equal(&it.digest, digest).is_ok();
    candidates.iter().filter(is_it).collect()
}

/// What the store has of a password, made from what its evaluation gave.
fn digest_of(key: &Secret) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(hmac::sign(&key, DIGEST_LABEL).as_ref()) {
        *to = *from;
    }
    digest
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

const DIGEST_LABEL: &[u8] = b"saslgate local password v1";

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
