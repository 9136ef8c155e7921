//! `saslgate account list`. The hard thing is that what is wrong with one account hides no other.

use std::{cell::Cell, fmt::Write as _, time::SystemTime};

use super::{find_by_key, passwords};
use crate::{
    cli::{Failure, status::open_to_read, terminal::say},
    config::{AccountConfig, Authentication, Config, Grant, Protocol, SharedSmtp, UpstreamConfig},
    guide::command::argument,
    status::{Finding, words},
    store::{Store, StoreError, account_key},
    token::GrantStatus,
};

pub(super) async fn list(config: &Config) -> Result<(), Failure> {
    let faults = Cell::new(0);
    let fault = |error: StoreError| {
        faults.set(faults.get() + 1);
        format!("error: {error}")
    };
    let store = open_to_read(config).await?;
    for account in &config.accounts {
        let (servers, faulty) = servers_and_faults(account, config, store.as_ref()).await;
        faults.set(faults.get() + faulty);
        let mut text = format!("{}\n{servers}", account.login);
        text.push_str(&identity(account));
        // What is wrong with one account hides no other.
        let sign_in = sign_in(account, store.as_ref()).await.unwrap_or_else(fault);
        let passwords = if account.identity.domain.is_some() {
            mailboxes(config, &account.login, store.as_ref()).await.unwrap_or_else(fault)
        } else {
            let stored = store.local_passwords(&account.key()).await;
            stored
                .map_or_else(fault, |stored| passwords::in_a_line(&account.login, stored.as_ref()))
        };
        let _ = write!(text, "  sign-in    {sign_in}\n  passwords  {passwords}");
        say(text)?;
    }
    for key in store.accounts().await? {
        if find_by_key(config, &key).is_none() {
            say(format_args!(
                "{key}\n  not in the configuration any more: saslgate account remove {}",
                argument(&key)
            ))?;
        }
    }
    match faults.get() {
        0 => Ok(()),
        _ => {
            Err(Failure::fault("the store could not say everything; see the lines with \"error\""))
        }
    }
}

/// A line for each server of the account.
pub(super) async fn servers(account: &AccountConfig, config: &Config, store: &dyn Store) -> String {
    servers_and_faults(account, config, store).await.0
}

async fn servers_and_faults(
    account: &AccountConfig,
    config: &Config,
    store: &dyn Store,
) -> (String, usize) {
    let (mut text, mut faults) = (String::new(), 0);
    let mut fault = |error: StoreError| {
        faults += 1;
        format!("error: {error}")
    };
    for protocol in Protocol::ALL {
        if let Some(server) = account.upstream(protocol) {
            let login = login_at(account, protocol, server, store).await;
            let login = login.unwrap_or_else(&mut fault);
            let unused = if config.listens_for(protocol) { "" } else { " (no listener)" };
            let _ = writeln!(text, "  {:<9}  {server}{unused}, {login}", protocol.name());
        }
    }
    match store.upstream_password_places(&account.key()).await {
        Ok(places) => {
            for (protocol, host) in places {
                if !takes_password(account, &protocol) {
                    let unused = Finding::UpstreamPasswordUnused { protocol, host };
                    let step = words::next_step(&unused, &account.login).unwrap_or_default();
                    let _ = writeln!(text, "  unused     {} {step}", words::sentence(&unused));
                }
            }
        }
        Err(error) => {
            let _ = writeln!(text, "  stored     {}", fault(error));
        }
    }
    (text, faults)
}

fn takes_password(account: &AccountConfig, protocol: &str) -> bool {
    let known = Protocol::ALL.into_iter().find(|known| known.name() == protocol);
    let server = known.and_then(|protocol| account.upstream(protocol));
    server.is_some_and(|it| matches!(it.authentication, Authentication::Password { .. }))
}

/// How saslgate logs in at this server.
async fn login_at(
    account: &AccountConfig,
    protocol: Protocol,
    server: &UpstreamConfig,
    store: &dyn Store,
) -> Result<String, StoreError> {
    let Authentication::Password { user } = &server.authentication else {
        return Ok("OAuth".to_owned());
    };
    let stored =
        store.upstream_password(&account.key(), protocol.name(), &server.host_key()).await?;
    Ok(match stored {
        Some(_) => format!("password of {user}: in the store"),
        None => format!(
            "password of {user}: none yet: run `saslgate account upstream-password {} --protocol {}`",
            argument(&account.login),
            protocol.name()
        ),
    })
}

