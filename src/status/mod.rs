//! How each account stands, and whose turn it is: from the configuration, the store, and the daemon if
//! one runs. The hard thing is that it needs no daemon and asks no provider: it is judged from what
//! was written down ([`judge()`]), and says at which command or setting it goes on ([`words`]).

mod facts;
mod finding;
mod judge;
pub mod words;

use std::time::SystemTime;

pub use self::{
    facts::Facts,
    finding::{Finding, State, Turn},
    judge::judge,
};
use crate::store::{RefreshFailure, SignedIn};

/// How one account stands.
#[derive(Clone, Debug)]
pub struct AccountStatus {
    /// As in the configuration; the store's key where it is not in there.
    pub login: String,
    /// Whether it is in the configuration.
    pub configured: bool,
    /// The worst of what was found.
    pub state: State,
    /// What there is to say, the worst first.
    pub findings: Vec<Finding>,
    /// How its tokens come about, as in the configuration; `None` where its servers take passwords.
    pub grant: Option<&'static str>,
    /// Who has signed in, and when.
    pub signed_in: Option<SignedIn>,
    /// When the last access token was obtained, and when it ends or has ended.
    pub access_token: Option<(SystemTime, SystemTime)>,
    /// When a refresh last brought a token.
    pub last_refresh: Option<SystemTime>,
    /// What has gone wrong since, unless a sign-in has settled it.
    pub failure: Option<RefreshFailure>,
    /// How many local passwords open it.
    pub local_passwords: usize,
    /// Logged in now; `None` where no daemon says so.
    pub sessions: Option<usize>,
}

impl AccountStatus {
    /// Whose turn it is.
    pub fn turn(&self) -> Turn {
        self.state.turn()
    }

    /// What to do next: a command or a setting.
    pub fn next_step(&self) -> Option<String> {
        self.findings.iter().find_map(|finding| words::next_step(finding, &self.login))
    }
}

/// The worst first, then by login.
pub fn sort(accounts: &mut [AccountStatus]) {
    accounts.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| a.login.cmp(&b.login)));
}

#[cfg(test)]
mod tests;
