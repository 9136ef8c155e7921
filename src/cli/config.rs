//! `saslgate config`: what is wrong, and what is in force. The hard thing is that it reads exactly as
//! `run` does, so that a configuration which passes here starts there.

use clap::{Args, Subcommand};

use super::{Failure, Global, terminal::say};
use crate::config::Secrets;

/// Check the configuration, or show what is in force.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saslgate config check")]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Name what is wrong, with its file, line and key; exit code 2 if something is
    ///
    /// Reads the configuration as `saslgate run` does: client secrets are fetched, certificates,
    /// keys and CA files are read. Nothing is sent over the network.
    #[command(after_help = "Example:\n  saslgate --config ./saslgate.toml config check")]
    Check,
    /// Show every value that is in force and where it comes from
    ///
    /// Each line ends with the source of its value: a file and its line, the provider's preset, or
    /// the default. Secrets are not read; their place is shown.
    #[command(after_help = "Example:\n  saslgate config show | grep imap.host")]
    Show,
}

/// Runs `saslgate config`.
///
/// # Errors
/// The mistakes in the configuration.
pub fn run(args: &ConfigArgs, global: &Global) -> Result<(), Failure> {
    let paths = global.paths()?;
    match args.command {
        ConfigCommand::Check => {
            let config = global.load(Secrets::Read)?.config;
            say(format_args!(
                "{}: no mistakes: {}, {}",
                paths.config.display(),
                counted(config.listeners.len(), "listener"),
                counted(config.accounts.len(), "account"),
            ))
        }
        ConfigCommand::Show => {
            let loaded = global.load(Secrets::Skip)?;
            say(format_args!("# configuration: {}", paths.config.display()))?;
            say(format_args!("# state folder:  {}\n", paths.state.display()))?;
            let sections: Vec<String> = loaded.sections.iter().map(ToString::to_string).collect();
            say(sections.join("\n").trim_end())
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
