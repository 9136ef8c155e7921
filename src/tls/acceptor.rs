//! The local side: what the gateway shows to mail clients.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::{TlsError, pem, provider};
use crate::{config::CertificateFiles, platform};

/// All local certificates, each read once for all listeners that show it.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<HashMap<CertificateFiles, Arc<LocalCertificate>>>);

impl Certificates {
    /// An acceptor that shows the certificate of `files` as it is at each handshake.
    ///
    /// `alpn` is the protocol's name (RFC 7301): a client that names only others is refused, so that
    /// a browser cannot be led here (the ALPACA attack); clients that name none are the rule.
    ///
    /// # Errors
    /// The files do not hold a certificate and its key.
    pub fn acceptor(&self, files: &CertificateFiles, alpn: &str) -> Result<TlsAcceptor, TlsError> {
        let certificate = self.certificate(files)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(&files.certificate, error))?
            .with_no_client_auth()
            .with_cert_resolver(certificate);
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Keeps those that are still shown, and forgets the others.
    pub(crate) fn retain(&self, shown: impl Fn(&CertificateFiles) -> bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|files, _| shown(files));
    }

    /// Reads a certificate before an acceptor needs it, as long as it can be read.
    ///
    /// # Errors
    /// The files do not hold a certificate and its key.
    pub(crate) fn read(&self, files: &CertificateFiles) -> Result<(), TlsError> {
        self.certificate(files).map(|_| ())
    }

    /// Takes over what others have read.
    pub(crate) fn take_over(&self, others: Self) {
        let others = others.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(others);
    }

    fn certificate(&self, files: &CertificateFiles) -> Result<Arc<LocalCertificate>, TlsError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = known.get(files) {
            return Ok(Arc::clone(certificate));
        }
        let certificate = Arc::new(LocalCertificate::read(files.clone())?);
        known.insert(files.clone(), Arc::clone(&certificate));
        Ok(certificate)
    }

    /// Reads again what has changed on disk. Blocks on files.
    pub fn refresh(&self) {
        for certificate in self.known() {
            certificate.refresh(Stamp::of_both(&certificate.files));
        }
    }

    /// The same, but for files that have changed since the last look: they may be half written, or the
    /// certificate's key may be still to come.
    pub fn refresh_settled(&self) {
        for certificate in self.known() {
            let stamp = Stamp::of_both(&certificate.files);
            if certificate.looked(stamp) == stamp {
                certificate.refresh(stamp);
            }
        }
    }

    fn known(&self) -> Vec<Arc<LocalCertificate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// A certificate with its key, as last read.
#[derive(Debug)]
pub struct LocalCertificate {
    files: CertificateFiles,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    stamp: Stamp,
    /// How the files looked last.
    last: Stamp,
}

impl LocalCertificate {
    fn read(files: CertificateFiles) -> Result<Self, TlsError> {
        let stamp = Stamp::of_both(&files);
        let key = Arc::new(certified_key(&files)?);
        Ok(Self { files, current: RwLock::new(Current { key, stamp, last: stamp }) })
    }

    /// Notes how the files look, and returns how they looked before.
    fn looked(&self, stamp: Stamp) -> Stamp {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current.last, stamp)
    }

    fn refresh(&self, stamp: Stamp) {
        if self.current.read().unwrap_or_else(PoisonError::into_inner).stamp == stamp {
            return;
        }
        let path = self.files.certificate.display();
        let read = certified_key(&self.files);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Also after a fault: what is broken now is tried again when it changes, not every time.
        current.stamp = stamp;
        match read {
            Ok(key) => {
                current.key = Arc::new(key);
                info!(certificate = %path, "the local certificate has changed and was read again");
            }
            Err(error) => {
                warn!("the changed local certificate is not usable, the old one stays: {error}");
            }
        }
    }
}

impl ResolvesServerCert for LocalCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

/// Whether a file holds certificates at all.
pub(crate) fn check_chain(path: &Path) -> Result<(), TlsError> {
    pem::certificates(path).map(|_| ())
}

/// What [`Certificates::acceptor`] would say of these files.
pub(crate) fn check_certificate(files: &CertificateFiles) -> Result<(), TlsError> {
    certified_key(files).map(|_| ())
}

fn certified_key(files: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
    let chain = pem::certificates(&files.certificate)?;
    let key = pem::private_key(&files.key)?;
    if platform::is_readable_by_all(&files.key) {
        warn!(
            "every user of this machine may read {0}, the key of the local certificate, and pose as this \
             gateway: run `chmod o-r {0}`",
            files.key.display()
        );
    }
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        TlsError::new(&files.key, format!("does not fit {}: {error}", files.certificate.display()))
    })
}

/// Tells whether a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64)>; 2]);

impl Stamp {
    fn of_both(files: &CertificateFiles) -> Self {
        Self([stamp(&files.certificate), stamp(&files.key)])
    }
}

pub(super) fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_is_being_exchanged_is_left_alone_until_both_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("chain.pem"),
            key: folder.path().join("key.pem"),
        };
        let make = || rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (old, new) = (make(), make());
        fs::write(&files.certificate, old.cert.pem()).unwrap();
        fs::write(&files.key, old.signing_key.serialize_pem()).unwrap();
        let certificates = Certificates::default();
        certificates.acceptor(&files, "imap").unwrap();
        let shown = || {
            let known = certificates.known();
            known[0].current.read().unwrap().key.cert[0].clone()
        };
        fs::write(&files.certificate, new.cert.pem() + "\n").unwrap();
        certificates.refresh_settled();
        fs::write(&files.key, new.signing_key.serialize_pem() + "\n").unwrap();
        certificates.refresh_settled();
        assert_eq!(&shown(), old.cert.der());
        certificates.refresh_settled();
        assert_eq!(&shown(), new.cert.der());
    }
}
