//! Access tokens: kept, refreshed once for all who wait, never lost. The hard thing is "once": in
//! this process all who want a token share one flight (`slot`), and among processes a lease in the
//! store says who asks the provider (`refresh`). A flight is a task of its own, so a client that
//! hangs up takes nothing away.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::{
    config::{AccountConfig, OAuthConfig},
    secret::Secret,
    store::{Store, StoreError},
};
pub(crate) use advice::tenant;
pub use cause::{Cause, CertificateFault};
use endpoint::Endpoint;
pub(crate) use endpoint::fetch;
use grant::Need;
pub use history::{Change, State};
pub use import::import;
use refresh::{Reason, Refresh};
use slot::{Boarding, Landing, Slot};

mod advice;
mod answer;
mod cause;
mod endpoint;
mod external;
mod external_answer;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
mod grant;
mod history;
mod import;
mod keeper;
mod pause;
mod refresh;
mod save;
pub mod signin;
mod slot;

#[cfg(test)]
mod tests;

/// Tells the time; tests move it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The wall clock. Expiry goes by it, since a monotonic clock stands still while a laptop sleeps.
pub fn wall_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// When a refused token is worth another request to the provider.
#[derive(Clone, Copy, Debug)]
pub struct ForcedRefresh {
    /// A token must be at least this old: a fresh one was refused for another reason than its age.
    pub youngest: Duration,
    /// From one forced refresh of an account to the next.
    pub interval: Duration,
}

impl Default for ForcedRefresh {
    fn default() -> Self {
        Self { youngest: Duration::from_secs(300), interval: Duration::from_secs(300) }
    }
}

/// The access tokens of all accounts.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    endpoint: Endpoint,
    external: external::ExternalTokens,
    clock: Clock,
    forced: ForcedRefresh,
    /// Names this process in the store's leases; the number of the flight is added.
    process: String,
    flight: AtomicU64,
    /// By the grant's account and purpose. Bounded by the accounts of the configurations that were in
    /// force, and, of service accounts, by the mailboxes that these list or that have a local password.
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
    flights: TaskTracker,
    /// From then on the provider is not asked any more.
    stopping: AtomicBool,
    /// Who hears when an account's sign-in dies or works again.
    changes: Mutex<Option<mpsc::Sender<Change>>>,
    /// Whether the accounts' histories are written.
    chronicled: bool,
}

impl Tokens {
    /// `deadline` bounds one exchange with a token endpoint.
    pub fn new(store: Arc<dyn Store>, deadline: Duration) -> Self {
        Self::with(store, deadline, wall_clock(), ForcedRefresh::default())
    }

    /// As [`Tokens::new`], with another clock and other limits.
    pub fn with(
        store: Arc<dyn Store>,
        deadline: Duration,
        clock: Clock,
        forced: ForcedRefresh,
    ) -> Self {
        Self::made((store, deadline, clock, forced), true)
    }

    /// As [`Tokens::new`], for a look beside a gateway: how refreshes go is not written down, for people
    /// are told of a change by whoever writes it first, and that is the gateway.
    pub fn beside(store: Arc<dyn Store>, deadline: Duration) -> Self {
        Self::made((store, deadline, wall_clock(), ForcedRefresh::default()), false)
    }

