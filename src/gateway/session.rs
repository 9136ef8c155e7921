//! Sessions, as long as they last, and what ends them from here. The hard thing is to miss none: one may
//! begin in the moment in which its password is revoked, its account removed, or the gateway stopped.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Gateway;
use crate::{
    account::password::{Origin, Verified},
    config::AccountConfig,
    control::message::RunningAccount,
    store::LocalPassword,
};

/// A session, so that a revoked password or a removed account can end it.
pub(super) struct Session {
    account: String,
    /// By which its account is found, with the shared mailbox that it opens.
    name: String,
    password_name: String,
    digest: [u8; 32],
    origin: Origin,
    /// The store's generation in which the password was last known to stand.
    generation: i64,
    end: CancellationToken,
}

impl Session {
    /// Why it must end, by the passwords that its account has now.
    fn fault(&self, known: &[LocalPassword]) -> Option<&'static str> {
        let mut known = known.iter();
        match known.find(|it| it.name == self.password_name && it.digest == self.digest) {
            None => Some("its local password was revoked"),
            Some(password) if self.origin.within(&password.limits).is_err() => {
                Some("it is outside the new limits of its local password")
            }
            Some(_) => None,
        }
    }
}

/// A registered session.
pub struct SessionGuard {
    gateway: Arc<Gateway>,
    connection: u64,
    end: CancellationToken,
}

impl SessionGuard {
    /// Cancelled when the session must end.
    pub fn end(&self) -> &CancellationToken {
        &self.end
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let mut shared = self.gateway.shared();
        shared.sessions.remove(&self.connection);
        if shared.sessions.is_empty() {
            self.gateway.no_sessions.notify_one();
        }
    }
}

impl Gateway {
    /// Registers a session under its connection's number until the returned guard goes.
    pub fn register(
        self: &Arc<Self>,
        connection: u64,
        account: &AccountConfig,
        password: &Verified,
    ) -> SessionGuard {
        let end = self.stop.child_token();
        let session = Session {
            account: account.key(),
            name: account.name().into_owned(),
            password_name: password.name.clone(),
            digest: password.digest,
            origin: password.origin,
            generation: password.generation,
            end: end.clone(),
        };
        self.shared().sessions.insert(connection, session);
        // The account may have gone during its login; from here on a reload finds the session.
        if self.in_force().accounts.find(account.name().as_bytes()).is_none() {
            tell_orphaned(connection, &account.name());
            end.cancel();
        }
        SessionGuard { gateway: Arc::clone(self), connection, end }
    }

    /// Ends the sessions of accounts that are not in force any more.
    pub(super) fn end_orphaned_sessions(&self) {
        let in_force = self.in_force();
        for (&connection, session) in &self.shared().sessions {
            if in_force.accounts.find(session.name.as_bytes()).is_none() {
                tell_orphaned(connection, &session.name);
                session.end.cancel();
            }
        }
    }

    /// Judges every session that was not yet judged in this generation of the store. A session tells
    /// itself how far it is judged, since a password may be revoked between its login and its session.
    pub(super) async fn end_revoked_sessions(&self, generation: i64) {
        let mut accounts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (&number, session) in &self.shared().sessions {
            if session.generation != generation {
                accounts.entry(session.account.clone()).or_default().push(number);
            }
        }
        for (account, numbers) in accounts {
            // What cannot be judged now is judged in the next round.
            let Ok(known) = self.store.local_passwords(&account).await else { continue };
            let known = known.map(|known| known.passwords).unwrap_or_default();
            let mut shared = self.shared();
            for number in numbers {
                let Some(session) = shared.sessions.get_mut(&number) else { continue };
                session.generation = generation;
                if let Some(fault) = session.fault(&known) {
                    info!(connection = number, account, "{fault}: the session ends");
                    session.end.cancel();
                }
            }
        }
    }

    /// What the store does not know of accounts: sessions, and tokens that it has not taken yet.
    pub fn running_accounts(&self) -> BTreeMap<String, RunningAccount> {
        let mut accounts: BTreeMap<String, RunningAccount> = BTreeMap::new();
        for session in self.shared().sessions.values() {
            accounts.entry(session.account.clone()).or_default().sessions += 1;
        }
        for account in self.tokens.unsaved_accounts() {
            accounts.entry(account).or_default().unsaved = true;
        }
        accounts
    }

    /// Greets nobody any more: ports close, and who has not logged in is sent away. Sessions go on.
    pub fn close(&self) {
        self.closing.cancel();
        self.ports.disinherit();
    }

