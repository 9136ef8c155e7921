//! `saslgate provider`: what is known of the providers, how to register with them, and what another one says of itself. The
//! hard thing is that it must help whoever has no configuration yet: it reads one only where an account is named.

mod discover;
mod list;
mod show;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use url::Url;

use super::{Failure, Global};
use crate::config::Provider;

/// Show what is known of the providers, and how to register with them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProviderArgs {
    #[command(subcommand)]
    command: ProviderCommand,
}

#[derive(Debug, Subcommand)]
enum ProviderCommand {
    /// List the providers that saslgate knows
    #[command(after_help = "Example:\n  saslgate provider list")]
    List,
    /// Show a provider's servers, endpoints, scopes and limits, and how to register with it, step by step
    ///
    /// With --login the steps carry that account's own values: tenant, application, mailbox, redirect address, and the
    /// scopes for the protocols that it uses. Without, words in capitals (YOUR-TENANT) stand in their places.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Ask a provider that saslgate does not know for its addresses
    ///
    /// Fetches its OpenID Connect or OAuth 2.0 metadata (RFC 8414) and prints the lines to write into the configuration.
    /// ISSUER is what the provider calls itself, to the letter. Nothing is stored.
    #[command(
        after_help = "Example:\n  saslgate provider discover https://login.example.org/realms/mail"
    )]
    Discover(DiscoverArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The provider's name, as in the configuration [default: the account's]
    #[arg(required_unless_present = "login")]
    name: Option<String>,
    /// Fill in the values of this account
    #[arg(long)]
    login: Option<String>,
    /// Show the way on which nobody signs in, but the application itself
    #[arg(long)]
    app_only: bool,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DiscoverArgs {
    /// The provider's issuer: an address that begins with https:// (http:// only on loopback)
    issuer: String,
    /// Certificates to believe beside the system's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// An HTTP proxy to go through, such as http://proxy.example.com:3128
    #[arg(long, value_name = "URL")]
    proxy: Option<Url>,
    /// How long to wait for each answer
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Runs `saslgate provider`.
///
/// # Errors
/// There is no such provider or account, or it cannot be asked.
pub fn run(args: &ProviderArgs, global: &Global) -> Result<(), Failure> {
    match &args.command {
        ProviderCommand::List => list::list(),
        ProviderCommand::Show(args) => show::show(args, global),
        ProviderCommand::Discover(args) => discover::discover(args),
    }
}

/// The provider of this name; else the nearest is offered, and all.
fn named(name: &str) -> Result<Provider, Failure> {
    Provider::named(name).ok_or_else(|| {
        let nearest = Provider::nearest(name).map(|it| format!(": did you mean {it}?"));
        let all: Vec<&str> = Provider::all().map(Provider::name).collect();
        Failure::mistake(format!(
            "there is no provider {name}{}\nKnown: {}",
            nearest.unwrap_or_default(),
            all.join(", ")
        ))
    })
}

const EXAMPLES: &str = "\
Examples:
  saslgate provider list
  saslgate provider show google
  saslgate provider discover https://login.example.org";

const SHOW_EXAMPLES: &str = "\
Examples:
  saslgate provider show microsoft365
  saslgate provider show microsoft365 --app-only
  saslgate provider show --login me@example.com";
