//! Wrong logins of late, and what more of them cost. The hard thing is that the owner must not pay for a
//! guesser: whoever sends a right password never waits for its answer, and nothing is ever refused for long.
//!
//! | what | who pays |
//! |---|---|
//! | the answer to a wrong login comes later, the more there were of late: for this name from this site, for any name from it, for this name from strangers | whoever sent it |
//! | few guesses at a name at once: from one site, and from all strangers together; a wrong one keeps its place until its answer is due, whether its connection waits for that or not | who sends a password that nobody has seen right since the start |
//!
//! A stranger is a site from which none of the account's passwords was used last. On loopback everybody
//! has one address, so there nobody waits for a place. Names are counted as they were typed, known here or
//! not, and each part of `dom\user\shared` by itself: what is counted together tells nothing of accounts. The
//! first of several parts may be the Windows domain of a whole office, and weighs less.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::SEPARATORS;
pub use super::worker::Lane;
use crate::upstream::{is_loopback, site};

/// What is known of guesses.
#[derive(Debug, Default)]
pub struct Guesses {
    /// A key that dies with the process, so that nobody can choose names that fall together.
    names: RandomState,
    state: Mutex<State>,
    /// A place was given back.
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    scores: HashMap<Subject, Score>,
    /// Of `scores`, oldest first.
    order: VecDeque<Subject>,
    places: HashMap<Subject, usize>,
}

/// What guesses are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// A name from one site.
    Pair(IpAddr, u64),
    /// A part before others, from one site.
    Prefix(IpAddr, u64),
    /// Any name from one site.
    Site(IpAddr),
    /// A name, from all strangers.
    Name(u64),
}

#[derive(Clone, Copy, Debug)]
struct Score {
    wrong: u32,
    at: Instant,
}

impl Score {
    /// One is forgotten every minute.
    fn now(&self, now: Instant) -> u32 {
        let minutes = now.saturating_duration_since(self.at).as_secs() / 60;
        self.wrong.saturating_sub(u32::try_from(minutes).unwrap_or(u32::MAX))
    }
}

/// One login, as far as guesses are counted by it.
#[derive(Clone, Debug)]
pub struct Asker {
    site: IpAddr,
    loopback: bool,
    prefix: Option<u64>,
    /// The others.
    parts: Vec<u64>,
    stranger: bool,
}

impl Asker {
    /// Whether none of the account's passwords was used here last.
    #[must_use]
    pub fn as_stranger(self, stranger: bool) -> Self {
        Self { stranger, ..self }
    }

    /// With whom it shares a part of the evaluations: with its site; on loopback, where all have one address,
    /// with some of the names.
    pub fn lane(&self) -> Lane {
        let name =
            if self.loopback { self.parts.iter().fold(0, |all, part| all ^ part) } else { 0 };
        Lane { site: self.site, name: name % NAMES_ON_LOOPBACK }
    }

    fn pairs(&self) -> impl Iterator<Item = Subject> {
        let prefix = self.prefix.map(|prefix| Subject::Prefix(self.site, prefix));
        prefix.into_iter().chain(self.parts.iter().map(|part| Subject::Pair(self.site, *part)))
    }

    fn names(&self) -> impl Iterator<Item = Subject> {
        let parts = if self.stranger && !self.loopback { self.parts.as_slice() } else { &[] };
        parts.iter().map(|part| Subject::Name(*part))
    }
}

impl Guesses {
    /// Whose login this is.
    pub fn asker(&self, login: &[u8], address: IpAddr) -> Asker {
        let login = String::from_utf8_lossy(login).to_lowercase();
        let parts = login.split(SEPARATORS).take(PARTS).map(|part| self.names.hash_one(part));
        let mut parts: Vec<u64> = parts.collect();
        let prefix = (parts.len() > 1).then(|| parts.remove(0));
        Asker { site: site(address), loopback: is_loopback(address), prefix, parts, stranger: true }
    }

    /// A place for a password that nobody has seen right yet; `None`: there was none in time.
    pub async fn turn(self: &Arc<Self>, asker: &Asker) -> Option<Turn> {
        timeout(PATIENCE, async {
            loop {
                let left = self.left.notified();
                if let Some(turn) = self.try_turn(asker) {
                    return turn;
                }
                left.await;
            }
        })
        .await
        .ok()
    }

