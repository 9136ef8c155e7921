//! SASL messages, read by us and by rsasl, and base64 by us and by the crate of that name. The hard thing is what
//! only one of the two reads: each such case stands here with its reason, and all else must be the same.

use std::sync::{Arc, Mutex, PoisonError};

use ::base64::{Engine as _, engine::general_purpose::STANDARD};
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    config::SASLConfig,
    mechanisms::{
        oauthbearer::properties::OAuthBearerValidate, xoauth2::properties::XOAuth2Validate,
    },
    prelude::{Mechname, SASLServer, SessionError, Validation},
    property::{AuthId, AuthzId, OAuthBearerKV, OAuthBearerToken, Password},
    validate::{Validate, ValidationError},
};

use super::{base64, oauthbearer, plain, xoauth2};
use crate::secret::Secret;

/// Takes `data` for base64, for a client's PLAIN message, and, apart at the NULs, for the host, the user and
/// the token or password of what we send.
///
/// # Panics
/// If rsasl reads something else out of it than we have read or put in.
pub fn fuzz_messages(data: &[u8]) {
    assert_eq!(base64::decode(data), STANDARD.decode(data).ok());
    assert_eq!(base64::encode(data), STANDARD.encode(data).into_bytes());
    received(data);
    let mut parts = data.splitn(3, |&octet| octet == 0);
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (host, user) = (text(), text());
    let secret = Secret::new(parts.next().unwrap_or_default());
    sent(&host, &user, &secret);
}

/// A client's PLAIN message (RFC 4616).
fn received(message: &[u8]) {
    let theirs = read(b"PLAIN", message);
    let ours = match plain::decode(message) {
        Ok(ours) => ours,
        // Acting as somebody else is allowed by the mechanism (section 2) and never by us.
        Err(plain::PlainError::Authzid) => return,
        Err(plain::PlainError::Malformed) => {
            return assert_eq!(theirs, None, "{}", message.escape_ascii());
        }
    };
    let password = ours.password.expose();
    // An empty name or password is a wrong one for us, and no message for them (section 2: 1*SAFE).
    let is_empty = ours.authcid.is_empty() || password.is_empty();
    // They apply SASLprep, and want a name in UTF-8, where we compare octets (section 2: SHOULD).
    let is_plain = |octets: &[u8]| octets.iter().all(|it| *it == b' ' || it.is_ascii_graphic());
    if is_empty || !is_plain(&ours.authcid) || !is_plain(password) {
        return;
    }
    let seen = theirs.map(|it| (it.user.into_bytes(), it.secret));
    assert_eq!(seen, Some((ours.authcid, password.to_vec())), "{}", message.escape_ascii());
}

/// What we send, read by a server.
fn sent(host: &str, user: &str, secret: &Secret) {
    let seen =
        |user: &str, secret: Vec<u8>, fields| Some(Seen { user: user.to_owned(), secret, fields });
    if let Some(message) = plain::initial_response(user, secret)
        && user.is_ascii()
        && secret.expose().iter().all(|it| *it == b' ' || it.is_ascii_graphic())
    {
        let expected = seen(user, secret.expose().to_vec(), Vec::new());
        assert_eq!(read(b"PLAIN", message.expose()), expected);
    }
    if let Some(message) = xoauth2::initial_response(user, secret) {
        let expected = seen(user, secret.expose().to_vec(), Vec::new());
        assert_eq!(read(b"XOAUTH2", message.expose()), expected);
    }
    // They take no `=` in a value, which RFC 7628 section 3.1 allows; no host name has one.
    if let Some(message) = oauthbearer::initial_response(user, host, 993, secret)
        && !host.contains('=')
    {
        // They leave the name as it was sent (RFC 5801 section 4).
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let fields = vec![("host".to_owned(), host.to_owned()), ("port".into(), "993".into())];
        let expected = seen(&user, [b"Bearer ", secret.expose()].concat(), fields);
        assert_eq!(read(b"OAUTHBEARER", message.expose()), expected);
    }
}

/// What a server has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    user: String,
    secret: Vec<u8>,
    fields: Vec<(String, String)>,
}

fn read(mechanism: &[u8], message: &[u8]) -> Option<Seen> {
    let seen = Arc::new(Mutex::new(None));
    let config = SASLConfig::builder().with_defaults().with_callback(Server(Arc::clone(&seen)));
    let server = SASLServer::<Nothing>::new(config.ok()?);
    let mut session = server.start_suggested(Mechname::parse(mechanism).ok()?).ok()?;
    let mut answer = Vec::new();
    session.step(Some(message), &mut answer).ok()?;
    assert!(answer.is_empty(), "{}", answer.escape_ascii());
    seen.lock().unwrap_or_else(PoisonError::into_inner).take()
}

struct Nothing;

impl Validation for Nothing {
    type Value = ();
}

/// A server that lets everybody in.
struct Server(Arc<Mutex<Option<Seen>>>);

impl SessionCallback for Server {
    fn callback(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if request.is::<XOAuth2Validate>() {
            request.satisfy::<XOAuth2Validate>(&Ok(()))?;
        }
        if request.is::<OAuthBearerValidate>() {
            request.satisfy::<OAuthBearerValidate>(&Ok(()))?;
        }
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        _: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let token = context.get_ref::<OAuthBearerToken>().map(str::as_bytes);
        let user = context.get_ref::<AuthId>().or_else(|| context.get_ref::<AuthzId>());
        let fields = context.get_ref::<OAuthBearerKV>().unwrap_or_default();
        let field = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen {
            user: user.unwrap_or_default().to_owned(),
            secret: token.or_else(|| context.get_ref::<Password>()).unwrap_or_default().to_vec(),
            fields: fields.iter().map(field).collect(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for data in [
            &b""[..],
            b"AGFsaWNlAHNlY3JldA==",
            b"Zh==",
            b"Zg",
            b"\0alice\0secret",
            b"alice\0alice\0a b\x01",
            b"bob\0alice\0secret",
            b"\0alice\0",
            b"\0a\0b\0c",
            b"imap.example.org\0a,b=c@example.org\0T0K3N",
            b"a=b\0alice\0T0K3N=",
            b"h\0j\xc3\xb6rg\0T0K3N",
        ] {
            fuzz_messages(data);
        }
    }
}
