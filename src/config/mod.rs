//! The configuration in force. The text form (`text`) is what people write; converting it into
//! these types is the only validation there is, so whatever holds a [`Config`] can rely on it.

mod account;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
mod hooks;
mod identity;
mod limits;
mod listen;
mod load;
mod mistake;
mod names;
mod oauth;
mod oauth_config;
mod paths;
mod preset;
mod provider;
mod redirect_uri;
mod resolve;
mod secret_source;
mod service;
mod show;
mod text;
mod token_from;
mod upstream;
mod values;

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use url::Url;

pub(crate) use self::{
    account::unfit_name,
    listen::{DEFAULT_CERTIFICATE, DEFAULT_KEY},
    oauth::{is_secure, tenant::is_tenant},
    secret_source::refuse_shared,
};
pub use self::{
    identity::{Domain, Identity, SharedSmtp},
    load::{Loaded, Secrets, load, load_with, written_files},
    mistake::{ConfigError, Mistake},
    oauth_config::{
        ClientAuthentication, ClientSecretMethod, ExternalToken, Grant, OAuthConfig, SignIn,
    },
    paths::Paths,
    provider::{Provider, ProviderServer, TenantNeed},
    redirect_uri::{Loopback, RedirectUri},
    service::{Sandbox, ServiceConfig},
    show::{Row, Section, Source},
};

use crate::proto::{BearerMechanism, LoginBounds};

/// Everything that a running gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listeners: Vec<ListenConfig>,
    /// Who may log in; unique by login and alias, compared without case.
    pub accounts: Vec<Arc<AccountConfig>>,
    /// Bounds on numbers.
    pub limits: Limits,
    /// Bounds on waiting.
    pub deadlines: Deadlines,
    /// Holds the store and its key.
    pub state_folder: PathBuf,
    /// How a client hears that a person must sign in again.
    pub signin_refusal: SigninRefusal,
    /// Who the daemon is once its ports are open.
    pub service: ServiceConfig,
    /// Who hears when an account's sign-in dies or works again.
    pub hooks: Hooks,
}

/// Who hears when an account's sign-in dies, will die, or works again.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// A program and its arguments; it reads one JSON object from its standard input.
    pub command: Vec<String>,
    /// Gets the same object by POST.
    pub webhook: Option<Url>,
}

impl Config {
    /// Whether clients can connect for this protocol at all.
    pub fn listens_for(&self, protocol: Protocol) -> bool {
        self.listeners.iter().any(|listener| listener.protocol == protocol)
    }
}

/// How a client hears that a person must sign in again (a setting for administrators whose clients
/// do not show temporary errors).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigninRefusal {
    /// As a passing fault with a sentence that says what to do: no client throws its password away.
    #[default]
    Temporary,
    /// Like a wrong password.
    Credentials,
}

/// A protocol that legacy clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 3501, RFC 9051.
    Imap,
    /// RFC 1939, RFC 2449.
    Pop3,
    /// Submission: RFC 6409, RFC 4954.
    Smtp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Smtp];

    /// As it is written in the configuration and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imap => f.write_str("IMAP"),
            Self::Pop3 => f.write_str("POP3"),
            Self::Smtp => f.write_str("SMTP"),
        }
    }
}

/// One local port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where.
    pub address: SocketAddr,
    /// How it is protected.
    pub tls: ListenTls,
    /// SMTP: whether EHLO also shows the line `AUTH=LOGIN PLAIN` of the drafts before RFC 2554, which
    /// clients of the 1990s look for.
    pub obsolete_auth_line: bool,
}

/// Protection of a local port: no TLS mode can be written without its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenTls {
    /// Clear text.
    None,
    /// Clear text until the client asks for TLS; logins in clear only where `login_in_clear`.
    StartTls {
        /// What the gateway shows.
        certificate: CertificateFiles,
        /// Whether a login is accepted before TLS.
        login_in_clear: bool,
    },
    /// TLS from the first byte (RFC 8314).
    Implicit {
        /// What the gateway shows.
        certificate: CertificateFiles,
    },
    /// TLS if the client begins with a ClientHello within `wait`, else as `StartTls`.
    Auto {
        /// What the gateway shows.
        certificate: CertificateFiles,
        /// Whether a login is accepted without TLS.
        login_in_clear: bool,
        /// How long the greeting is held back for a ClientHello.
        wait: Duration,
    },
}

impl ListenTls {
    /// What the gateway shows there.
    pub(crate) fn certificate(&self) -> Option<&CertificateFiles> {
        match self {
            Self::None => None,
            Self::StartTls { certificate, .. }
            | Self::Implicit { certificate }
            | Self::Auto { certificate, .. } => Some(certificate),
        }
    }
}

