//! The way to a server: name, TCP, TLS, greeting. The hard thing is TLS: what rustls says of a
//! certificate is short, so the certificate itself is read for what people need to compare.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use rustls::{CertificateError, Error, pki_types::CertificateDer};
use x509_parser::{extensions::GeneralName, prelude::X509Certificate};

use super::{Evidence, usual_port};
use crate::{
    check::Finding,
    config::{Protocol, UpstreamConfig, Verification},
    proto::{Rejection, text::printable},
    tls,
    upstream::{DialError, OpenError},
};

/// What a certificate says of itself, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Who has signed it, as it says.
    pub issuer: Option<String>,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// Of the DER form, as `pin_sha256` takes it.
    pub sha256: Option<String>,
}

impl Certificate {
    /// Reads what can be read.
    pub fn read(der: &CertificateDer<'_>) -> Self {
        let sha256 = digest::digest(&digest::SHA256, der);
        let sha256: String = sha256.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let sha256 = Some(sha256);
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else {
            return Self { sha256, ..Self::default() };
        };
        let issuer = printable(parsed.issuer().to_string().as_bytes(), LONGEST_NAME);
        let expires = u64::try_from(parsed.validity().not_after.timestamp()).ok();
        Self {
            issuer: Some(issuer).filter(|it| !it.is_empty()),
            names: names(&parsed),
            expires: expires.and_then(|it| UNIX_EPOCH.checked_add(Duration::from_secs(it))),
            sha256,
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return Some(printable(name.as_bytes(), LONGEST_NAME));
        }
        if let GeneralName::IPAddress(octets) = name { address(octets) } else { None }
    };
    alternative.value.general_names.iter().filter_map(name).take(NAMES).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(octets).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}

/// Why a name gave no addresses.
pub(in crate::check) fn resolve(host: &str, error: &io::Error) -> Finding {
    let host = host.to_owned();
    let text = error.to_string();
    let lower = text.to_ascii_lowercase();
    // Of glibc, musl, macOS and Windows; the last speaks the system's language, so its number counts there.
    let unknown = [
        "not known",
        "no address associated",
        "does not resolve",
        "no usable address",
        "nodename nor servname",
        "no such host",
    ];
    let number = cfg!(windows) && error.raw_os_error() == Some(WSAHOST_NOT_FOUND);
    if number || unknown.iter().any(|words| lower.contains(words)) {
        return Finding::NameUnknown { host };
    }
    Finding::ResolverFails { host, text }
}

/// Why there is no TCP connection.
pub(in crate::check) fn dial(
    error: &DialError,
    protocol: Protocol,
    server: &UpstreamConfig,
) -> Finding {
    let (host, port) = (server.host.clone(), server.port);
    let usual_port = usual_port(protocol, server);
    match error {
        DialError::Resolve(error) => resolve(&host, error),
        DialError::NoAddress => Finding::NameUnknown { host },
        DialError::Timeout => Finding::ConnectionTimeout { host, port, usual_port },
        DialError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Finding::ConnectionRefused { host, port, usual_port }
        }
        DialError::Connect(error) if error.kind() == io::ErrorKind::TimedOut => {
            Finding::ConnectionTimeout { host, port, usual_port }
        }
        DialError::Connect(error) => {
            Finding::ConnectionFailed { host, port, text: error.to_string() }
        }
    }
}

/// What a good handshake shows.
pub(in crate::check) fn tls_good(
    version: &str,
    certificate: &Certificate,
    server: &UpstreamConfig,
    now: SystemTime,
) -> Vec<Finding> {
    let (version, expires) = (version.to_owned(), certificate.expires);
    let good = Finding::TlsGood { version, expires };
    let host = server.host.clone();
    match &server.verification {
        Verification::DangerSkip => vec![good, Finding::VerificationOff { host }],
        // A pinned one is taken whatever its dates say.
        Verification::Pin { .. } => vec![good],
        Verification::Roots { .. } => match expires {
            Some(expires) if expires < now + SOON => {
                vec![good, Finding::CertificateEndsSoon { host, expires }]
            }
            _ => vec![good],
        },
    }
}

