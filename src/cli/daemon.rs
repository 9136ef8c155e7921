//! The running daemon, as commands see it. The hard thing is that there need not be one: most commands
//! go on without.

use crate::{
    config::Config,
    control::{
        ControlError, client,
        message::{Answer, ProcessStatus, Request},
    },
};

/// How the daemon of this store is.
pub(super) async fn status(config: &Config) -> Result<ProcessStatus, ControlError> {
    match client::ask(&config.state_folder, &Request::Status).await? {
        Answer::Status(status) => Ok(status),
        Answer::Reload(_)
        | Answer::Changed
        | Answer::Log { .. }
        | Answer::Error { .. }
        | Answer::Unknown => Err(beside_the_point()),
    }
}

/// The last lines of its log.
pub(super) async fn log(config: &Config) -> Result<Vec<String>, ControlError> {
    match client::ask(&config.state_folder, &Request::Log).await? {
        Answer::Log { lines } => Ok(lines),
        Answer::Status(_)
        | Answer::Reload(_)
        | Answer::Changed
        | Answer::Error { .. }
        | Answer::Unknown => Err(beside_the_point()),
    }
}

/// Tells it to look at this account now. Without it the change counts all the same: a daemon looks at
/// the store every two seconds, and before each login.
pub(super) async fn tell_of(config: &Config, account: &str) {
    let changed = Request::Changed { account: account.to_owned() };
    let _ = client::ask(&config.state_folder, &changed).await;
}

pub(super) fn beside_the_point() -> ControlError {
    ControlError::Refused(
        "saslgate answers another question than the one that was asked: is it older or newer than this \
         command?"
            .to_owned(),
    )
}