/// A certificate chain and its key, both PEM; they may be the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// One account: who logs in locally, and what that opens.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Who it is: what the client types as its user name, and what log lines say.
    pub login: String,
    /// The user in the SASL exchange with the upstream: the mailbox. Of one protocol there may be another:
    /// ask [`AccountConfig::mailbox()`].
    pub mailbox: String,
    /// How its access tokens come about; `None` where every server of it takes a password, or the
    /// tokens come from elsewhere.
    pub oauth: Option<OAuthConfig>,
    /// Where its access tokens come from, if not by OAuth; then `oauth` is `None`.
    pub external_token: Option<ExternalToken>,
    /// Which mechanism carries the token; `None` takes XOAUTH2 if offered, else OAUTHBEARER.
    pub mechanism: Option<BearerMechanism>,
    /// The IMAP upstream, where the account has one.
    pub imap: Option<UpstreamConfig>,
    /// The POP3 upstream.
    pub pop3: Option<UpstreamConfig>,
    /// The SMTP upstream.
    pub smtp: Option<UpstreamConfig>,
    /// Capabilities to hide beside those that the gateway always hides (upper case).
    pub hide_capabilities: Vec<String>,
    /// As in the configuration: which preset its values come from, for words about it.
    pub provider: &'static str,
    /// Its other names, and whose tokens and which mailboxes these lead to.
    pub identity: Identity,
}

impl AccountConfig {
    /// The upstream of this protocol, where the account has one.
    pub fn upstream(&self, protocol: Protocol) -> Option<&UpstreamConfig> {
        match protocol {
            Protocol::Imap => self.imap.as_ref(),
            Protocol::Pop3 => self.pop3.as_ref(),
            Protocol::Smtp => self.smtp.as_ref(),
        }
    }
}

/// One upstream server.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// DNS name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS begins. There is no mode without TLS.
    pub mode: UpstreamTlsMode,
    /// Whom we believe.
    pub verification: Verification,
    /// What it asks for.
    pub authentication: Authentication,
    /// How many connections the account may have to it at once.
    pub connection_limit: usize,
    /// SMTP: the EHLO keywords it is taken to have until it has said so itself.
    pub presumed_extensions: Vec<String>,
}

impl UpstreamConfig {
    /// The host as the store knows it, whatever the case it is written in.
    pub fn host_key(&self) -> String {
        self.host.to_ascii_lowercase()
    }
}

/// What an upstream takes for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// An access token of the account's, for its mailbox.
    OAuth,
    /// A password that the store keeps, for this user.
    Password {
        /// The user in the SASL exchange or the login command.
        user: String,
    },
}

impl fmt::Display for UpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How TLS with the upstream begins (RFC 8314 names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamTlsMode {
    /// From the first byte.
    Implicit,
    /// After STARTTLS; anything but a clean go-ahead ends the connection.
    StartTls,
}

/// How a server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Chain and name, against the operating system's roots and an optional CA file.
    Roots {
        /// PEM; believed beside the system's roots.
        ca_file: Option<PathBuf>,
        /// The name to look for in the certificate, where it is not the host's.
        name: Option<String>,
    },
    /// The leaf certificate itself: the SHA-256 of its DER form, and nothing else.
    Pin {
        /// 32 octets.
        sha256: [u8; 32],
    },
    /// Nothing is verified: whoever is in the middle reads the mail and the token.
    DangerSkip,
}

/// Bounds on numbers; the defaults stand in `config::limits`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections per listener.
    pub connections_per_listener: usize,
    /// Connections per client address, not applied to loopback.
    pub connections_per_address: usize,
    /// Wrong logins on one connection before it is closed.
    pub login_failures_per_connection: usize,
    /// What a client may send before its login.
    pub before_login: LoginBounds,
}

/// Bounds on waiting; the defaults stand in `config::limits`.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// From accept to a login, and from one failed login to the next.
    pub login: Duration,
    /// From a login to its verdict, everything included.
    pub verdict: Duration,
    /// One TLS handshake.
    pub handshake: Duration,
    /// One TCP connect, all addresses of the host included.
    pub connect: Duration,
    /// One answer of the upstream before the relay.
    pub upstream_answer: Duration,
    /// One exchange with the token endpoint.
    pub token: Duration,
    /// How long an SMTP login waits for one of the account's connections, where all are in use.
    pub connection_turn: Duration,
    /// How long a wrong login waits for its answer.
    pub failed_login_delay: Duration,
    /// After one side has closed: how long the other may go on without a byte passing.
    pub linger: Duration,
    /// How long an IMAP session may go on without a byte passing.
    pub imap_idle: Duration,
    /// The same for POP3.
    pub pop3_idle: Duration,
    /// The same for SMTP, and for a message whose sender has closed and may still read the verdict.
    pub smtp_idle: Duration,
    /// What is asked of the operating system for each connection.
    pub tcp: TcpWaits,
    /// Over how long a stopping gateway spreads the ends of its sessions.
    pub drain: Duration,
    /// How long a stopping gateway then waits for its sessions.
    pub shutdown: Duration,
}

impl Deadlines {
    /// How long a session of this protocol may go on without a byte passing.
    pub fn idle(&self, protocol: Protocol) -> Duration {
        match protocol {
            Protocol::Imap => self.imap_idle,
            Protocol::Pop3 => self.pop3_idle,
            Protocol::Smtp => self.smtp_idle,
        }
    }
}

/// How the operating system finds out about peers that are gone without a word.
#[derive(Clone, Copy, Debug)]
pub struct TcpWaits {
    /// After so much silence it asks whether the peer is still there.
    pub keepalive: Duration,
    /// So long a peer may leave what is sent to it, or these questions, without an answer.
    pub unanswered: Duration,
}

#[cfg(test)]
pub(crate) mod tests;
