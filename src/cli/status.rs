//! `saslgate status`: how it is, for people and for monitoring. The hard thing is that it answers on bad
//! days, too: without a daemon, without a store, without the right to see client secrets.

mod json;
pub(super) mod table;

use std::{sync::Arc, time::SystemTime};

use clap::Args;

use super::{Failure, Global, daemon, terminal::say};
use crate::{
    config::{Config, Secrets},
    control::{ControlError, message::ProcessStatus},
    platform,
    status::{self, AccountStatus, Facts, Turn},
    store::{Store, account_key, memory::MemoryStore, sqlite::SqliteStore},
};

/// Show how saslgate and its accounts are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_FIELDS)]
pub struct StatusArgs {
    /// Only this account
    login: Option<String>,
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
}

/// All that there is to show.
pub(super) struct Overview {
    pub(super) process: Result<ProcessStatus, ControlError>,
    pub(super) accounts: Vec<AccountStatus>,
    pub(super) now: SystemTime,
}

impl Overview {
    fn turn(&self) -> Turn {
        // A daemon that runs and does not answer is not well, whatever the store says.
        let of_process = match self.process {
            Err(ControlError::Refused(_)) => Turn::Times,
            Ok(_) | Err(ControlError::NotRunning | ControlError::Unsupported) => Turn::Nobodys,
        };
        self.accounts.iter().map(AccountStatus::turn).fold(of_process, Turn::max)
    }
}

/// Runs `saslgate status`.
///
/// # Errors
/// The configuration has mistakes, or the store cannot be read. An account that needs something is a
/// [`Failure`] without a text.
pub fn run(args: &StatusArgs, global: &Global) -> Result<(), Failure> {
    let config = global.load(Secrets::Skip)?.config;
    let overview = super::block_on(look(&config, args.login.as_deref()))??;
    if args.json {
        say(json::text(&overview)?)?;
    } else {
        say(table::text(&overview, super::terminal::shows_colours()))?;
        if overview.accounts.iter().any(|account| account.next_step().is_some()) {
            global.tell_place();
        }
    }
    match overview.turn().exit_code() {
        0 => Ok(()),
        code => Err(Failure { text: String::new(), code }),
    }
}

/// Asks the store and the daemon, of one account or of all.
pub(super) async fn look(config: &Config, login: Option<&str>) -> Result<Overview, Failure> {
    let store = open_to_read(config).await?;
    let process = daemon::status(config).await;
    let now = SystemTime::now();
    let mut keys: Vec<String> = config.accounts.iter().map(|account| account.key()).collect();
    for key in store.accounts().await? {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if let Some(login) = login {
        let account = super::account::find_in(config, login);
        let known = account.is_some();
        let key = account.map_or_else(|| account_key(login), |account| account.key());
        keys.retain(|known| *known == key);
        // A mailbox of a whole domain that the store knows nothing of yet.
        if keys.is_empty() && known {
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Failure::mistake(format!(
                "there is no account {login} in the configuration or in the store; `saslgate status` \
                 shows all"
            )));
        }
    }
    let mut accounts = Vec::with_capacity(keys.len());
    for key in keys {
        let account = super::account::find_by_key(config, &key);
        let running = process.as_ref().ok();
        let facts = Facts::read(key, account, config, store.as_ref(), running).await;
        accounts.push(status::judge(&facts, now));
    }
    status::sort(&mut accounts);
    Ok(Overview { process, accounts, now })
}

/// Whoever only looks leaves nothing behind: where there is no store yet, none is made.
pub(super) async fn open_to_read(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let file = config.state_folder.join("store.sqlite");
    match file.try_exists() {
        Ok(false) => Ok(Arc::new(MemoryStore::new())),
        Ok(true) => Ok(Arc::new(SqliteStore::open_to_read(&config.state_folder).await?)),
        Err(error) => Err(Failure::fault(format!(
            "The store {} cannot be read: {}.",
            file.display(),
            platform::explain(&file, &error)
        ))),
    }
}

macro_rules! examples {
    () => {
        "\
Examples:
  saslgate status                        a table, the worst first
  saslgate status me@example.com --json  one account, for a program

Exit codes:
  0  all is good
  1  something needs a person, an administrator or the operator (or the store cannot be read)
  2  a mistake in the configuration or on the command line
  3  only trouble that may pass by itself, or a saslgate that runs but cannot be asked"
    };
}

const EXAMPLES: &str = examples!();

const EXAMPLES_AND_FIELDS: &str = concat!(
    examples!(),
    "

States:
  ok, never_used     nothing to do
  not_configured     only the store knows the account
  trouble            may pass by itself
  password_needed    no mail program can log in: set a local password
  configuration      a setting or a stored password is wrong or missing
  policy             the provider's administrator must allow it
  sign_in_needed     a person must sign in
  store              the store does not give out what it has of the account

Fields of --json (times as RFC 3339 in UTC; fields may be added, none changes its meaning):
  version            of this command
  standing           good, passing or action: what the exit code says
  daemon             null, or version, pid, started, sessions, listeners (protocol, address)
  daemon_absence     null, or why there is no daemon to ask
  accounts           a list, the worst first, each with
    login, configured, state
    grant            as in the configuration, external, or null where servers take passwords
    findings         a list, the worst first, each with id and text
    next_step        a command or what to do, or null
    signed_in        null, or at and name (which may be null)
    access_token     null, or obtained and expires
    last_refresh     null or a time
    failure          null, or since, last, kind and text
    local_passwords  how many
    sessions         how many now; null without a daemon"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_does_not_answer_is_trouble_and_none_is_not() {
        let turn = |error| {
            let process = Err(error);
            Overview { process, accounts: Vec::new(), now: SystemTime::UNIX_EPOCH }.turn()
        };
        assert_eq!(turn(ControlError::Refused("it hangs".to_owned())), Turn::Times);
        assert_eq!(turn(ControlError::NotRunning), Turn::Nobodys);
        assert_eq!(turn(ControlError::Unsupported), Turn::Nobodys);
    }
}
