//! What must hold of what token endpoints, token programs and id_tokens say, whatever they say. Runs over
//! seeds in the tests, and over everything else in the fuzzer.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    TokenErrorKind,
    answer::{self, Answer, Failure, Response},
    endpoint, external_answer,
};
use crate::secret::Secret;

/// Takes `data` for an answer: two octets make the status, then a line each with `Retry-After` and
/// `Date`, then the body.
///
/// # Panics
/// If a token could break out of its message or would last for ever, if a new refresh token gets lost, if
/// what is said of a failure holds anything of the body but its codes, or if a failure is of the wrong
/// kind.
pub fn fuzz_answer(data: &[u8]) {
    let [high, low, rest @ ..] = data else { return };
    let status = 200 + u16::from_be_bytes([*high, *low]) % 400;
    let mut parts = rest.splitn(3, |&octet| octet == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let retry_after = endpoint::fuzz_retry_after(part(), part());
    let body = part();
    let response = |body| Response { status, retry_after, body: Zeroizing::new(body) };
    let members = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    match answer::read(&response(body.to_vec())) {
        Ok(answer) => good(status, &answer, &members),
        Err(failure) => {
            assert_eq!(failure.origin, answer::Origin::Answer(status));
            if status < 300 {
                assert!(OF_SUCCESS.contains(&failure.what.as_str()), "{}", failure.what);
                assert_eq!(exposed(failure.rotated.as_ref()), text(&members, "refresh_token"));
            } else if status >= 400 {
                let told = response(codes_alone(&members).to_string().into_bytes());
                assert_eq!(shown(&failure), shown(&answer::read_error(&told)));
                assert_eq!(failure.retry_after, retry_after);
                assert_eq!(failure.kind, kind(status, &failure), "{}", failure.what);
            }
            assert!(failure.what.bytes().all(|it| it == b' ' || it.is_ascii_graphic()));
        }
    }
}

fn good(status: u16, answer: &Answer, members: &Map<String, Value>) {
    assert!(status < 300);
    let token = answer.access_token.expose();
    assert!(!token.is_empty() && token.iter().all(|it| *it == b' ' || it.is_ascii_graphic()));
    assert!(answer.lifetime <= YEAR && answer.window.is_none_or(|it| it <= YEAR));
    assert_eq!(exposed(answer.refresh_token.as_ref()), text(members, "refresh_token"));
    assert_eq!(Some(token.to_vec()), text(members, "access_token"));
}

/// All that may be told of an error answer.
fn codes_alone(members: &Map<String, Value>) -> Value {
    let mut told = Map::new();
    let form = |text: &str, most, fits: fn(char) -> bool| {
        (1..=most).contains(&text.len()) && text.chars().all(fits)
    };
    let own = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(error) =
        own("error").filter(|it| form(it, 40, |c| c.is_ascii_lowercase() || c == '_'))
    {
        told.insert("error".into(), error.into());
    }
    if let Some(id) =
        own("trace_id").filter(|it| form(it, 64, |c| c.is_ascii_hexdigit() || c == '-'))
    {
        told.insert("trace_id".into(), id.into());
    }
    if let Some(codes) = members.get("error_codes").and_then(Value::as_array) {
        let fit = |code: &Value| code.as_u64().is_some_and(|code| u32::try_from(code).is_ok());
        told.insert("error_codes".into(), codes.iter().filter(|it| fit(it)).cloned().collect());
    }
    let description = own("error_description").and_then(|it| it.strip_prefix("AADSTS"));
    if let Some((digits, _)) = description.and_then(|it| it.split_once(':'))
        && digits.bytes().all(|it| it.is_ascii_digit())
    {
        told.insert("error_description".into(), format!("AADSTS{digits}:").into());
    }
    Value::Object(told)
}

/// Of RFC 6749 section 5.2, where nothing else is known of it.
fn kind(status: u16, failure: &Failure) -> TokenErrorKind {
    let passing = status >= 500 || status == 429 || status == 408;
    match failure.error.as_deref() {
        _ if passing => TokenErrorKind::Unavailable,
        None => TokenErrorKind::Unavailable,
        // Microsoft's numbers say more.
        Some(_) if failure.code.is_some() => failure.kind,
        Some("invalid_grant") => TokenErrorKind::SignIn,
        Some(
            "invalid_request"
            | "invalid_client"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "invalid_scope",
        ) => TokenErrorKind::Configuration,
        Some(_) => failure.kind,
    }
}

fn shown(failure: &Failure) -> String {
    format!("{:?}", Failure { retry_after: None, rotated: None, ..copy(failure) })
}

fn copy(failure: &Failure) -> Failure {
    Failure {
        what: failure.what.clone(),
        trace_id: failure.trace_id.clone(),
        rotated: None,
        error: failure.error.clone(),
        ..*failure
    }
}

fn exposed(secret: Option<&Secret>) -> Option<Vec<u8>> {
    secret.map(|it| it.expose().to_vec())
}

fn text(members: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    let text = members.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.as_bytes().to_vec())
}

