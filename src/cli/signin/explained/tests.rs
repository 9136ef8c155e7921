use super::*;
use crate::{
    config::{Grant, Identity, OAuthConfig},
    token::{Cause, TokenErrorKind},
};

fn account() -> AccountConfig {
    let token_url = "https://login.microsoftonline.com/example.test/oauth2/v2.0/token";
    AccountConfig {
        login: "anna@example.test".to_owned(),
        mailbox: "anna@example.test".to_owned(),
        oauth: Some(OAuthConfig::new(token_url.parse().unwrap(), "app-id", Grant::RefreshToken)),
        external_token: None,
        mechanism: None,
        imap: None,
        pop3: None,
        smtp: None,
        hide_capabilities: Vec::new(),
        provider: "microsoft365",
        identity: Identity::default(),
    }
}

fn error(cause: Cause) -> Fault {
    let text = "The provider says no. Do this.".to_owned();
    Fault::Token(TokenError { kind: TokenErrorKind::SignIn, text, cause })
}

fn refused(code: u32) -> Fault {
    error(Cause::Provider {
        error: Some("access_denied".to_owned()),
        code: Some(code),
        status: 400,
        retry_after: None,
        what: "says no".to_owned(),
    })
}

#[test]
fn the_sentence_comes_first_then_the_cause_and_what_to_copy() {
    for language in [Language::En, Language::De] {
        let failure = refused(90_094).explained(&account(), language);
        let mut lines = failure.text.lines();
        assert_eq!(lines.next(), Some("The provider says no. Do this."));
        assert!(lines.next().unwrap().contains("AADSTS90094"), "{}", failure.text);
        assert!(lines.next().unwrap().starts_with("→ "), "{}", failure.text);
        let link = "    https://login.microsoftonline.com/example.test/";
        assert!(lines.next().unwrap().starts_with(link), "{}", failure.text);
        assert_eq!(failure.code, 1);
    }
}

#[test]
fn nothing_is_said_twice() {
    for fault in [error(Cause::Person), refused(50_173)] {
        let failure = fault.explained(&account(), Language::En);
        assert_eq!(failure.text, "The provider says no. Do this.");
    }
    let other = Fault::Other(Failure::mistake("another")).explained(&account(), Language::De);
    assert_eq!((other.text.as_str(), other.code), ("another", 2));
}
