//! What is kept of a sign-in. The hard thing is the order: who it was is settled first, again at each try
//! to write, and nothing of the wrong person's ever reaches the store.

use std::time::SystemTime;

use super::{
    super::{Cause, TokenError, TokenErrorKind, advice, answer::Answer, grant, import},
    SigningIn, Welcome,
    identity::{self, Expected, Person},
    mistake,
};
use crate::{
    secret::Secret,
    store::{Grant, Identity, SignedIn, StoredAccessToken},
};

/// What an answer of the token endpoint is compared with.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// What the redirect called its sender.
    pub(super) issuer: Option<&'a str>,
    pub(super) nonce: Option<&'a str>,
}

impl SigningIn<'_> {
    /// Finds out who it was, and stores the sign-in if it was the right one.
    pub(super) async fn keep(
        &self,
        answer: Answer,
        asked: Asked<'_>,
        started: SystemTime,
    ) -> Result<Welcome, TokenError> {
        let Some(refresh_token) = &answer.refresh_token else {
            return Err(self.no_refresh_token());
        };
        let person = answer.id_token.as_ref().map(|token| self.person(token, asked)).transpose()?;
        let identity = person.as_ref().map(|person| person.identity.clone());
        let new = Grant {
            refresh_token: Some(refresh_token.clone()),
            refresh_token_expires: answer.window.map(|length| started + length),
            access_token: self.useful_access_token(&answer, started),
            refresh_started: None,
            // A refresh that failed while the person signed in is older than this.
            signed_in: Some(SignedIn { at: (self.clock)(), identity }),
        };
        import::replace(self.store, self.account, |old| {
            let pinned = old.and_then(|old| old.signed_in.as_ref()?.identity.as_ref());
            match (&person, pinned) {
                (Some(person), pinned) => self.check(person, pinned)?,
                (None, Some(pinned)) => return Err(self.unknown_person(pinned)),
                (None, None) => {}
            }
            Ok::<_, TokenError>(new.clone())
        })
        .await?;
        Ok(self.welcome(person.as_ref()))
    }

    fn person(&self, id_token: &Secret, asked: Asked<'_>) -> Result<Person, TokenError> {
        let expected = Expected {
            oauth: self.oauth,
            issuer: asked.issuer,
            nonce: asked.nonce,
            now: (self.clock)(),
        };
        identity::read(id_token, &expected).map_err(|what| {
            let provider = advice::provider(self.oauth);
            mistake(format!(
                "{provider} {what}: nothing was stored. Check issuer and client_id of {}.",
                self.login()
            ))
        })
    }

    fn check(&self, person: &Person, pinned: Option<&Identity>) -> Result<(), TokenError> {
        let owner = self.oauth.sign_in.owner.as_deref();
        person.check(&self.login(), owner, pinned).map_err(|text| TokenError {
            kind: TokenErrorKind::SignIn,
            text,
            cause: Cause::Person,
        })
    }

    /// Stored, it would take the place of somebody who is known, and could be anybody's.
    fn unknown_person(&self, pinned: &Identity) -> TokenError {
        let (login, provider) = (self.login(), advice::provider(self.oauth));
        let before = pinned.shown();
        mistake(format!(
            "{provider} did not say who has signed in for {login}, and until now it was {before}: \
             nothing was stored. Write signin_scopes = [\"openid\", \"profile\"] in the account, so that \
             it says so, or first forget the old sign-in: saslgate account signout {login}"
        ))
    }

    fn welcome(&self, person: Option<&Person>) -> Welcome {
        let owner = self.oauth.sign_in.owner.as_deref();
        match (person, owner) {
            (Some(person), Some(owner)) if person.identity.name.is_none() => Welcome {
                name: Some(person.name().to_owned()),
                remark: Some(format!(
                    "The provider did not say the person's name, so it could not be compared with \
                     {owner}."
                )),
            },
            (Some(person), _) => Welcome { name: Some(person.name().to_owned()), remark: None },
            (None, _) => Welcome {
                name: None,
                remark: Some(
                    "The provider did not say who has signed in, so it could not be checked. With \
                     signin_scopes = [\"openid\", \"profile\"] most providers do."
                        .to_owned(),
                ),
            },
        }
    }

    /// The access token, if it is good for what a refresh would be asked for.
    fn useful_access_token(
        &self,
        answer: &Answer,
        started: SystemTime,
    ) -> Option<StoredAccessToken> {
        if let Some(granted) = &answer.scope {
            let mut needed =
                self.oauth.scopes.iter().filter(|it| !ABOUT_PEOPLE.contains(&it.as_str()));
            if !needed.all(|scope| granted.split(' ').any(|granted| granted == scope)) {
                return None;
            }
        }
        Some(StoredAccessToken {
            secret: answer.access_token.clone(),
            obtained: started,
            expires: started + answer.lifetime,
            purpose: grant::purpose(self.oauth),
        })
    }

    fn no_refresh_token(&self) -> TokenError {
        let (login, client_id) = (self.login(), &self.oauth.client_id);
        let provider = advice::provider(self.oauth);
        let asked = self.oauth.scopes.iter().any(|scope| scope == "offline_access");
        let remedy = if advice::is_google(self.oauth) {
            "Remove the application's access in the Google account, and sign in again.".to_owned()
        } else if asked {
            format!("Let the application {client_id} have refresh tokens at the provider.")
        } else {
            format!(
                "Add \"offline_access\" to scopes of {login}, or let the application {client_id} have \
                 refresh tokens at the provider."
            )
        };
        mistake(format!(
            "{provider} gave no refresh token, so the sign-in would end soon: nothing was stored. \
             {remedy}"
        ))
    }
}

/// Scopes that open no mailbox; providers differ in whether they name them in an answer.
const ABOUT_PEOPLE: [&str; 4] = ["offline_access", "openid", "profile", "email"];
