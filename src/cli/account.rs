//! `saslgate account`: local passwords, sign-ins, passwords for mail servers. The hard thing is that the daemon may be running
//! on the same store: every change is one durable write, which the daemon sees at the next login.

mod list;
mod upstream_password;

use std::{io::IsTerminal, sync::Arc};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    Failure, Global,
    terminal::{read_secret, remark, say},
};
use crate::{
    account::password::{self, Passwords, SetPasswordError},
    config::{AccountConfig, Config, Protocol, Secrets},
    store::{Store, StoreError, account_key, sqlite::SqliteStore},
    token,
};

/// List accounts, set their passwords, bring in a sign-in.
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
    /// Set a password that a mail program logs in with
    ///
    /// The password opens the account at saslgate only; the provider never sees it. It is asked for
    /// on the terminal, or read as one line from standard input. An account may have several: give
    /// each mail program its own, with a name to revoke it by. A running saslgate knows it at once.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    match &args.command {
        AccountCommand::List => runtime.block_on(list::list(&config)),
        AccountCommand::Password { login, name, generate } => {
            let account = find(&config, login)?;
            let secret = if *generate {
                password::generate().map_err(|error| Failure::fault(error.to_string()))?
            } else {
                read_secret(&format!("New password for {}", account.login), true)?
            };
            runtime.block_on(async {
                let passwords = Passwords::new(open(&config).await?);
                let passwords = passwords.map_err(|error| Failure::fault(error.to_string()))?;
                Ok::<_, Failure>(passwords.set(account, name, &secret).await?)
            })?;
            if *generate {
                remark(format_args!(
                    "The new password \"{name}\" of {} (shown once):",
                    account.login
                ));
                say(String::from_utf8_lossy(secret.expose()))
            } else {
                say(format_args!("The password \"{name}\" of {} is set.", account.login))
            }
        }
        AccountCommand::RemovePassword { login, name } => {
            let account = find(&config, login)?;
            let removed = runtime.block_on(async {
                Ok::<_, Failure>(
                    open(&config).await?.remove_local_password(&account.key(), name).await?,
                )
            })?;
            if !removed {
                return Err(Failure::mistake(format!(
                    "{} has no password \"{name}\"; `saslgate account list` shows their names",
                    account.login
                )));
            }
            say(format_args!("The password \"{name}\" of {} is removed.", account.login))
        }
        AccountCommand::ImportToken { login } => import_token(&config, login, &runtime),
        AccountCommand::UpstreamPassword { login, protocol } => {
            upstream_password::set(&config, login, (*protocol).into(), &runtime)
        }
        AccountCommand::RemoveUpstreamPassword { login, protocol } => {
            upstream_password::remove(&config, login, (*protocol).into(), &runtime)
        }
    }
}

fn find<'a>(config: &'a Config, login: &str) -> Result<&'a Arc<AccountConfig>, Failure> {
    let key = account_key(login);
    config.accounts.iter().find(|account| account.key() == key).ok_or_else(|| {
        let known: Vec<&str> =
            config.accounts.iter().take(SHOWN).map(|account| account.login.as_str()).collect();
        let more = if config.accounts.len() > SHOWN { ", …" } else { "" };
        Failure::mistake(format!(
            "there is no account {login} in the configuration; there is: {}{more}",
            known.join(", ")
        ))
    })
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    Ok(Arc::new(SqliteStore::open(&config.state_folder).await?))
}

fn import_token(
    config: &Config,
    login: &str,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), Failure> {
    let account = find(config, login)?;
    if account.oauth.as_ref().is_none_or(|oauth| !oauth.grant.needs_sign_in()) {
        return Err(Failure::mistake(format!(
            "{} has no grant = \"refresh_token\" and needs no sign-in: there is nothing to import",
            account.login
        )));
    }
    let secret = read_secret(&format!("Refresh token for {}", account.login), false)?;
    // RFC 6749 appendix A.17: refresh-token = 1*VSCHAR
    if secret.is_empty() || !secret.expose().iter().all(|octet| (0x20..=0x7E).contains(octet)) {
        return Err(Failure::mistake(
            "this is not a refresh token: it is empty, or holds characters that none has",
        ));
    }
    runtime.block_on(async {
        let store = open(config).await?;
        Ok::<_, Failure>(token::import(store.as_ref(), account, secret).await?)
    })?;
    let hint = if std::io::stdin().is_terminal() { "" } else { " Remove the file it came from." };
    say(format_args!("The refresh token of {} is in the store.{hint}", account.login))
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
  pass show mail/me | saslgate account password me@example.com";

const UPSTREAM_PASSWORD_EXAMPLES: &str = "\
Examples:
  saslgate account upstream-password me@example.com --protocol smtp
  pass show mail/relay | saslgate account upstream-password me@example.com --protocol smtp";

const DEFAULT_NAME: &str = "default";
const SHOWN: usize = 10;
