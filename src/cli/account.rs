//! `saslgate account`: local passwords, sign-ins, passwords for mail servers. The hard thing is that the daemon may be running
//! on the same store: every change is one durable write, which the daemon sees at the next login.

mod import_token;
mod limits;
mod list;
mod local_password;
mod passwords;
mod remove;
mod show;
mod signout;
mod upstream_password;

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use self::limits::LimitArgs;
use super::{Failure, Global, block_on, terminal::remark};
use crate::{
    account::{Accounts, password::SetPasswordError},
    config::{AccountConfig, Config, Protocol, Secrets},
    store::{Store, StoreError, account_key, sqlite::SqliteStore},
};

/// List accounts, set their passwords, bring in a sign-in or end it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saslgate account password me@example.com")]
pub struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// List the accounts: servers, sign-in, local passwords
    #[command(after_help = "Example:\n  saslgate account list")]
    List,
    /// Show everything about one account, except its secrets
    #[command(after_help = "Example:\n  saslgate account show me@example.com")]
    Show {
        /// The account's login
        login: String,
    },
    /// Set a password that a mail program logs in with
    ///
    /// The password opens the account at saslgate only; the provider never sees it. It is asked for
    /// on the terminal, or read as one line from standard input. An account may have several: give
    /// each mail program its own, with a name to revoke it by. A running saslgate knows it at once.
    ///
    /// With limits the password opens nothing but what they say, and who tries hears that it is wrong. A
    /// password that is replaced keeps the limits that are not given anew.
    #[command(after_help = PASSWORD_EXAMPLES)]
    Password {
        /// The account's login, as in the configuration
        login: String,
        /// What to call the password; one of the same name is replaced
        #[arg(long, default_value = DEFAULT_NAME)]
        name: String,
        /// Make a strong password and print it, once
        #[arg(long)]
        generate: bool,
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Change what a local password may be used for
    ///
    /// The password stays as it is, and so does a limit that is not named. Sessions outside the new
    /// limits end.
    #[command(after_help = LIMIT_EXAMPLES)]
    #[command(group(clap::ArgGroup::new("limit").args(["protocols", "networks"]).required(true).multiple(true)))]
    LimitPassword {
        /// The account's login, as in the configuration
        login: String,
        /// The password's name; `saslgate account list` shows it
        #[arg(long, default_value = DEFAULT_NAME)]
        name: String,
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Remove a local password
    ///
    /// The mail program that uses it cannot log in any more; other passwords go on working.
    #[command(
        after_help = "Example:\n  saslgate account remove-password me@example.com --name printer"
    )]
    RemovePassword {
        /// The account's login, as in the configuration
        login: String,
        /// The password's name; `saslgate account list` shows it
        #[arg(long, default_value = DEFAULT_NAME)]
        name: String,
    },
    /// Bring in a refresh token from elsewhere
    ///
    /// For accounts with grant = "refresh_token": the token that another program obtained for the same
    /// client_id. It is asked for on the terminal, or read as one line from standard input, and
    /// sealed in the store. From then on saslgate keeps it alive: the other program should forget it.
    #[command(
        after_help = "Example:\n  saslgate account import-token me@example.com < refresh-token"
    )]
    ImportToken {
        /// The account's login, as in the configuration
        login: String,
    },
    /// End a sign-in: forget the account's tokens
    ///
    /// Mail programs can no longer log in to servers that take tokens until somebody signs in again;
    /// local passwords stay, and so does what is open. The provider is not told: it honours the
    /// token, should somebody have a copy, until the sign-in is revoked there.
    #[command(after_help = "Example:\n  saslgate account signout me@example.com")]
    Signout {
        /// The account's login
        login: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove everything that the store keeps of an account
    ///
    /// Sign-in, local passwords, passwords for mail servers, history: also of an account that is no
    /// longer in the configuration. Sessions that its local passwords opened end. The configuration
    /// itself is not changed.
    #[command(after_help = "Example:\n  saslgate account remove former@example.com")]
    Remove {
        /// The account's login
        login: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Keep the password for a mail server that takes one
    ///
    /// For servers with auth = "password" in the configuration: saslgate logs in there with this
    /// password, and mail programs never see it. It is asked for on the terminal, or read as one line
    /// from standard input, and sealed in the store; an earlier one is replaced. A running saslgate
    /// uses it from the next login on.
    #[command(after_help = UPSTREAM_PASSWORD_EXAMPLES)]
    UpstreamPassword {
        /// The account's login, as in the configuration
        login: String,
        /// Which of the account's servers it is for
        #[arg(long, value_enum)]
        protocol: ProtocolName,
    },
    /// Forget the password for a mail server
    ///
    /// Mail programs can no longer log in to this server through saslgate; what is open stays open.
    /// The password itself stays valid at the server: change it there if others may know it.
    #[command(
        after_help = "Example:\n  saslgate account remove-upstream-password me@example.com --protocol smtp"
    )]
    RemoveUpstreamPassword {
        /// The account's login, as in the configuration
        login: String,
        /// Which of the account's servers it was for
        #[arg(long, value_enum)]
        protocol: ProtocolName,
    },
}

/// A protocol as it is written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProtocolName {
    Imap,
    Pop3,
    Smtp,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Imap => Self::Imap,
            ProtocolName::Pop3 => Self::Pop3,
            ProtocolName::Smtp => Self::Smtp,
        }
    }
}

