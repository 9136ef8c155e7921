//! A refresh token from elsewhere. The hard thing is that it is typed or piped in, with whatever editors
//! and shells put around it.

use std::io::IsTerminal;

use super::{find, open, owner};
use crate::{
    cli::{
        Failure, block_on, daemon,
        terminal::{read_secret, say},
    },
    config::Config,
    token,
};

pub(super) fn import_token(config: &Config, login: &str) -> Result<(), Failure> {
    let account = owner(config, find(config, login)?)?;
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
    block_on(async {
        let store = open(config).await?;
        token::import(store.as_ref(), &account, secret).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok::<_, Failure>(())
    })??;
    let hint = if std::io::stdin().is_terminal() { "" } else { " Remove the file it came from." };
    say(format_args!("The refresh token of {} is in the store.{hint}", account.login))
}
