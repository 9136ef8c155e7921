//! The two SASL mechanisms that carry a bearer token, seen from the server: XOAUTH2 as Google and
//! Microsoft document it, and OAUTHBEARER of RFC 7628.

use imap_codec::imap_types::auth::AuthMechanism;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bearer<'a> {
    pub(super) user: &'a [u8],
    pub(super) token: &'a [u8],
}

impl<'a> Bearer<'a> {
    /// Reads an initial response; `None` if it does not have the mechanism's form.
    ///
    /// ```abnf
    /// xoauth2 = "user=" *%x02-FF %x01 "auth=Bearer " *%x02-FF %x01 %x01
    /// ; RFC 7628 section 3.1, with the gs2-header of RFC 5801
    /// client-resp = "n,a=" authzid "," %x01 *(key "=" value %x01) %x01
    /// ```
    pub(super) fn read(mechanism: &AuthMechanism<'_>, response: &'a [u8]) -> Option<Self> {
        let body = response.strip_suffix(b"\x01\x01")?;
        let mut fields = body.split(|octet| *octet == 1);
        let first = fields.next()?;
        let user = if *mechanism == AuthMechanism::XOAuth2 {
            first.strip_prefix(b"user=")?
        } else {
            first.strip_prefix(b"n,a=")?.strip_suffix(b",")?
        };
        let token = fields.find_map(|field| field.strip_prefix(b"auth=Bearer "))?;
        Some(Self { user, token })
    }
}

/// Whether the demo offers this mechanism.
pub(super) fn is_offered(mechanism: &AuthMechanism<'_>) -> bool {
    OFFERED.contains(mechanism)
}

/// The mechanisms of the capability list.
pub(super) const OFFERED: [AuthMechanism<'static>; 2] =
    [AuthMechanism::XOAuth2, AuthMechanism::OAuthBearer];

/// What a refused client is told before the tagged NO: it must answer this with a response of its own
/// (RFC 7628 section 3.2.3).
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
            ("XOAUTH2", "", &None),
        ] {
            let mechanism = AuthMechanism::try_from(mechanism).unwrap();
            assert_eq!(Bearer::read(&mechanism, response.as_bytes()), *expected, "{response:?}");
        }
    }
}
