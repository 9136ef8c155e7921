//! What a newcomer has answered.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::config::{Protocol, Provider, UpstreamTlsMode};

/// All that is needed for one account, and for the ports of a first configuration.
#[derive(Clone, Debug)]
pub struct Answers {
    /// What the mail program sends as its user name.
    pub login: String,
    /// What it opens.
    pub mailbox: String,
    /// Who signs in, where it is neither of them.
    pub owner: Option<String>,
    /// Where the mailbox is.
    pub provider: Provider,
    /// Microsoft's.
    pub tenant: Option<String>,
    /// As in the configuration: `refresh_token`, where a person signs in, `client_credentials` or `service_account`.
    pub grant: &'static str,
    /// Of the application; empty for a service account.
    pub client_id: String,
    /// How the application proves who it is.
    pub proof: Proof,
    /// The redirect address, where it is not the usual one.
    pub redirect_uri: Option<String>,
    /// PEM, believed beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Of a provider that is not known beforehand.
    pub endpoints: Option<Endpoints>,
    /// Of such a provider, too.
    pub servers: Vec<(Protocol, ServerAnswer)>,
    /// Local ports, for a configuration that is not there yet.
    pub ports: Vec<(Protocol, u16)>,
}

/// How the application proves who it is; files are named as they are to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Not at all: it is a public client.
    Public,
    /// By a secret in this file.
    Secret(PathBuf),
    /// By a certificate, and the key in the other file, if it is not in the same one.
    Certificate(PathBuf, Option<PathBuf>),
    /// By Google's key file of a service account.
    ServiceAccountKey(PathBuf),
}

/// Where a provider gives out tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// What it calls itself.
    pub issuer: Option<String>,
    /// Where tokens are.
    pub token_url: String,
    /// Where people sign in.
    pub authorization_url: Option<String>,
    /// Where device codes are made.
    pub device_url: Option<String>,
    /// What opens the mailbox.
    pub scopes: Vec<String>,
    /// What says who has signed in.
    pub sign_in_scopes: Vec<String>,
    /// Whether a secret goes into the header `Authorization`.
    pub secret_in_header: bool,
}

/// A mail server: `HOST`, `HOST:PORT`, and `/starttls` or `/implicit` after it where the port does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAnswer {
    /// Its name or address.
    pub host: String,
    /// Where it is not the usual one.
    pub port: Option<u16>,
    /// How TLS begins.
    pub mode: UpstreamTlsMode,
}

/// It is not a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfitServer;

impl fmt::Display for UnfitServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is not a server: write its name, or its name and port as in imap.example.ch:993 (ports 143, 110 and 587 \
             mean STARTTLS, others TLS at once; /starttls or /implicit after it says it outright)",
        )
    }
}

impl FromStr for ServerAnswer {
    type Err = UnfitServer;

    fn from_str(text: &str) -> Result<Self, UnfitServer> {
        use UpstreamTlsMode::{Implicit, StartTls};
        let (place, mode) = match text.rsplit_once('/') {
            Some((place, "starttls")) => (place, Some(StartTls)),
            Some((place, "implicit")) => (place, Some(Implicit)),
            Some(_) => return Err(UnfitServer),
            None => (text, None),
        };
        let (host, port) = split(place)?;
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if host.is_empty() || !host.chars().all(fit) {
            return Err(UnfitServer);
        }
        let usual = if matches!(port, Some(143 | 110 | 587)) { StartTls } else { Implicit };
        Ok(Self { host: host.to_owned(), port, mode: mode.unwrap_or(usual) })
    }
}

/// RFC 3986 writes an IPv6 address in brackets.
fn split(place: &str) -> Result<(&str, Option<u16>), UnfitServer> {
    let number = |port: &str| match port.parse() {
        Ok(0) | Err(_) => Err(UnfitServer),
        Ok(port) => Ok(Some(port)),
    };
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UnfitServer)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, number(port)?)),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(UnfitServer),
        };
    }
    match place.split_once(':') {
        None => Ok((place, None)),
        Some((host, port)) => Ok((host, number(port)?)),
    }
}
