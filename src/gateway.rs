//! What all connections share, and its one hard thing: bounds that hold for everybody together, such
//! as an account's connections, without one connection being able to keep another from its due.

mod promise;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::promise::Promises;
use crate::{
    account::{
        Accounts,
        password::{Passwords, Verified},
    },
    config::{AccountConfig, Config, Protocol, UpstreamConfig},
    proto::smtp::extension::Extensions,
    store::Store,
    tap::Tap,
    tls::{Certificates, Connectors},
    token::Tokens,
};

/// A gateway: configuration, store, and what its connections have in common.
pub struct Gateway {
    /// What is in force.
    pub config: Arc<Config>,
    /// Login name to account.
    pub accounts: Accounts,
    /// Local passwords.
    pub passwords: Passwords,
    /// Access tokens.
    pub tokens: Tokens,
    /// TLS towards providers.
    pub connectors: Connectors,
    /// TLS towards clients.
    pub certificates: Certificates,
    /// Cancelled when the gateway stops: greets nobody any more, ends sessions.
    pub stop: CancellationToken,
    /// Every connection is a task in here.
    pub tasks: TaskTracker,
    /// Sees both legs of every connection (`saslgate demo`).
    pub tap: Option<Arc<dyn Tap>>,
    store: Arc<dyn Store>,
    connection_number: AtomicU64,
    promises: Promises,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: HashMap<(String, Protocol), usize>,
    alerts: HashMap<String, SystemTime>,
    sessions: HashMap<u64, Session>,
}

/// A session, as long as it lasts, so that a revoked password can end it.
struct Session {
    account: String,
    password_name: String,
    digest: [u8; 32],
    /// The store's generation in which the password was last known to stand.
    generation: i64,
    end: CancellationToken,
}

impl Gateway {
    /// A gateway at rest; [`crate::listener::bind`] opens its ports.
    ///
    /// # Errors
    /// The operating system gives no threads or no randomness.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        tokens: Tokens,
        tap: Option<Arc<dyn Tap>>,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            accounts: Accounts::new(&config.accounts),
            passwords: Passwords::new(Arc::clone(&store))?,
            tokens,
            connectors: Connectors::default(),
            certificates: Certificates::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tap,
            store,
            connection_number: AtomicU64::new(1),
            promises: Promises::new(config.accounts.iter().map(AsRef::as_ref)),
            shared: Mutex::default(),
            config,
        }))
    }

    /// A number for a connection, unique in this process; log lines carry it.
    pub fn next_connection(&self) -> u64 {
        self.connection_number.fetch_add(1, Ordering::Relaxed)
    }

    /// What SMTP's EHLO promises before login.
    pub fn smtp_promise(&self) -> Extensions {
        self.promises.promise()
    }

    /// Notes what an SMTP upstream has said of itself, for later promises.
    pub fn learn_extensions(&self, config: &UpstreamConfig, said: Extensions) {
        self.promises.learn(config, said);
    }

    /// Takes one of the account's `limit` connections of this protocol, or `None` if it has them all.
    pub fn take_slot(
        self: &Arc<Self>,
        account: &AccountConfig,
        protocol: Protocol,
        limit: usize,
    ) -> Option<AccountSlot> {
        let key = (account.login.clone(), protocol);
        let mut shared = self.shared();
        let count = shared.connections.entry(key.clone()).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        drop(shared);
        Some(AccountSlot { gateway: Arc::clone(self), key })
    }

    /// Whether a refusal may be shown as an alert now: once per account and hour, or a client that
    /// tries every minute shows a dialogue every minute.
    pub fn may_alert(&self, account: &AccountConfig, now: SystemTime) -> bool {
        let mut shared = self.shared();
        let recently = shared.alerts.get(&account.login).is_some_and(|last| {
            // A clock that was set back counts as time passed.
            now.duration_since(*last).is_ok_and(|passed| passed < ALERT_INTERVAL)
        });
        if !recently {
            shared.alerts.insert(account.login.clone(), now);
        }
        !recently
    }

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
            password_name: password.name.clone(),
            digest: password.digest,
            generation: password.generation,
            end: end.clone(),
        };
        self.shared().sessions.insert(connection, session);
        SessionGuard { gateway: Arc::clone(self), connection, end }
    }

    /// Does what nobody waits for, until the gateway stops: reads changed certificates, saves
    /// what the store did not take, and ends the sessions of local passwords that were revoked, by
    /// whichever process.
    pub async fn keep_house(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(HOUSEKEEPING_INTERVAL);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.stop.run_until_cancelled(rounds.tick()).await.is_some() {
            let gateway = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || gateway.certificates.refresh()).await;
            self.tokens.save_unsaved().await;
            match self.store.generation().await {
                Ok(now) => self.end_revoked_sessions(now).await,
                Err(error) => warn!("the store does not answer: {error}"),
            }
        }
    }

    /// Judges every session that was not yet judged in this generation of the store. A session tells
    /// itself how far it is judged, since a password may be revoked between its login and its session.
    async fn end_revoked_sessions(&self, generation: i64) {
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
                let stands = known.iter().any(|password| {
                    password.name == session.password_name && password.digest == session.digest
                });
                if !stands {
                    info!(
                        connection = number,
                        account, "its local password was revoked: the session ends",
                    );
                    session.end.cancel();
                }
            }
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of an account's connections; given back on drop.
pub struct AccountSlot {
    gateway: Arc<Gateway>,
    key: (String, Protocol),
}

impl Drop for AccountSlot {
    fn drop(&mut self) {
        let mut shared = self.gateway.shared();
        if let Some(count) = shared.connections.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shared.connections.remove(&self.key);
            }
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
        self.gateway.shared().sessions.remove(&self.connection);
    }
}

const ALERT_INTERVAL: Duration = Duration::from_secs(3600);
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(2);