    /// After [`Gateway::close`]: ends each session at a random moment within `time`, so that their
    /// clients do not all come back at once. Returns when there is none left, or the time is over.
    pub async fn drain(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut ends: Vec<_> = {
            let shared = self.shared();
            let sessions = shared.sessions.values();
            // Who was let in only now has the whole time.
            sessions
                .map(|session| (until - time.mul_f64(fraction()), session.end.clone()))
                .collect()
        };
        ends.sort_unstable_by_key(|(moment, _)| std::cmp::Reverse(*moment));
        info!("{} sessions end one by one within {time:?}", ends.len());
        while Instant::now() < until && !self.shared().sessions.is_empty() {
            let next = ends.last().map_or(until, |(moment, _)| *moment);
            tokio::select! {
                () = sleep_until(next) => {
                    if let Some((_, end)) = ends.pop() {
                        end.cancel();
                    }
                }
                () = self.no_sessions.notified() => {}
            }
        }
        // A process that was held up has missed their moments.
        for (_, end) in ends {
            end.cancel();
        }
    }
}

fn tell_orphaned(connection: u64, account: &str) {
    info!(
        connection,
        account, "its account or mailbox is not in the configuration any more: the session ends"
    );
}

/// A random share of a whole; without random numbers all of it.
fn fraction() -> f64 {
    let mut octets = [0; 4];
    match rand::fill(&mut octets) {
        Ok(()) => f64::from(u32::from_be_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::tests::account,
        config::{Config, Deadlines, Limits, SigninRefusal},
        secret::Secret,
        store::{Store, memory::MemoryStore},
        token::Tokens,
    };

    fn gateway() -> Arc<Gateway> {
        let config = Config {
            listeners: Vec::new(),
            accounts: vec![account("a")],
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            state_folder: std::path::PathBuf::new(),
            signin_refusal: SigninRefusal::default(),
            hooks: crate::config::Hooks::default(),
            service: crate::config::ServiceConfig::default(),
        };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let tokens = Tokens::new(Arc::clone(&store), Duration::from_secs(1));
        Gateway::new(Arc::new(config), store, tokens, None).unwrap()
    }

    fn verified() -> Verified {
        let origin =
            Origin { protocol: crate::config::Protocol::Imap, address: [192, 0, 2, 1].into() };
        Verified { name: "p".into(), digest: [0; 32], generation: 0, origin }
    }

    fn register(gateway: &Arc<Gateway>, connection: u64) -> SessionGuard {
        gateway.register(connection, &account("a"), &verified())
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_end_one_by_one_over_the_whole_time() {
        let (gateway, began) = (gateway(), Instant::now());
        let sessions: Vec<_> = (0..200).map(|number| register(&gateway, number)).collect();
        let ends = sessions.into_iter().map(|session| {
            tokio::spawn(async move {
                session.end().cancelled().await;
                began.elapsed()
            })
        });
        let ends: Vec<_> = ends.collect();
        gateway.close();
        gateway.drain(Duration::from_secs(100)).await;
        // The last to be asked may end in its own time; nobody is left out.
        gateway.stop.cancel();
        let mut tenths = [0; 10];
        for end in ends {
            let at = end.await.unwrap().as_secs() / 10;
            tenths[usize::try_from(at.min(9)).unwrap()] += 1;
        }
        // That one of them is empty has a chance of one in a hundred million.
        assert!(tenths.iter().all(|count| *count > 0), "{tenths:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_nobody() {
        let (gateway, began) = (gateway(), Instant::now());
        gateway.drain(Duration::from_secs(3600)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        // One that ends by itself, in the middle.
        let session = register(&gateway, 1);
        let leaves = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(session);
        };
        tokio::join!(gateway.drain(Duration::from_secs(3600)), leaves);
        assert_eq!(began.elapsed(), Duration::from_millis(1));
    }

    #[tokio::test]
    async fn sessions_are_counted_and_a_look_at_the_store_ends_revoked_ones() {
        let gateway = gateway();
        let sessions = [register(&gateway, 1), register(&gateway, 2)];
        let count = || gateway.running_accounts().get("a").map(|account| account.sessions);
        assert_eq!(count(), Some(2));
        // No such password is in the store, and something has changed there.
        gateway.store.password_salt("b", [1; 16]).await.unwrap();
        gateway.store.write_upstream_password("b", "smtp", "h", &Secret::new("p")).await.unwrap();
        gateway.look_at_store().await;
        assert!(sessions.iter().all(|session| session.end().is_cancelled()));
        drop(sessions);
        assert_eq!(count(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_whose_moment_was_missed_ends_all_the_same() {
        let gateway = gateway();
        let guard = register(&gateway, 1);
        gateway.drain(Duration::ZERO).await;
        assert!(guard.end().is_cancelled());
    }

    #[tokio::test]
    async fn a_session_of_an_account_that_has_gone_ends_at_once() {
        let gateway = gateway();
        assert!(gateway.register(1, &account("b"), &verified()).end().is_cancelled());
        assert!(!register(&gateway, 2).end().is_cancelled());
    }
}
