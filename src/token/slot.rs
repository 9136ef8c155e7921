//! What is kept in memory for one account and purpose: the token in use, the flight that is getting
//! the next one, and what was refused lately. The hard thing is the flight: all who want a token wait
//! for the same one, and it goes on when they no longer wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{
    AccessToken, TokenError, TokenErrorKind,
    grant::{self, Fingerprint, Need},
};
use crate::store::Grant;

/// The outcome of a flight, once there is one.
pub(super) type Landing = Option<Result<AccessToken, TokenError>>;

#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    flight: Option<watch::Receiver<Landing>>,
    failed: Option<Failed>,
    forced: Option<SystemTime>,
    unsaved: Option<Arc<Unsaved>>,
}

impl State {
    fn flight(&self) -> Option<watch::Receiver<Landing>> {
        // A flight that ended in a panic has no sender any more, and is not joined.
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }
}

struct Held {
    token: AccessToken,
    /// The store's generation when the token was read from there; `None` has it read again.
    generation: Option<i64>,
}

/// What the provider has said lately, and until when it is not asked the same again.
struct Failed {
    fingerprint: Fingerprint,
    /// The grant's in the store, after whatever the refusal itself had written.
    version: Option<i64>,
    /// The same was said already, and fell because the grant was written again.
    repeated: bool,
    since: SystemTime,
    pause: Duration,
    error: TokenError,
}

impl Failed {
    fn is_about(&self, fingerprint: Fingerprint, now: SystemTime) -> bool {
        self.fingerprint == fingerprint
            && grant::age(self.since, now).is_some_and(|age| age < self.pause)
    }
}

/// A grant that the provider has given out and the store has not taken yet.
pub(super) struct Unsaved {
    /// What it follows: it may only replace that one.
    pub(super) spent: Grant,
    pub(super) successor: Grant,
}

/// Whether this caller starts a flight or joins one.
pub(super) enum Boarding {
    Start(watch::Sender<Landing>, watch::Receiver<Landing>),
    Join(watch::Receiver<Landing>),
}

impl Slot {
    /// The held token, if it is good enough. With a generation, it must be as the store has it.
    pub(super) fn held(
        &self,
        need: Need<'_>,
        generation: Option<i64>,
        now: SystemTime,
    ) -> Option<AccessToken> {
        let state = self.state();
        let held = state.held.as_ref()?;
        let current = generation.is_none() || held.generation == generation;
        (current && need.is_met(&held.token, now)).then(|| held.token.clone())
    }

    /// Takes over what the store says now; `None` is a token that is gone.
    pub(super) fn hold(&self, token: Option<AccessToken>, generation: Option<i64>) {
        self.state().held = token.map(|token| Held { token, generation });
    }

    /// The flight under way, if there is one.
    pub(super) fn flight(&self) -> Option<watch::Receiver<Landing>> {
        self.state().flight()
    }

    /// Joins the flight under way, or starts one.
    pub(super) fn board(&self) -> Boarding {
        let mut state = self.state();
        if let Some(flight) = state.flight() {
            return Boarding::Join(flight);
        }
        let (sender, receiver) = watch::channel(None);
        state.flight = Some(receiver.clone());
        Boarding::Start(sender, receiver)
    }

    /// Ends the flight: whoever comes now starts a new one.
    pub(super) fn land(&self) {
        self.state().flight = None;
    }

    /// The refusal that still stands for this fingerprint. A definite one falls when the grant was
    /// written again: whoever imports the same token once more has put something right elsewhere. One
    /// that was repeated then stands, since another process that is refused writes, too.
    pub(super) fn refusal(
        &self,
        fingerprint: Fingerprint,
        version: Option<i64>,
        now: SystemTime,
    ) -> Option<TokenError> {
        let state = self.state();
        let failed = state.failed.as_ref()?;
        let same = failed.version == version || failed.repeated || !is_definite(failed.error.kind);
        (same && failed.is_about(fingerprint, now)).then(|| failed.error.clone())
    }

    /// Remembers a refusal, so that the provider is not asked the same thing over and over.
    pub(super) fn refuse(
        &self,
        fingerprint: Fingerprint,
        version: Option<i64>,
        retry_after: Option<Duration>,
        error: TokenError,
        now: SystemTime,
    ) {
        let pause = if is_definite(error.kind) {
            DEFINITE_PAUSE
        } else {
            retry_after.map_or(PASSING_PAUSE, |pause| pause.clamp(PASSING_PAUSE, LONGEST_PAUSE))
        };
        let mut state = self.state();
        let repeated = state.failed.as_ref().is_some_and(|before| {
            is_definite(before.error.kind) && before.is_about(fingerprint, now)
        });
        state.failed = Some(Failed { fingerprint, version, repeated, since: now, pause, error });
    }

    /// The grant's version has become another by what followed the refusal.
    pub(super) fn move_refusal(&self, version: Option<i64>) {
        if let Some(failed) = &mut self.state().failed {
            failed.version = version;
        }
    }

    pub(super) fn forget_refusal(&self) {
        self.state().failed = None;
    }

    /// When the provider last gave a token because an upstream had refused one. A request that it
    /// refused does not count: how soon that is tried again is for [`Slot::refusal`] to say.
    pub(super) fn forced(&self) -> Option<SystemTime> {
        self.state().forced
    }

    pub(super) fn force(&self, now: SystemTime) {
        self.state().forced = Some(now);
    }

    pub(super) fn unsaved(&self) -> Option<Arc<Unsaved>> {
        self.state().unsaved.clone()
    }

    pub(super) fn keep_unsaved(&self, unsaved: Unsaved) {
        self.state().unsaved = Some(Arc::new(unsaved));
    }

    /// Forgets what has been saved, and nothing that was given out meanwhile.
    pub(super) fn forget_unsaved(&self, saved: &Arc<Unsaved>) {
        let mut state = self.state();
        if state.unsaved.as_ref().is_some_and(|unsaved| Arc::ptr_eq(unsaved, saved)) {
            state.unsaved = None;
        }
    }

    /// No method panics half-way, so a poisoned lock holds a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether only people can lift it.
fn is_definite(kind: TokenErrorKind) -> bool {
    match kind {
        TokenErrorKind::SignIn | TokenErrorKind::Policy | TokenErrorKind::Configuration => true,
        TokenErrorKind::Unavailable | TokenErrorKind::TooSoon => false,
    }
}

/// After a refusal that only people can lift. A new sign-in or a corrected setting is noticed at
/// once; this is for what they change at the provider's side.
const DEFINITE_PAUSE: Duration = Duration::from_secs(300);

/// After a passing fault: short enough not to be felt, long enough not to add to the trouble.
const PASSING_PAUSE: Duration = Duration::from_secs(3);

/// However long `Retry-After` wants.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
