//! The requests of a sign-in: a code for tokens, a device code, and a poll for it. The hard thing is the
//! poll: `oauth2` would poll by itself and judge the answers, so its form is built here.

use std::borrow::Cow;

use oauth2::{AuthorizationCode, DeviceAuthorizationUrl, PkceCodeVerifier, RedirectUrl, Scope};
use url::Url;

use super::{Adapter, Proof, handed, http, text};
use crate::{
    config::OAuthConfig,
    secret::Secret,
    token::{
        advice,
        answer::{Failure, Response},
    },
};

/// RFC 6749 section 4.1.3.
pub(super) async fn code(
    oauth: &OAuthConfig,
    proof: Proof,
    (code, verifier, redirect_uri): (&Secret, &Secret, &str),
    adapter: &Adapter,
) -> Result<Response, Failure> {
    let malformed = |()| Failure::configuration("cannot be asked: the code is not text");
    let code = AuthorizationCode::new(text(code).map_err(malformed)?);
    let verifier = PkceCodeVerifier::new(text(verifier).map_err(malformed)?);
    let redirect_uri = RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|_| Failure::configuration("cannot be asked: redirect_uri is malformed"))?;
    let (client, proof) = proof.client(oauth);
    let mut request = client
        .exchange_code(code)
        .set_pkce_verifier(verifier)
        .set_redirect_uri(Cow::Owned(redirect_uri));
    if let Some(scope) = scope(oauth) {
        request = request.add_extra_param("scope", scope);
    }
    for (name, value) in proof {
        request = request.add_extra_param(name, value);
    }
    handed(request.request_async(adapter).await)
}

/// RFC 8628 section 3.1.
pub(super) async fn device_code(
    oauth: &OAuthConfig,
    proof: Proof,
    device_url: &Url,
    scopes: Vec<String>,
    adapter: &Adapter,
) -> Result<Response, Failure> {
    let (client, proof) = proof.client(oauth);
    let client =
        client.set_device_authorization_url(DeviceAuthorizationUrl::from_url(device_url.clone()));
    let mut request = client.exchange_device_code().add_scopes(scopes.into_iter().map(Scope::new));
    for (name, value) in proof {
        request = request.add_extra_param(name, value);
    }
    let result: Result<oauth2::StandardDeviceAuthorizationResponse, _> =
        request.request_async(adapter).await;
    handed(result)
}

/// RFC 8628 section 3.4: one poll.
pub(super) async fn device(
    oauth: &OAuthConfig,
    proof: &Proof,
    device_code: &Secret,
    adapter: &Adapter,
) -> Result<Response, Failure> {
    let malformed = |()| Failure::configuration("cannot be asked: the device code is not text");
    let device_code = text(device_code).map_err(malformed)?;
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device_code.as_str()),
        ("client_id", oauth.client_id.as_str()),
    ];
    let (fields, header) = proof.parts(oauth);
    form.extend(fields);
    http::post(adapter, &oauth.token_url, &form, header.as_deref().map(String::as_str)).await
}

/// What to narrow a code down to. RFC 6749 knows no such thing, but Microsoft's tokens are for one resource
/// at a time, and the person may have agreed to more.
fn scope(oauth: &OAuthConfig) -> Option<String> {
    let is_about_people = |it: &&String| matches!(it.as_str(), "openid" | "profile" | "email");
    let beside = oauth.sign_in.scopes.iter().filter(is_about_people);
    let scopes: Vec<&str> = oauth.scopes.iter().chain(beside).map(String::as_str).collect();
    advice::is_microsoft(oauth).then(|| scopes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Grant;

    #[test]
    fn only_microsoft_is_asked_for_one_resource() {
        let oauth = |url: &str| {
            let mut oauth = OAuthConfig::new(url.parse().unwrap(), "app", Grant::RefreshToken);
            oauth.scopes = vec!["https://o/IMAP".into(), "offline_access".into()];
            oauth.sign_in.scopes = vec!["openid".into(), "https://graph/Mail".into()];
            oauth
        };
        let microsoft = oauth("https://login.microsoftonline.com/t/oauth2/v2.0/token");
        assert_eq!(scope(&microsoft).as_deref(), Some("https://o/IMAP offline_access openid"));
        assert_eq!(scope(&oauth("https://id.example.test/token")), None);
    }
}
