//! How the application proves who it is, for one request. The hard thing is that every grant's request must
//! carry the proof, whichever it is: so there is one place that makes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, TokenUrl, basic::BasicClient,
};

use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::{
    Failure, Secret, aside,
    assertion::{self, CLIENT_ASSERTION},
    http::text,
};
use crate::{
    config::{ClientAuthentication, ClientSecretMethod, OAuthConfig},
    signing_key,
    token::advice::Advice,
};

/// The fields that prove it.
pub(super) enum Proof {
    /// A public client.
    None,
    /// RFC 6749 section 2.3.1.
    Secret(String),
    /// RFC 7521 section 4.2.
    Assertion(String),
}

/// The application at its token endpoint.
pub(super) type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl Proof {
    /// Makes it, from files that are read anew.
    pub(super) async fn of(oauth: &OAuthConfig) -> Result<Self, Failure> {
        match &oauth.client_authentication {
            ClientAuthentication::Public => Ok(Self::None),
            ClientAuthentication::Secret(secret) => text(secret)
                .map(Self::Secret)
                .map_err(|()| Failure::configuration("cannot be asked: client_secret is not text")),
            ClientAuthentication::Certificate { certificate, key, passphrase } => {
                let (certificate, key) = (certificate.clone(), key.clone());
                let passphrase = passphrase.clone();
                let (client_id, url) = (oauth.client_id.clone(), oauth.token_url.clone());
                let sign = move || {
                    assertion::of_certificate(
                        (&certificate, &key, passphrase.as_ref()),
                        &client_id,
                        &url,
                    )
                };
                assertion_of(&aside(sign).await??)
            }
            ClientAuthentication::FederatedToken { file } => {
                let file = file.clone();
                let read = move || signing_key::read_file(&file).map_err(cannot);
                assertion_of(&aside(read).await??)
            }
        }
    }

    /// The client for `oauth2`, and the fields that it does not know.
    pub(super) fn client(self, oauth: &OAuthConfig) -> (Client, Vec<(&'static str, String)>) {
        let client = BasicClient::new(ClientId::new(oauth.client_id.clone()))
            .set_auth_type(match oauth.client_secret_method {
                ClientSecretMethod::Post => AuthType::RequestBody,
                ClientSecretMethod::Basic => AuthType::BasicAuth,
            })
            .set_token_uri(TokenUrl::from_url(oauth.token_url.clone()));
        match self {
            Self::None => (client, Vec::new()),
            Self::Secret(secret) => {
                (client.set_client_secret(ClientSecret::new(secret)), Vec::new())
            }
            Self::Assertion(assertion) => {
                let fields = vec![
                    ("client_assertion_type", CLIENT_ASSERTION.to_owned()),
                    ("client_assertion", assertion),
                ];
                (client, fields)
            }
        }
    }

    /// The same for a form of our own: its fields, and what stands in the Authorization header.
    pub(super) fn parts(
        &self,
        oauth: &OAuthConfig,
    ) -> (Vec<(&'static str, &str)>, Option<Zeroizing<String>>) {
        match (self, oauth.client_secret_method) {
            (Self::None, _) => (Vec::new(), None),
            (Self::Secret(secret), ClientSecretMethod::Post) => {
                (vec![("client_secret", secret)], None)
            }
            (Self::Secret(secret), ClientSecretMethod::Basic) => {
                (Vec::new(), Some(basic(&oauth.client_id, secret)))
            }
            (Self::Assertion(assertion), _) => {
                let fields = vec![
                    ("client_assertion_type", CLIENT_ASSERTION),
                    ("client_assertion", assertion.as_str()),
                ];
                (fields, None)
            }
        }
    }
}

/// RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let joined =
        Zeroizing::new(format!("{}:{}", encoded(client_id), &*Zeroizing::new(encoded(secret))));
    Zeroizing::new(format!("Basic {}", &*Zeroizing::new(STANDARD.encode(joined.as_bytes()))))
}

fn assertion_of(assertion: &Secret) -> Result<Proof, Failure> {
    let fit = |octet: &u8| octet.is_ascii_graphic();
    let trimmed = assertion.expose().trim_ascii();
    if trimmed.is_empty() || !trimmed.iter().all(fit) {
        return Err(cannot("federated_token_file holds no assertion"));
    }
    Ok(Proof::Assertion(String::from_utf8_lossy(trimmed).into_owned()))
}

/// A fault of a file, found before anything was sent.
pub(super) fn cannot(fault: impl std::fmt::Display) -> Failure {
    Failure {
        advice: Advice::CheckFiles,
        ..Failure::configuration(format!("cannot be asked: {fault}"))
    }
}
