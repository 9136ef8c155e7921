//! `saslgate reload`. The hard thing is that the daemon reads the configuration, not this command: what
//! it says counts, as the user that it runs as, with the files that it was started with.

use clap::Args;

use super::{
    Failure, Global, daemon,
    terminal::{remark, say},
};
use crate::{
    config::Secrets,
    control::{
        ControlError, client,
        message::{Answer, ReloadReport, Request},
    },
};

/// Has the running saslgate read its configuration again.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  saslgate config check && saslgate reload

Exit codes:
  0  the new configuration is in force
  1  nothing was changed: the configuration has mistakes, or saslgate is not running")]
pub struct ReloadArgs {}

/// Runs `saslgate reload`.
///
/// # Errors
/// Nothing was changed.
pub fn run(_: &ReloadArgs, global: &Global) -> Result<(), Failure> {
    // Only for the state folder: a mistake in the new configuration is for the daemon to find.
    let folder = match global.load(Secrets::Skip) {
        Ok(loaded) => loaded.config.state_folder,
        Err(_) => global.paths()?.state,
    };
    let asked = super::block_on(client::ask(&folder, &Request::Reload))?;
    match asked {
        Ok(Answer::Reload(report)) => tell(&report),
        Ok(_) => Err(Failure::fault(daemon::beside_the_point().to_string())),
        Err(error @ ControlError::NotRunning) => Err(Failure::fault(format!(
            "{error} ({}): start it with: saslgate run",
            folder.display()
        ))),
        Err(error) => Err(Failure::fault(error.to_string())),
    }
}

fn tell(report: &ReloadReport) -> Result<(), Failure> {
    if !report.mistakes.is_empty() {
        return Err(Failure::fault(format!(
            "nothing was changed:\n{}",
            report.mistakes.join("\n")
        )));
    }
    if report.changes.is_empty() {
        remark("The configuration is as it was.");
    }
    report.changes.iter().try_for_each(say)
}
