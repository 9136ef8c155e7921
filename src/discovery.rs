//! What a provider says of itself: OpenID Connect Discovery 1.0 and RFC 8414, for providers that no preset knows. The hard
//! thing is whom to believe: the document names the places that passwords and secrets will go to, so it counts only if it
//! came from its issuer inside TLS, without a detour, and names as its issuer the one that was asked for.
//!
//! The gateway itself never asks: what was found is written into the configuration, and it starts without the network.

use std::{fmt, path::Path, time::Duration};

use serde::Deserialize;
use url::Url;

use crate::{
    config::{ClientSecretMethod, is_secure},
    proto::text::printable,
    token,
};

/// What a provider says of itself, as far as saslgate needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it calls itself, to the letter.
    pub issuer: String,
    /// `token_endpoint`.
    pub token_url: Url,
    /// `authorization_endpoint`.
    pub authorization_url: Option<Url>,
    /// `device_authorization_endpoint` (RFC 8628 section 4).
    pub device_url: Option<Url>,
    /// The scopes that it names, if it names any.
    pub scopes: Vec<String>,
    /// Whether the document is about OpenID Connect.
    pub speaks_openid: bool,
    /// Whether it knows the challenge that saslgate always sends.
    pub pkce: Pkce,
    /// How it takes a client secret.
    pub client_secret_method: ClientSecretMethod,
}

/// What a provider says of `S256` (RFC 7636 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// It knows it.
    Offered,
    /// It does not say.
    Unmentioned,
    /// It knows other methods.
    NotOffered,
}

/// Why there is no metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoveryError {
    /// What was asked for is not an issuer's address.
    UnfitIssuer,
    /// Nobody answered, or not as HTTP.
    Unreachable {
        /// Which host.
        host: String,
        /// Continues "The server …".
        what: String,
    },
    /// It has no such document.
    NotFound {
        /// Where it was looked for, and what came back.
        tried: Vec<(Url, String)>,
    },
    /// It calls itself something else.
    WrongIssuer {
        /// Where it was looked for.
        document: Url,
        /// What it says, made printable.
        said: String,
    },
    /// The document says too little, or what must not be.
    Unusable {
        /// Where it was found.
        document: Url,
        /// Continues "The document …".
        what: &'static str,
    },
}

impl Metadata {
    /// What to ask for at a sign-in so that the provider says who has signed in: empty if it does not speak OpenID Connect.
    pub fn sign_in_scopes(&self) -> Vec<&'static str> {
        let offers = |scope: &str| self.scopes.iter().any(|it| it == scope);
        if !(self.speaks_openid && self.scopes.is_empty() || offers("openid")) {
            return Vec::new();
        }
        let beside = ["email", "profile"].into_iter().filter(|scope| offers(scope));
        std::iter::once("openid").chain(beside).collect()
    }

    /// Whether refresh tokens have to be asked for by a scope of their own.
    pub fn offers_offline_access(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "offline_access")
    }
}

/// Asks the provider. `deadline` is for each of up to three documents.
///
/// # Errors
/// There is no document that may be believed.
pub async fn discover(
    issuer: &Url,
    ca_file: Option<&Path>,
    proxy: Option<&Url>,
    deadline: Duration,
) -> Result<Metadata, DiscoveryError> {
    let documents = documents(issuer)?;
    let mut tried = Vec::new();
    for document in documents {
        let fetched = token::fetch(&document, ca_file, proxy, deadline).await;
        let (status, body) = fetched.map_err(|what| DiscoveryError::Unreachable {
            host: document.host_str().unwrap_or_default().to_owned(),
            what,
        })?;
        let outcome = match status {
            200 => match serde_json::from_slice::<Document>(&body) {
                Ok(read) => return judge(issuer, document, read),
                Err(_) => "something that is not such a document".to_owned(),
            },
            300..=399 => format!("a redirect (HTTP {status}), which is not followed"),
            _ => format!("HTTP {status}"),
        };
        tried.push((document, outcome));
    }
    Err(DiscoveryError::NotFound { tried })
}

