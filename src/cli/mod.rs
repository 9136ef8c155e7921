//! The command line: one file a command. A command returns [`Failure`] for people; the exit code says
//! whose turn it is.

pub mod account;
pub mod cert;
pub mod check;
pub mod completions;
pub mod config;
mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod import;
pub mod init;
pub mod log;
pub mod man;
pub mod provider;
mod publish;
pub mod reload;
pub mod report;
pub mod run;
pub mod signin;
mod start;
pub mod status;
pub(crate) mod terminal;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

use self::{
    log::{LogFormat, LogLevel},
    terminal::remark,
};
use crate::{
    config::{Config, ConfigError, Loaded, Mistake, Paths, Secrets, load},
    guide::command::argument,
    platform,
};

/// Lets mail software that only knows a user name and a password go on working with mail servers that
/// only accept OAuth 2.0.
///
/// A mail program connects to saslgate on this machine and logs in with a password that was made for
/// it here. saslgate gets an access token, logs in to the real server with it, and from then on
/// passes both directions through untouched.
#[derive(Debug, Parser)]
#[command(name = "saslgate", version, after_help = EXAMPLES, after_long_help = EXAMPLES_AND_PLACES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// It could not be done.
    pub fn run(self) -> Result<(), Failure> {
        let Self { global, command } = self;
        // First of all, and for every command: each of them may come to hold a secret.
        if let Err(fault) = platform::keep_private() {
            terminal::complain(&fault);
        }
        let done = match command {
            Command::Init(args) => init::run(&args, &global),
            Command::Run(args) => run::run(&args, &global),
            #[cfg(feature = "demo")]
            Command::Demo(args) => demo::run(&args, &global),
            Command::Status(args) => status::run(&args, &global),
            Command::Check(args) => check::run(&args, &global),
            Command::Report(args) => report::run(&args, &global),
            Command::Reload(args) => reload::run(&args, &global),
            Command::Config(args) => config::run(&args, &global),
            Command::Account(args) => account::run(&args, &global),
            Command::Provider(args) => provider::run(&args, &global),
            Command::Signin(args) => signin::run(&args, &global),
            Command::Import(args) => import::run(&args, &global),
            Command::Cert(args) => cert::run(&args, &global),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        };
        done.map_err(|failure| global.with_place(failure))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a mailbox: questions, sign-in, check, and what to type into the mail program
    Init(Box<init::InitArgs>),
    /// Serve mail programs, until SIGTERM or Ctrl-C
    Run(run::RunArgs),
    /// Try everything out without an account anywhere
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Show how saslgate and its accounts are
    Status(status::StatusArgs),
    /// Find out what is wrong with an account, and what to do
    Check(check::CheckArgs),
    /// Write what a maintainer needs to know of a problem, safe to post in public
    Report(report::ReportArgs),
    /// Have the running saslgate read its configuration again
    Reload(reload::ReloadArgs),
    /// Check the configuration, or show what is in force
    Config(config::ConfigArgs),
    /// List accounts, set their passwords, bring in a sign-in or end it
    Account(account::AccountArgs),
    /// Show what is known of the providers, and how to register with them, step by step
    Provider(provider::ProviderArgs),
    /// Sign in at the provider, for an account whose tokens a person must allow
    Signin(signin::SigninArgs),
    /// Take over the accounts of another program
    Import(import::ImportArgs),
    /// Make a TLS certificate for mail programs on this machine
    Cert(cert::CertArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(man::ManArgs),
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Configuration file [default: the first that is there of saslgate/saslgate.toml in your
    /// configuration folder, and, on Unix, /etc/saslgate/saslgate.toml]
    #[arg(long, global = true, env = "SASLGATE_CONFIG", value_name = "FILE", help_heading = GLOBAL)]
    pub config: Option<PathBuf>,
    /// Folder of the store and its key [default: the one that belongs to the configuration]
    #[arg(long, global = true, env = "SASLGATE_STATE", value_name = "FOLDER", help_heading = GLOBAL)]
    pub state: Option<PathBuf>,
    /// How much is logged
    #[arg(
        long, global = true, value_enum, default_value_t, hide_possible_values = true,
        value_name = "error|warn|info|debug|trace", help_heading = GLOBAL
    )]
    pub log_level: LogLevel,
    /// How log lines look [default: journald as a service of systemd, else text]
    #[arg(
        long, global = true, value_enum, hide_possible_values = true,
        value_name = "text|json|journald", help_heading = GLOBAL
    )]
    pub log_format: Option<LogFormat>,
}

impl Global {
    /// The configuration in force, client secrets included.
    ///
    /// # Errors
    /// Its mistakes.
    pub fn load_config(&self) -> Result<Config, Failure> {
        Ok(self.load(Secrets::Read)?.config)
    }

