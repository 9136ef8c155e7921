//! The upstream side: whom the gateway believes. One `ClientConfig` per way of verification lives as
//! long as the gateway, since session resumption (a third of a login's cost) hangs on it.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::SystemTime,
};

use aws_lc_rs::{constant_time, digest};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::{TlsError, acceptor::stamp, pem, provider};
use crate::config::Verification;

/// Client configurations by way of verification.
#[derive(Debug, Default)]
pub struct Connectors {
    known: Mutex<HashMap<Key, Arc<ClientConfig>>>,
    system_roots: OnceLock<RootCertStore>,
    /// Where the certificate that a server shows is left, whatever becomes of it.
    shown: Option<Shown>,
}

/// The last certificate that a server has shown.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<Option<CertificateDer<'static>>>>);

impl Shown {
    /// Takes it, so that nobody takes it for the next server's.
    pub fn take(&self) -> Option<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, leaf: &CertificateDer<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
    }
}

/// A CA file counts as another one when it changes.
type Key = (Verification, Option<(SystemTime, u64)>);

impl Connectors {
    /// Such that keep what a server shows, also where it is not believed.
    pub fn watched(shown: Shown) -> Self {
        Self { shown: Some(shown), ..Self::default() }
    }

    /// The connector for this way of verification.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn connector(&self, verification: &Verification) -> Result<TlsConnector, TlsError> {
        let changed = match verification {
            Verification::Roots { ca_file: Some(path), .. } => stamp(path),
            Verification::Roots { ca_file: None, .. }
            | Verification::Pin { .. }
            | Verification::DangerSkip => None,
        };
        let key = (verification.clone(), changed);
        if let Some(config) = self.known().get(&key) {
            return Ok(Arc::clone(config).into());
        }
        // Reads files, so not under the lock. Of two that build at once, the first stays.
        let built = self.build(verification);
        let mut known = self.known();
        let old = known.iter().find(|(other, _)| other.0 == key.0).map(|(_, old)| Arc::clone(old));
        let built = match (built, old) {
            (Ok(built), _) => Arc::new(built),
            (Err(error), Some(old)) => {
                warn!("the changed CA file is not usable, the old one stays: {error}");
                return Ok(old.into());
            }
            (Err(error), None) => return Err(error),
        };
        known.retain(|other, _| other.0 != key.0 || *other == key);
        Ok(Arc::clone(known.entry(key).or_insert(built)).into())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Arc<ClientConfig>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build(&self, verification: &Verification) -> Result<ClientConfig, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError { text: error.to_string() })?;
        let verifier = self.verifier(verification, provider)?;
        let verifier: Arc<dyn ServerCertVerifier> = match &self.shown {
            Some(shown) => Arc::new(Watching { shown: shown.clone(), verifier }),
            None => verifier,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(builder.with_no_client_auth())
    }

    fn verifier(
        &self,
        verification: &Verification,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let ca_file = match verification {
            Verification::Roots { ca_file, .. } => ca_file,
            Verification::Pin { sha256 } => {
                return Ok(Arc::new(LeafVerifier { expected: Some(*sha256), provider }));
            }
            Verification::DangerSkip => {
                return Ok(Arc::new(LeafVerifier { expected: None, provider }));
            }
        };
        let mut roots = self.system_roots.get_or_init(system_roots).clone();
        if let Some(path) = ca_file {
            add_ca_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            let text = "this system has no root certificates, and ca_file names none".to_owned();
            return Err(TlsError { text });
        }
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(built.map_err(|error| TlsError { text: error.to_string() })?)
    }
}

/// The name to verify and to send as SNI: the host's, unless the configuration gives another.
///
/// # Errors
/// It is neither a DNS name nor an address.
pub fn server_name(
    host: &str,
    verification: &Verification,
) -> Result<ServerName<'static>, TlsError> {
    let name = match verification {
        Verification::Roots { name: Some(name), .. } => name,
        Verification::Roots { name: None, .. }
        | Verification::Pin { .. }
        | Verification::DangerSkip => host,
    };
    ServerName::try_from(name.to_owned())
        .map_err(|_| TlsError { text: format!("{name}: is neither a DNS name nor an IP address") })
}

/// The operating system's roots. Those that do not parse are skipped: a system often has some.
pub(crate) fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        warn!("some of the system's root certificates cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        warn!("this system has no root certificates; install them (Debian: ca-certificates)");
    }
    roots
}

/// What [`Connectors::connector`] would say of this CA file.
pub(crate) fn check_ca_file(path: &Path) -> Result<(), TlsError> {
    add_ca_file(&mut RootCertStore::empty(), path)
}

/// Believes every certificate in the file, beside those in `roots`.
pub(crate) fn add_ca_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in pem::certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::new(path, error))?;
    }
    Ok(())
}

/// Believes one leaf certificate, or, where nothing is expected, any.
struct LeafVerifier {
    expected: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for LeafVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(expected) = &self.expected else {
            return Ok(ServerCertVerified::assertion());
        };
        let found = digest::digest(&digest::SHA256, leaf);
        match constant_time::verify_slices_are_equal(found.as_ref(), expected) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(_) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Leaves what a server shows where it can be seen, and then asks another verifier.
#[derive(Debug)]
struct Watching {
    shown: Shown,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.shown.note(leaf);
        self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl fmt::Debug for LeafVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafVerifier").field("pinned", &self.expected.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_is_read_again_and_a_bad_one_displaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let authority =
            || rcgen::generate_simple_self_signed(vec!["ca.test".into()]).unwrap().cert.pem();
        let verification = Verification::Roots { ca_file: Some(path.clone()), name: None };
        let connectors = Connectors::default();
        let config = || connectors.connector(&verification).map(|it| Arc::clone(it.config()));

        std::fs::write(&path, "no certificate").unwrap();
        assert!(config().is_err());
        std::fs::write(&path, authority()).unwrap();
        let first = config().unwrap();
        assert!(Arc::ptr_eq(&first, &config().unwrap()), "sessions are resumed by it");
        std::fs::write(&path, "no certificate, again").unwrap();
        assert!(Arc::ptr_eq(&first, &config().unwrap()), "the old one stays");
        std::fs::write(&path, authority() + &authority()).unwrap();
        let second = config().unwrap();
        assert!(!Arc::ptr_eq(&first, &second), "the new one is believed");
        assert_eq!(connectors.known().len(), 1);
    }
}
