//! Refreshes ahead of need, so that no login waits and no provider's window closes. The hard thing is
//! time: it goes by the wall clock, looked at every few seconds, since timers stand still while a
//! laptop sleeps; and when the clock jumps, all are due at once and must not ask at once.
//!
//! Nothing is scheduled. Each round computes from the stored token when each account is due, and
//! starts a few of those that are, the most urgent first.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    TokenErrorKind, Tokens,
    grant::{self, Fingerprint},
    pause,
    refresh::Reason,
    slot::Slot,
};
use crate::{
    config::{AccountConfig, OAuthConfig},
    store::StoreError,
};

type Key = (String, String);

impl Tokens {
    /// Keeps the accounts signed in until `stop`: `accounts` says in each round who they are.
    pub async fn keep_fresh(
        &self,
        accounts: impl Fn() -> Vec<Arc<AccountConfig>>,
        stop: CancellationToken,
    ) {
        let mut keeper = Keeper::new(self.clone());
        loop {
            let accounts = accounts();
            if stop.run_until_cancelled(keeper.round(&accounts)).await.is_none()
                || stop.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_none()
            {
                return;
            }
        }
    }
}

/// What is known of all accounts between the rounds.
pub(super) struct Keeper {
    tokens: Tokens,
    watches: HashMap<Key, Watch>,
}

/// What is known of one account.
#[derive(Default)]
struct Watch {
    seen: Option<Seen>,
    task: Option<JoinHandle<()>>,
    /// The last try, and the token that was there then.
    tried: Option<(SystemTime, Option<SystemTime>)>,
    /// A refusal that an earlier process wrote down, and the version of the grant it found.
    inherited: Option<(SystemTime, Option<i64>)>,
}

/// What the store said.
#[derive(Clone, Copy)]
struct Seen {
    at: SystemTime,
    generation: i64,
    version: Option<i64>,
    has_refresh_token: bool,
    /// When the token was obtained, and when it ends.
    token: Option<(SystemTime, SystemTime)>,
    /// When the refresh token ends, where that is known.
    ends: Option<SystemTime>,
    /// Of the history: a definite failure stands, and not by the grant that is there now.
    dead: bool,
}