/// Where an issuer's document may lie: OpenID Connect Discovery section 4 appends its path to the issuer's, RFC 8414 section
/// 3.1 puts its own between host and path, and section 5 does the same with OpenID's name.
fn documents(issuer: &Url) -> Result<Vec<Url>, DiscoveryError> {
    let is_fit = is_secure(issuer)
        && issuer.query().is_none()
        && issuer.fragment().is_none()
        && issuer.username().is_empty()
        && issuer.password().is_none();
    if !is_fit {
        return Err(DiscoveryError::UnfitIssuer);
    }
    let path = issuer.path().trim_end_matches('/');
    let mut paths =
        vec![format!("{path}{OPENID}"), format!("{OAUTH}{path}"), format!("{OPENID}{path}")];
    paths.dedup();
    if path.is_empty() {
        paths.truncate(2);
    }
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    Ok(paths.into_iter().map(at).collect())
}

/// RFC 8414 section 2; what is not asked for is not read.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: Option<Url>,
    authorization_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// OpenID Connect's alone.
    subject_types_supported: Option<Vec<String>>,
}

fn judge(asked: &Url, document: Url, read: Document) -> Result<Metadata, DiscoveryError> {
    // Section 3.3, and section 4.3 of OpenID Connect Discovery: identical. A URL type adds a slash to a bare host.
    let bare = if asked.path() == "/" { asked.as_str().trim_end_matches('/') } else { "" };
    if read.issuer != asked.as_str() && read.issuer != bare {
        let said = printable(read.issuer.as_bytes(), LONGEST_SHOWN);
        return Err(DiscoveryError::WrongIssuer { document, said });
    }
    let unusable = |what| DiscoveryError::Unusable { document: document.clone(), what };
    let Some(token_url) = read.token_endpoint else {
        return Err(unusable("names no token endpoint"));
    };
    let endpoints = [
        Some(&token_url),
        read.authorization_endpoint.as_ref(),
        read.device_authorization_endpoint.as_ref(),
    ];
    let fit = |url: &Url| {
        is_secure(url)
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    if !endpoints.into_iter().flatten().all(fit) {
        return Err(unusable("names an endpoint outside TLS, or with a user or a fragment"));
    }
    let pkce = match &read.code_challenge_methods_supported {
        None => Pkce::Unmentioned,
        Some(methods) if methods.iter().any(|method| method == "S256") => Pkce::Offered,
        Some(_) => Pkce::NotOffered,
    };
    // Section 2: where nothing is said, it is the header.
    let methods = read.token_endpoint_auth_methods_supported.unwrap_or_default();
    let in_form = methods.iter().any(|method| method == "client_secret_post");
    Ok(Metadata {
        issuer: read.issuer,
        token_url,
        authorization_url: read.authorization_endpoint,
        device_url: read.device_authorization_endpoint,
        scopes: read.scopes_supported,
        speaks_openid: read.subject_types_supported.is_some(),
        pkce,
        client_secret_method: if in_form {
            ClientSecretMethod::Post
        } else {
            ClientSecretMethod::Basic
        },
    })
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnfitIssuer => f.write_str(
                "an issuer is an address that begins with https:// (http:// only on loopback) and has no \
                 user, query or fragment, such as https://login.example.org",
            ),
            Self::Unreachable { host, what } => write!(f, "{host} {what}"),
            Self::NotFound { tried } => {
                f.write_str(
                    "there is no OpenID Connect or OAuth metadata there: look up the provider's token_url and \
                     authorization_url in its documentation",
                )?;
                tried.iter().try_for_each(|(url, outcome)| write!(f, "\n{url} answers with {outcome}"))
            }
            Self::WrongIssuer { document, said } => write!(
                f,
                "the document at {document} is about another issuer and must not be believed; it says: \
                 {said}\nIf that is the provider that you mean, ask for it by exactly that name."
            ),
            Self::Unusable { document, what } => write!(f, "the document at {document} {what}"),
        }
    }
}

impl std::error::Error for DiscoveryError {}

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

const LONGEST_SHOWN: usize = 200;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;
