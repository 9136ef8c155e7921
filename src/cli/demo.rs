//! `saslgate demo`: the gateway in front of the in-memory provider.

use super::{Failure, Global};

/// Shows the whole road in one process.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs the demo.
///
/// # Errors
/// A port cannot be opened.
pub fn run(_: &DemoArgs, global: &Global) -> Result<(), Failure> {
    global.init_log();
    Err(Failure::fault("this build has no demo"))
}