impl Keeper {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, watches: HashMap::new() }
    }

    /// Starts what is due. Nothing is waited for but the store.
    pub(super) async fn round(&mut self, accounts: &[Arc<AccountConfig>]) {
        let Ok(generation) = self.tokens.shared.store.generation().await else {
            return;
        };
        let now = self.tokens.now();
        let mut watches = std::mem::take(&mut self.watches);
        let mut hosts: HashMap<String, Host> = HashMap::new();
        for account in accounts {
            let Some(oauth) = &account.oauth else { continue };
            if !has_grant(account) {
                continue;
            }
            let key = (account.token_key(), grant::purpose(oauth));
            let mut watch = watches.remove(&key).unwrap_or_default();
            let host = hosts.entry(oauth.token_url.host_str().unwrap_or_default().to_owned());
            let host = host.or_default();
            host.accounts += 1;
            if watch.task.as_ref().is_some_and(|task| !task.is_finished()) {
                host.busy += 1;
            } else {
                if watch.task.take().is_some() {
                    watch.seen = None;
                }
                let slot = self.tokens.slot(account, oauth);
                match self.look(&mut watch, account, oauth, &slot, generation, now).await {
                    Ok(Some(due)) if due <= now => host.due.push((due, Arc::clone(account))),
                    Ok(_) => {}
                    Err(error) => debug!(account = account.login, "not looked at: {error}"),
                }
            }
            self.watches.insert(key, watch);
        }
        for host in hosts.into_values() {
            for account in host.starts() {
                self.start(&account, now);
            }
        }
    }

    /// When the account is due; `None`: not as things are.
    async fn look(
        &self,
        watch: &mut Watch,
        account: &AccountConfig,
        oauth: &OAuthConfig,
        slot: &Slot,
        generation: i64,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, StoreError> {
        if watch.is_stale(generation, now) {
            self.read(watch, account, oauth, generation, now).await?;
        }
        let Some(seen) = watch.seen else { return Ok(None) };
        if oauth.grant.needs_sign_in() && !seen.has_refresh_token {
            return Ok(None);
        }
        let within = |then, limit| grant::age(then, now).is_some_and(|age| age < limit);
        let inherited = watch.inherited.is_some_and(|(at, version)| {
            version == seen.version && within(at, pause::unasked(TokenErrorKind::SignIn))
        });
        let tried = watch.tried.is_some_and(|(at, obtained)| {
            obtained == seen.token.map(|(obtained, _)| obtained) && within(at, RETRY)
        });
        if inherited || tried {
            return Ok(None);
        }
        Ok(Some(due(&account.token_key(), oauth, slot, seen, now)))
    }

    async fn read(
        &self,
        watch: &mut Watch,
        account: &AccountConfig,
        oauth: &OAuthConfig,
        generation: i64,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let store = &self.tokens.shared.store;
        let key = account.token_key();
        let record = store.grant(&key).await?;
        let slot = self.tokens.slot(account, oauth);
        let history = match slot.history() {
            Some(unwritten) => Some(unwritten),
            None => store.refresh_history(&key).await?,
        };
        let failure = history.and_then(|history| history.failure);
        let version = record.as_ref().map(|record| record.version);
        let grant = record.map(|record| record.grant).unwrap_or_default();
        let purpose = grant::purpose(oauth);
        let token = grant::stored_token(&grant, &purpose);
        let refused = failure
            .filter(|it| TokenErrorKind::from_name(&it.kind).is_some_and(pause::is_definite));
        let signed_in = grant.signed_in.as_ref().map(|it| it.at);
        let first = watch.seen.is_none() && watch.tried.is_none();
        if let Some(refused) = &refused
            && first
            && refused.kind == TokenErrorKind::SignIn.name()
            && signed_in.is_none_or(|at| at <= refused.last)
        {
            watch.inherited = Some((refused.last, version));
        }
        let spent = grant.refresh_token.as_ref().filter(|_| oauth.grant.needs_sign_in());
        let fingerprint = Fingerprint::of(oauth, &purpose, spent).await;
        if slot.rests(fingerprint, version, now) {
            // As if tried just now: looked at again with the next reading.
            watch.tried = Some((now, token.as_ref().map(|token| token.obtained)));
        }
        watch.seen = Some(Seen {
            at: now,
            generation,
            version,
            has_refresh_token: grant.refresh_token.is_some(),
            token: token.map(|token| (token.obtained, token.expires)),
            ends: grant.refresh_token_expires,
            dead: refused.is_some(),
        });
        Ok(())
    }

    fn start(&mut self, account: &Arc<AccountConfig>, now: SystemTime) {
        let Some(oauth) = &account.oauth else { return };
        let key = (account.token_key(), grant::purpose(oauth));
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let obtained = watch.seen.and_then(|seen| seen.token).map(|(obtained, _)| obtained);
        watch.tried = Some((now, obtained));
        let (tokens, account) = (self.tokens.clone(), Arc::clone(account));
        watch.task = Some(tokio::spawn(async move {
            let Some(oauth) = &account.oauth else { return };
            let slot = tokens.slot(&account, oauth);
            // What came of it is in the log, in the history and in the store.
            let _ = tokens.fly(&slot, &account, Reason::Ahead(obtained)).await;
        }));
    }

    /// Waits until nothing is under way.
    #[cfg(test)]
    pub(super) async fn rest(&mut self) {
        for watch in self.watches.values_mut() {
            if let Some(task) = &mut watch.task {
                task.await.unwrap();
            }
        }
        self.tokens.shared.flights.wait().await;
    }
}

