//! How an account's refreshes have gone: written to the store after each, and compared with what was
//! there. The hard thing is to tell a change once: not in each round, and not again after a restart.
//! So what people have been told is read from the stored history itself.

use std::{
    sync::PoisonError,
    time::{Duration, SystemTime},
};

use tracing::{debug, error, info, warn};

use super::{TokenErrorKind, pause::is_definite, refresh::Refresh};
use crate::{
    guide::command::argument,
    store::{Grant, RefreshFailure, RefreshHistory},
};

/// How an account's sign-in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works (again).
    Works,
    /// The provider has said when the sign-in will end, and that is near.
    Expiring,
    /// It does not work; the kind says whose turn it is. Passing trouble counts once it lasts.
    Fails(TokenErrorKind),
}

impl State {
    /// As hooks read it: the words of `saslgate status`, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Works => "ok",
            Self::Expiring => "sign_in_ends",
            Self::Fails(TokenErrorKind::SignIn) => "sign_in_needed",
            Self::Fails(TokenErrorKind::Policy) => "policy",
            Self::Fails(TokenErrorKind::Configuration) => "configuration",
            Self::Fails(TokenErrorKind::Unavailable | TokenErrorKind::TooSoon) => "trouble",
        }
    }

    /// What has been told of this history.
    fn told(history: &RefreshHistory) -> Self {
        let Some(failure) = &history.failure else {
            return Self::Works;
        };
        let kind = TokenErrorKind::from_name(&failure.kind).unwrap_or(TokenErrorKind::Unavailable);
        let lasted = failure.last.duration_since(failure.since).unwrap_or_default();
        if is_definite(kind) || lasted >= PATIENCE { Self::Fails(kind) } else { Self::Works }
    }
}

/// An account's sign-in has died, will die, or works again. No secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The login.
    pub account: String,
    /// How it stands now.
    pub state: State,
    /// What happened.
    pub reason: String,
    /// What to do now; empty where nothing is to be done.
    pub next_step: String,
    /// Where to do it, if there is a page for it.
    pub link: Option<String>,
    /// When. Wall clock.
    pub at: SystemTime,
}

/// What a provider has said in one refresh.
pub(super) enum Outcome {
    Succeeded {
        at: SystemTime,
        /// When the sign-in will end, where that has to be said now.
        ends: Option<SystemTime>,
    },
    Refused(Refused),
}

pub(super) struct Refused {
    pub(super) at: SystemTime,
    pub(super) kind: TokenErrorKind,
    pub(super) reason: String,
    pub(super) next_step: String,
    pub(super) link: Option<String>,
    /// The definite refusal before was of another grant or configuration.
    pub(super) another: bool,
    pub(super) signed_in: Option<SystemTime>,
}

impl Refused {
    /// The first failure in a row stays, and passing trouble does not hide a dead sign-in.
    fn follow(&self, before: Option<&RefreshFailure>) -> RefreshFailure {
        let text = format!("{} {}", self.reason, self.next_step);
        let own = RefreshFailure {
            since: self.at,
            last: self.at,
            kind: self.kind.name().to_owned(),
            text,
        };
        let Some(before) = before else {
            return own;
        };
        let renewed = self.another || self.signed_in.is_some_and(|at| at > before.last);
        let dead = TokenErrorKind::from_name(&before.kind).is_some_and(is_definite);
        match (dead, is_definite(self.kind)) {
            // Whether the new one works is not known yet, so what was told of the old one stands; but
            // trouble that lasts is told. Its beginning is when tokens stopped coming.
            (true, false) if renewed => match self.at.duration_since(before.since) {
                Ok(lasted) if lasted >= PATIENCE => RefreshFailure { since: before.since, ..own },
                _ => before.clone(),
            },
            // A sign-in has settled what went wrong before it.
            (_, true) if renewed => own,
            (true, false) => RefreshFailure { last: self.at, ..before.clone() },
            // After the clock was set back the earlier time would lie in the future.
            _ => RefreshFailure { since: before.since.min(self.at), ..own },
        }
    }
}

