//! What must hold of the files with certificates and keys that an operator names, whatever is in them. Runs
//! over seeds in the tests, and over everything else in the fuzzer.

use std::path::Path;

use super::pem;
use crate::signing_key;

/// Takes `data` for such a file, for TLS and for signed assertions.
///
/// # Panics
/// If what is said of the file holds anything of it.
pub fn fuzz_pem(data: &[u8]) {
    let path = Path::new("f");
    if let Err(error) = pem::parse(path, data) {
        assert_eq!(error.to_string(), format!("f: {}", pem::NOT_PEM));
    }
    if let Err(text) = signing_key::fuzz_key(path, data) {
        assert!(OF_A_KEY.iter().any(|it| text.starts_with(it)), "{text}");
        assert!(text.len() < LONGEST, "{text}");
    }
}

/// How each sentence about a key begins; none of them has a value in it.
const OF_A_KEY: [&str; 6] = [
    "f is not valid PEM",
    "f holds no private key (-----BEGIN PRIVATE KEY-----)",
    "the key in f is encrypted",
    "the key in f is not an RSA key, which the provider asks for",
    "the private key in f is damaged",
    "f is not the JSON key file of a Google service account",
];

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n",
            // Line ends that got lost on the way, in a variable or a form.
            "-----BEGIN PRIVATE KEY-----MIIEvQ==-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY----- MIIEvQ== -----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----MIIEvQ==\n-----END PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMII=\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIEvQ==\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\nMIIEvQ==\n-----END EC PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nM\u{fc}\n-----END CERTIFICATE-----\n",
            "-----BEGIN X-----\nhunter2",
            "{\"private_key\":\"-----BEGIN PRIVATE KEY-----\",\"client_email\":\"a@b\"}",
            "",
        ] {
            fuzz_pem(text.as_bytes());
        }
    }
}
