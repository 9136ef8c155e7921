//! Who may log in: from the name that a client sent to the account. The hard thing is to give away
//! nothing: an unknown name costs as much as a wrong password ([`password`]).

mod last_use;
pub(crate) mod limit_words;
pub mod password;
mod successes;
mod worker;

use std::{collections::HashMap, sync::Arc};

use crate::{config::AccountConfig, store::account_key};

/// The accounts by login name, without case.
#[derive(Debug, Default)]
pub struct Accounts {
    by_key: HashMap<String, Arc<AccountConfig>>,
}

impl Accounts {
    /// The accounts of a configuration, which has made sure that logins are unique.
    pub fn new(accounts: &[Arc<AccountConfig>]) -> Self {
        let by_key = accounts.iter().map(|account| (account.key(), Arc::clone(account))).collect();
        Self { by_key }
    }

    /// The account with this login. Names are UTF-8; anything else is no account's name.
    pub fn find(&self, login: &[u8]) -> Option<Arc<AccountConfig>> {
        let login = std::str::from_utf8(login).ok()?;
        self.by_key.get(&account_key(login)).map(Arc::clone)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::{Grant, OAuthConfig};

    pub(crate) fn account(login: &str) -> Arc<AccountConfig> {
        Arc::new(AccountConfig {
            login: login.into(),
            mailbox: login.into(),
            oauth: Some(OAuthConfig::new(
                "https://login.example/token".parse().unwrap(),
                "client",
                Grant::RefreshToken,
            )),
            external_token: None,
            mechanism: None,
            imap: None,
            pop3: None,
            smtp: None,
            hide_capabilities: Vec::new(),
            provider: "custom",
        })
    }

    #[test]
    fn logins_are_found_without_case() {
        let accounts = Accounts::new(&[account("Jörg@Example.ch"), account("b")]);
        let found = |login: &[u8]| accounts.find(login).map(|account| account.login.clone());
        assert_eq!(found("JÖRG@example.CH".as_bytes()).as_deref(), Some("Jörg@Example.ch"));
        assert_eq!(found(b"B").as_deref(), Some("b"));
        assert_eq!(found(b"c"), None);
        assert_eq!(found(b"J\xF6rg@example.ch"), None);
        assert_eq!(found(b""), None);
    }
}
