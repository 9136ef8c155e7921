//! The text form: what people write, one struct a table, every key optional, unknown keys refused.
//! The hard thing is that nothing is decided here: values keep their place in the file, so that
//! whoever judges them (`resolve`, `account`) can name the line. The defaults stand beside the keys.

mod secret;

use std::{fmt, time::Duration};

use serde::{
    Deserialize,
    de::{self, IgnoredAny, Visitor},
};
use toml::Spanned;

pub(super) use self::secret::SecretText;

/// A value with its place in the file, if it was written at all.
pub(super) type Written<T> = Option<Spanned<T>>;

/// A list of names, each with its place.
pub(super) type WrittenList = Written<Vec<Spanned<String>>>;

/// `saslgate.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileText {
    /// How a client hears that a person must sign in again. Default: `temporary`.
    pub(super) signin_refusal: Written<SigninRefusalText>,
    /// For every account that says nothing else.
    pub(super) defaults: Written<AccountText>,
    /// Default: one port for IMAP, 127.0.0.1:1143, without TLS.
    pub(super) listen: Vec<Spanned<ListenText>>,
    /// At least one, here or in `accounts.d`.
    pub(super) account: Vec<Spanned<AccountText>>,
    pub(super) limits: LimitsText,
    pub(super) deadlines: DeadlinesText,
    pub(super) service: ServiceText,
    pub(super) hooks: HooksText,
}

/// `[hooks]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HooksText {
    /// A program and its arguments. Default: none.
    pub(super) command: Written<Vec<String>>,
    /// https, or http on loopback. Default: none.
    pub(super) webhook: Written<String>,
}

/// `accounts.d/*.toml`: accounts and nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountsFileText {
    pub(super) account: Vec<Spanned<AccountText>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SigninRefusalText {
    Temporary,
    Credentials,
}

