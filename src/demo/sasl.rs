//! The two SASL mechanisms that carry a bearer token, seen from the server: XOAUTH2 as Google and
//! Microsoft document it, and OAUTHBEARER of RFC 7628. Whatever protocol they come in, the token opens
//! the mailbox of its own user and no other.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::server::Server;

/// How a token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    XOAuth2,
    OAuthBearer,
}

impl Mechanism {
    /// A mechanism by its name, in any case; `None` if it is none of the two.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [("XOAUTH2", Self::XOAuth2), ("OAUTHBEARER", Self::OAuthBearer)];
        all.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, found)| found)
    }
}

/// What the demo makes of a client's response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not have the mechanism's form.
    Misread,
    /// The token is not valid, or not this user's: the client is owed the [`CHALLENGE`].
    Refuse,
    Accept,
}

impl Server {
    /// Judges a client's response.
    pub(super) fn judge(&self, mechanism: Mechanism, response: &[u8]) -> Verdict {
        let Some(bearer) = Bearer::read(mechanism, response) else { return Verdict::Misread };
        let user_fits = bearer.user.eq_ignore_ascii_case(self.user.as_bytes());
        if user_fits && self.tokens.accepts(bearer.token) {
            Verdict::Accept
        } else {
            Verdict::Refuse
        }
    }
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
struct Bearer<'a> {
    user: &'a [u8],
    token: &'a [u8],
}

impl<'a> Bearer<'a> {
    /// Reads an initial response; `None` if it does not have the mechanism's form.
    ///
    /// ```abnf
    /// xoauth2 = "user=" *%x02-FF %x01 "auth=Bearer " *%x02-FF %x01 %x01
    /// ; RFC 7628 section 3.1, with the gs2-header of RFC 5801
    /// client-resp = "n,a=" authzid "," %x01 *(key "=" value %x01) %x01
    /// ```
    fn read(mechanism: Mechanism, response: &'a [u8]) -> Option<Self> {
        let body = response.strip_suffix(b"\x01\x01")?;
        let mut fields = body.split(|octet| *octet == 1);
        let first = fields.next()?;
        let user = match mechanism {
            Mechanism::XOAuth2 => first.strip_prefix(b"user=")?,
            Mechanism::OAuthBearer => first.strip_prefix(b"n,a=")?.strip_suffix(b",")?,
        };
        let token = fields.find_map(|field| field.strip_prefix(b"auth=Bearer "))?;
        Some(Self { user, token })
    }
}

/// A response as SMTP and POP3 write it, where `=` is an empty one (RFC 4954 section 4, RFC 5034
/// section 4); `None` if it is not base64.
pub(super) fn decode(response: &[u8]) -> Option<Vec<u8>> {
    if response == b"=" { Some(Vec::new()) } else { STANDARD.decode(response).ok() }
}

/// The challenge as SMTP and POP3 write it.
pub(super) fn encoded_challenge() -> String {
    STANDARD.encode(CHALLENGE)
}

/// What a refused client is told before the refusal itself: it must answer this with a response of its
/// own (RFC 7628 section 3.2.3).
pub(super) const CHALLENGE: &[u8] =
    br#"{"status":"401","schemes":"Bearer","scope":"https://mail.example.org/"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_others_are_not() {
        let both = Some(Bearer { user: b"ada@example.org", token: b"t0ken" });
        for (mechanism, response, expected) in [
            ("XOAUTH2", "user=ada@example.org\x01auth=Bearer t0ken\x01\x01", &both),
            ("OAUTHBEARER", "n,a=ada@example.org,\x01auth=Bearer t0ken\x01\x01", &both),
            (
                "OAUTHBEARER",
                "n,a=ada@example.org,\x01host=h\x01port=1\x01auth=Bearer t0ken\x01\x01",
                &both,
            ),
            ("XOAUTH2", "user=ada@example.org\x01auth=Bearer t0ken\x01", &None),
            ("XOAUTH2", "n,a=ada@example.org,\x01auth=Bearer t0ken\x01\x01", &None),
            ("OAUTHBEARER", "user=ada@example.org\x01auth=Bearer t0ken\x01\x01", &None),
            ("OAUTHBEARER", "n,a=ada@example.org,\x01\x01", &None),
            ("xoauth2", "", &None),
        ] {
            let mechanism = Mechanism::named(mechanism).unwrap();
            assert_eq!(Bearer::read(mechanism, response.as_bytes()), *expected, "{response:?}");
        }
        assert_eq!(Mechanism::named("PLAIN"), None);
    }

    #[test]
    fn an_equals_sign_is_an_empty_response() {
        assert_eq!(decode(b"="), Some(Vec::new()));
        assert_eq!(decode(b"AQ=="), Some(vec![1]));
        assert_eq!(decode(b"AQ"), None);
        assert_eq!(decode(b"*"), None);
    }
}
