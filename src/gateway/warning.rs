//! What is said of a configuration whenever it comes into force: what weakens everybody's safety, and what
//! will fail. The hard thing is to be heard: not only once, when it was written.

use std::sync::Arc;

use tracing::warn;

use crate::{
    config::{AccountConfig, Authentication, Config, Protocol, Verification},
    store::Store,
};

/// Says both, of these accounts.
pub(crate) async fn warn_of<'a>(
    accounts: impl Iterator<Item = &'a Arc<AccountConfig>>,
    config: &Config,
    store: &dyn Store,
) {
    for account in accounts {
        warn_of_danger(account);
        warn_of_missing_passwords(account, config, store).await;
    }
}

fn warn_of_danger(account: &AccountConfig) {
    for protocol in Protocol::ALL {
        if let Some(server) = account.upstream(protocol)
            && server.verification == Verification::DangerSkip
        {
            let secret = match server.authentication {
                Authentication::OAuth => "token",
                Authentication::Password { .. } => "password",
            };
            warn!(
                account = %account.login,
                "DANGER: the certificate of {server} is not verified: whoever is in between reads \
                 the mail and the {secret}; pin_sha256 is the safe way"
            );
        }
    }
}

/// Said now, and not only to the first mail program whose login fails for it.
async fn warn_of_missing_passwords(account: &AccountConfig, config: &Config, store: &dyn Store) {
    for protocol in Protocol::ALL {
        let Some(server) = account.upstream(protocol) else { continue };
        let takes_password = matches!(server.authentication, Authentication::Password { .. });
        if !takes_password || !config.listens_for(protocol) {
            continue;
        }
        match store.upstream_password(&account.key(), protocol.name(), &server.host_key()).await {
            Ok(Some(_)) => {}
            Ok(None) => warn!(
                account = %account.login,
                "there is no password for the {protocol} server {server} yet; set it with: saslgate \
                 account upstream-password {} --protocol {}",
                account.login,
                protocol.name()
            ),
            Err(error) => warn!(account = %account.login, "{error}"),
        }
    }
}
