//! Passwords for mail servers that take one. The hard thing is to keep none that nobody will use: a
//! person who types a password for a server that takes tokens has misunderstood something.

use super::{find, open};
use crate::{
    cli::{
        Failure, block_on, daemon,
        terminal::{read_secret, say},
    },
    config::{AccountConfig, Authentication, Config, Protocol, UpstreamConfig},
    secret::Secret,
};

pub(super) fn set(config: &Config, login: &str, protocol: Protocol) -> Result<(), Failure> {
    let account = find(config, login)?;
    let (user, server) = taker(&account, protocol)?;
    let secret = read_secret(&format!("Password of {user} at {server}"), false)?;
    judge(&secret)?;
    block_on(async {
        let store = open(config).await?;
        let (key, host) = (account.key(), server.host_key());
        store.write_upstream_password(&key, protocol.name(), &host, &secret).await?;
        daemon::tell_of(config, &key).await;
        Ok::<_, Failure>(())
    })??;
    say(format_args!(
        "The password of {user} at {server}, for the {protocol} of {}, is in the store.",
        account.login
    ))
}

/// It may be that nobody uses the password any more; then removing it is all the more right.
pub(super) fn remove(config: &Config, login: &str, protocol: Protocol) -> Result<(), Failure> {
    let account = find(config, login)?;
    let removed = block_on(async {
        let store = open(config).await?;
        let removed = store.remove_upstream_password(&account.key(), protocol.name()).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok::<_, Failure>(removed)
    })??;
    if !removed {
        return Err(Failure::mistake(format!(
            "{} has no stored {protocol} password; `saslgate account list` shows which there are",
            account.login
        )));
    }
    say(format_args!("The {protocol} password of {} is removed.", account.login))
}

/// The user and the server that the password is for.
fn taker(account: &AccountConfig, protocol: Protocol) -> Result<(&str, &UpstreamConfig), Failure> {
    let (login, name) = (&account.login, protocol.name());
    let Some(server) = account.upstream(protocol) else {
        return Err(Failure::mistake(format!(
            "{login} has no {protocol} server: write its host, with auth = \"password\", in the \
             account's table [account.{name}] or in [defaults.{name}]"
        )));
    };
    match &server.authentication {
        Authentication::Password { user } => Ok((user, server)),
        Authentication::OAuth => Err(Failure::mistake(format!(
            "the {protocol} server {server} of {login} takes tokens, no password: if it should take \
             one, set auth = \"password\" in the account's table [account.{name}] or in \
             [defaults.{name}]"
        ))),
    }
}

fn judge(secret: &Secret) -> Result<(), Failure> {
    if secret.is_empty() {
        return Err(Failure::mistake("the password is empty: nothing was changed"));
    }
    // RFC 4616 has no NUL in a password, RFC 1939 and RFC 3501 no line end.
    let unsendable = |octet: &u8| matches!(octet, b'\0' | b'\r' | b'\n');
    if secret.len() > MAX_PASSWORD || secret.expose().iter().any(unsendable) {
        return Err(Failure::mistake(format!(
            "the password is longer than {MAX_PASSWORD} octets or contains a line end or NUL, which \
             cannot be sent: nothing was changed"
        )));
    }
    Ok(())
}

/// Some relays take an API key of a kilobyte as the password. A line of SMTP AUTH has 12,288 octets
/// (RFC 4954 section 4), of which base64 leaves three in four.
const MAX_PASSWORD: usize = 4096;
