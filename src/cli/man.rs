//! `saslgate man`: manual pages, made from the command line's own definition. The hard thing is that there is
//! nothing else to write: what a page lacks, `--help` lacks.

use std::{fs, io, path::PathBuf};

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use super::{
    Cli, Failure,
    terminal::{remark, write_out},
};
use crate::platform;

/// Write the manual pages.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  saslgate man | man -l -\n  saslgate man ~/.local/share/man/man1"
)]
pub struct ManArgs {
    /// Where to write a page for each command; without it the main page goes to standard output
    folder: Option<PathBuf>,
}

/// Runs `saslgate man`.
///
/// # Errors
/// A page cannot be written.
pub fn run(args: &ManArgs) -> Result<(), Failure> {
    // It has no page of its own.
    let command = Cli::command().disable_help_subcommand(true);
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::fault(format!("cannot make the manual page: {error}")))?;
        return write_out(&page);
    };
    let fault = |error: io::Error| {
        let error = platform::explain(folder, &error);
        Failure::fault(format!("cannot write the manual pages to {}: {error}", folder.display()))
    };
    fs::create_dir_all(folder).map_err(fault)?;
    clap_mangen::generate_to(command, folder).map_err(fault)?;
    remark(format_args!("The manual pages are in {}.", folder.display()));
    Ok(())
}
