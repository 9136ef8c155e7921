//! The control socket: how commands reach the daemon of the same store. The hard thing is who may: the
//! socket is closed to others from its first moment, and each peer's user is checked again
//! ([`server`]). It carries no secrets and no authority beyond what the store's owner has anyway.
//!
//! One line of JSON asks, one line answers, and the connection ends ([`message`]).

#[cfg(unix)]
pub mod client;
#[cfg(not(unix))]
#[path = "absent.rs"]
pub mod client;
#[cfg(unix)]
pub mod daemon;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
pub mod message;
#[cfg(unix)]
pub mod server;

use std::fmt;
#[cfg(unix)]
use std::time::Duration;

/// Why the daemon did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// None runs on this store.
    NotRunning,
    /// This system has no control socket.
    Unsupported,
    /// It runs, but cannot be asked, or has answered with a fault: in words.
    Refused(String),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("saslgate is not running on this store"),
            Self::Unsupported => {
                f.write_str("status of the running process is not available on this system")
            }
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ControlError {}

/// In the state folder.
pub const SOCKET: &str = "control.sock";

/// How long a question may take to come, and a quick answer to be found.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(5);

/// A reload runs the programs that print client secrets.
#[cfg(unix)]
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
#[cfg(unix)]
mod tests;
