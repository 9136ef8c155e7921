//! How an account's access tokens come about, as it is in force. The hard thing is that what a grant
//! needs stands in the grant itself, so that none can be configured half.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::RedirectUri;
use crate::secret::Secret;

/// How an account's access tokens come about.
#[derive(Clone, Debug)]
pub struct OAuthConfig {
    /// The token endpoint: https, or http on loopback.
    pub token_url: Url,
    /// The application's id at the provider.
    pub client_id: String,
    /// How the application proves to the token endpoint who it is.
    pub client_authentication: ClientAuthentication,
    /// How a client secret is sent.
    pub client_secret_method: ClientSecretMethod,
    /// Scopes asked for, in order.
    pub scopes: Vec<String>,
    /// Which grant.
    pub grant: Grant,
    /// How a person signs in, where the grant needs one.
    pub sign_in: SignIn,
    /// PEM; believed beside the system's roots for the token endpoint.
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy for the token endpoint; mail connections never use it.
    pub proxy: Option<Url>,
    /// How much of its lifetime an access token must have left to open an IMAP session, in percent:
    /// providers cut a session when its token ends.
    pub fresh_percent: u8,
    /// An account that nobody uses is refreshed at least this often, so that no window of the
    /// provider's closes.
    pub refresh_idle: Duration,
}

impl OAuthConfig {
    /// A public client with nothing but what it cannot do without.
    pub fn new(token_url: Url, client_id: impl Into<String>, grant: Grant) -> Self {
        Self {
            token_url,
            client_id: client_id.into(),
            client_authentication: ClientAuthentication::Public,
            client_secret_method: ClientSecretMethod::Post,
            scopes: Vec::new(),
            grant,
            sign_in: SignIn::default(),
            ca_file: None,
            proxy: None,
            fresh_percent: 50,
            refresh_idle: REFRESH_IDLE,
        }
    }

    /// The files that prove to the token endpoint who asks; they are read for each request.
    pub fn proof_files(&self) -> Vec<PathBuf> {
        let mut files = match &self.client_authentication {
            ClientAuthentication::Public | ClientAuthentication::Secret(_) => Vec::new(),
            ClientAuthentication::Certificate { certificate, key, .. } => {
                vec![certificate.clone(), key.clone()]
            }
            ClientAuthentication::FederatedToken { file } => vec![file.clone()],
        };
        if let Grant::ServiceAccount { key_file, .. } = &self.grant {
            files.push(key_file.clone());
        }
        files
    }
}

/// How a client secret is sent (RFC 6749 section 2.3.1, with the names of RFC 7591 section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientSecretMethod {
    /// `client_secret_post`: in the form.
    #[default]
    Post,
    /// `client_secret_basic`: in the Authorization header.
    Basic,
}

/// How the application proves to the token endpoint who it is.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// Not at all: a public client (RFC 6749 section 2.1).
    Public,
    /// With a secret (RFC 6749 section 2.3.1).
    Secret(Secret),
    /// `private_key_jwt` with a certificate's key (RFC 7523 section 2.2).
    Certificate {
        /// PEM, the leaf first.
        certificate: PathBuf,
        /// PEM; may be the same file.
        key: PathBuf,
        /// Of an encrypted key.
        passphrase: Option<Secret>,
    },
    /// An assertion that another system writes into a file (workload identity).
    FederatedToken {
        /// Read again for each request.
        file: PathBuf,
    },
}

impl ClientAuthentication {
    /// The client secret, where that is what it is.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Public | Self::Certificate { .. } | Self::FederatedToken { .. } => None,
        }
    }
}

/// The OAuth 2.0 grants that the gateway knows.
#[derive(Clone, Debug)]
pub enum Grant {
    /// RFC 6749 section 4.4: the application itself.
    ClientCredentials,
    /// RFC 6749 section 6: a person signed in once, and the refresh token goes on.
    RefreshToken,
    /// RFC 7523 section 2.1: a Google service account that acts for the mailbox.
    ServiceAccount {
        /// Google's JSON key file; read again for each request.
        key_file: PathBuf,
        /// Whose mail it acts for.
        subject: String,
    },
    /// RFC 6749 section 4.3: the user's own password. RFC 9700 section 2.4 says that it must not be
    /// used.
    Password {
        /// Whose password it is.
        user: String,
        /// Of that user.
        password: Secret,
    },
}

impl Grant {
    /// Whether a person has to sign in for it.
    pub fn needs_sign_in(&self) -> bool {
        matches!(self, Self::RefreshToken)
    }

    /// Whose mail or account it is about, where the grant itself says so.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount { subject, .. } => Some(subject),
            Self::Password { user, .. } => Some(user),
            Self::ClientCredentials | Self::RefreshToken => None,
        }
    }

    /// As it is written in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::ServiceAccount { .. } => "service_account",
            Self::Password { .. } => "password",
        }
    }
}

/// How a person signs in.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// RFC 6749 section 3.1; needed for the browser and for paste.
    pub authorization_url: Option<Url>,
    /// RFC 8628 section 3.1; needed for a device code.
    pub device_url: Option<Url>,
    /// Where the browser comes back to; `None` where there is no authorization endpoint. On loopback
    /// without a port the port is chosen at each sign-in (RFC 8252 section 7.3).
    pub redirect_uri: Option<RedirectUri>,
    /// Compared with `iss` of the redirect (RFC 9207) and of the id_token, where given.
    pub issuer: Option<String>,
    /// Whose sign-in it must be, by `preferred_username` or `email`; `None`: whoever comes first.
    pub owner: Option<String>,
    /// Asked for beside the scopes of every refresh, so that the provider says who has signed in.
    pub scopes: Vec<String>,
    /// What the authorization endpoint wants beside the standard.
    pub parameters: Vec<(String, String)>,
}

/// A token from elsewhere: another program knows how to get it.
#[derive(Clone, Debug)]
pub enum ExternalToken {
    /// Prints it; no shell in between.
    Command(Vec<String>),
    /// Holds it.
    File(PathBuf),
}

pub(super) const REFRESH_IDLE: Duration = Duration::from_secs(24 * 3600);
