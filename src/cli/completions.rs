//! `saslgate completions`: what a shell needs to complete our command lines, made from their own definition. The
//! hard thing is the place where each shell looks for it, so the examples name them.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failure, terminal::write_out};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `saslgate completions`.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
    write_out(&script)
}

const EXAMPLES: &str = "\
Examples:
  saslgate completions bash > ~/.local/share/bash-completion/completions/saslgate
  saslgate completions fish > ~/.config/fish/completions/saslgate.fish
  saslgate completions zsh > /usr/local/share/zsh/site-functions/_saslgate";