/// Takes `data` for what a token program prints.
///
/// # Panics
/// If what it takes for a token could break out of its message or would last for ever, or if what is
/// said of it is not of our own words.
pub fn fuzz_printed(data: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    match external_answer::read(&Secret::new(data), now) {
        Ok(printed) => {
            let token = printed.token.expose();
            assert!(!token.is_empty() && token.iter().all(u8::is_ascii_graphic));
            assert!(printed.lifetime.is_none_or(|it| it <= YEAR));
        }
        Err(text) => assert!(OF_A_PROGRAM.contains(&text.as_str()), "{text}"),
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

const OF_SUCCESS: [&str; 2] = [
    "answers with something that is not an OAuth answer",
    "gives out tokens of another type than Bearer",
];

const OF_A_PROGRAM: [&str; 3] = [
    "brings nothing",
    "brings JSON without an access_token or accessToken",
    "brings something that is not a token",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for body in [
            r#"{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r"}"#,
            r#"{"access_token":"a","refresh_token":"r","refresh_expires_in":1,"refresh_token_expires_in":2}"#,
            r#"{"access_token":"a","access_token":"b","refresh_token":"r"}"#,
            r#"{"access_token":7,"refresh_token":"r"}"#,
            r#"{"access_token":"a","refresh_token":"r","token_type":"mac","id_token":"x.y.z"}"#,
            r#"{"access_token":"a","expires_in":"1e400","refresh_token":""}"#,
            r#"{"error":"invalid_grant","error_description":"AADSTS700082: secret","trace_id":"0a-1f"}"#,
            r#"{"error":"invalid_client","error_codes":[7000215,"x",-1,5000000000]}"#,
            r#"{"error":"invalid_request","error":"invalid_scope"}"#,
            r#"{"error":"hunter2 hunter2","error_description":"hunter2","trace_id":"hunter2"}"#,
            r#"{"error_description":"AADSTS50011:"}"#,
            r#"["invalid_grant"]"#,
            "<html>",
            "",
        ] {
            for status in [0, 1, 102, 200, 201, 208, 229, 303, 304] {
                for head in ["\n\n", "120\nyesterday\n", "Wed, 21 Oct 2026 07:28:00 GMT\n\n"] {
                    let status = u16::to_be_bytes(status);
                    fuzz_answer(&[&status[..], head.as_bytes(), body.as_bytes()].concat());
                }
            }
        }
    }

    #[test]
    fn printed() {
        for text in [
            "abc.def\n",
            "error: not signed in",
            r#"{"access_token":"t","accessToken":"t","expires_in":"x","expiresOn":"2027-01-15T08:10:00Z"}"#,
            r#"{"accessToken":"t t"}"#,
            r#"{"access_token":"t","expires_on":1e300}"#,
            "{",
            "",
        ] {
            fuzz_printed(text.as_bytes());
        }
    }
}