    /// Sends log lines to standard error from now on.
    pub fn init_log(&self) {
        log::init(self.log_level, self.log_format);
    }

    fn load(&self, secrets: Secrets) -> Result<Loaded, Failure> {
        Ok(load(&self.paths()?, secrets)?)
    }

    /// A command as it is typed here: it must mean this configuration and this store.
    fn command(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| argument(word)).collect();
        format!("saslgate {}{}", words.join(" "), self.place())
    }

    /// What a command needs at its end for that, with a space before it; empty in the usual places.
    fn place(&self) -> String {
        let mut place = String::new();
        let usual = Paths::find(None, None).ok();
        let config = self.config.as_deref();
        if let Some(config) = config
            && usual.is_none_or(|it| it.config != config)
        {
            place.push_str(&format!(" --config {}", argument(&config.to_string_lossy())));
        }
        let own = Paths::find(config, None).ok();
        if let Some(state) = self.state.as_deref()
            && own.is_none_or(|it| it.state != state)
        {
            place.push_str(&format!(" --state {}", argument(&state.to_string_lossy())));
        }
        place
    }

    /// Says what the commands that were just named need at their end, where the places were named with options
    /// (a variable of the shell counts for them, too).
    fn tell_place(&self) {
        if let Some(place) = self.place_to_type() {
            remark(format_args!("(Commands named here need at their end:{place})"));
        }
    }

    fn place_to_type(&self) -> Option<String> {
        let is_set = |name: &str, value: Option<&Path>| {
            value.is_none()
                || std::env::var_os(name).is_some_and(|it| Some(Path::new(&it)) == value)
        };
        let is_in_shell = is_set("SASLGATE_CONFIG", self.config.as_deref())
            && is_set("SASLGATE_STATE", self.state.as_deref());
        let place = self.place();
        (!is_in_shell && !place.is_empty()).then_some(place)
    }

    /// The same of the words of a failure.
    fn with_place(&self, failure: Failure) -> Failure {
        let names_command = COMMANDS.iter().any(|it| failure.text.contains(it));
        match self.place_to_type() {
            Some(place) if names_command && !failure.text.contains(place.trim()) => {
                let text =
                    format!("{}\n(Commands named here need at their end:{place})", failure.text);
                Failure { text, ..failure }
            }
            Some(_) | None => failure,
        }
    }

    fn paths(&self) -> Result<Paths, Failure> {
        Ok(Paths::find(self.config.as_deref(), self.state.as_deref())?)
    }
}

/// Why a command did not do what was asked, in words for the terminal.
#[derive(Debug)]
pub struct Failure {
    /// One or two sentences: what happened, and what to do. Empty where the exit code says it all.
    pub text: String,
    /// The process's exit code: 1 for a fault at run time, 2 for a mistake in configuration or usage;
    /// others as the command's help says.
    pub code: u8,
}

impl Failure {
    /// A fault at run time.
    pub fn fault(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// A mistake in configuration or usage.
    pub fn mistake(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }

    /// Writes it to standard error; red where people see colours.
    pub fn print(&self) {
        if !self.text.is_empty() {
            terminal::complain(&self.text);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::mistake(error.to_string())
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::mistake(mistake.to_string())
    }
}

/// Runs a command's asynchronous part on this thread.
fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// How commands that know a configuration begin in words.
const COMMANDS: [&str; 6] = [
    "saslgate signin ",
    "saslgate account ",
    "saslgate check",
    "saslgate status",
    "saslgate config ",
    "saslgate reload",
];

const GLOBAL: &str = "Options of every command";

macro_rules! examples {
    () => {
        "\
Examples:
  saslgate demo                                   see it work, without an account anywhere
  saslgate init                                   set up a mailbox, step by step
  saslgate provider show google                   see how to register with a provider
  saslgate config check                           find mistakes in the configuration
  saslgate account password me@example.com        set the password for a mail program
  saslgate signin me@example.com                  sign in at the provider
  saslgate run                                    serve mail programs
  saslgate status                                 see how it is
  saslgate check me@example.com                   find out what is wrong, and what to do"
    };
}

const EXAMPLES: &str = examples!();

const EXAMPLES_AND_PLACES: &str = concat!(
    examples!(),
    "

Places:
  configuration  the first of --config, $SASLGATE_CONFIG, ~/.config/saslgate/saslgate.toml (on
                 Windows %APPDATA%\\saslgate\\saslgate.toml), on Unix /etc/saslgate/saslgate.toml;
                 and accounts.d/*.toml beside it
  store          --state, $SASLGATE_STATE, or the state folder of the same rank:
                 ~/.local/state/saslgate, /var/lib/saslgate

Exit codes:
  0  done
  1  something failed
  2  a mistake in the configuration or on the command line"
);

#[cfg(test)]
mod tests;
