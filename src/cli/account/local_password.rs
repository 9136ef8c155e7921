//! Local passwords. The hard thing is that a generated one is shown once, and alone on standard output.

use std::sync::Arc;

use super::{
    find,
    limits::{LimitArgs, remark_on_unreachable, told},
    open,
};
use crate::{
    account::password::{self, Passwords},
    cli::{
        Failure, block_on, daemon,
        terminal::{read_secret, remark, say},
    },
    config::{AccountConfig, Config},
};

pub(super) fn set(
    config: &Config,
    login: &str,
    name: &str,
    generate: bool,
    limits: &LimitArgs,
) -> Result<(), Failure> {
    let account = of_mailbox(config, login)?;
    if account.identity.opens.is_some() && !login.eq_ignore_ascii_case(&account.login) {
        refuse_to_replace(config, &account, name)?;
    }
    let change = limits.change()?;
    let secret = if generate {
        password::generate().map_err(|error| Failure::fault(error.to_string()))?
    } else {
        read_secret(&format!("New password for {}", account.login), true)?
    };
    let limits = block_on(async {
        let passwords = Passwords::new(open(config).await?);
        let passwords = passwords.map_err(|error| Failure::fault(error.to_string()))?;
        let limits = passwords.set_limited(&account, name, &secret, &change).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok::<_, Failure>(limits)
    })??;
    remark_on_unreachable(&limits, config);
    if let Some(shared) = &account.identity.opens {
        remark(whose(&account.login, shared));
    }
    let limits = told(&limits);
    if generate {
        let login = &account.login;
        remark(format_args!("The new password \"{name}\" of {login}{limits} (shown once):"));
        say(String::from_utf8_lossy(secret.expose()))
    } else {
        say(format_args!("The password \"{name}\" of {} is set{limits}.", account.login))
    }
}

pub(super) fn remove(config: &Config, login: &str, name: &str) -> Result<(), Failure> {
    let account = of_mailbox(config, login)?;
    let removed = block_on(async {
        let removed = open(config).await?.remove_local_password(&account.key(), name).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok::<_, Failure>(removed)
    })??;
    if !removed {
        return Err(unknown(&account.login, name));
    }
    say(format_args!("The password \"{name}\" of {} is removed.", account.login))
}

/// Whoever names a shared mailbox may mean a password of that mailbox: the owner's own is not replaced by the way.
fn refuse_to_replace(config: &Config, account: &AccountConfig, name: &str) -> Result<(), Failure> {
    let stored = block_on(async {
        Ok::<_, Failure>(open(config).await?.local_passwords(&account.key()).await?)
    })??;
    let is_there = stored.is_some_and(|it| it.passwords.iter().any(|it| it.name == name));
    match &account.identity.opens {
        Some(shared) if is_there => Err(Failure::mistake(format!(
            "nothing was changed: {} has a password \"{name}\" already, which would be replaced. {} Or name another one \
             with --name.",
            account.login,
            whose(&account.login, shared)
        ))),
        Some(_) | None => Ok(()),
    }
}

/// A shared mailbox that is opened by somebody's login has no password.
fn whose(login: &str, shared: &str) -> String {
    format!(
        "{shared} is opened with the passwords of {login}: this one opens all that they open. For passwords of \
         {shared} alone, give it an [[account]] with token_from = \"{login}\"."
    )
}

pub(super) fn unknown(login: &str, name: &str) -> Failure {
    Failure::mistake(format!(
        "{login} has no password \"{name}\"; `saslgate account list` shows their names"
    ))
}

/// Of a whole domain nobody has a password, only each of its mailboxes.
pub(super) fn of_mailbox(config: &Config, login: &str) -> Result<Arc<AccountConfig>, Failure> {
    let account = find(config, login)?;
    match &account.identity.domain {
        None => Ok(account),
        Some(domain) => Err(Failure::mistake(format!(
            "each mailbox of {} has local passwords of its own: name one, such as info@{}",
            account.login, domain.name
        ))),
    }
}