/// Why nothing can be said to a server, or it does not let us in. `opening` is how it began.
pub(in crate::check) fn open(
    error: &OpenError,
    server: &UpstreamConfig,
    shown: Option<&Certificate>,
    opening: &[u8],
    evidence: &Evidence<'_>,
) -> Finding {
    let (host, port) = (server.host.clone(), server.port);
    let protocol = evidence.protocol;
    match error {
        OpenError::Dial(error) => dial(error, protocol, server),
        OpenError::TlsSettings(error) => Finding::TlsFailed { host, text: error.to_string() },
        OpenError::Handshake(error) => handshake(error, server, shown),
        OpenError::Silent if !opening.is_empty() => stalls(server, opening),
        OpenError::Silent => Finding::ServerSilent { host, port },
        OpenError::Broken(_) => Finding::ConnectionBroken { text: error.to_string() },
        OpenError::Rejected(Rejection::StartTls { text }) => {
            Finding::StartTlsMissing { host, port, text: text.clone() }
        }
        OpenError::NoStartTls => Finding::StartTlsMissing { host, port, text: error.to_string() },
        OpenError::Rejected(Rejection::Protocol { fault }) if !greets(protocol, opening) => {
            let began = opening.escape_ascii();
            let text = format!("{fault}: it begins with \"{began}\"");
            Finding::WrongProtocol { host, port, protocol, text }
        }
        OpenError::Rejected(Rejection::Protocol { fault }) => {
            Finding::ServerUnclear { host, port, text: (*fault).to_owned() }
        }
        OpenError::Rejected(rejection) => super::rejection(rejection, evidence),
    }
}

/// A server that was heard, or has come as far as TLS, and then does not answer in time.
pub(in crate::check) fn stalls(server: &UpstreamConfig, opening: &[u8]) -> Finding {
    let text = if opening.is_empty() {
        "it says nothing in time".to_owned()
    } else {
        format!("it begins with \"{}\" and does not come to an end in time", opening.escape_ascii())
    };
    Finding::ServerUnclear { host: server.host.clone(), port: server.port, text }
}

/// Whether a server of this protocol begins like this.
fn greets(protocol: Protocol, opening: &[u8]) -> bool {
    match protocol {
        Protocol::Imap => opening.starts_with(b"* "),
        Protocol::Pop3 => opening.starts_with(b"+OK") || opening.starts_with(b"-ERR"),
        Protocol::Smtp => opening.iter().take(3).all(u8::is_ascii_digit) && opening.len() >= 3,
    }
}

fn handshake(error: &io::Error, server: &UpstreamConfig, shown: Option<&Certificate>) -> Finding {
    use CertificateError::{
        ApplicationVerificationFailure, BadSignature, Expired, ExpiredContext, NotValidForName,
        NotValidForNameContext, NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let (host, port) = (server.host.clone(), server.port);
    let sha256 = shown.and_then(|shown| shown.sha256.clone());
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(Error::InvalidMessage(_)) = inner {
        return Finding::NotTls { host, port };
    }
    let otherwise = Finding::TlsFailed { host: host.clone(), text: tls::explain(error) };
    let Some(Error::InvalidCertificate(fault)) = inner else { return otherwise };
    // A CA of the right name that has not signed it is no better than none.
    if matches!(fault, UnknownIssuer | BadSignature) {
        let issuer = shown.and_then(|shown| shown.issuer.clone());
        Finding::CertificateUnknownIssuer { host, issuer, sha256 }
    } else if matches!(fault, NotValidForName | NotValidForNameContext { .. }) {
        let names = shown.map(|shown| shown.names.clone()).unwrap_or_default();
        Finding::CertificateNameMismatch { host: wanted(server), names }
    } else if matches!(fault, Expired | ExpiredContext { .. }) {
        Finding::CertificateExpired { host }
    } else if matches!(fault, NotValidYet | NotValidYetContext { .. }) {
        Finding::CertificateNotYetValid { host }
    } else if matches!(fault, ApplicationVerificationFailure) {
        Finding::CertificatePinMismatch { host, sha256 }
    } else {
        otherwise
    }
}

/// The name that is looked for in the certificate.
fn wanted(server: &UpstreamConfig) -> String {
    match &server.verification {
        Verification::Roots { name: Some(name), .. } => name.clone(),
        Verification::Roots { name: None, .. }
        | Verification::Pin { .. }
        | Verification::DangerSkip => server.host.clone(),
    }
}

/// Windows has no better word for it.
const WSAHOST_NOT_FOUND: i32 = 11001;
const LONGEST_NAME: usize = 256;
/// Some certificates have hundreds.
const NAMES: usize = 20;
/// Renewals come earlier.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
