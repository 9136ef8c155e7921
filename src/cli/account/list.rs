//! `saslgate account list`. The hard thing is that what is wrong with one account hides no other.

use std::{cell::Cell, fmt::Write as _, time::SystemTime};

use super::passwords;
use crate::{
    cli::{Failure, status::open_to_read, terminal::say},
    config::{AccountConfig, Authentication, Config, Grant, Protocol, UpstreamConfig},
    status::{Finding, words},
    store::{Store, StoreError},
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
        if account.mailbox != account.login {
            let _ = writeln!(text, "  mailbox    {}", account.mailbox);
        }
        // What is wrong with one account hides no other.
        let sign_in = sign_in(account, store.as_ref()).await.unwrap_or_else(fault);
        let stored = store.local_passwords(&account.key()).await;
        let passwords = stored
            .map_or_else(fault, |stored| passwords::in_a_line(&account.login, stored.as_ref()));
        let _ = write!(text, "  sign-in    {sign_in}\n  passwords  {passwords}");
        say(text)?;
    }
    for key in store.accounts().await? {
        if !config.accounts.iter().any(|account| account.key() == key) {
            say(format_args!(
                "{key}\n  not in the configuration any more: saslgate account remove {key}"
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
            account.login,
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
        Some(Grant::RefreshToken) if status.signed_in => "signed in".to_owned(),
        Some(Grant::RefreshToken) => {
            format!("none yet: run `saslgate signin {}`", account.login)
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