impl Watch {
    /// Whether the store has to be read: after a change, but not for each change of another account.
    fn is_stale(&self, generation: i64, now: SystemTime) -> bool {
        let Some(seen) = &self.seen else { return true };
        let recent = grant::age(seen.at, now).is_some_and(|age| age < READING);
        let tried = self.tried.is_some_and(|(at, _)| at == seen.at);
        !recent && (seen.generation != generation || tried)
    }
}

/// Whether there is a grant of this account's own to keep: whoever uses another one's is served by it, and
/// a domain has no mailbox, for which alone a service account gets tokens.
fn has_grant(account: &AccountConfig) -> bool {
    let one_each = account.oauth.as_ref().is_some_and(|it| it.grant.opens_one_mailbox());
    account.token_login() == account.login && !(one_each && account.identity.domain.is_some())
}

/// One token endpoint's accounts.
#[derive(Default)]
struct Host {
    accounts: usize,
    busy: usize,
    due: Vec<(SystemTime, Arc<AccountConfig>)>,
}

impl Host {
    /// Few at once, and so many in a round that all have their turn within ten minutes.
    fn starts(mut self) -> impl Iterator<Item = Arc<AccountConfig>> {
        self.due.sort_by_key(|(due, _)| *due);
        let free = (AT_ONCE + self.accounts / ROUNDS_FOR_ALL).saturating_sub(self.busy);
        self.due.into_iter().take(free).map(|(_, account)| account)
    }
}

/// When a token of an account is to be refreshed, if it may be.
fn due(account: &str, oauth: &OAuthConfig, slot: &Slot, seen: Seen, now: SystemTime) -> SystemTime {
    let Some((obtained, expires)) = seen.token else {
        return UNIX_EPOCH;
    };
    // A dead sign-in whose grant may be asked about again; or the clock was set back.
    if seen.dead || grant::is_in_the_future(obtained, now) {
        return UNIX_EPOCH;
    }
    let share = pause::share(account, obtained);
    // One that is still good after its end has none.
    let left = seen.ends.and_then(|ends| ends.duration_since(obtained).ok());
    let idle = left.map_or(oauth.refresh_idle, |left| oauth.refresh_idle.min(left / 2));
    let idle_due = obtained + idle.mul_f64(1.0 - IDLE_JITTER * share);
    let (fresh, brief) = grant::falls_short(obtained, expires, oauth.fresh_percent);
    let in_use = |then: Option<SystemTime>| {
        then.and_then(|then| grant::age(then, now)).is_some_and(|age| age < IN_USE)
    };
    let used = slot.used();
    let falls_short = match (in_use(used.fresh), in_use(used.brief)) {
        (true, _) => fresh,
        (false, true) => brief,
        (false, false) => return idle_due,
    };
    let usable = falls_short.duration_since(obtained).unwrap_or_default();
    let lead = (usable / 20).min(LONGEST_LEAD) + (usable / 10).min(LONGEST_SPREAD).mul_f64(share);
    idle_due.min(falls_short.checked_sub(lead).unwrap_or(falls_short))
}

/// From one look at the clock to the next.
const ROUND: Duration = Duration::from_secs(5);

/// An account is in use if a token was asked for within this.
const IN_USE: Duration = Duration::from_secs(24 * 3600);

/// The least time between a refresh and the moment when a login would need it.
const LONGEST_LEAD: Duration = Duration::from_secs(60);

/// Over this, before it, the accounts in use are spread.
const LONGEST_SPREAD: Duration = Duration::from_secs(300);

/// Up to this part is taken off `refresh_idle`.
const IDLE_JITTER: f64 = 0.25;

/// After a try that brought neither a token nor a refusal.
const RETRY: Duration = Duration::from_secs(60);

/// How often an account's rows are read, at most.
const READING: Duration = Duration::from_secs(30);

/// Refreshes under way at one token endpoint.
const AT_ONCE: usize = 4;

/// Ten minutes.
const ROUNDS_FOR_ALL: usize = 120;
