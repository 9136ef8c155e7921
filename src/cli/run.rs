//! `saslgate run`: the daemon.

use super::{Failure, Global};

/// Runs the gateway until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct RunArgs {}

/// Runs the daemon.
///
/// # Errors
/// The configuration, the store or a port cannot be used.
pub fn run(_: &RunArgs, global: &Global) -> Result<(), Failure> {
    global.init_log();
    global.load_config()?;
    Err(Failure::fault("this build has no daemon"))
}
