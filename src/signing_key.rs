//! The keys with which the gateway proves to a provider who asks: a certificate's key in PEM, a Google
//! service account's in JSON. The hard thing is the many forms in which people have them (PKCS#1, PKCS#8,
//! encrypted or not, in one file or two): whatever is not usable is refused in words that say what to do,
//! and none of a file's content is in them.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use pem::Pem;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{platform, secret::Secret, tls};

/// An RSA key: `RSAPrivateKey` of RFC 8017, in DER.
pub(crate) struct RsaKey(pub(crate) Secret);

/// A certificate that the provider knows, with its key.
pub(crate) struct ClientCertificate {
    pub(crate) key: RsaKey,
    /// SHA-256 of the certificate's DER form (RFC 7515 section 4.1.8).
    pub(crate) thumbprint: [u8; 32],
}

impl ClientCertificate {
    /// Reads both files, which may be the same. Blocks on them.
    pub(crate) fn read(
        certificate: &Path,
        key: &Path,
        passphrase: Option<&Secret>,
    ) -> Result<Self, String> {
        let leaf = read_sections(certificate)?.into_iter().find(|it| it.tag() == "CERTIFICATE");
        let Some(leaf) = leaf.map(Pem::into_contents) else {
            return Err(format!(
                "{} holds no certificate (-----BEGIN CERTIFICATE-----)",
                certificate.display()
            ));
        };
        let rsa = read_key(key, passphrase)?;
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest::digest(&digest::SHA256, &leaf).as_ref());
        check_pair(leaf, &rsa, key, certificate)?;
        Ok(Self { key: rsa, thumbprint })
    }
}

fn check_pair(leaf: Vec<u8>, rsa: &RsaKey, key: &Path, certificate: &Path) -> Result<(), String> {
    let der = PrivateKeyDer::from(PrivatePkcs1KeyDer::from(rsa.0.expose().to_vec()));
    let unusable = |_| format!("the RSA key in {} is not usable", key.display());
    let signing = tls::provider().key_provider.load_private_key(der).map_err(unusable)?;
    let pair = rustls::sign::CertifiedKey::new(vec![CertificateDer::from(leaf)], signing);
    pair.keys_match().map_err(|_| {
        format!(
            "the key in {} is not that of the certificate {}",
            key.display(),
            certificate.display()
        )
    })
}

/// A Google service account, as its JSON key file describes it.
pub(crate) struct ServiceAccountKey {
    pub(crate) key: RsaKey,
    /// Google's name of the key.
    pub(crate) id: Option<String>,
    /// The service account's own address.
    pub(crate) client_email: String,
    /// Whom an assertion is for.
    pub(crate) token_uri: Option<String>,
}

#[derive(Deserialize)]
struct KeyFile {
    private_key: Option<String>,
    private_key_id: Option<String>,
    client_email: Option<String>,
    token_uri: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the key file. Blocks on it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        Self::of_text(path, read_file(path)?.expose())
    }

    fn of_text(path: &Path, text: &[u8]) -> Result<Self, String> {
        // The parser's own words may quote the file, so they are dropped.
        let file: KeyFile = serde_json::from_slice(text).map_err(|_| not_googles(path))?;
        let (Some(key), Some(client_email)) = (file.private_key, file.client_email) else {
            return Err(not_googles(path));
        };
        let key = Secret::new(key);
        let sections = sections(path, key.expose())?;
        let key = key_in(path, sections, None)?;
        Ok(Self { key, id: file.private_key_id, client_email, token_uri: file.token_uri })
    }
}

/// Takes `text` for a key file of either kind.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_key(path: &Path, text: &[u8]) -> Result<(), String> {
    if text.starts_with(b"{") {
        return ServiceAccountKey::of_text(path, text).map(|_| ());
    }
    // Without a passphrase: an encrypted key says itself how long it takes to open.
    key_in(path, sections(path, text)?, None).map(|_| ())
}

fn not_googles(path: &Path) -> String {
    format!(
        "{} is not the JSON key file of a Google service account (it has a client_email and a \
         private_key): create a key for it in Google's console",
        path.display()
    )
}

