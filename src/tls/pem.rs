//! PEM files. `rustls-pemfile` is archived; [`items`] is the one place that uses it, so that it can be
//! replaced in one line.

use std::{fs, path::Path};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::Item;

use super::TlsError;
use crate::platform;

/// Whether the file holds a certificate.
pub(crate) fn check_pem_certificate(path: &Path) -> Result<(), TlsError> {
    certificates(path).map(|_| ())
}

/// Every certificate in a file, in order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (certificates, _) = items(path)?;
    if certificates.is_empty() {
        return Err(TlsError::new(path, "holds no certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

/// The first private key in a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (_, key) = items(path)?;
    key.ok_or_else(|| {
        TlsError::new(path, "holds no unencrypted private key (-----BEGIN PRIVATE KEY-----)")
    })
}

type Items = (Vec<CertificateDer<'static>>, Option<PrivateKeyDer<'static>>);

fn items(path: &Path) -> Result<Items, TlsError> {
    let text =
        fs::read(path).map_err(|error| TlsError { text: platform::unreadable(path, &error) })?;
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for item in rustls_pemfile::read_all(&mut text.as_slice()) {
        let item =
            item.map_err(|error| TlsError::new(path, format!("is not valid PEM: {error}")))?;
        if let Item::X509Certificate(certificate) = item {
            certificates.push(certificate);
        } else if let Item::Pkcs8Key(key) = item {
            keys.push(PrivateKeyDer::from(key));
        } else if let Item::Pkcs1Key(key) = item {
            keys.push(key.into());
        } else if let Item::Sec1Key(key) = item {
            keys.push(key.into());
        }
    }
    Ok((certificates, keys.into_iter().next()))
}
