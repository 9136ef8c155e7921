//! What is kept in memory for one account and purpose: the token in use, the flight that is getting
//! the next one, and what was refused lately. The hard thing is the flight: all who want a token wait
//! for the same one, and it goes on when they no longer wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{
    AccessToken, TokenError,
    grant::{self, Fingerprint, Need},
    pause::{self, Fuse, Fused, is_definite},
};
use crate::store::{Grant, RefreshHistory};

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
    /// What the provider has definitely refused last.
    refused: Option<Fingerprint>,
    forced: Option<SystemTime>,
    unsaved: Option<Arc<Unsaved>>,
    fuse: Fuse,
    /// Of the last token that the provider gave.
    lifetime: Option<Duration>,
    used: Used,
    /// What the store has not taken.
    history: Option<RefreshHistory>,
}

/// When a token was last asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    /// For a session.
    pub(super) fresh: Option<SystemTime>,
    /// For one mail transaction.
    pub(super) brief: Option<SystemTime>,
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
    /// How many in a row.
    count: u32,
    since: SystemTime,
    pause: Duration,
    error: TokenError,
}

impl Failed {
    fn is_about(&self, fingerprint: Fingerprint, now: SystemTime) -> bool {
        self.fingerprint == fingerprint
            && grant::age(self.since, now).is_some_and(|age| age < self.pause)
    }

    /// A definite one falls when the grant was written again, unless it was repeated then.
    fn has_fallen(&self, version: Option<i64>) -> bool {
        self.version != version && !self.repeated && is_definite(self.error.kind)
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

/// What a provider has said to a request that brought no token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// It was not reached.
    Nothing,
    /// An answer, with when it wants to be asked again; or what came in place of one.
    Answer(Option<Duration>),
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
        (!failed.has_fallen(version) && failed.is_about(fingerprint, now))
            .then(|| failed.error.clone())
    }

    /// Whether a refusal keeps the provider from being asked as long as nobody waits for a token.
    pub(super) fn rests(
        &self,
        fingerprint: Fingerprint,
        version: Option<i64>,
        now: SystemTime,
    ) -> bool {
        self.state().failed.as_ref().is_some_and(|failed| {
            let pause = failed.pause.max(pause::unasked(failed.error.kind));
            !failed.has_fallen(version)
                && failed.fingerprint == fingerprint
                && grant::age(failed.since, now).is_some_and(|age| age < pause)
        })
    }

    /// Remembers a refusal, so that the provider is not asked the same thing over and over. Returns
    /// whether it is the first in a row.
    pub(super) fn refuse(
        &self,
        fingerprint: Fingerprint,
        version: Option<i64>,
        heard: Heard,
        error: TokenError,
        share: f64,
        now: SystemTime,
    ) -> bool {
        let mut state = self.state();
        let before = state.failed.as_ref().filter(|before| before.fingerprint == fingerprint);
        let repeated = before.is_some_and(|before| {
            is_definite(before.error.kind) && before.is_about(fingerprint, now)
        });
        // A row goes on as long as it is of one sort.
        let count = before
            .filter(|before| is_definite(before.error.kind) == is_definite(error.kind))
            .map_or(1, |before| before.count.saturating_add(1));
        if is_definite(error.kind) {
            state.refused = Some(fingerprint);
        }
        let pause = match heard {
            Heard::Nothing => pause::unreached(count, share),
            Heard::Answer(retry_after) => pause::after(error.kind, count, retry_after, share),
        };
        state.failed =
            Some(Failed { fingerprint, version, repeated, count, since: now, pause, error });
        count == 1
    }

    /// The grant's version has become another by what followed the refusal.
    pub(super) fn move_refusal(&self, version: Option<i64>) {
        if let Some(failed) = &mut self.state().failed {
            failed.version = version;
        }
    }

    /// After a success, or because somebody says that something has been put right.
    pub(super) fn forget_refusal(&self) {
        self.state().failed = None;
    }

    /// Whether the last definite refusal was of another grant or configuration than this.
    pub(super) fn refused_another(&self, fingerprint: Fingerprint) -> bool {
        self.state().refused.is_some_and(|refused| refused != fingerprint)
    }

    /// Counts a request to the provider.
    pub(super) fn count_request(&self, now: SystemTime) -> Fused {
        let mut state = self.state();
        let lifetime = state.lifetime;
        state.fuse.count(lifetime, now)
    }

    /// The request has not reached the provider.
    pub(super) fn uncount_request(&self) {
        self.state().fuse.uncount();
    }

    /// Notes what a success tells about the next ones.
    pub(super) fn succeed(&self, lifetime: Duration) {
        let mut state = self.state();
        state.failed = None;
        state.refused = None;
        state.lifetime = Some(lifetime);
    }

    /// Notes that somebody wants a token: one that will be asked for again is kept fresh.
    pub(super) fn touch(&self, need: Need<'_>, now: SystemTime) {
        let used = &mut self.state().used;
        match need {
            Need::Brief(_) => used.brief = Some(now),
            Need::Fresh(_) | Need::Valid | Need::Other(_) => used.fresh = Some(now),
        }
    }

    pub(super) fn used(&self) -> Used {
        self.state().used
    }

    /// The history that the store has not taken.
    pub(super) fn history(&self) -> Option<RefreshHistory> {
        self.state().history.clone()
    }

    pub(super) fn keep_history(&self, history: Option<RefreshHistory>) {
        self.state().history = history;
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
