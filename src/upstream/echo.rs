//! A server may repeat what it was sent, and what it says goes into logs and to clients. The hard thing is
//! that it repeats as it likes: a part, in base64 or decoded, in capitals.

use memchr::memmem;

use super::OpenError;
use crate::{
    proto::{Rejection, UpstreamCredential},
    sasl::base64,
    secret::Secret,
};

/// A server may repeat what it was sent, now or in an earlier session; its words go into the log and to the
/// client, the token or the password never does.
pub(super) fn without_credential(error: OpenError, traces: &[Secret]) -> OpenError {
    let OpenError::Rejected(rejection) = error else { return error };
    let clean = |text: String| {
        if repeats(&text, traces) { "(it repeated the credential)".into() } else { text }
    };
    OpenError::Rejected(match rejection {
        Rejection::Busy { text } => Rejection::Busy { text: clean(text) },
        Rejection::StartTls { text } => Rejection::StartTls { text: clean(text) },
        Rejection::NoMechanism { offered } => Rejection::NoMechanism { offered: clean(offered) },
        Rejection::Credential { text } => Rejection::Credential { text: clean(text) },
        Rejection::NotConnected { text } => Rejection::NotConnected { text: clean(text) },
        ours @ Rejection::Protocol { .. } => ours,
    })
}

/// Whether a part of `text` is one of a credential, in whatever case: a server may cut off what it repeats
/// at either end, or shout it.
fn repeats(text: &str, traces: &[Secret]) -> bool {
    let text = Secret::new(text.to_ascii_lowercase());
    let within = |whole: &[u8], part: &[u8]| memmem::find(whole, part).is_some();
    traces.iter().map(Secret::expose).any(|trace| match trace.len() {
        ..=TELLING => within(text.expose(), trace),
        _ => text.expose().windows(TELLING).any(|part| within(trace, part)),
    })
}

/// What to recognise a credential by, in lower case.
pub(super) fn traces(user: &str, credential: &UpstreamCredential) -> Vec<Secret> {
    let mut traces = match credential {
        UpstreamCredential::Bearer(token) => groups(token.expose()),
        UpstreamCredential::Password(password) => {
            // A short one as it stands in each login's form.
            let plain = Secret::new([b"\0", user.as_bytes(), b"\0", password.expose()].concat());
            let mut traces = groups(password.expose());
            traces.extend([password.expose(), plain.expose()].map(encoded));
            traces
        }
    };
    let (UpstreamCredential::Bearer(secret) | UpstreamCredential::Password(secret)) = credential;
    traces.push(secret.clone());
    let filled = traces.iter().filter(|trace| !trace.expose().is_empty());
    filled.map(|trace| Secret::new(trace.expose().to_ascii_lowercase())).collect()
}

/// A secret in base64 behind whatever stands before it in an initial response: the groups of three octets
/// may begin at its first, second or third.
fn groups(secret: &[u8]) -> Vec<Secret> {
    let whole = |from: &[u8]| from.len() - from.len() % 3;
    let rests = (0..3).filter_map(|skipped| secret.get(skipped..));
    let groups = rests.filter_map(|rest| rest.get(..whole(rest)));
    groups.filter(|groups| groups.len() >= TELLING / 4 * 3).map(encoded).collect()
}

fn encoded(octets: &[u8]) -> Secret {
    Secret::new(base64::encode(octets))
}

/// Octets by which a credential is recognised, in base64 as in plain.
const TELLING: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{oauthbearer, xoauth2};

    fn cleaned(text: &str, credential: &UpstreamCredential) -> String {
        let rejection = Rejection::NoMechanism { offered: text.to_owned() };
        let error = OpenError::Rejected(rejection);
        let clean = without_credential(error, &traces("tim", credential));
        let OpenError::Rejected(Rejection::NoMechanism { offered }) = clean else { panic!() };
        offered
    }

    fn is_recognised(text: &str, credential: &UpstreamCredential) -> bool {
        let clean = cleaned(text, credential);
        assert!(clean == text || clean == "(it repeated the credential)", "{clean}");
        clean != text
    }

    #[test]
    fn a_repeated_token_is_recognised_in_every_form() {
        let token = Secret::new("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
        let credential = UpstreamCredential::Bearer(token.clone());
        let repeats = |echo: &[u8]| {
            let echo = std::str::from_utf8(echo).unwrap();
            let (front, back) = echo.split_at(echo.len() / 2);
            // A quotation may begin and end anywhere.
            is_recognised(&format!("535 {echo}."), &credential)
                && (is_recognised(&format!("535 {}...", front.to_ascii_uppercase()), &credential)
                    || is_recognised(&format!("535 ...{back}"), &credential))
        };
        assert!(repeats(token.expose()));
        assert!(is_recognised("no ZWCclRC3EoAA", &credential), "its last octets");
        for user in ["a", "ab", "abc", "tim@example.org"] {
            let response = xoauth2::initial_response(user, &token).unwrap();
            assert!(repeats(&base64::encode(response.expose())), "XOAUTH2 of {user}");
            let response = oauthbearer::initial_response(user, "h", 993, &token).unwrap();
            assert!(repeats(&base64::encode(response.expose())), "OAUTHBEARER of {user}");
        }
        assert!(!is_recognised("AUTHENTICATE failed.", &credential));
    }

    #[test]
    fn a_repeated_password_is_recognised() {
        let password = |password: &str| UpstreamCredential::Password(Secret::new(password));
        let short = password("hunter2");
        for echo in ["no hunter2", "no aHVudGVyMg==", "no AHRpbQBodW50ZXIy", "NO HUNTER2"] {
            assert!(is_recognised(echo, &short), "{echo}");
        }
        assert!(!is_recognised("5.7.8 no such user", &short));
        let long = password(&"0123456789abcdef".repeat(30));
        assert!(is_recognised(&format!("no {}", "0123456789abcdef".repeat(10)), &long));
        assert!(!is_recognised("5.7.8 no such user", &password("")), "nothing cannot be repeated");
    }
}
