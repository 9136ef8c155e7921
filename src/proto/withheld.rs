//! What a server must not be quoted with: there are servers that repeat a command which they do not
//! understand, and its words are shown to the client and written to the log. The hard thing is that what
//! they repeat is cut and wrapped as they like, so every part of it counts.

use memchr::memmem;

use super::{
    BearerMechanism, Rejection, UpstreamCredential, UpstreamOptions, mechanism::encoded,
};
use crate::{sasl::plain, secret::Secret};

/// The credential of a login, and all that it may look like on the wire.
#[derive(Debug, Default)]
pub(crate) struct Withheld(Vec<Secret>);

impl Withheld {
    pub(crate) fn new(
        options: &UpstreamOptions,
        user: &str,
        credential: &UpstreamCredential,
    ) -> Self {
        Self(match credential {
            UpstreamCredential::Bearer(token) => {
                let both = [BearerMechanism::XOAuth2, BearerMechanism::OAuthBearer];
                let sent = both.map(|mechanism| options.bearer_response(mechanism, user, token));
                sent.into_iter().flatten().chain([token.clone()]).collect()
            }
            UpstreamCredential::Password(password) => {
                let message = plain::initial_response(user, password);
                let sent = message.as_ref().map(encoded);
                sent.into_iter().chain([encoded(password), password.clone()]).collect()
            }
        })
    }

    /// The same rejection without any part of the credential.
    pub(crate) fn strip(&self, rejection: Rejection) -> Rejection {
        match rejection {
            Rejection::Busy { text } => Rejection::Busy { text: self.without(&text) },
            Rejection::StartTls { text } => Rejection::StartTls { text: self.without(&text) },
            Rejection::NoMechanism { offered } => {
                Rejection::NoMechanism { offered: self.without(&offered) }
            }
            Rejection::Credential { text } => Rejection::Credential { text: self.without(&text) },
            Rejection::NotConnected { text } => {
                Rejection::NotConnected { text: self.without(&text) }
            }
            Rejection::Protocol { fault } => Rejection::Protocol { fault },
        }
    }

    fn without(&self, text: &str) -> String {
        let mut hidden = vec![false; text.len()];
        for secret in self.0.iter().map(Secret::expose).filter(|secret| secret.len() >= SHORTEST) {
            let part = secret.len().min(PART);
            for (at, seen) in text.as_bytes().windows(part).enumerate() {
                let stands = part == PART || is_a_word(text.as_bytes(), at, part);
                if stands && memmem::find(secret, seen).is_some() {
                    hidden.iter_mut().skip(at).take(part).for_each(|octet| *octet = true);
                }
            }
        }
        let mut shown = String::with_capacity(text.len());
        let mut before = false;
        for (at, character) in text.char_indices() {
            let hide = hidden.get(at) == Some(&true);
            match (hide, before) {
                (false, _) => shown.push(character),
                (true, false) => shown.push_str("[withheld]"),
                (true, true) => {}
            }
            before = hide;
        }
        shown
    }
}

/// Whether what stands there is no part of a longer word.
fn is_a_word(text: &[u8], at: usize, octets: usize) -> bool {
    let letter = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    let ends = |octet: Option<&u8>| !octet.is_some_and(letter);
    ends(at.checked_sub(1).and_then(|before| text.get(before))) && ends(text.get(at + octets))
}

/// Octets of a secret that tell nothing to anybody.
const PART: usize = 12;

/// What is shorter stands in any text; what is not much longer counts as a word of its own.
const SHORTEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> UpstreamOptions {
        UpstreamOptions {
            starttls: false,
            mechanism: None,
            host: "h".to_owned(),
            port: 993,
            client_name: "gateway.test".to_owned(),
        }
    }

    #[test]
    fn a_credential_is_not_quoted() {
        let token = UpstreamCredential::Bearer(Secret::new("t0k3n-that-n0body-may-see"));
        let password = UpstreamCredential::Password(Secret::new("hunter2 p\u{e9}"));
        let short = UpstreamCredential::Password(Secret::new("s3cr3t"));
        for (credential, said, told) in [
            (&token, "Unknown user", "Unknown user"),
            (&token, "what is t0k3n-that-n0body-may-see?", "what is [withheld]?"),
            (&token, "what is t0k3n-that-n0body", "what is [withheld]"),
            (&token, "t0k3n-that-", "t0k3n-that-"),
            (&token, "AUTH XOAUTH2 dXNlcj11c2VyQGV4YW1wbGUu (cut)", "AUTH XOAUTH2 [withheld] (cut)"),
            (&password, "hunter2 p\u{e9}, hunter2", "[withheld], hunter2"),
            (&short, "what is a s3cr3t, or s3cr3ts?", "what is a [withheld], or s3cr3ts?"),
            (&password, "what is aHVudGVyMiBww6k=?", "what is [withheld]?"),
        ] {
            let withheld = Withheld::new(&options(), "user@example.test", credential);
            let text = said.to_owned();
            let expected = Rejection::Credential { text: told.to_owned() };
            assert_eq!(withheld.strip(Rejection::Credential { text }), expected);
        }
    }
}
