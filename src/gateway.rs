//! What all connections share, and its one hard thing: bounds that hold for everybody together, such
//! as an account's connections, without one connection being able to keep another from its due.

mod promise;
mod session;
mod slot;
mod trial;
pub(crate) mod warning;

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use self::{promise::Promises, session::Session, slot::Slots, trial::Trials};
pub use self::{session::SessionGuard, slot::AccountSlot, trial::Standing};
use crate::{
    account::{Accounts, guesses::Guesses, password::Passwords},
    config::{AccountConfig, Config, Protocol, UpstreamConfig},
    hook,
    listener::Ports,
    proto::smtp::extension::Extensions,
    reload::Reloads,
    secret::Secret,
    store::{Store, StoreError, account_key},
    tap::Tap,
    tls::{Certificates, Connectors},
    token::Tokens,
};

/// A gateway: configuration, store, and what its connections have in common.
pub struct Gateway {
    /// A lock and no more: it is read some times per connection, and only to copy the pointer.
    in_force: RwLock<Arc<InForce>>,
    /// Local passwords.
    pub passwords: Passwords,
    /// Wrong logins of late.
    pub guesses: Arc<Guesses>,
    /// Access tokens.
    pub tokens: Tokens,
    /// TLS towards providers.
    pub connectors: Connectors,
    /// TLS towards clients.
    pub certificates: Certificates,
    /// Cancelled when nobody is greeted any more: ports close, and who has not logged in is sent away.
    pub closing: CancellationToken,
    /// Cancelled when the gateway stops: as `closing`, and sessions end.
    pub stop: CancellationToken,
    /// Every connection is a task in here.
    pub tasks: TaskTracker,
    /// Sees both legs of every connection (`saslgate demo`).
    pub tap: Option<Arc<dyn Tap>>,
    /// Open ports, so that a reload can change them.
    pub(crate) ports: Ports,
    /// How the configuration is read again.
    pub(crate) reloads: OnceLock<Reloads>,
    pub(crate) store: Arc<dyn Store>,
    connection_number: AtomicU64,
    promises: Promises,
    trials: Trials,
    shared: Mutex<Shared>,
    /// Told when the last session has ended.
    no_sessions: Notify,
}

/// What is in force: a configuration, with what follows from it alone. Whoever needs two of its values
/// to agree takes both from the same one.
#[derive(Debug)]
pub struct InForce {
    /// What people wrote.
    pub config: Arc<Config>,
    /// Login name to account.
    pub accounts: Accounts,
}

impl InForce {
    fn new(config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self { accounts: Accounts::new(&config.accounts), config })
    }

    /// How many connections the account of this name may have, as it stands here; `None`: it is not here.
    fn connection_limit(&self, name: &str, protocol: Protocol) -> Option<usize> {
        let account = self.accounts.find(name.as_bytes())?;
        account.upstream(protocol).map(|server| server.connection_limit)
    }
}

/// Whose connections to which server are counted together, without case.
#[derive(Clone, PartialEq, Eq, Hash)]
struct MailboxAt {
    protocol: Protocol,
    server: (String, u16),
    user: String,
}

