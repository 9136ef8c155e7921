//! A certificate with which the application proves who it is. The hard thing is that providers take RSA keys only, and that
//! the key must never leave this machine: only the certificate is uploaded.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use zeroize::Zeroizing;

use super::place::Place;
use crate::{
    cli::{Failure, cert, publish::publish, terminal::remark},
    config::{Provider, refuse_shared},
    platform::{self, OWNER_ONLY},
    signing_key::ClientCertificate,
};

/// The certificate and its key, beside the configuration. What was made before is used again: whatever keeps the
/// account from being written, somebody may have uploaded the certificate meanwhile, so it stays.
pub(super) fn make(place: &Place) -> Result<[PathBuf; 2], Failure> {
    let folder = std::path::absolute(place.folder());
    let folder = folder.map_err(|error| Failure::fault(error.to_string()))?;
    place.create(&folder)?;
    make_in(&folder)
}

fn make_in(folder: &Path) -> Result<[PathBuf; 2], Failure> {
    let [certificate, key] = [folder.join(CERTIFICATE), folder.join(KEY)];
    if certificate.exists() {
        if !key.exists() {
            return Err(Failure::mistake(format!(
                "{} has lost its key {}: take the certificate away, and a new one is made",
                certificate.display(),
                key.display()
            )));
        }
        ClientCertificate::read(&certificate, &key, None).map_err(Failure::mistake)?;
        remark(format_args!("{} was made before, and is used.", certificate.display()));
        return Ok([certificate, key]);
    }
    let fault = |error: rcgen::Error| Failure::fault(format!("cannot make a certificate: {error}"));
    let put = |path: &Path, content: &str, mode| {
        publish(path, content.as_bytes(), mode).map_err(|error| cert::unwritten(path, &error))
    };
    let pair = if key.exists() {
        left_over(&key)?
    } else {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(fault)?;
        put(&key, &pair.serialize_pem(), OWNER_ONLY)?;
        pair
    };
    let mut params = CertificateParams::new(Vec::new()).map_err(fault)?;
    params.distinguished_name.push(DnType::CommonName, "saslgate");
    cert::set_validity(&mut params, std::time::SystemTime::now());
    let made = params.self_signed(&pair).map_err(fault)?;
    put(&certificate, &made.pem(), cert::FOR_ALL)?;
    Ok([certificate, key])
}

/// The key of a run that was stopped before its certificate was there.
fn left_over(key: &Path) -> Result<KeyPair, Failure> {
    refuse_shared(key).map_err(Failure::mistake)?;
    let text = std::fs::read_to_string(key).map(Zeroizing::new);
    let text = text.map_err(|error| Failure::mistake(platform::unreadable(key, &error)))?;
    KeyPair::from_pem_and_sign_algo(&text, &PKCS_RSA_SHA256).map_err(|_| {
        Failure::mistake(format!(
            "{} is there already and is not an RSA key: take it away, and a new one is made",
            key.display()
        ))
    })
}

/// Whether this is the one that is made here.
pub(super) fn is_made(certificate: &Path, folder: &Path) -> bool {
    std::path::absolute(folder).is_ok_and(|folder| folder.join(CERTIFICATE) == certificate)
}

/// What is to be done with it.
pub(super) fn upload(provider: Provider, certificate: &Path) -> String {
    let place = if provider.device_url().is_some() {
        "Entra admin centre, App registrations, the application, Certificates & secrets, Certificates, Upload certificate"
    } else {
        "register it with the application at the provider"
    };
    format!(
        "\nThis certificate (never its key) is to be uploaded now:\n  {}\n  {place}",
        certificate.display()
    )
}

const CERTIFICATE: &str = "client-certificate.pem";
const KEY: &str = "client-key.pem";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_run_that_was_stopped_is_no_dead_end() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = make_in(folder.path()).unwrap();
        let is_pair = || ClientCertificate::read(&certificate, &key, None).is_ok();
        let made = fs::read(&key).unwrap();
        assert!(is_pair());
        // Stopped between the two.
        fs::remove_file(&certificate).unwrap();
        make_in(folder.path()).unwrap();
        assert!(is_pair() && fs::read(&key).unwrap() == made);
        // What somebody may have uploaded is not made again unasked.
        fs::remove_file(&key).unwrap();
        let refused = make_in(folder.path()).unwrap_err();
        assert!(refused.text.contains("take the certificate away"), "{}", refused.text);
        // What is no key stays as it is.
        fs::remove_file(&certificate).unwrap();
        publish(&key, b"mine", OWNER_ONLY).unwrap();
        let refused = make_in(folder.path()).unwrap_err();
        assert!(refused.text.contains("not an RSA key"), "{}", refused.text);
        assert_eq!(fs::read(&key).unwrap(), b"mine");
    }
}
