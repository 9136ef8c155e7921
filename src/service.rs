//! saslgate under a service manager: what the manager is told and what it hands over, by systemd's protocols.
//! The hard thing is the order of a start. Ports and secrets may need root, everything that meets a client
//! must not have it, and "ready" may be said only when a client would be served.

pub mod notify;
pub mod privileges;
pub mod sandbox;
pub mod sockets;
pub mod watchdog;

use crate::config::Config;

/// What a running service does, in one line for `systemctl status`.
pub fn status(config: &Config) -> String {
    let count = |number, one: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    };
    format!(
        "serving {} on {}",
        count(config.accounts.len(), "account"),
        count(config.listeners.len(), "port")
    )
}