/// `[[listen]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenText {
    /// Default: `imap`.
    pub(super) protocol: Written<ProtocolText>,
    /// Address and port. Default: 127.0.0.1 with the protocol's port (IMAP 1143, POP3 1110, SMTP 1587).
    pub(super) address: Written<String>,
    /// Default: `none`.
    pub(super) tls: Written<ListenTlsText>,
    /// PEM chain. Default: `saslgate-cert.pem` beside the configuration.
    pub(super) certificate: Written<String>,
    /// PEM key. Default: in the certificate's file if that was named, else `saslgate-key.pem`
    /// beside the configuration.
    pub(super) key: Written<String>,
    /// Whether a login is taken before TLS (`starttls`, `auto`). Default: on loopback only.
    pub(super) login_in_clear: Written<bool>,
    /// How long `auto` waits for a TLS handshake before it greets in clear. Default: 300 ms.
    pub(super) tls_wait: Written<DurationText>,
    /// Whether passwords may cross a network in clear. Default: no.
    pub(super) allow_clear_network: Written<bool>,
    /// SMTP only: whether EHLO also shows `AUTH=LOGIN PLAIN`, for clients of the 1990s. Default: no.
    pub(super) obsolete_auth_line: Written<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProtocolText {
    Imap,
    Pop3,
    Smtp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListenTlsText {
    None,
    StartTls,
    Implicit,
    Auto,
}

/// `[[account]]` and `[defaults]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountText {
    /// What the client types as its user name. Not in `[defaults]`.
    pub(super) login: Written<String>,
    /// More login names. Not in `[defaults]`.
    pub(super) aliases: WrittenList,
    /// The mailbox that it opens. Default: the login. Not in `[defaults]`.
    pub(super) mailbox: Written<String>,
    /// The mailboxes that `login\\mailbox` opens. Not in `[defaults]`.
    pub(super) shared: WrittenList,
    /// Who SMTP logs in as, where IMAP opens a shared mailbox. Default: `shared`.
    pub(super) shared_smtp: Written<SharedSmtpText>,
    /// The account whose OAuth settings, servers and sign-in this one uses. Not in `[defaults]`.
    pub(super) token_from: Written<String>,
    /// Of a login `*@domain`: which mailboxes there are. Default: all. Not in `[defaults]`.
    pub(super) mailboxes: WrittenList,
    /// Which preset stands beneath.
    pub(super) provider: Written<ProviderText>,
    /// Microsoft's tenant: its id, one of its domains, `common`, `organizations` or `consumers`. Default: the preset's.
    pub(super) tenant: Written<String>,
    pub(super) client_id: Written<String>,
    pub(super) client_secret: Written<SecretText>,
    /// Default: the preset's, else `post`.
    pub(super) client_secret_method: Written<ClientSecretMethodText>,
    /// PEM: the application proves itself with this certificate's key instead of a secret.
    pub(super) client_certificate: Written<String>,
    /// PEM. Default: in the certificate's file.
    pub(super) client_key: Written<String>,
    /// Of an encrypted key.
    pub(super) client_key_passphrase: Written<SecretText>,
    /// An assertion that another system keeps in this file proves the application.
    pub(super) federated_token_file: Written<String>,
    /// Default: `refresh_token`.
    pub(super) grant: Written<GrantText>,
    /// With `grant = "service_account"`: Google's JSON key file.
    pub(super) service_account_key: Written<String>,
    /// With `grant = "password"`: the user's own password at the provider.
    pub(super) owner_password: Written<SecretText>,
    /// RFC 9700 section 2.4 forbids that grant. Default: no.
    pub(super) danger_allow_password_grant: Written<bool>,
    /// With `grant = "external"`: a program that prints an access token.
    pub(super) token_command: Written<Vec<String>>,
    /// With `grant = "external"`: a file that holds an access token.
    pub(super) token_file: Written<String>,
    /// Whose sign-in it must be. Default: the login if it is an address, else the mailbox if it is.
    pub(super) token_owner: Written<String>,
    /// Default: the preset's.
    pub(super) authorization_url: Written<String>,
    /// Default: the preset's.
    pub(super) device_url: Written<String>,
    /// Default: the preset's, else `http://127.0.0.1`.
    pub(super) redirect_uri: Written<String>,
    /// Compared with what the provider calls itself. Default: nothing.
    pub(super) issuer: Written<String>,
    /// Asked for at a sign-in beside `scopes`. Default: the preset's.
    pub(super) signin_scopes: Written<Vec<String>>,
    /// An HTTP proxy for the token endpoint. Default: none.
    pub(super) proxy: Written<String>,
    /// The longest time between two refreshes of an account that nobody uses. Default: 1 day.
    pub(super) refresh_idle: Written<DurationText>,
    /// Default: the preset's, for the protocols that have a listener.
    pub(super) scopes: Written<Vec<String>>,
    /// Default: the preset's; with `custom` XOAUTH2 if the server offers it, else OAUTHBEARER.
    pub(super) mechanism: Written<MechanismText>,
    /// Default: the preset's.
    pub(super) token_url: Written<String>,
    /// PEM, believed beside the system's roots at the token endpoint and, unless a server's own
    /// `ca_file` says otherwise, at the mail servers.
    pub(super) ca_file: Written<String>,
    /// How much of its life a token must have left to open a session. Default: 50.
    pub(super) fresh_percent: Written<u64>,
    /// Default: the preset's.
    pub(super) hide_capabilities: Written<Vec<String>>,
    /// For each server that says nothing else. Default: 16, Exchange's own limit.
    pub(super) connection_limit: Written<u64>,
    pub(super) imap: Written<ServerText>,
    pub(super) pop3: Written<ServerText>,
    pub(super) smtp: Written<ServerText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProviderText {
    Microsoft365,
    #[serde(rename = "microsoft365-gcc-high")]
    Microsoft365GccHigh,
    #[serde(rename = "microsoft365-dod")]
    Microsoft365Dod,
    #[serde(rename = "microsoft365-21vianet")]
    Microsoft365China,
    #[serde(rename = "outlook.com")]
    OutlookCom,
    Google,
    Yahoo,
    Aol,
    Fastmail,
    Custom,
}

/// How the application's secret is sent (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientSecretMethodText {
    Post,
    Basic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GrantText {
    ClientCredentials,
    RefreshToken,
    ServiceAccount,
    Password,
    External,
}

impl GrantText {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::ServiceAccount => "service_account",
            Self::Password => "password",
            Self::External => "external",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SharedSmtpText {
    Shared,
    Delegate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MechanismText {
    Xoauth2,
    Oauthbearer,
    Auto,
}

/// `[account.imap]`, `[account.pop3]`, `[account.smtp]`, and the same in `[defaults]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerText {
    /// Default: the preset's.
    pub(super) host: Written<String>,
    /// Default: with implicit TLS 993, 995, 465; with STARTTLS 143, 110, 587.
    pub(super) port: Written<u64>,
    /// Default: the preset's, else `implicit`.
    pub(super) tls: Written<UpstreamTlsText>,
    /// Default: the account's `ca_file`.
    pub(super) ca_file: Written<String>,
    /// The name to look for in the certificate. Default: the host.
    pub(super) tls_name: Written<String>,
    /// The certificate itself, instead of chain and name: 64 hexadecimal digits.
    pub(super) pin_sha256: Written<String>,
    /// Whoever is in the middle then reads the mail and the token or password. Default: no.
    pub(super) danger_skip_certificate_verification: Written<bool>,
    /// Default: `oauth`.
    pub(super) auth: Written<AuthText>,
    /// With `auth = "oauth"`: the mailbox at this server. Default: the account's. Not in `[defaults]`.
    pub(super) mailbox: Written<String>,
    /// With `auth = "password"`: whose password it is. Default: the mailbox.
    pub(super) user: Written<String>,
    /// Never here: known so that the refusal can say where it belongs.
    pub(super) password: Written<IgnoredAny>,
    /// Connections at once. Default: the account's, or the preset's where it is lower.
    pub(super) connection_limit: Written<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthText {
    OAuth,
    Password,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UpstreamTlsText {
    Implicit,
    StartTls,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsText {
    /// Default: 1000.
    pub(super) connections_per_listener: Written<u64>,
    /// Not applied to loopback. Default: 50.
    pub(super) connections_per_address: Written<u64>,
    /// Wrong logins on one connection before it is closed. Default: 3.
    pub(super) login_failures: Written<u64>,
    /// Octets of one line before login. Default: 16384.
    pub(super) login_line: Written<u64>,
    /// Octets of one literal before login. Default: 8192.
    pub(super) login_literal: Written<u64>,
    /// Octets of everything before login. Default: 65536.
    pub(super) login_total: Written<u64>,
    /// Commands before login that are not understood or not allowed. Default: 5.
    pub(super) login_faults: Written<u64>,
}

/// `[deadlines]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeadlinesText {
    /// From accept to a login; people are asked for passwords meanwhile. Default: 5 min.
    pub(super) login: Written<DurationText>,
    /// From a login to its answer; clients give up at about 60 s. Default: 50 s.
    pub(super) verdict: Written<DurationText>,
    /// One TLS handshake. Default: 30 s.
    pub(super) handshake: Written<DurationText>,
    /// One TCP connect, all addresses of the host included. Default: 15 s.
    pub(super) connect: Written<DurationText>,
    /// One answer of the mail server before the relay. Default: 20 s.
    pub(super) upstream_answer: Written<DurationText>,
    /// One exchange with the token endpoint. Default: 20 s.
    pub(super) token: Written<DurationText>,
    /// How long an SMTP login waits for one of its account's connections, where all are in use.
    /// Default: 30 s.
    pub(super) connection_turn: Written<DurationText>,
    /// How long a wrong login waits for its answer. Default: 2 s.
    pub(super) failed_login_delay: Written<DurationText>,
    /// After one side has closed: silence of the other before it is closed too. Default: 3 min.
    pub(super) linger: Written<DurationText>,
    /// How long an IMAP session may go on without a byte passing. Default: 35 min.
    pub(super) imap_idle: Written<DurationText>,
    /// The same for POP3. Default: 15 min.
    pub(super) pop3_idle: Written<DurationText>,
    /// The same for SMTP. Default: 15 min.
    pub(super) smtp_idle: Written<DurationText>,
    /// Silence before the operating system asks whether a peer is still there. Default: 2 min.
    pub(super) tcp_keepalive: Written<DurationText>,
    /// How long a peer may leave what was sent to it without an answer. Default: 5 min.
    pub(super) tcp_user_timeout: Written<DurationText>,
    /// Over how long a stopping gateway spreads the ends of its sessions. Default: 0 s.
    pub(super) drain: Written<DurationText>,
    /// How long a stopping gateway then waits for its sessions. Default: 10 s.
    pub(super) shutdown: Written<DurationText>,
}

/// `[service]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServiceText {
    /// Whom a daemon that was started as root becomes. Default: it stays root, and says so.
    pub(super) user: Written<String>,
    /// Default: the user's own.
    pub(super) group: Written<String>,
    /// Default: `auto`.
    pub(super) sandbox: Written<SandboxText>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SandboxText {
    Auto,
    Off,
}

/// A time in words: `"300ms"`, `"50s"`, `"5m"`, `"1m 30s"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DurationText(pub(super) Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = DurationText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit in quotes, such as \"300ms\", \"50s\" or \"5m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                humantime::parse_duration(text)
                    .map(DurationText)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Words)
    }
}
