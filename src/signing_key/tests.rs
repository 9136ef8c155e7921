use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::{rsa::KeyPair, signature::KeyPair as _};

use super::*;

/// A file of keys and certificates that are good for nothing.
pub(crate) fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/signing_key/testdata").join(name)
}

pub(crate) fn passphrase() -> Secret {
    Secret::new("a test's passphrase")
}

/// The public key of the test certificate, in PKCS#1.
pub(crate) fn public_key() -> Vec<u8> {
    let key = read_key(&test_file("pkcs1.pem"), None).unwrap();
    KeyPair::from_der(key.0.expose()).unwrap().public_key().as_ref().to_vec()
}

/// Writes what Google would call a service account's key file.
pub(crate) fn write_service_account(folder: &Path, token_uri: &str) -> PathBuf {
    let key = fs::read_to_string(test_file("pkcs8.pem")).unwrap();
    let (_, key) = key.split_once("-----END CERTIFICATE-----\n").unwrap();
    let path = folder.join("service-account.json");
    let file = serde_json::json!({
        "type": "service_account",
        "private_key_id": "0123abcd",
        "private_key": key,
        "client_email": "gateway@project.iam.example.test",
        "token_uri": token_uri,
    });
    fs::write(&path, file.to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[track_caller]
fn fault(certificate: &str, key: &str, passphrase: Option<&str>) -> String {
    let passphrase = passphrase.map(Secret::new);
    let (certificate, key) = (test_file(certificate), test_file(key));
    let fault = ClientCertificate::read(&certificate, &key, passphrase.as_ref()).err().unwrap();
    fault.replace(&test_file("").display().to_string(), "")
}

#[test]
fn keys_in_every_form_are_the_same_key() {
    let thumbprint = "69a6b622abb3651a6baa2ab432e0e67f0ec9699d319b6144737af9dc20dae6db";
    let passphrase = passphrase();
    for (certificate, key, passphrase) in [
        ("pkcs8.pem", "pkcs8.pem", None),
        ("pkcs8.pem", "pkcs1.pem", None),
        ("encrypted.pem", "encrypted.pem", Some(&passphrase)),
        // A passphrase that is not needed does no harm.
        ("encrypted.pem", "pkcs1.pem", Some(&passphrase)),
    ] {
        let (certificate, key) = (test_file(certificate), test_file(key));
        let read = ClientCertificate::read(&certificate, &key, passphrase).unwrap();
        let found: String = read.thumbprint.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(found, thumbprint);
        let public = KeyPair::from_der(read.key.0.expose()).unwrap();
        assert_eq!(public.public_key().as_ref(), public_key(), "{}", key.display());
    }
}

#[test]
fn what_is_not_usable_is_named() {
    assert_eq!(
        fault("pkcs1.pem", "pkcs1.pem", None),
        "pkcs1.pem holds no certificate (-----BEGIN CERTIFICATE-----)"
    );
    assert_eq!(
        fault("encrypted.pem", "encrypted.pem", Some("wrong")),
        "client_key_passphrase does not open the key in encrypted.pem"
    );
    assert_eq!(
        fault("encrypted.pem", "encrypted.pem", None),
        "the key in encrypted.pem is encrypted: say where its passphrase is read from, for example \
         client_key_passphrase = { file = \"client-key-passphrase\" }"
    );
    assert_eq!(
        fault("pkcs8.pem", "encrypted-pkcs1.pem", Some("x")),
        "the key in encrypted-pkcs1.pem is encrypted in an old way: change it with `openssl pkcs8 -topk8 \
         -in OLD -out NEW`"
    );
    assert_eq!(
        fault("pkcs8.pem", "ec.pem", None),
        "the key in ec.pem is not an RSA key, which the provider asks for"
    );
    assert!(fault("pkcs8.pem", "missing.pem", None).contains("missing.pem"));
}

#[test]
fn a_key_must_be_its_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.pem");
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    fs::write(&path, other.serialize_pem()).unwrap();
    let certificate = test_file("pkcs8.pem");
    let fault = ClientCertificate::read(&certificate, &path, None).err().unwrap();
    let expected = format!(
        "the key in {} is not that of the certificate {}",
        path.display(),
        certificate.display()
    );
    assert_eq!(fault, expected);
}

#[test]
fn a_service_accounts_key_file_is_googles() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_service_account(folder.path(), "https://oauth2.example.test/token");
    let read = ServiceAccountKey::read(&path).unwrap();
    assert_eq!(read.client_email, "gateway@project.iam.example.test");
    assert_eq!(read.id.as_deref(), Some("0123abcd"));
    for text in ["", "{}", "[1]", r#"{"private_key":"secret","client_email":7}"#] {
        fs::write(&path, text).unwrap();
        let fault = ServiceAccountKey::read(&path).err().unwrap();
        assert!(fault.contains("is not the JSON key file"), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    fs::write(&path, vec![b'x'; LONGEST_FILE + 1]).unwrap();
    assert!(read_file(&path).unwrap_err().contains("is longer than"));
    fs::write(&path, vec![b'x'; LONGEST_FILE]).unwrap();
    assert_eq!(read_file(&path).unwrap().len(), LONGEST_FILE);
}
