//! What all connections share, and its one hard thing: bounds that hold for everybody together, such
//! as an account's connections, without one connection being able to keep another from its due.

mod promise;
mod trial;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use self::trial::Standing;
use self::{promise::Promises, trial::Trials};
use crate::{
    account::{
        Accounts,
        password::{Passwords, Verified},
    },
    config::{AccountConfig, Config, Protocol, UpstreamConfig},
    proto::smtp::extension::Extensions,
    secret::Secret,
    store::{Store, StoreError},
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
    trials: Trials,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    /// By account key. Fair: whoever waits longest is next.
    slots: HashMap<(String, Protocol), Arc<Semaphore>>,
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
            trials: Trials::new()?,
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

    /// Takes one of the account's connections to this server, or `None` if all are in use.
    pub fn take_slot(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Option<AccountSlot> {
        self.slots(account, protocol, server).try_acquire_owned().ok().map(AccountSlot)
    }

    /// The same, in turn with all who wait for one, until the deadline.
    pub async fn wait_for_slot(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Option<AccountSlot> {
        let turn = self.slots(account, protocol, server).acquire_owned();
        let deadlines = &self.config.deadlines;
        // Who waits so long that the verdict comes first would not hear what he has waited for.
        let longest = deadlines.connection_turn.min(deadlines.verdict * 3 / 4);
        let slot = tokio::time::timeout(longest, turn).await;
        slot.ok()?.ok().map(AccountSlot)
    }

    fn slots(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Arc<Semaphore> {
        let mut shared = self.shared();
        let slots = shared.slots.entry((account.key(), protocol));
        Arc::clone(slots.or_insert_with(|| Arc::new(Semaphore::new(server.connection_limit))))
    }

    /// The stored password for this server, and how it stands there.
    ///
    /// # Errors
    /// The store's.
    pub async fn upstream_password(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Result<Option<(Secret, Standing)>, StoreError> {
        let host = server.host_key();
        let stored = self.store.upstream_password(&account.key(), protocol.name(), &host).await?;
        Ok(stored.map(|password| {
            let now = SystemTime::now();
            let standing = self.trials.standing(&account.key(), protocol, &password, now);
            (password, standing)
        }))
    }

    /// Waits until no other login tries the stored password, which nobody has seen accepted yet.
    pub async fn trial(&self, account: &AccountConfig, protocol: Protocol) -> OwnedMutexGuard<()> {
        self.trials.turn(&account.key(), protocol).lock_owned().await
    }

    /// Notes what a server thinks of the stored password.
    pub fn note_password(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        password: &Secret,
        accepted: bool,
    ) {
        let refused = (!accepted).then(SystemTime::now);
        self.trials.note(&account.key(), protocol, password, refused);
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
pub struct AccountSlot(#[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

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
