use super::*;
use crate::config::{Grant, Identity, OAuthConfig};

mod lookup;

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
        identity: Identity::default(),
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