    fn try_turn(self: &Arc<Self>, asker: &Asker) -> Option<Turn> {
        let mut held: Vec<Subject> =
            if asker.loopback { Vec::new() } else { asker.pairs().chain(asker.names()).collect() };
        held.dedup();
        let mut state = self.state();
        let in_use = |subject| state.places.get(subject).copied().unwrap_or_default();
        if held.iter().any(|subject| in_use(subject) >= most(subject)) {
            return None;
        }
        for subject in &held {
            *state.places.entry(*subject).or_default() += 1;
        }
        drop(state);
        Some(Turn { guesses: Arc::clone(self), held })
    }

    /// Notes a wrong login. Returns how many times the usual delay its answer is worth.
    pub fn wrong(&self, asker: &Asker) -> u32 {
        let now = Instant::now();
        let mut state = self.state();
        let mut worth = 1;
        let site = (!asker.loopback).then_some(Subject::Site(asker.site));
        for subject in asker.pairs().chain(site).chain(asker.names()) {
            let weight = match subject {
                Subject::Pair(..) => 1,
                Subject::Prefix(..) | Subject::Site(_) => PER_SITE,
                Subject::Name(_) => PER_NAME,
            };
            worth = worth.max(state.count(subject, now) / weight);
        }
        worth.min(MOST)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, subject: Subject, now: Instant) -> u32 {
        let before = self.scores.get(&subject).map(|score| score.now(now));
        let wrong = (before.unwrap_or_default() + 1).min(REMEMBERED);
        self.scores.insert(subject, Score { wrong, at: now });
        if before.is_none() {
            self.order.push_back(subject);
            if self.order.len() > SUBJECTS
                && let Some(oldest) = self.order.pop_front()
            {
                self.scores.remove(&oldest);
            }
        }
        wrong
    }
}

/// A guess under way; its places are given back on drop.
#[derive(Debug)]
pub struct Turn {
    guesses: Arc<Guesses>,
    held: Vec<Subject>,
}

impl Turn {
    /// The guess was wrong: its places stay taken for as long as its answer is due, whatever becomes of the
    /// connection.
    pub fn pay(self, delay: Duration) {
        if !self.held.is_empty() {
            tokio::spawn(async move {
                sleep(delay).await;
                drop(self);
            });
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut state = self.guesses.state();
        for subject in &self.held {
            if let Some(count) = state.places.get_mut(subject) {
                *count -= 1;
                if *count == 0 {
                    state.places.remove(subject);
                }
            }
        }
        drop(state);
        self.guesses.left.notify_waiters();
    }
}

fn most(subject: &Subject) -> usize {
    match subject {
        Subject::Pair(..) => AT_A_NAME,
        Subject::Prefix(..) | Subject::Site(_) => AT_A_PREFIX,
        Subject::Name(_) => OF_STRANGERS,
    }
}

/// Guesses of one site at one name at once: mail programs open several connections with one password.
const AT_A_NAME: usize = 8;
/// The same of what stands before others, which may be everybody's domain.
const AT_A_PREFIX: usize = 64;
/// Guesses of all strangers at one name at once.
const OF_STRANGERS: usize = 32;
/// How many wrong logins for different names weigh as much as one more for the same.
const PER_SITE: u32 = 4;
/// The same for one name, from many sites.
const PER_NAME: u32 = 8;
/// Times the usual delay, which makes half a minute of two seconds: mail programs wait for a minute.
const MOST: u32 = 15;
/// Wrong ones that are remembered, and with that the minutes until all is forgotten: for the largest share, a
/// few hours.
const REMEMBERED: u32 = MOST * PER_NAME * 2;
/// Bounds the memory. Whoever would push out what is known of a name pays for each with an evaluation.
const SUBJECTS: usize = 16_384;
/// Of a login name.
const PARTS: usize = 4;
/// Parts of the evaluations on loopback.
const NAMES_ON_LOOPBACK: u64 = 16;
/// How long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
#[path = "guesses_tests.rs"]
mod tests;
