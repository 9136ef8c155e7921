//! A certificate with which the application proves who it is. The hard thing is that providers take RSA keys only, and that
//! the key must never leave this machine: only the certificate is uploaded.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::{
    cli::{Failure, cert, terminal::remark},
    config::Provider,
    platform::OWNER_ONLY,
    signing_key::ClientCertificate,
};

/// The certificate and its key, in this folder. What was made before is used again.
pub(super) fn make(folder: &Path) -> Result<[PathBuf; 2], Failure> {
    let folder = std::path::absolute(folder).map_err(|error| Failure::fault(error.to_string()))?;
    let [certificate, key] = [folder.join(CERTIFICATE), folder.join(KEY)];
    if certificate.exists() || key.exists() {
        ClientCertificate::read(&certificate, &key, None).map_err(Failure::mistake)?;
        remark(format_args!("{} was made before, and is used.", certificate.display()));
        return Ok([certificate, key]);
    }
    let fault = |error: rcgen::Error| Failure::fault(format!("cannot make a certificate: {error}"));
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(fault)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(fault)?;
    params.distinguished_name.push(DnType::CommonName, "saslgate");
    cert::set_validity(&mut params, std::time::SystemTime::now());
    let made = params.self_signed(&pair).map_err(fault)?;
    std::fs::create_dir_all(&folder).map_err(|error| cert::unwritten(&folder, &error))?;
    for (path, content, mode) in
        [(&key, pair.serialize_pem(), OWNER_ONLY), (&certificate, made.pem(), cert::FOR_ALL)]
    {
        cert::replace(path, &content, mode).map_err(|error| cert::unwritten(path, &error))?;
    }
    Ok([certificate, key])
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
