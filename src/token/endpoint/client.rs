//! How the application proves who it is, for one request. The hard thing is that every grant's request must
//! carry the proof, whichever it is: so there is one place that makes it.

use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, TokenUrl, basic::BasicClient,
};

use super::{
    Failure, Secret, aside,
    assertion::{self, CLIENT_ASSERTION},
    http::text,
};
use crate::{
    config::{ClientAuthentication, OAuthConfig},
    signing_key,
    token::advice::Advice,
};

/// The fields that prove it.
pub(super) enum Proof {
    /// A public client.
    None,
    /// RFC 6749 section 2.3.1, in the body as Microsoft and Google expect it.
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
            .set_auth_type(AuthType::RequestBody)
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

    /// All of its fields, for a form of our own.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::None => Vec::new(),
            Self::Secret(secret) => vec![("client_secret", secret)],
            Self::Assertion(assertion) => {
                vec![("client_assertion_type", CLIENT_ASSERTION), ("client_assertion", assertion)]
            }
        }
    }
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
