//! Who has signed in. The hard thing is what need not be checked: the id_token comes from the token
//! endpoint inside TLS, and is believed for that (OpenID Connect Core section 3.1.3.7, point 6); whom it
//! was made for, and whom it names, is checked all the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{config::OAuthConfig, proto::text::printable, secret::Secret, store::Identity};

/// What an id_token says (OpenID Connect Core section 2), as far as anybody here asks.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nonce: Option<String>,
    oid: Option<Lenient<String>>,
    tid: Option<Lenient<String>>,
    preferred_username: Option<Lenient<String>>,
    email: Option<Lenient<String>>,
    email_verified: Option<Verified>,
    upn: Option<Lenient<String>>,
}

/// A claim that is read where it has the type it should have: an odd one must not cost the others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Fit(T),
    Odd(serde::de::IgnoredAny),
}

impl<T> Lenient<T> {
    fn fit(self) -> Option<T> {
        match self {
            Self::Fit(value) => Some(value),
            Self::Odd(_) => None,
        }
    }
}

/// Some providers send it as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Verified {
    Flag(bool),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Verified {
    fn is_true(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::Text(text) => text.eq_ignore_ascii_case("true"),
            Self::Other(_) => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What this sign-in's id_token must say.
pub(super) struct Expected<'a> {
    pub(super) oauth: &'a OAuthConfig,
    /// What the redirect called its sender (RFC 9207).
    pub(super) issuer: Option<&'a str>,
    /// What the request contained.
    pub(super) nonce: Option<&'a str>,
    pub(super) now: SystemTime,
}

/// A person, by the provider's word.
pub(super) struct Person {
    pub(super) identity: Identity,
    /// All that they are called, the usual first.
    names: Vec<String>,
}

/// Reads an id_token and compares what it says of the sign-in. On an error: what is wrong with it,
/// without a subject.
pub(super) fn read(id_token: &Secret, expected: &Expected<'_>) -> Result<Person, &'static str> {
    let claims = claims(id_token).ok_or("sends an id_token that cannot be read")?;
    let named = [expected.oauth.sign_in.issuer.as_deref(), expected.issuer];
    if named.into_iter().flatten().any(|issuer| issuer != claims.iss) {
        return Err("sends an id_token of another issuer");
    }
    let client_id = &expected.oauth.client_id;
    let for_us = match &claims.aud {
        Audience::One(one) => one == client_id,
        Audience::Many(many) => many.contains(client_id),
    };
    if !for_us {
        return Err("sends an id_token that was made for another application");
    }
    if expected.nonce.is_some() && expected.nonce != claims.nonce.as_deref() {
        return Err("sends an id_token that belongs to another sign-in");
    }
    let now = expected.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if claims.exp + CLOCK_SLACK.as_secs_f64() <= now.as_secs_f64() {
        return Err("sends an id_token that has ended already, or this machine's clock is wrong");
    }
    Ok(person(claims))
}

fn claims(id_token: &Secret) -> Option<Claims> {
    let mut parts = id_token.expose().split(|octet| *octet == b'.');
    let payload = parts.nth(1)?;
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    // RFC 7519 section 3: an object. A list of the same values would be read as well.
    payload.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(&payload).ok())?
}

fn person(claims: Claims) -> Person {
    // Anybody may claim an address that nobody has verified.
    let email = claims.email.filter(|_| claims.email_verified.is_none_or(|it| it.is_true()));
    let names = [claims.preferred_username, email, claims.upn];
    let names = names.into_iter().flatten().filter_map(Lenient::fit);
    let names: Vec<String> = names.map(|name| printable(name.as_bytes(), LONGEST_NAME)).collect();
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let fit = |claim: Option<Lenient<String>>| claim.and_then(Lenient::fit);
    let subject = match (fit(claims.oid), fit(claims.tid)) {
        // `sub` is another for each application, and accounts may outlive one.
        (Some(oid), Some(tid)) => format!("{tid}/{oid}"),
        _ => claims.sub,
    };
    let identity = Identity { issuer: claims.iss, subject, name: names.first().cloned() };
    Person { identity, names }
}

impl Person {
    /// What they are called, or at least their number.
    pub(super) fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.identity.subject)
    }

    /// Whether this is who must sign in, as far as that can be told; a refusal is for people.
    pub(super) fn check(
        &self,
        login: &str,
        owner: Option<&str>,
        pinned: Option<&Identity>,
    ) -> Result<(), String> {
        let name = printable(self.name().as_bytes(), LONGEST_NAME);
        if let Some(owner) = owner
            && !self.names.is_empty()
            && !self.names.iter().any(|name| name.to_lowercase() == owner.to_lowercase())
        {
            return Err(format!(
                "{name} has signed in, but {owner} must sign in for {login}: nothing was stored. Sign \
                 out in the browser, or open the link in a private window, and try again: saslgate \
                 signin {login}\nIf {name} is right, write token_owner = \"{name}\" in the account."
            ));
        }
        match pinned {
            Some(pinned) if !is_same(pinned, &self.identity) => {
                let before = pinned.shown();
                Err(format!(
                    "{name} has signed in for {login}, but it was {before} until now, by the \
                     provider's own number another person: nothing was stored. Sign out in the \
                     browser, or open the link in a private window, and try again.\nIf {name} is right, \
                     first forget the old sign-in: saslgate account signout {login}"
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Identity {
    /// The name, or at least the number, for people.
    pub(super) fn shown(&self) -> String {
        let name = self.name.as_deref().unwrap_or(&self.subject);
        printable(name.as_bytes(), LONGEST_NAME)
    }
}

fn is_same(one: &Identity, other: &Identity) -> bool {
    one.issuer == other.issuer && one.subject == other.subject
}

/// An address has at most 254 octets (RFC 5321 section 4.5.3.1.3).
const LONGEST_NAME: usize = 254;

/// What people and time servers leave wrong.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Grant;

    const NOW: u64 = 1_800_000_000;

    fn oauth() -> OAuthConfig {
        OAuthConfig::new("https://id.example.test/t".parse().unwrap(), "app", Grant::RefreshToken)
    }

    fn token(changes: &Value) -> Secret {
        let mut claims =
            json!({"iss": "https://id.example.test", "sub": "7", "aud": "app", "exp": NOW + 60});
        for (key, value) in changes.as_object().unwrap() {
            claims[key] = value.clone();
        }
        Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    fn read_at(changes: &Value, oauth: &OAuthConfig) -> Result<Person, &'static str> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let issuer = Some("https://id.example.test");
        read(&token(changes), &Expected { oauth, issuer, nonce: Some("n"), now })
    }

    #[test]
    fn what_an_id_token_must_say() {
        let oauth = oauth();
        let good = read_at(&json!({"nonce": "n"}), &oauth).ok().unwrap();
        assert_eq!(good.name(), "7");
        for (changes, part) in [
            (json!({}), "another sign-in"),
            (json!({"nonce": "m"}), "another sign-in"),
            (json!({"nonce": "n", "aud": "other"}), "another application"),
            (json!({"nonce": "n", "aud": ["other", "third"]}), "another application"),
            (json!({"nonce": "n", "iss": "https://evil.example.test"}), "another issuer"),
            (json!({"nonce": "n", "exp": NOW - 301}), "ended already"),
            (json!({"nonce": "n", "exp": "soon"}), "cannot be read"),
            (json!({"nonce": "n", "sub": 7}), "cannot be read"),
        ] {
            let fault = read_at(&changes, &oauth).err().unwrap();
            assert!(fault.contains(part), "{changes}: {fault}");
        }
        assert!(read_at(&json!({"nonce": "n", "aud": ["x", "app"]}), &oauth).is_ok());
        let mut strict = oauth;
        strict.sign_in.issuer = Some("https://other.example.test".to_owned());
        assert!(read_at(&json!({"nonce": "n"}), &strict).is_err());
        let now = UNIX_EPOCH;
        let expected = Expected { oauth: &strict, issuer: None, nonce: None, now };
        for text in ["", "a", "a.b", "a.%%.c", "a.e30.c", "a..c"] {
            assert!(read(&Secret::new(text), &expected).is_err(), "{text}");
        }
    }

    #[test]
    fn a_person_has_a_number_and_names() {
        let oauth = oauth();
        let person = |claims: Value| read_at(&claims, &oauth).ok().unwrap();
        let microsoft = person(json!({"nonce": "n", "oid": "o", "tid": "t", "upn": "u@x",
            "preferred_username": "P@x", "email": "e@x"}));
        assert_eq!(microsoft.identity.subject, "t/o");
        assert_eq!(microsoft.names, ["P@x", "e@x", "u@x"]);
        let unverified = person(json!({"nonce": "n", "email": "e@x", "email_verified": false}));
        assert!(unverified.names.is_empty());
        for (verified, names) in [(json!("true"), 1), (json!("false"), 0), (json!([]), 0)] {
            let claims = json!({"nonce": "n", "email": "e@x", "email_verified": verified});
            assert_eq!(person(claims).names.len(), names, "{verified}");
        }
        // What is not needed may be odd.
        let odd = person(json!({"nonce": "n", "upn": 7, "oid": [], "preferred_username": "P@x"}));
        assert_eq!((odd.name(), odd.identity.subject.as_str()), ("P@x", "7"));
        let steering = person(json!({"nonce": "n", "email": "e\u{1b}[2J@x\n"}));
        assert_eq!(steering.name(), "e [2J@x");
    }

    #[test]
    fn the_wrong_person_is_told_from_the_right_one() {
        let oauth = oauth();
        let person = read_at(&json!({"nonce": "n", "email": "Me@x"}), &oauth).ok().unwrap();
        let same = person.identity.clone();
        let other = Identity { subject: "8".into(), name: Some("boss@x".into()), ..same.clone() };
        assert_eq!(person.check("me", None, None), Ok(()));
        assert_eq!(person.check("me", Some("mE@X"), Some(&same)), Ok(()));
        let fault = person.check("me", Some("boss@x"), Some(&same)).unwrap_err();
        assert!(fault.starts_with("Me@x has signed in, but boss@x must"), "{fault}");
        assert!(fault.contains("token_owner = \"Me@x\""), "{fault}");
        let fault = person.check("me", Some("me@x"), Some(&other)).unwrap_err();
        assert!(fault.starts_with("Me@x has signed in for me, but it was boss@x"), "{fault}");
        assert!(fault.contains("saslgate account signout me"), "{fault}");
        // Who is named by a number only cannot be compared with a name.
        let nameless = read_at(&json!({"nonce": "n"}), &oauth).ok().unwrap();
        assert_eq!(nameless.check("me", Some("boss@x"), None), Ok(()));
    }
}