#[derive(Default)]
struct Shared {
    /// Those in use. Servers count the connections of a mailbox, however many logins lead to it.
    slots: HashMap<MailboxAt, (String, Arc<Slots>)>,
    alerts: HashMap<String, SystemTime>,
    sessions: HashMap<u64, Session>,
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
        let stop = CancellationToken::new();
        Ok(Arc::new(Self {
            passwords: Passwords::new(Arc::clone(&store))?,
            guesses: Arc::default(),
            tokens,
            connectors: Connectors::default(),
            certificates: Certificates::default(),
            closing: stop.child_token(),
            stop,
            tasks: TaskTracker::new(),
            tap,
            ports: Ports::default(),
            reloads: OnceLock::new(),
            store,
            connection_number: AtomicU64::new(1),
            trials: Trials::new()?,
            promises: Promises::new(config.accounts.iter().map(AsRef::as_ref)),
            shared: Mutex::default(),
            no_sessions: Notify::new(),
            in_force: RwLock::new(InForce::new(config)),
        }))
    }

    /// What is in force now. A reload may put another in its place at any time.
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration in force now.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.in_force().config)
    }

    /// Puts a configuration in force, ports excepted: whatever is asked from here on is answered by it,
    /// and what goes on keeps what it has.
    pub(crate) fn put_in_force(&self, config: Config) {
        let next = InForce::new(Arc::new(config));
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        self.tokens.renew(next.config.deadlines.token);
        self.promises.renew(next.config.accounts.iter().map(AsRef::as_ref));
        // Slots that are made from here on have their limit from `next`.
        for (at, (name, slots)) in &self.shared().slots {
            if let Some(limit) = next.connection_limit(name, at.protocol) {
                slots.set_limit(limit);
            }
        }
        self.end_orphaned_sessions();
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

    /// Takes one of its mailbox's connections to this server, or `None` if all are in use.
    pub fn take_slot(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Option<AccountSlot> {
        self.slots(account, protocol, server).take()
    }

    /// The same, in turn with all who wait for one, until the deadline.
    pub async fn wait_for_slot(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Option<AccountSlot> {
        let turn = self.slots(account, protocol, server).wait();
        let deadlines = &self.config().deadlines;
        // Who waits so long that the verdict comes first would not hear what he has waited for.
        let longest = deadlines.connection_turn.min(deadlines.verdict * 3 / 4);
        tokio::time::timeout(longest, turn).await.ok()?
    }

    fn slots(
        &self,
        account: &AccountConfig,
        protocol: Protocol,
        server: &UpstreamConfig,
    ) -> Arc<Slots> {
        let mut shared = self.shared();
        let at = MailboxAt {
            protocol,
            server: (server.host_key(), server.port),
            user: account_key(&account.counted_for(protocol)),
        };
        if let Some((_, slots)) = shared.slots.get(&at) {
            return Arc::clone(slots);
        }
        // A client may choose the mailbox, so nothing is kept of those that nobody uses.
        shared.slots.retain(|_, (_, slots)| Arc::strong_count(slots) > 1);
        // `server` may be of a configuration that has just been replaced. The lock is held, so that
        // either this reads the new limit, or the reload finds these slots.
        let name = account.name().into_owned();
        let limit = self.in_force().connection_limit(&name, protocol);
        let slots = Arc::new(Slots::new(limit.unwrap_or(server.connection_limit)));
        shared.slots.insert(at, (name, Arc::clone(&slots)));
        slots
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

    /// Keeps the accounts in force signed in, and tells the hooks in force how they stand, until the
    /// gateway stops.
    pub fn keep_signed_in(self: &Arc<Self>) {
        // Taken before anything can change.
        let changes = self.tokens.changes();
        let (gateway, stop) = (Arc::clone(self), self.stop.clone());
        self.tasks.spawn(hook::deliver(changes, move || gateway.config().hooks.clone(), stop));
        let gateway = Arc::clone(self);
        self.tasks.spawn(async move {
            let accounts = || gateway.config().accounts.clone();
            gateway.tokens.keep_fresh(accounts, gateway.stop.clone()).await;
        });
    }

    /// Does what nobody waits for, until the gateway stops: reads changed certificates and a changed
    /// configuration, saves what the store did not take, and ends the sessions of local passwords that
    /// were revoked, by whichever process.
    pub async fn keep_house(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(HOUSEKEEPING_INTERVAL);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.stop.run_until_cancelled(rounds.tick()).await.is_some() {
            let gateway = Arc::clone(&self);
            let _ =
                tokio::task::spawn_blocking(move || gateway.certificates.refresh_settled()).await;
            self.reload_if_changed().await;
            self.tokens.save_unsaved().await;
            self.look_at_store().await;
        }
    }

    /// Writes down when local passwords were last used, until the gateway stops.
    pub async fn keep_last_uses(self: Arc<Self>) {
        self.passwords.keep_last_uses(&self.stop).await;
    }

    /// Ends the sessions of local passwords that were revoked or limited; tokens are looked up at their next use.
    pub async fn look_at_store(&self) {
        match self.store.generation().await {
            Ok(now) => self.end_revoked_sessions(now).await,
            Err(error) => warn!("the store does not answer: {error}"),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ALERT_INTERVAL: Duration = Duration::from_secs(3600);
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(2);
