//! What must hold of a provider's metadata whatever it says. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

use url::Url;

use super::{Document, documents, judge};
use crate::config::is_secure;

/// Takes the first line of `data` for the issuer that a person asks for, and the rest for what lies there.
///
/// # Panics
/// If another host would be asked, if a place outside TLS would be believed, if the issuer is another
/// one, or if what is said of it could steer a terminal.
pub fn fuzz_metadata(data: &[u8]) {
    let mut parts = data.splitn(2, |&octet| octet == b'\n');
    let issuer = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let Ok(asked) = Url::parse(&issuer) else { return };
    let documents = match documents(&asked) {
        Ok(documents) => documents,
        Err(error) => return assert!(is_plain(&error.to_string())),
    };
    assert!(is_secure(&asked) && (2..=3).contains(&documents.len()));
    for document in &documents {
        assert_eq!(document.origin(), asked.origin());
        assert!(document.path().contains("/.well-known/") && document.query().is_none());
    }
    let Ok(read) = serde_json::from_slice::<Document>(parts.next().unwrap_or_default()) else {
        return;
    };
    let Some(document) = documents.into_iter().next() else { return };
    match judge(&asked, document, read) {
        Err(error) => assert!(is_plain(&error.to_string()), "{error}"),
        Ok(metadata) => {
            assert_eq!(Url::parse(&metadata.issuer).as_ref(), Ok(&asked));
            let others = [&metadata.authorization_url, &metadata.device_url];
            for url in others.into_iter().flatten().chain([&metadata.token_url]) {
                assert!(is_secure(url) && url.username().is_empty() && url.password().is_none());
                assert!(url.fragment().is_none());
            }
            assert!(metadata.sign_in_scopes().len() <= 3);
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for text in [
            "https://id.test/a\n{\"issuer\":\"https://id.test/a\",\"token_endpoint\":\"https://id.test/t\"}",
            "https://id.test\n{\"issuer\":\"https://id.test\",\"token_endpoint\":\"http://id.test/t\"}",
            "https://id.test/\n{\"issuer\":\"https://id.test\",\"token_endpoint\":\"https://id.test/t\",\
             \"scopes_supported\":[\"openid\"],\"code_challenge_methods_supported\":[\"S256\"]}",
            "https://id.test\n{\"issuer\":\"\\u001b[2J\"}",
            "https://id.test\n{\"issuer\":\"https://id.test\"}",
            "http://127.0.0.1:8080//..//\n{}",
            "https://user@id.test\n{}",
            "data:x\n{}",
            "",
        ] {
            fuzz_metadata(text.as_bytes());
        }
    }
}