/// Runs `saslgate account`.
///
/// # Errors
/// The configuration has mistakes, the account is not in it, or the store refuses.
pub fn run(args: &AccountArgs, global: &Global) -> Result<(), Failure> {
    let config = global.load(Secrets::Skip)?.config;
    match &args.command {
        AccountCommand::List => {
            block_on(list::list(&config))??;
            global.tell_place();
            Ok(())
        }
        AccountCommand::Show { login } => {
            show::show(&config, login)?;
            global.tell_place();
            Ok(())
        }
        AccountCommand::Password { login, name, generate, limits } => {
            local_password::set(&config, login, name, *generate, limits)
        }
        AccountCommand::LimitPassword { login, name, limits } => {
            limits::limit(&config, login, name, limits)
        }
        AccountCommand::RemovePassword { login, name } => {
            local_password::remove(&config, login, name)
        }
        AccountCommand::ImportToken { login } => import_token::import_token(&config, login),
        AccountCommand::Signout { login, yes } => signout::sign_out(&config, login, *yes),
        AccountCommand::Remove { login, yes } => remove::remove(&config, login, *yes),
        AccountCommand::UpstreamPassword { login, protocol } => {
            upstream_password::set(&config, login, (*protocol).into())
        }
        AccountCommand::RemoveUpstreamPassword { login, protocol } => {
            upstream_password::remove(&config, login, (*protocol).into())
        }
    }
}

/// The account of whatever a mail program may send as its user name, or of a whole domain's own login.
pub(super) fn find(config: &Config, login: &str) -> Result<Arc<AccountConfig>, Failure> {
    find_in(config, login).ok_or_else(|| {
        let more = if config.accounts.len() > SHOWN { ", …" } else { "" };
        Failure::mistake(format!(
            "there is no account {login} in the configuration; there is: {}{more}",
            nearest(config, login).join(", ")
        ))
    })
}

/// The logins that are most like this one, by the name of theirs that is.
fn nearest<'c>(config: &'c Config, login: &str) -> Vec<&'c str> {
    let login = account_key(login);
    let far = |name: &str| strsim::damerau_levenshtein(&login, &account_key(name));
    let mut known: Vec<(usize, &str)> = config
        .accounts
        .iter()
        .map(|it| (it.login_names().map(far).min().unwrap_or(usize::MAX), it.login.as_str()))
        .collect();
    // Of equals the first in the configuration.
    known.sort_by_key(|(distance, _)| *distance);
    known.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

pub(super) async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    Ok(Arc::new(SqliteStore::open(&config.state_folder).await?))
}

pub(super) fn find_in(config: &Config, login: &str) -> Option<Arc<AccountConfig>> {
    let named = config.accounts.iter().find(|account| account.is_named(login));
    named.cloned().or_else(|| Accounts::new(&config.accounts).find(login.as_bytes()))
}

/// The account that keeps things in the store under this key: an alias or a shared mailbox keeps none.
pub(super) fn find_by_key(config: &Config, key: &str) -> Option<Arc<AccountConfig>> {
    let same_key = |account: &&Arc<AccountConfig>| account.key() == key;
    let own = config.accounts.iter().find(same_key).cloned();
    own.or_else(|| find_in(config, key).filter(|account| same_key(&account)))
}

/// Who else uses the sign-in of this account, in a sentence; `None` where nobody does.
fn borrowers(config: &Config, account: &AccountConfig) -> Option<String> {
    let key = account.key();
    let uses = |it: &&Arc<AccountConfig>| {
        it.identity.token_from.as_ref().is_some_and(|owner| account_key(owner) == key)
    };
    let names: Vec<&str> =
        config.accounts.iter().filter(uses).map(|it| it.login.as_str()).collect();
    let is_there = !names.is_empty();
    is_there.then(|| {
        format!(
            "Without the sign-in of {} these lose access, too: {}.",
            account.login,
            names.join(", ")
        )
    })
}

/// The account whose sign-in this one uses, which is said where it is another one.
pub(super) fn owner(
    config: &Config,
    account: Arc<AccountConfig>,
) -> Result<Arc<AccountConfig>, Failure> {
    let person = account.oauth.as_ref().is_some_and(|oauth| oauth.grant.needs_sign_in());
    match &account.identity.token_from {
        Some(owner) if person => {
            remark(format_args!("{} uses the sign-in of {owner}.", account.login));
            find(config, owner)
        }
        Some(_) | None => Ok(account),
    }
}

/// The account as it is configured, where it is, and the store's key of it.
fn find_anywhere(config: &Config, login: &str) -> (String, Option<Arc<AccountConfig>>) {
    let account = find_in(config, login);
    (account.as_ref().map_or_else(|| account_key(login), |account| account.key()), account)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::fault(error.to_string())
    }
}

impl From<SetPasswordError> for Failure {
    fn from(error: SetPasswordError) -> Self {
        match error {
            SetPasswordError::Store(error) => error.into(),
            SetPasswordError::Empty
            | SetPasswordError::Unsendable
            | SetPasswordError::Name
            | SetPasswordError::TooMany => Self::mistake(error.to_string()),
        }
    }
}

const PASSWORD_EXAMPLES: &str = "\
Examples:
  saslgate account password me@example.com
  saslgate account password me@example.com --name printer --generate
  saslgate account password me@example.com --name printer --generate --protocol smtp --network 192.168.1.0/24
  pass show mail/me | saslgate account password me@example.com";

const LIMIT_EXAMPLES: &str = "\
Examples:
  saslgate account limit-password me@example.com --name printer --protocol smtp
  saslgate account limit-password me@example.com --name printer --network 192.168.1.0/24,10.0.0.7
  saslgate account limit-password me@example.com --name printer --network any";

const UPSTREAM_PASSWORD_EXAMPLES: &str = "\
Examples:
  saslgate account upstream-password me@example.com --protocol smtp
  pass show mail/relay | saslgate account upstream-password me@example.com --protocol smtp";

pub(super) const DEFAULT_NAME: &str = "default";
const SHOWN: usize = 5;