/// The end of the sign-in, if it has come near since the token before was obtained, and does not move
/// ahead with each refresh.
pub(super) fn nearing_end(old: &Grant, new: &Grant, now: SystemTime) -> Option<SystemTime> {
    let ends = new.refresh_token_expires?;
    let rolls = old.refresh_token_expires.is_some_and(|before| ends > before + SLACK);
    let previous = old.access_token.as_ref().map(|token| token.obtained);
    let was_far = previous.is_none_or(|previous| ends > previous + WARNING);
    let is_near = ends <= now + WARNING && ends >= now + SHORTEST_WINDOW;
    (!rolls && was_far && is_near).then_some(ends)
}

impl Refresh {
    /// Writes down what the provider has said, and tells who wants to hear of a change. A store that
    /// does not take it hurts nobody: the memory stands in.
    pub(super) async fn chronicle(&self) {
        let Some(outcome) = self.outcome.get().filter(|_| self.shared.chronicled) else {
            return;
        };
        let store = &self.shared.store;
        let before = match self.slot.history() {
            Some(unwritten) => unwritten,
            None => store.refresh_history(&self.key).await.ok().flatten().unwrap_or_default(),
        };
        let after = follow(&before, outcome);
        let unwritten = match store.write_refresh_history(&self.key, &after).await {
            Ok(()) => None,
            Err(fault) => {
                debug!(account = self.login, "the history is not written: {fault}");
                Some(after.clone())
            }
        };
        self.slot.keep_history(unwritten);
        let (was, is) = (State::told(&before), State::told(&after));
        if was != is {
            self.tell(self.change(is, outcome));
        }
        if let Outcome::Succeeded { at, ends: Some(ends) } = outcome {
            self.tell(Change {
                account: self.login.clone(),
                state: State::Expiring,
                reason: format!("The sign-in ends {}.", humantime::format_rfc3339_seconds(*ends)),
                next_step: format!(
                    "Sign in again before: saslgate signin {}",
                    argument(&self.login)
                ),
                link: None,
                at: *at,
            });
        }
    }

    fn change(&self, state: State, outcome: &Outcome) -> Change {
        let (reason, next_step, link, at) = match outcome {
            Outcome::Succeeded { at, .. } => {
                ("The provider gives tokens again.".to_owned(), String::new(), None, *at)
            }
            Outcome::Refused(it) => {
                (it.reason.clone(), it.next_step.clone(), it.link.clone(), it.at)
            }
        };
        Change { account: self.login.clone(), state, reason, next_step, link, at }
    }

    fn tell(&self, change: Change) {
        let Change { account, state, reason, next_step, link, .. } = &change;
        let (state_name, link) = (state.name(), link.as_deref());
        match state {
            State::Works => info!(account, state = state_name, "signed in and well: {reason}"),
            State::Expiring | State::Fails(TokenErrorKind::Unavailable) => {
                warn!(account, state = state_name, link, "{reason} {next_step}");
            }
            State::Fails(_) => {
                error!(account, state = state_name, link, "no new tokens: {reason} {next_step}");
            }
        }
        let changes = self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = changes.as_ref()
            && changes.try_send(change).is_err()
        {
            warn!(account = self.login, "too many changes wait for the hooks: this one is dropped");
        }
    }
}

fn follow(before: &RefreshHistory, outcome: &Outcome) -> RefreshHistory {
    match outcome {
        Outcome::Succeeded { at, .. } => RefreshHistory { succeeded: Some(*at), failure: None },
        Outcome::Refused(refused) => RefreshHistory {
            succeeded: before.succeeded,
            failure: Some(refused.follow(before.failure.as_ref())),
        },
    }
}

/// How long passing trouble lasts before people hear of it.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// So long before the end of a sign-in people hear of it.
const WARNING: Duration = Duration::from_secs(3 * 24 * 3600);

/// A shorter one is a session's, which no warning could help.
const SHORTEST_WINDOW: Duration = Duration::from_secs(60);

/// Between two answers about the same end.
const SLACK: Duration = Duration::from_secs(300);
