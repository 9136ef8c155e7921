//! PEM files. `rustls-pemfile` is archived; [`parse`] is the one place that uses it, so that it can be
//! replaced in one line. The hard thing is to say nothing of what is in a file: with a key in it whose
//! line ends got lost, a "line" is the whole key.

use std::{fs, path::Path};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::Item;
use zeroize::Zeroizing;

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

pub(super) type Items = (Vec<CertificateDer<'static>>, Option<PrivateKeyDer<'static>>);

fn items(path: &Path) -> Result<Items, TlsError> {
    let text =
        fs::read(path).map_err(|error| TlsError { text: platform::unreadable(path, &error) })?;
    parse(path, &Zeroizing::new(text))
}

/// Everything of use in a file's text.
pub(super) fn parse(path: &Path, mut text: &[u8]) -> Result<Items, TlsError> {
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for item in rustls_pemfile::read_all(&mut text) {
        // The parser's own words may quote the file, so they are dropped.
        let item = item.map_err(|_| TlsError::new(path, NOT_PEM))?;
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

pub(super) const NOT_PEM: &str = "is not valid PEM: `-----BEGIN ...-----` and `-----END ...-----` \
    must stand alone in their lines, with nothing but base64 between them";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_line_ends_got_lost_is_not_repeated() {
        for text in [
            "-----BEGIN PRIVATE KEY-----MIIEvQ==-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY----- MIIEvQ== -----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----MIIEvQ==\n",
        ] {
            let error = parse(Path::new("key.pem"), text.as_bytes()).err().unwrap().to_string();
            assert!(error.starts_with("key.pem: is not valid PEM: `-----BEGIN"), "{error}");
            assert!(!error.contains("MIIEvQ"), "{error}");
        }
    }
}
