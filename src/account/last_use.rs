//! When each local password was last used, for people who look for one that nobody needs, or that somebody
//! else has. The hard thing is that no login may wait for it, and no disk may be written at every login:
//! uses are kept in memory, the last one of each password, and written one by one behind the scenes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::store::{PasswordUse, Store};

/// Uses that are not written yet.
#[derive(Default)]
pub(super) struct LastUses {
    pending: Mutex<HashMap<UsedPassword, PasswordUse>>,
    news: Notify,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct UsedPassword {
    /// The account's key.
    pub(super) account: String,
    pub(super) name: String,
    /// A successor of the same name has not been used.
    pub(super) digest: [u8; 32],
}

impl LastUses {
    /// Notes a use; it takes the place of an earlier one that is not written yet.
    pub(super) fn note(&self, password: UsedPassword, used: PasswordUse) {
        let mut pending = self.pending();
        if pending.len() >= MOST && !pending.contains_key(&password) {
            return;
        }
        if pending.insert(password, used).is_none() {
            self.news.notify_one();
        }
    }

    /// Writes uses until `stop`: one after a long silence at once, others of the same password at most
    /// once per [`INTERVAL`], at its end.
    pub(super) async fn keep(&self, store: &dyn Store, stop: &CancellationToken) {
        let mut written = HashMap::new();
        while !stop.is_cancelled() {
            let next = self.write_due(store, &mut written, stop).await;
            let wait = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.news.notified() => {}
                () = wait => {}
            }
        }
        // Nobody waits longer for what is of so little importance.
        let _ = timeout(LAST_WORD, async {
            let pending = std::mem::take(&mut *self.pending());
            for (password, used) in pending {
                self.write(store, password, used).await;
            }
        })
        .await;
    }

    /// Returns when the next of those that wait is due.
    async fn write_due(
        &self,
        store: &dyn Store,
        written: &mut HashMap<UsedPassword, Instant>,
        stop: &CancellationToken,
    ) -> Option<Instant> {
        written.retain(|_, at| at.elapsed() < INTERVAL);
        let due: Vec<_> = self.pending().extract_if(|it, _| !written.contains_key(it)).collect();
        for (password, used) in due {
            if stop.is_cancelled() {
                self.put_back(password, used);
                continue;
            }
            written.insert(password.clone(), Instant::now());
            self.write(store, password, used).await;
        }
        let pending = self.pending();
        let waiting = pending
            .keys()
            .map(|key| written.get(key).map_or_else(Instant::now, |at| *at + INTERVAL));
        waiting.min()
    }

    /// A use that could not be written waits with the others.
    async fn write(&self, store: &dyn Store, password: UsedPassword, used: PasswordUse) {
        let UsedPassword { account, name, digest } = &password;
        if let Err(error) = store.note_password_use(account, name, digest, &used).await {
            debug!(account, "the last use of a local password is not written: {error}");
            self.put_back(password, used);
        }
    }

    fn put_back(&self, password: UsedPassword, used: PasswordUse) {
        self.pending().entry(password).or_insert(used);
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<UsedPassword, PasswordUse>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How old what people are shown may be, while a password is used all the time.
const INTERVAL: Duration = Duration::from_secs(600);

/// Passwords whose uses wait at once. Only right ones get here.
const MOST: usize = 4096;

/// How long the writes at the end may take together.
const LAST_WORD: Duration = Duration::from_secs(2);

#[cfg(test)]
#[path = "last_use_tests.rs"]
mod tests;
