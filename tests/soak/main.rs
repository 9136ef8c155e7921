//! The built program as a child process between clients and servers that the tests play: random faults against a
//! model (`soak`), and bad days in numbers (`crowd`, `shortage`). See `scripts/soak`.
#![cfg(all(feature = "gateway", target_os = "linux"))]
// A test that unwraps says what it relies on, and fails where it is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::wildcard_enum_match_arm)]
#![allow(missing_docs, unreachable_pub)]

mod chance;
mod client;
mod crowd;
mod endpoint;
mod gateway;
mod judge;
mod plan;
mod script;
mod secrets;
mod shortage;
mod soak;
mod upstream;
mod wire;
mod world;

use std::io::Write as _;

/// Says that something is not tested here; past the harness, which keeps to itself what a test prints.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// They measure one process on one machine, so one has its turn at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
