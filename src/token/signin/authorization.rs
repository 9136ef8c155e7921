//! One request to the authorization endpoint (RFC 6749 section 4.1, RFC 7636), and what comes back from
//! it. The hard thing is that anybody can send anybody's browser to us: only what carries this request's
//! own `state` is an answer, and all else is a stray.

use std::borrow::Cow;

use aws_lc_rs::{constant_time, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    basic::BasicClient,
};
use url::{Url, form_urlencoded};

use super::{
    super::{answer, answer::Failure},
    mistake,
};
use crate::{config::OAuthConfig, secret::Secret, token::TokenError};

/// A request that is out.
pub(super) struct Authorization {
    link: Url,
    /// As it must be repeated at the token endpoint, to the letter.
    redirect_uri: String,
    state: Secret,
    verifier: Secret,
    nonce: Option<String>,
}

/// What a redirect turns out to be that is about this request.
#[derive(Debug)]
pub(super) enum Returned {
    /// To be taken to the token endpoint.
    Code(Code),
    /// The provider says no.
    Refused(Failure),
    /// It cannot be right.
    Wrong(String),
}

/// RFC 6749 section 4.1.2.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) code: Secret,
    /// RFC 9207.
    pub(super) issuer: Option<String>,
}

impl Authorization {
    /// Prepares one; `redirect_uri` with its port.
    pub(super) fn new(
        login: &str,
        oauth: &OAuthConfig,
        redirect_uri: String,
    ) -> Result<Self, TokenError> {
        let endpoint = oauth.sign_in.authorization_url.as_ref().ok_or_else(|| {
            mistake(format!(
                "{login} has no authorization_url: write the address of the provider's sign-in page in \
                 the account, or sign in with a device code (--device)."
            ))
        })?;
        let redirect = RedirectUrl::new(redirect_uri.clone())
            .map_err(|_| mistake(format!("redirect_uri of {login} is not a URL.")))?;
        let state = random_text()?;
        let verifier = random_text()?;
        let nonce = asks_for_identity(oauth).then(random_text).transpose()?;
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let client = BasicClient::new(ClientId::new(oauth.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(endpoint.clone()));
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(challenge)
            .set_redirect_uri(Cow::Owned(redirect))
            .add_scopes(scopes(oauth).map(Scope::new));
        for (name, value) in extras(oauth) {
            request = request.add_extra_param(name.to_owned(), value.to_owned());
        }
        if let Some(nonce) = &nonce {
            request = request.add_extra_param("nonce", nonce.clone());
        }
        let (link, _) = request.url();
        let (state, verifier) = (Secret::new(state), Secret::new(verifier));
        Ok(Self { link, redirect_uri, state, verifier, nonce })
    }

    pub(super) fn link(&self) -> &Url {
        &self.link
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    pub(super) fn verifier(&self) -> &Secret {
        &self.verifier
    }

    pub(super) fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Judges the query of a redirect; `issuer` is the configured one. `None` is a stray.
    pub(super) fn judge(&self, query: &str, issuer: Option<&str>) -> Option<Returned> {
        let find = |name: &str| {
            let mut values =
                form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
            let first = values.next().map(|(_, value)| value);
            // RFC 6749 section 3.1: none may come twice. Who reads another one than we is misled.
            values.next().is_none().then_some(first)
        };
        let state = find("state")?;
        let state = state.as_deref().unwrap_or_default().as_bytes();
        constant_time::verify_slices_are_equal(state, self.state.expose()).ok()?;
        let sender = find("iss")?.map(Cow::into_owned);
        if let (Some(issuer), Some(sender)) = (issuer, &sender)
            && issuer != sender
        {
            return Some(Returned::Wrong(format!(
                "The browser came back from another issuer than {issuer}: nothing was stored. If that \
                 is a mistake, correct issuer in the account{}.",
                shown_issuer(sender)
            )));
        }
        if let Some(error) = find("error")? {
            let description = find("error_description")?.unwrap_or_default();
            return Some(Returned::Refused(refusal(&error, &description)));
        }
        let code = find("code")?.filter(|code| !code.is_empty())?;
        let code = Secret::new(code.into_owned());
        Some(Returned::Code(Code { code, issuer: sender }))
    }
}

/// What may be shown of what a redirect calls its sender.
fn shown_issuer(sender: &str) -> String {
    match Url::parse(sender) {
        Ok(url) if url.scheme() == "https" && sender.len() <= 200 => format!(" (it says {url})"),
        Ok(_) | Err(_) => String::new(),
    }
}

/// Sorts an error redirect (RFC 6749 section 4.1.2.1). Of the description only Microsoft's number counts.
fn refusal(error: &str, description: &str) -> Failure {
    let number = description
        .split_once("AADSTS")
        .map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    let number = number.filter(|digits| (4..=8).contains(&digits.len()));
    answer::refusal(error, number.and_then(|digits| digits.parse().ok()))
}

/// All that a person is asked to agree to.
pub(super) fn scopes(oauth: &OAuthConfig) -> impl Iterator<Item = String> + '_ {
    let beside = oauth.sign_in.scopes.iter().filter(|scope| !oauth.scopes.contains(scope));
    oauth.scopes.iter().chain(beside).cloned()
}

fn asks_for_identity(oauth: &OAuthConfig) -> bool {
    scopes(oauth).any(|scope| scope == "openid")
}

/// What providers want beside the standard.
fn extras(oauth: &OAuthConfig) -> impl Iterator<Item = (&str, &str)> {
    let wanted =
        oauth.sign_in.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    wanted.chain(oauth.sign_in.owner.as_deref().map(|owner| ("login_hint", owner)))
}

/// 43 characters of base64url: what RFC 7636 section 4.1 recommends for a verifier.
fn random_text() -> Result<String, TokenError> {
    let mut octets = [0; 32];
    rand::fill(&mut octets)
        .map_err(|_| mistake("The system gives no random numbers.".to_owned()))?;
    Ok(URL_SAFE_NO_PAD.encode(octets))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{config::Grant, token::TokenErrorKind};

    fn oauth(token_url: &str) -> OAuthConfig {
        let mut oauth = OAuthConfig::new(token_url.parse().unwrap(), "app id", Grant::RefreshToken);
        oauth.scopes = vec!["mail".into(), "offline_access".into()];
        oauth.sign_in.scopes = vec!["openid".into(), "mail".into()];
        oauth.sign_in.owner = Some("me@example.test".into());
        oauth.sign_in.authorization_url =
            Some("https://id.example.test/authorize?p=policy".parse().unwrap());
        oauth
    }

    fn request(oauth: &OAuthConfig) -> (Authorization, HashMap<String, String>) {
        let redirect_uri = "http://localhost:4321".to_owned();
        let authorization = Authorization::new("me", oauth, redirect_uri).unwrap();
        let query = authorization.link().query_pairs().into_owned().collect();
        (authorization, query)
    }

    #[test]
    fn a_request_says_what_it_must() {
        let (_, query) = request(&oauth("https://id.example.test/token"));
        for (name, value) in [
            ("p", "policy"),
            ("response_type", "code"),
            ("client_id", "app id"),
            ("redirect_uri", "http://localhost:4321"),
            ("scope", "mail offline_access openid"),
            ("code_challenge_method", "S256"),
            ("login_hint", "me@example.test"),
        ] {
            assert_eq!(query[name], value, "{name}");
        }
        for name in ["state", "nonce", "code_challenge"] {
            assert_eq!(query[name].len(), 43, "{name}");
        }
        assert!(!query.contains_key("prompt"));
    }

    #[test]
    fn providers_get_what_they_want_beside_the_standard() {
        let mut oauth = oauth("https://id.example.test/token");
        oauth.sign_in.parameters =
            vec![("access_type".into(), "offline".into()), ("prompt".into(), "consent".into())];
        let (_, query) = request(&oauth);
        assert_eq!((&*query["access_type"], &*query["prompt"]), ("offline", "consent"));
    }

    #[test]
    fn no_two_requests_share_a_secret() {
        let oauth = oauth("https://id.example.test/token");
        let ((_, one), (_, other)) = (request(&oauth), request(&oauth));
        for name in ["state", "nonce", "code_challenge"] {
            assert_ne!(one[name], other[name], "{name}");
        }
        assert_ne!(one["state"], one["nonce"]);
    }

    #[test]
    fn only_the_own_state_is_an_answer() {
        let (authorization, query) = request(&oauth("https://id.example.test/token"));
        let state = &query["state"];
        let judge = |query: &str| authorization.judge(query, Some("https://id.example.test"));
        for stray in [
            String::new(),
            "code=c".to_owned(),
            "code=c&state=".to_owned(),
            format!("code=c&state={state}x"),
            format!("code=c&state={state}&state={state}"),
            format!("state={state}"),
            format!("state={state}&code="),
            format!("state={state}&code=c&code=d"),
            format!("state={state}&code=c&iss=https://evil.example.test&iss=x"),
            "error=access_denied".to_owned(),
        ] {
            assert!(judge(&stray).is_none(), "{stray}");
        }
        let Some(Returned::Code(code)) = judge(&format!("state={state}&code=a%2Bb+c&x=y")) else {
            panic!("a good answer was refused");
        };
        assert_eq!(code.code.expose(), b"a+b c");
        let from = |issuer: &str| judge(&format!("state={state}&code=c&iss={issuer}"));
        assert!(matches!(from("https%3A%2F%2Fid.example.test"), Some(Returned::Code(_))));
        let Some(Returned::Wrong(text)) = from("https://evil.example.test") else {
            panic!("another issuer was believed");
        };
        assert!(text.contains("(it says https://evil.example.test/)"), "{text}");
        assert!(matches!(from("%1b"), Some(Returned::Wrong(text)) if !text.contains("it says")));
    }

    #[test]
    fn a_refusal_is_sorted_by_its_codes() {
        let (authorization, query) = request(&oauth("https://id.example.test/token"));
        let state = &query["state"];
        for (error, description, kind, part) in [
            ("access_denied", "AADSTS65004: no", TokenErrorKind::SignIn, "AADSTS65004"),
            ("invalid_request", "AADSTS50011: x", TokenErrorKind::Configuration, "AADSTS50011"),
            ("access_denied", "<b>words</b>", TokenErrorKind::SignIn, "cancelled"),
            ("<script>", "AADSTS1", TokenErrorKind::Configuration, "does not accept"),
            ("server_error", "AADSTS9999999999", TokenErrorKind::Unavailable, "server_error"),
        ] {
            let query = format!("state={state}&error={error}&error_description={description}");
            let Some(Returned::Refused(failure)) = authorization.judge(&query, None) else {
                panic!("{query}");
            };
            assert_eq!(failure.kind, kind, "{query}");
            assert!(failure.what.contains(part), "{}", failure.what);
            assert!(!failure.what.contains('<'), "{}", failure.what);
        }
    }
}
