//! What opens the servers: a token for those that take one, a stored password for each other. The hard
//! thing is not to disturb: a person's token that is still good is looked at and left as it is, and one that
//! is fetched is stored as any login would, so that a gateway beside goes on with it.

use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tokio::time::Instant;

use super::{
    Claims, Finding, StepKind, diagnose,
    run::{Blocked, Check, Tried},
};
use crate::{
    config::{AccountConfig, Authentication, ExternalToken, Protocol},
    secret::Secret,
    token::AccessToken,
};

/// The account's.
pub(super) struct Credential {
    /// `None` where no server takes one.
    pub(super) token: Option<Result<AccessToken, Blocked>>,
    /// For the servers that take one.
    pub(super) passwords: Vec<(Protocol, Result<Secret, Blocked>)>,
    /// At which server its password was refused, for whom.
    pub(super) refused: Vec<(Protocol, String)>,
}

impl Credential {
    /// The server that has refused the same password for the same user.
    pub(super) fn refused_like(&self, user: &str, password: &Secret) -> Option<Protocol> {
        let is_same = |at: Protocol| {
            let mut stored = self.passwords.iter().filter(|(its, _)| *its == at);
            stored.any(|(_, its)| {
                its.as_ref().is_ok_and(|its| {
                    verify_slices_are_equal(its.expose(), password.expose()).is_ok()
                })
            })
        };
        let mut refused = self.refused.iter();
        refused.find(|(at, whose)| whose == user && is_same(*at)).map(|(at, _)| *at)
    }

    /// What the token says.
    pub(super) fn claims(&self) -> Option<Claims> {
        let token = self.token.as_ref()?.as_ref().ok()?;
        Claims::read(&token.secret)
    }
}

impl Check<'_> {
    /// The protocols whose servers take a token.
    pub(super) fn with_tokens(&self) -> Vec<Protocol> {
        with_tokens(self.account)
    }

    pub(super) async fn credentials(&mut self) -> Credential {
        let with_tokens = self.with_tokens();
        let token =
            if with_tokens.is_empty() { None } else { Some(self.token(&with_tokens).await) };
        let mut passwords = Vec::new();
        for protocol in Protocol::ALL {
            let server = self.account.upstream(protocol);
            let takes_password = server.is_some() && !with_tokens.contains(&protocol);
            if takes_password {
                passwords.push((protocol, self.password(protocol).await));
            }
        }
        Credential { token, passwords, refused: Vec::new() }
    }

    async fn token(&mut self, protocols: &[Protocol]) -> Result<AccessToken, Blocked> {
        let what = self.source();
        let tried = self.in_time(Tried { kind: StepKind::Credential, protocols, what })?;
        let (began, at) = (Instant::now(), SystemTime::now());
        // Behind a stored token that is good an hour more, a secret that is not would hide. Where no
        // refresh token is spent, nothing speaks against seeing it now.
        let oauth = self.account.oauth.as_ref();
        let anew = self.options.fresh_token || oauth.is_some_and(|it| !it.grant.needs_sign_in());
        let since = anew.then_some(self.cx.began);
        let found = self.cx.tokens.inspected_token(self.account, since).await;
        let finding = match &found {
            Ok(token) => {
                Finding::TokenGood { refreshed: token.obtained >= at, expires: token.expires }
            }
            Err(error) => diagnose::token_error(error, &self.about),
        };
        let done = self.done(tried, began, vec![finding]);
        let blocked = self.last();
        match (found, done) {
            (Ok(token), Ok(())) => Ok(token),
            (_, Err(blocked)) => Err(blocked),
            // Yellow, and yet there is none.
            (Err(_), Ok(())) => Err(blocked),
        }
    }

    /// Where the account's tokens come from.
    fn source(&self) -> String {
        match (&self.about.token_url, &self.account.external_token) {
            (Some(url), _) => url.clone(),
            (None, Some(ExternalToken::Command(words))) => {
                words.first().cloned().unwrap_or_default()
            }
            (None, Some(ExternalToken::File(path))) => path.display().to_string(),
            (None, None) => String::new(),
        }
    }

    async fn password(&mut self, protocol: Protocol) -> Result<Secret, Blocked> {
        let began = Instant::now();
        let Some(server) = self.account.upstream(protocol) else { return Err(self.last()) };
        let (key, host) = (self.account.key(), server.host_key());
        let what = server.to_string();
        let stored = self.cx.store.upstream_password(&key, protocol.name(), &host).await;
        let finding = match &stored {
            Ok(Some(_)) => Finding::UpstreamPasswordGood,
            Ok(None) => Finding::UpstreamPasswordMissing { protocol },
            Err(error) => Finding::StoreFault { text: error.to_string() },
        };
        let protocols = [protocol];
        let tried = Tried { kind: StepKind::Credential, protocols: &protocols, what };
        self.done(tried, began, vec![finding])?;
        stored.ok().flatten().ok_or_else(|| self.last())
    }
}

/// The protocols whose servers take a token.
pub(super) fn with_tokens(account: &AccountConfig) -> Vec<Protocol> {
    let takes = |protocol: &Protocol| {
        let server = account.upstream(*protocol);
        server.is_some_and(|server| server.authentication == Authentication::OAuth)
    };
    Protocol::ALL.into_iter().filter(takes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_one_server_refused_is_not_shown_to_the_next() {
        let of = |text: &str| Ok(Secret::new(text));
        let credential = Credential {
            token: None,
            passwords: vec![(Protocol::Imap, of("wrong")), (Protocol::Pop3, of("another"))],
            refused: vec![(Protocol::Imap, "me".to_owned())],
        };
        let like = |user, password| credential.refused_like(user, &Secret::new(password));
        assert_eq!(like("me", "wrong"), Some(Protocol::Imap));
        assert_eq!(like("you", "wrong"), None);
        // It was not tried yet.
        assert_eq!(like("me", "another"), None);
    }
}