async fn sign_in(account: &AccountConfig, store: &dyn Store) -> Result<String, StoreError> {
    let status = GrantStatus::read(store, account).await?;
    let mut text = match account.oauth.as_ref().map(|oauth| &oauth.grant) {
        None if account.external_token.is_some() => {
            return Ok("nobody has to (external)".to_owned());
        }
        None => return Ok("not needed: its servers take passwords".to_owned()),
        Some(
            grant @ (Grant::ClientCredentials
            | Grant::ServiceAccount { .. }
            | Grant::Password { .. }),
        ) => format!("nobody has to ({})", grant.name()),
        Some(Grant::RefreshToken) if account.identity.token_from.is_some() && !status.signed_in => {
            format!("none yet: run `saslgate signin {}`", argument(&account.token_login()))
        }
        Some(Grant::RefreshToken) if status.signed_in => "signed in".to_owned(),
        Some(Grant::RefreshToken) => {
            format!("none yet: run `saslgate signin {}`", argument(&account.login))
        }
    };
    if let Some((_, expires)) = status.access_token {
        let ends = if expires > SystemTime::now() { "ends" } else { "ended" };
        let expires = humantime::format_rfc3339_seconds(expires);
        let _ = write!(text, "; the last access token {ends} at {expires}");
    }
    if let Some(since) = status.refresh_started {
        let since = humantime::format_rfc3339_seconds(since);
        let _ = write!(text, "; a refresh that began at {since} has not ended");
    }
    Ok(text)
}

/// Everything that a mail program may send as the user name, and what it opens.
pub(super) fn identity(account: &AccountConfig) -> String {
    let (mut text, identity) = (String::new(), &account.identity);
    if !identity.aliases.is_empty() {
        let _ = writeln!(text, "  aliases    {}", identity.aliases.join(", "));
    }
    if let Some(domain) = &identity.domain {
        let which = match &domain.mailboxes {
            Some(mailboxes) => mailboxes.join(", "),
            None => format!("whatever is sent as the user name, @{}", domain.name),
        };
        let _ = writeln!(text, "  mailboxes  {which}");
        return text;
    }
    let _ = writeln!(text, "  mailbox    {}", account.mailbox);
    for (protocol, mailbox) in &identity.mailboxes {
        let _ = writeln!(text, "             {mailbox} for {protocol}");
    }
    for shared in &identity.shared {
        let user = identity.aliases.first().unwrap_or(&account.login);
        let smtp = match identity.shared_smtp {
            SharedSmtp::Shared => String::new(),
            SharedSmtp::Delegate => format!(" (SMTP as {})", account.mailbox(Protocol::Smtp)),
        };
        let _ = writeln!(text, "  shared     {shared}, by the user name {user}\\{shared}{smtp}");
    }
    if let Some(owner) = &identity.token_from {
        let _ = writeln!(text, "  tokens of  {owner}");
    }
    text
}

/// Of a whole domain: the mailboxes that have local passwords.
pub(super) async fn mailboxes(
    config: &Config,
    login: &str,
    store: &dyn Store,
) -> Result<String, StoreError> {
    let mut mailboxes = Vec::new();
    for key in store.accounts().await? {
        let Some(account) = find_by_key(config, &key) else { continue };
        let inside = account
            .identity
            .token_from
            .as_deref()
            .is_some_and(|it| account_key(it) == account_key(login));
        if inside
            && account.identity.domain.is_none()
            && store.local_passwords(&key).await?.is_some_and(|it| !it.passwords.is_empty())
        {
            mailboxes.push(account.login.clone());
        }
    }
    Ok(match mailboxes.is_empty() {
        true => "none yet; for each mailbox: saslgate account password MAILBOX".to_owned(),
        false => format!("of {}", mailboxes.join(", ")),
    })
}
