//! The `saslgate` program: parse, do it, say what went wrong.

use std::process::ExitCode;

use clap::Parser;
use saslgate::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}
