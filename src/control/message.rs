//! What passes over the control socket. The hard thing is two versions that meet: a command is often
//! newer than the daemon, or older. So an unknown question has an answer, unknown members are skipped,
//! and members that come later have a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// How is the process?
    Status,
    /// Read the configuration again.
    Reload,
    /// Somebody has changed what the store has of this account: look now, not at the next round.
    Changed {
        /// The account's key in the store.
        account: String,
    },
    /// What are the last lines of the log?
    Log,
    /// From a newer version.
    #[serde(other)]
    Unknown,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(ProcessStatus),
    /// To [`Request::Reload`].
    Reload(ReloadReport),
    /// To [`Request::Changed`].
    Changed,
    /// To [`Request::Log`]: [`crate::recent`] bounds how much it is.
    Log {
        /// The oldest first.
        #[serde(default)]
        lines: Vec<String>,
    },
    /// To what was not understood or could not be done.
    Error {
        /// For people.
        text: String,
    },
    /// From a newer version.
    #[serde(other)]
    Unknown,
}

/// What only the process itself knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Of the program that runs; the one on the disk may be newer by now.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since 1970.
    pub started: u64,
    /// The open ports.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
    /// All sessions.
    #[serde(default)]
    pub sessions: usize,
    /// By account key; whoever is not in it has nothing to tell.
    #[serde(default)]
    pub accounts: BTreeMap<String, RunningAccount>,
}

/// An open port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// `imap`, `pop3` or `smtp`.
    pub protocol: String,
    /// Address and port.
    pub address: String,
}

/// What only the process knows of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningAccount {
    /// Logged in now.
    #[serde(default)]
    pub sessions: usize,
    /// Whether the process holds a new refresh token that the store has not taken yet.
    #[serde(default)]
    pub unsaved: bool,
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// What is different now, one sentence each.
    #[serde(default)]
    pub changes: Vec<String>,
    /// Why nothing was changed; empty where the configuration was good.
    #[serde(default)]
    pub mistakes: Vec<String>,
}