fn read_key(path: &Path, passphrase: Option<&Secret>) -> Result<RsaKey, String> {
    key_in(path, read_sections(path)?, passphrase)
}

fn key_in(path: &Path, sections: Vec<Pem>, passphrase: Option<&Secret>) -> Result<RsaKey, String> {
    let shown = path.display();
    for section in sections {
        let protected = section.headers().get("Proc-Type").is_some();
        let tag = section.tag().to_owned();
        let contents = Secret::new(section.into_contents());
        match tag.as_str() {
            "RSA PRIVATE KEY" if protected => {
                return Err(format!(
                    "the key in {shown} is encrypted in an old way: change it with `openssl pkcs8 \
                     -topk8 -in OLD -out NEW`"
                ));
            }
            "RSA PRIVATE KEY" => return Ok(RsaKey(contents)),
            "PRIVATE KEY" => return of_pkcs8(&contents, path),
            "ENCRYPTED PRIVATE KEY" => {
                return of_pkcs8(&decrypted(&contents, path, passphrase)?, path);
            }
            "EC PRIVATE KEY" => return Err(not_rsa(path)),
            _ => {}
        }
    }
    Err(format!("{shown} holds no private key (-----BEGIN PRIVATE KEY-----)"))
}

fn decrypted(der: &Secret, path: &Path, passphrase: Option<&Secret>) -> Result<Secret, String> {
    let shown = path.display();
    let Some(passphrase) = passphrase else {
        return Err(format!(
            "the key in {shown} is encrypted: say where its passphrase is read from, for example \
             client_key_passphrase = {{ file = \"client-key-passphrase\" }}"
        ));
    };
    let unknown = |_| {
        format!(
            "the key in {shown} is encrypted in a way that is not known here: change it with \
             `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
        )
    };
    let info = EncryptedPrivateKeyInfoRef::try_from(der.expose()).map_err(unknown)?;
    let document = info
        .decrypt(passphrase.expose())
        .map_err(|_| format!("client_key_passphrase does not open the key in {shown}"))?;
    Ok(Secret::new(document.as_bytes()))
}

fn of_pkcs8(der: &Secret, path: &Path) -> Result<RsaKey, String> {
    let info = PrivateKeyInfoRef::try_from(der.expose())
        .map_err(|_| format!("the private key in {} is damaged", path.display()))?;
    if info.algorithm.oid != RSA {
        return Err(not_rsa(path));
    }
    Ok(RsaKey(Secret::new(info.private_key.as_bytes())))
}

fn not_rsa(path: &Path) -> String {
    format!("the key in {} is not an RSA key, which the provider asks for", path.display())
}

fn read_sections(path: &Path) -> Result<Vec<Pem>, String> {
    sections(path, read_file(path)?.expose())
}

fn sections(path: &Path, text: &[u8]) -> Result<Vec<Pem>, String> {
    pem::parse_many(text).map_err(|_| format!("{} is not valid PEM", path.display()))
}

/// A small file whole. Blocks on it.
pub(crate) fn read_file(path: &Path) -> Result<Secret, String> {
    let fault = |error| platform::unreadable(path, &error);
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_FILE + 1));
    let file = fs::File::open(path).map_err(fault)?;
    file.take(LONGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > LONGEST_FILE {
        return Err(format!("{} is longer than {LONGEST_FILE} octets", path.display()));
    }
    Ok(Secret::new(bytes.as_slice()))
}

/// Stands for what these files hold; changes with it. Blocks on them.
pub(crate) fn digest_of(files: &[PathBuf]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        // A file that cannot be read counts like an empty one: neither proves anything.
        let content = read_file(file).unwrap_or_default();
        context.update(&(content.len() as u64).to_be_bytes());
        context.update(content.expose());
    }
    let mut result = [0; 32];
    result.copy_from_slice(context.finish().as_ref());
    result
}

/// `rsaEncryption` (RFC 8017 appendix C).
const RSA: pkcs8::ObjectIdentifier = pkcs8::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

const LONGEST_FILE: usize = 256 * 1024;

#[cfg(test)]
#[cfg(unix)]
pub(crate) mod tests;
