//! TLS on both sides, one stack: rustls with aws-lc-rs. The hard thing is that files change under a
//! running gateway: a local certificate is renewed, a CA file is replaced. Both are read again when
//! they change, and a bad new file never displaces a good old one.

mod acceptor;
mod connector;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
mod pem;

pub use acceptor::{Certificates, LocalCertificate};
pub(crate) use acceptor::{check_certificate, check_chain};
pub use connector::{Connectors, Shown, server_name};
pub(crate) use connector::{add_ca_file, check_ca_file, system_roots};
pub(crate) use pem::check_pem_certificate;

use std::{fmt, io, path::Path, sync::Arc};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::proto::text::printable;

/// The provider of all cryptography in TLS, AES-128-GCM first: on machines with AES instructions the
/// SHA-256 suite costs a tenth less per login than the SHA-384 one.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// Why TLS cannot be set up, in words for the operator.
#[derive(Debug)]
pub struct TlsError {
    text: String,
}

impl TlsError {
    fn new(path: &Path, what: impl fmt::Display) -> Self {
        Self { text: format!("{}: {what}", path.display()) }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}

/// What a failed handshake means, in words for people. rustls knows no TLS below 1.2, which is the
/// usual reason with old devices, and its own words do not say so.
pub fn explain(error: &io::Error) -> String {
    use rustls::{AlertDescription, Error, PeerIncompatible};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        )) => "the peer offers only TLS 1.0 or 1.1, which are not supported".into(),
        // The first thing that rustls misses in a hello of those versions.
        Some(Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)) => {
            "the peer offers only TLS 1.0 or 1.1 (or an early TLS 1.2 without signature algorithms), \
             which are not supported"
                .into()
        }
        Some(Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
            "the peer takes neither TLS 1.3 nor 1.2, and older ones are not supported".into()
        }
        Some(Error::InvalidMessage(_)) => "what the peer sent is not TLS".into(),
        Some(Error::InvalidCertificate(fault)) => explain_certificate(fault),
        Some(other) => printable(other.to_string().as_bytes(), WORDS),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection during the handshake".into()
        }
        None => error.to_string(),
    }
}

/// Whether a handshake failed since the peer speaks something else.
pub(crate) fn is_no_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
}

/// Why a server is not believed. Some of rustls' words are as long as its lists of algorithms.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add to it")]
fn explain_certificate(fault: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Fault;
    let words = match fault {
        Fault::UnknownIssuer => {
            "the certificate's issuer is not among the trusted roots (a company CA belongs into \
             ca_file, a certificate of its own into pin_sha256)"
        }
        Fault::BadSignature => {
            "the certificate's signature is not that of the trusted root which it names, or its key \
             is too weak (RSA needs 2048 bits): another CA of that name, or somebody in between"
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "the certificate is for another name (tls_name says which one to expect)"
        }
        Fault::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is that of a CA (CA:TRUE, as openssl req -x509 makes it), which is not \
             taken as a server's; pin_sha256 takes it, or make one with CA:FALSE"
        }
        Fault::Expired | Fault::ExpiredContext { .. } => "the certificate has expired",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "the certificate is not valid yet (or the clock of this machine is slow)"
        }
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "the certificate is not made for servers (its extended key usage lacks serverAuth)"
        }
        // Of our verifiers only the one that pins says so.
        Fault::ApplicationVerificationFailure => {
            "the certificate is not the one of pin_sha256: it was renewed, or somebody is in between"
        }
        Fault::UnsupportedSignatureAlgorithmContext { .. }
        | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed in a way that is not taken any more (SHA-1, MD5), or with a \
             key of an unknown kind"
        }
        other => return printable(other.to_string().as_bytes(), WORDS),
    };
    words.to_owned()
}

/// Characters of rustls' own words that are kept.
const WORDS: usize = 300;

#[cfg(test)]
mod tests {
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::io::AsyncWriteExt;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// The ClientHello of a device of 2010: TLS 1.0, five cipher suites, no extensions.
    const TLS_1_0: &[u8] = b"\x16\x03\x01\x00\x37\x01\x00\x00\x33\x03\x01\
        0123456789abcdef0123456789abcdef\x00\x00\x0a\xc0\x09\xc0\x13\x00\x2f\x00\x35\x00\x0a\x01\x00\
        \x00\x00";

    #[tokio::test]
    async fn an_old_client_is_told_by_its_version() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(TLS_1_0).await.unwrap();
        let error = TlsAcceptor::from(Arc::new(config)).accept(server).await.unwrap_err();
        let text = explain(&error);
        assert!(text.starts_with("the peer offers only TLS 1.0 or 1.1"), "{text}");
    }
}