    fn made(
        (store, deadline, clock, forced): (Arc<dyn Store>, Duration, Clock, ForcedRefresh),
        chronicled: bool,
    ) -> Self {
        let flights = TaskTracker::new();
        // A closed tracker still takes tasks; only so can one wait for it to be empty.
        flights.close();
        let endpoint = Endpoint::new(deadline);
        let shared = Shared {
            store,
            endpoint,
            external: external::ExternalTokens::default(),
            clock,
            forced,
            process: process_name(),
            flight: AtomicU64::new(0),
            slots: Mutex::default(),
            flights,
            stopping: AtomicBool::new(false),
            changes: Mutex::default(),
            chronicled,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Follows a new configuration: `deadline` as in [`Tokens::new`]. Flights under way keep the old one.
    pub fn renew(&self, deadline: Duration) {
        self.shared.endpoint.renew(deadline);
    }

    /// A token with enough life left for a session. It comes from memory, from the store, or from
    /// the provider, who is asked once for all who wait.
    ///
    /// If no new token can be had, the old one is handed out as long as it lasts.
    pub async fn access_token(&self, account: &AccountConfig) -> Result<AccessToken, TokenError> {
        if let Some(source) = &account.external_token {
            return self.external(account, source, None).await;
        }
        let need = Need::Fresh(oauth(account)?.fresh_percent);
        self.token_that(need, account).await
    }

    /// The same for one mail transaction: a token that lasts some minutes is good enough, so that
    /// jobs which send now and then cost no refresh each half lifetime.
    pub async fn brief_access_token(
        &self,
        account: &AccountConfig,
    ) -> Result<AccessToken, TokenError> {
        if let Some(source) = &account.external_token {
            return self.external(account, source, None).await;
        }
        self.token_that(Need::Brief(oauth(account)?.fresh_percent), account).await
    }

    /// A token to look at the account with: the stored one as long as it is good for a mail
    /// transaction, unless the account's history says that no new ones come, or it is older than `since`;
    /// then the provider is asked, and what it says is told even where the old token lasts.
    pub async fn inspected_token(
        &self,
        account: &AccountConfig,
        since: Option<SystemTime>,
    ) -> Result<AccessToken, TokenError> {
        if let Some(source) = &account.external_token {
            return self.external(account, source, None).await;
        }
        let oauth = oauth(account)?;
        let key = account.token_key();
        let store = &self.shared.store;
        let record = match store.grant(&key).await {
            Ok(record) => record,
            Err(error) => return Err(error.into()),
        };
        let history = store.refresh_history(&key).await.ok().flatten().unwrap_or_default();
        let purpose = grant::purpose(oauth);
        let stored = record.and_then(|record| grant::stored_token(&record.grant, &purpose));
        let fails = history.failure.is_some_and(|failure| {
            stored.as_ref().is_none_or(|token| token.obtained <= failure.last)
        });
        let is_old = |token: &AccessToken| since.is_some_and(|since| token.obtained < since);
        match stored {
            Some(token) if !fails && !is_old(&token) => {
                let slot = self.slot(account, oauth);
                if Need::Brief(oauth.fresh_percent).is_met(&token, self.now()) {
                    slot.hold(Some(token.clone()), None);
                    return Ok(token);
                }
                self.fly(&slot, account, Reason::Login).await
            }
            stored => {
                let seen = stored.map(|token| token.obtained);
                self.fly(&self.slot(account, oauth), account, Reason::Inspection(seen)).await
            }
        }
    }

    async fn token_that(
        &self,
        need: Need<'_>,
        account: &AccountConfig,
    ) -> Result<AccessToken, TokenError> {
        let slot = self.slot(account, oauth(account)?);
        let generation = match self.shared.store.generation().await {
            Ok(generation) => Some(generation),
            Err(error) => {
                warn!(account = account.login, "going on without the store: {error}");
                None
            }
        };
        slot.touch(need, self.now());
        if let Some(token) = slot.held(need, generation, self.now()) {
            return Ok(token);
        }
        self.fly(&slot, account, Reason::Login).await
    }

    /// A token in place of one that the upstream has refused: the newer one that is already here, or
    /// the result of a forced refresh. [`TokenErrorKind::TooSoon`] where that would be a storm.
    pub async fn replace_refused(
        &self,
        account: &AccountConfig,
        refused: &AccessToken,
    ) -> Result<AccessToken, TokenError> {
        if let Some(source) = &account.external_token {
            return self.external(account, source, Some(refused)).await;
        }
        let slot = self.slot(account, oauth(account)?);
        // Asked for before the held token is looked at: a flight holds its token before it ends.
        let flight = slot.flight();
        if let Some(token) = slot.held(Need::Other(&refused.secret), None, self.now()) {
            return Ok(token);
        }
        if let Some(flight) = flight {
            // Somebody else was refused the same token a moment ago, and its successor is on its way.
            let landed = self.landing(flight, account).await?;
            if landed.secret.expose() != refused.secret.expose() {
                return Ok(landed);
            }
        }
        self.check_force(&slot, account, refused)?;
        let landed = self.fly(&slot, account, Reason::Refused(refused.clone())).await;
        match landed {
            // A flight that was under way for another reason may have brought the same token back.
            Ok(token) if token.secret.expose() == refused.secret.expose() => {
                self.check_force(&slot, account, refused)?;
                self.fly(&slot, account, Reason::Refused(refused.clone())).await
            }
            landed => landed,
        }
    }

    /// Forgets what providers have refused lately, so that the next login asks again: somebody may
    /// have put something right at a provider's side.
    pub fn look_again(&self) {
        for slot in self.slots().values() {
            slot.forget_refusal();
        }
    }

    /// What becomes of the accounts' sign-ins from now on, for [`crate::hook::deliver`]. A second call
    /// takes over from the first.
    pub fn changes(&self) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(CHANGES);
        *self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Offers the store what it has not taken, once: a gateway does so now and then, since the next
    /// login may be far away and the process may end before. Costs nothing where there is nothing.
    pub async fn save_unsaved(&self) {
        for (account, slot) in self.unsaved() {
            // A flight saves its own, and tries harder.
            if slot.flight().is_some() {
                continue;
            }
            let saved = save::unsaved_once(self.shared.store.as_ref(), &slot, &account).await;
            match saved {
                Ok(None) => {}
                Ok(Some(_)) => info!(account, "a new refresh token is saved at last"),
                Err(fault) => {
                    warn!(account, "a new refresh token is still not saved: {fault}");
                    if let StoreError::Unavailable(_) = fault {
                        // It will not take the others' either.
                        break;
                    }
                }
            }
        }
    }

    /// Ends the asking for good: begins no refresh any more, waits for those under way, and offers the
    /// store once more what it has not taken. A process that ends without it may lose a sign-in.
    pub async fn settle(&self) {
        // A flight counts as under way before it looks at this, so none is missed.
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.flights.wait().await;
        for (account, slot) in self.unsaved() {
            if let Err(fault) = save::unsaved(self.shared.store.as_ref(), &slot, &account).await {
                error!(account, "a new refresh token could not be saved and is lost: {fault}");
            }
        }
    }

    fn check_force(
        &self,
        slot: &Slot,
        account: &AccountConfig,
        refused: &AccessToken,
    ) -> Result<(), TokenError> {
        let now = self.now();
        let within = |then, limit| grant::age(then, now).is_some_and(|age| age < limit);
        let young = within(refused.obtained, self.shared.forced.youngest);
        let recent = slot.forced().is_some_and(|then| within(then, self.shared.forced.interval));
        if !young && !recent {
            return Ok(());
        }
        Err(TokenError {
            kind: TokenErrorKind::TooSoon,
            text: format!(
                "The mail server refuses the access token of {} although it is new. Check the \
                 mailbox, the permissions of the application and its scopes.",
                account.login
            ),
            cause: Cause::Refused,
        })
    }

    /// Joins the flight under way, or starts one, and waits for it to land.
    async fn fly(
        &self,
        slot: &Arc<Slot>,
        account: &AccountConfig,
        reason: Reason,
    ) -> Result<AccessToken, TokenError> {
        let oauth = oauth(account)?;
        let flight = match slot.board() {
            Boarding::Join(flight) => flight,
            Boarding::Start(sender, receiver) => {
                let refresh = self.refresh(slot, account, oauth, reason);
                let slot = Arc::clone(slot);
                self.shared.flights.spawn(async move {
                    let landing = refresh.fly().await;
                    slot.land();
                    sender.send_replace(Some(landing));
                    // Nobody waits for this.
                    refresh.chronicle().await;
                });
                receiver
            }
        };
        self.landing(flight, account).await
    }

    async fn landing(
        &self,
        mut flight: watch::Receiver<Landing>,
        account: &AccountConfig,
    ) -> Result<AccessToken, TokenError> {
        let landing = match flight.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone(),
            Err(_) => None,
        };
        landing.unwrap_or_else(|| {
            Err(TokenError {
                kind: TokenErrorKind::Unavailable,
                text: format!(
                    "The refresh for {} broke off. Please report it.",
                    account.token_login()
                ),
                cause: Cause::Own,
            })
        })
    }

    fn refresh(
        &self,
        slot: &Arc<Slot>,
        account: &AccountConfig,
        oauth: &OAuthConfig,
        reason: Reason,
    ) -> Refresh {
        let number = self.shared.flight.fetch_add(1, Ordering::Relaxed);
        Refresh {
            owner: format!("{}-{number}", self.shared.process),
            shared: Arc::clone(&self.shared),
            slot: Arc::clone(slot),
            login: account.token_login().into_owned(),
            oauth: oauth.clone(),
            key: account.token_key(),
            purpose: grant::purpose(oauth),
            reason,
            outcome: OnceLock::new(),
        }
    }

    fn slot(&self, account: &AccountConfig, oauth: &OAuthConfig) -> Arc<Slot> {
        let key = (account.token_key(), grant::purpose(oauth));
        Arc::clone(self.slots().entry(key).or_default())
    }

    /// The store's names of the accounts whose new refresh token it has not taken yet.
    pub fn unsaved_accounts(&self) -> Vec<String> {
        self.unsaved().into_iter().map(|(account, _)| account).collect()
    }

    /// What is to be saved, with the store's name of each account.
    fn unsaved(&self) -> Vec<(String, Arc<Slot>)> {
        let slots = self.slots();
        let unsaved = slots.iter().filter(|(_, slot)| slot.unsaved().is_some());
        unsaved.map(|((account, _), slot)| (account.clone(), Arc::clone(slot))).collect()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<Slot>>> {
        self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SystemTime {
        (self.shared.clock)()
    }
}

/// What a list of accounts shows of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantStatus {
    /// Whether someone has signed in. An application that is its own grant needs no sign-in.
    pub signed_in: bool,
    /// When the last access token was obtained, and when it ends or has ended.
    pub access_token: Option<(SystemTime, SystemTime)>,
    /// Since when a refresh is under way, or has been interrupted.
    pub refresh_started: Option<SystemTime>,
}

impl GrantStatus {
    /// Reads it for one account.
    pub async fn read(store: &dyn Store, account: &AccountConfig) -> Result<Self, StoreError> {
        let record = store.grant(&account.token_key()).await?;
        let grant = record.map(|record| record.grant).unwrap_or_default();
        Ok(Self {
            signed_in: grant.refresh_token.is_some(),
            access_token: grant.access_token.map(|token| (token.obtained, token.expires)),
            refresh_started: grant.refresh_started,
        })
    }
}

/// How the account's tokens come about; an account whose servers all take passwords has none.
fn oauth(account: &AccountConfig) -> Result<&OAuthConfig, TokenError> {
    account.oauth.as_ref().ok_or_else(|| TokenError {
        kind: TokenErrorKind::Configuration,
        text: format!("{} has no OAuth settings in the gateway's configuration.", account.login),
        cause: Cause::Person,
    })
}

/// Another name for each process and each [`Tokens`].
fn process_name() -> String {
    let mut octets = [0; 8];
    match aws_lc_rs::rand::fill(&mut octets) {
        Ok(()) => format!("{}-{:016x}", std::process::id(), u64::from_be_bytes(octets)),
        // Without random numbers TLS does not work either; the number of the process must do.
        Err(_) => std::process::id().to_string(),
    }
}

/// An access token as the gateway holds it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What goes into the SASL exchange.
    pub secret: Secret,
    /// When it was obtained, by the wall clock.
    pub obtained: SystemTime,
    /// When it ends, by the wall clock.
    pub expires: SystemTime,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// Chooses what the client hears.
    pub kind: TokenErrorKind,
    /// What happened and what to do, for people: no secrets, one or two sentences.
    pub text: String,
    /// The same, for programs.
    pub cause: Cause,
}

/// The four kinds of answer that a provider can give, and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenErrorKind {
    /// A person must sign in (again).
    SignIn,
    /// The administrator's policy forbids it.
    Policy,
    /// The operator must correct the configuration.
    Configuration,
    /// It may work later: endpoint, network or store down, throttled, too slow.
    Unavailable,
    /// The upstream refused this token, and another forced refresh so soon would be a storm.
    TooSoon,
}

impl TokenErrorKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SignIn, Self::Policy, Self::Configuration, Self::Unavailable, Self::TooSoon];

    /// As it stands in the store and in what programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Policy => "policy",
            Self::Configuration => "configuration",
            Self::Unavailable => "unavailable",
            Self::TooSoon => "too-soon",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TokenError {}

/// How many changes may wait to be delivered.
const CHANGES: usize = 1000;
