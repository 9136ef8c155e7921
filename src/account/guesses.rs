//! Wrong logins of late, and what more of them cost. The hard thing is that the owner must not pay for a
//! guesser: whoever sends a right password never waits for its answer, nor, where it was right since the start, for
//! a place. Only a first right one may have to wait for others' guesses at the same name, and be told to try again.
//!
//! | what | who pays |
//! |---|---|
//! | the answer to a wrong login comes later, the more there were of late: for this name from this site, for any name from it, for this name from strangers | whoever sent it |
//! | few guesses at a name at once: from one site, and from all strangers together; the same password again is none, and a wrong one keeps its place until its answer is due, whether its connection waits for that or not | who sends a password that nobody has seen right since the start |
//!
//! A stranger is a site from which none of the account's passwords was used last. On loopback everybody
//! may have any address, so there all are one site, and nobody waits for a place. Names are counted as they were typed, known here or
//! not, and each part of `dom\user\shared` by itself: what is counted together tells nothing of accounts. The
//! first of several parts, where a backslash follows and no `@` is in it, may be the Windows domain of a whole office, and
//! weighs less. (Of `*@example.ch` each mailbox is a name of its own: one password tried at all of them counts by site.)

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::SEPARATORS;
pub use super::worker::Lane;
use crate::{
    secret::Secret,
    upstream::{is_loopback, site},
};

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
    /// Guesses under way: how many with each password.
    places: HashMap<Subject, HashMap<u64, usize>>,
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
    /// A part before others, from all strangers.
    NamePrefix(u64),
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
        let counts = self.stranger && !self.loopback;
        let prefix = self.prefix.filter(|_| counts).map(Subject::NamePrefix);
        let parts = if counts { self.parts.as_slice() } else { &[] };
        prefix.into_iter().chain(parts.iter().map(|part| Subject::Name(*part)))
    }
}

impl Guesses {
    /// Whose login this is.
    pub fn asker(&self, login: &[u8], address: IpAddr) -> Asker {
        let login = String::from_utf8_lossy(login).to_lowercase();
        let parts = login.split(SEPARATORS).take(PARTS).map(|part| self.names.hash_one(part));
        let mut parts: Vec<u64> = parts.collect();
        // As an account is found: only a backslash ends a Windows domain, which has no `@`.
        let first = login.find(SEPARATORS).and_then(|at| login.split_at_checked(at));
        let is_domain = first.is_some_and(|(it, rest)| rest.starts_with('\\') && !it.contains('@'));
        let prefix = is_domain.then(|| parts.remove(0));
        let loopback = is_loopback(address);
        let site = if loopback { Ipv4Addr::LOCALHOST.into() } else { site(address) };
        Asker { site, loopback, prefix, parts, stranger: true }
    }

    /// A place for a password that nobody has seen right yet; `None`: there was none in time.
    pub async fn turn(self: &Arc<Self>, asker: &Asker, password: &Secret) -> Option<Turn> {
        let guess = self.names.hash_one(password.expose());
        timeout(PATIENCE, async {
            loop {
                let left = self.left.notified();
                if let Some(turn) = self.try_turn(asker, guess) {
                    return turn;
                }
                left.await;
            }
        })
        .await
        .ok()
    }

    fn try_turn(self: &Arc<Self>, asker: &Asker, guess: u64) -> Option<Turn> {
        let mut held: Vec<Subject> =
            if asker.loopback { Vec::new() } else { asker.pairs().chain(asker.names()).collect() };
        held.dedup();
        let mut state = self.state();
        let is_full = |subject: &Subject| {
            let guesses = state.places.get(subject);
            guesses.is_some_and(|it| it.len() >= most(subject) && !it.contains_key(&guess))
        };
        if held.iter().any(is_full) {
            return None;
        }
        for subject in &held {
            *state.places.entry(*subject).or_default().entry(guess).or_default() += 1;
        }
        drop(state);
        Some(Turn { guesses: Arc::clone(self), held, guess })
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
                Subject::NamePrefix(_) => PER_NAME * PER_SITE,
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
            if self.order.len() > SUBJECTS {
                self.forget_one(now);
            }
        }
        wrong
    }
}

impl State {
    /// The oldest, unless more is known of it than one wrong login: whoever is under attack now is not forgotten for
    /// names that were made up.
    fn forget_one(&mut self, now: Instant) {
        for _ in 0..SPARED {
            let Some(oldest) = self.order.pop_front() else { return };
            if self.scores.get(&oldest).is_none_or(|score| score.now(now) <= 1) {
                self.scores.remove(&oldest);
                return;
            }
            self.order.push_back(oldest);
        }
        if let Some(oldest) = self.order.pop_front() {
            self.scores.remove(&oldest);
        }
    }
}

/// A guess under way; its places are given back on drop.
#[derive(Debug)]
pub struct Turn {
    guesses: Arc<Guesses>,
    held: Vec<Subject>,
    /// Its password, by a key that dies with the process.
    guess: u64,
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
            let Some(guesses) = state.places.get_mut(subject) else { continue };
            if let Some(count) = guesses.get_mut(&self.guess) {
                *count -= 1;
                if *count == 0 {
                    guesses.remove(&self.guess);
                }
            }
            if guesses.is_empty() {
                state.places.remove(subject);
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
        Subject::NamePrefix(_) => OF_STRANGERS * 4,
    }
}

/// Guesses of one site at one name at once: mail programs of an office may have several passwords that were right once.
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
/// Bounds the memory. An evaluation pushes out a few.
const SUBJECTS: usize = 16_384;
/// How many that are being guessed at are spared in a row.
const SPARED: usize = 8;
/// Of a login name.
const PARTS: usize = 4;
/// Parts of the evaluations on loopback.
const NAMES_ON_LOOPBACK: u64 = 16;
/// How long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
#[path = "guesses_tests.rs"]
mod tests;
