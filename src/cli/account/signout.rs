//! `saslgate account signout`. The hard thing is what it does not do: the provider goes on honouring the
//! token until somebody revokes it there.

use super::{account_key, borrowers, find_anywhere, find_in, open, owner};
use crate::{
    cli::{
        Failure, block_on, daemon,
        terminal::{confirm, remark, say},
    },
    config::{AccountConfig, Config},
    store::{RefreshHistory, StoreError},
};

pub(super) fn sign_out(config: &Config, login: &str, yes: bool) -> Result<(), Failure> {
    let (_, account) = find_anywhere(config, login);
    let account = account.map(|account| owner(config, account)).transpose()?;
    // A domain's mailboxes share the application's token.
    let key = account.as_ref().map_or_else(|| account_key(login), |account| account.token_key());
    let of = account.as_ref().map_or_else(|| login.to_owned(), |it| it.token_login().into_owned());
    let login = of.as_str();
    block_on(async {
        let store = open(config).await?;
        let there = match store.grant(&key).await {
            Ok(record) => record.is_some(),
            // It does not open, and can still be removed.
            Err(StoreError::Unusable(_)) => true,
            Err(error) => return Err(error.into()),
        };
        if !there {
            return Err(Failure::mistake(format!("{login} has no sign-in and no token to forget")));
        }
        // A domain's mailboxes share its token: it is the domain that is asked of.
        if let Some(borrowers) = find_in(config, login).and_then(|it| borrowers(config, &it)) {
            remark(borrowers);
        }
        confirm(&format!("Forget the sign-in of {login}? Its local passwords stay."), yes)?;
        store.remove_grant(&key).await?;
        store.write_refresh_history(&key, &RefreshHistory::default()).await?;
        daemon::tell_of(config, &key).await;
        Ok(())
    })??;
    say(format_args!("The sign-in of {login} is removed here."))?;
    say(at_the_provider(account.as_deref()))?;
    if account.as_ref().is_some_and(|account| {
        account.oauth.as_ref().is_some_and(|oauth| !oauth.grant.needs_sign_in())
    }) {
        return say(format_args!(
            "saslgate gets a new token by itself when {login} next needs one: to prevent that, take \
             the account out of the configuration."
        ));
    }
    Ok(())
}

/// What is left to do there.
fn at_the_provider(account: Option<&AccountConfig>) -> String {
    let page = account.and_then(page);
    let place =
        page.map_or_else(|| "in the account's settings".to_owned(), |it| format!("at {it}"));
    format!("The provider still honours its tokens until they end or are revoked there, {place}.")
}

/// Where the person, or for a work account also the administrator, ends sign-ins of applications.
fn page(account: &AccountConfig) -> Option<&'static str> {
    let url = &account.oauth.as_ref()?.token_url;
    let tenant = url.path_segments().and_then(|mut it| it.next());
    match (url.host_str()?, tenant) {
        ("login.microsoftonline.com", Some("consumers")) => {
            Some("https://account.live.com/consent/Manage")
        }
        ("login.microsoftonline.com", _) => Some("https://myaccount.microsoft.com"),
        ("oauth2.googleapis.com", _) => Some("https://myaccount.google.com/connections"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::account::tests::account;

    #[track_caller]
    fn check(token_url: &str, expected: Option<&str>) {
        let mut account = Arc::unwrap_or_clone(account("a"));
        if let Some(oauth) = &mut account.oauth {
            oauth.token_url = token_url.parse().unwrap();
        }
        assert_eq!(page(&account), expected);
    }

    #[test]
    fn known_providers_have_a_page() {
        let microsoft = "https://login.microsoftonline.com";
        let own = Some("https://account.live.com/consent/Manage");
        check(&format!("{microsoft}/consumers/oauth2/v2.0/token"), own);
        let work = Some("https://myaccount.microsoft.com");
        check(&format!("{microsoft}/example.ch/oauth2/v2.0/token"), work);
        let google = Some("https://myaccount.google.com/connections");
        check("https://oauth2.googleapis.com/token", google);
        check("https://id.example.test/token", None);
    }
}
