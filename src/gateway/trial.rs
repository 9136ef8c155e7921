//! What is known of the stored passwords that mail servers take. The hard thing is that servers lock an
//! account after some wrong ones: a password that was refused is left alone for a while, and one that
//! nobody has seen accepted yet is tried by one login at a time.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{hmac, rand::SystemRandom};

use crate::{config::Protocol, fingerprint::fingerprint, secret::Secret};

/// How a password stands with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was accepted last time.
    Proven,
    /// Nobody knows.
    Untried,
    /// It was refused a moment ago: to ask again and again would lock the account.
    Refused,
}

/// The standing of all passwords, by account key and protocol; passwords themselves are not kept.
pub(super) struct Trials {
    key: hmac::Key,
    known: Mutex<HashMap<(String, Protocol), Known>>,
}

#[derive(Default)]
struct Known {
    last: Option<([u8; 32], Verdict)>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy)]
enum Verdict {
    Accepted,
    Refused(SystemTime),
}

impl Trials {
    /// # Errors
    /// The operating system gives no randomness.
    pub(super) fn new() -> io::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| io::Error::other("the system has no random numbers"))?;
        Ok(Self { key, known: Mutex::default() })
    }

    pub(super) fn standing(
        &self,
        account: &str,
        protocol: Protocol,
        password: &Secret,
        now: SystemTime,
    ) -> Standing {
        let digest = self.digest(password);
        let known = self.known();
        let last = known.get(&(account.to_owned(), protocol)).and_then(|known| known.last);
        match last {
            Some((this, Verdict::Accepted)) if this == digest => Standing::Proven,
            Some((this, Verdict::Refused(when))) if this == digest => {
                // A clock that was set back counts as time passed.
                let recently = now.duration_since(when).is_ok_and(|age| age < PAUSE);
                if recently { Standing::Refused } else { Standing::Untried }
            }
            _ => Standing::Untried,
        }
    }

    pub(super) fn note(
        &self,
        account: &str,
        protocol: Protocol,
        password: &Secret,
        refused: Option<SystemTime>,
    ) {
        let verdict = refused.map_or(Verdict::Accepted, Verdict::Refused);
        let digest = self.digest(password);
        self.known().entry((account.to_owned(), protocol)).or_default().last =
            Some((digest, verdict));
    }

    /// Whoever tries a password that is not proven holds this meanwhile.
    pub(super) fn turn(&self, account: &str, protocol: Protocol) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.known();
        Arc::clone(&known.entry((account.to_owned(), protocol)).or_default().turn)
    }

    fn digest(&self, password: &Secret) -> [u8; 32] {
        fingerprint(&self.key, &[password.expose()])
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(String, Protocol), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a refused password is not tried again. Exchange locks an account after ten wrong ones.
const PAUSE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_password_is_left_alone_until_it_changes_or_time_passes() {
        let trials = Trials::new().unwrap();
        let (old, new) = (Secret::new("old"), Secret::new("new"));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let standing = |password: &Secret, later| {
            trials.standing("a", Protocol::Smtp, password, now + Duration::from_secs(later))
        };
        assert_eq!(standing(&old, 0), Standing::Untried);
        trials.note("a", Protocol::Smtp, &old, Some(now));
        assert_eq!(standing(&old, 299), Standing::Refused);
        assert_eq!(standing(&old, 300), Standing::Untried);
        assert_eq!(standing(&new, 0), Standing::Untried);
        assert_eq!(trials.standing("a", Protocol::Imap, &old, now), Standing::Untried);
        let before = now - Duration::from_secs(60);
        assert_eq!(trials.standing("a", Protocol::Smtp, &old, before), Standing::Untried);
        trials.note("a", Protocol::Smtp, &new, None);
        assert_eq!(standing(&new, 5000), Standing::Proven);
        assert_eq!(standing(&old, 0), Standing::Untried);
    }
}
