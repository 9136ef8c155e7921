//! What a token endpoint answers, read into our own types. The hard thing is that the body is a peer's
//! and full of secrets: nothing of it may reach a text or a log but codes of a known form. The
//! `oauth2` crate's own response types are not used here, because they serialize, read `expires_in`
//! as an integer only, and drop the HTTP status, `Retry-After` and the provider's error codes.

use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Cause, CertificateFault, TokenErrorKind,
    advice::{self, Advice},
};
use crate::{config::OAuthConfig, secret::Secret};

/// An HTTP answer, whole.
pub(super) struct Response {
    /// HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, counted from the answer.
    pub(super) retry_after: Option<Duration>,
    /// Bounded by who read it.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A good answer (RFC 6749 section 5.1).
pub(super) struct Answer {
    pub(super) access_token: Secret,
    /// `None`: the old one goes on (RFC 6749 section 6).
    pub(super) refresh_token: Option<Secret>,
    /// From the moment of the request, to be on the safe side.
    pub(super) lifetime: Duration,
    /// How long the refresh token lasts, where that is said and not for ever.
    pub(super) window: Option<Duration>,
    /// OpenID Connect Core section 3.1.3.3; says who has signed in. It is personal, so it is kept
    /// like a secret.
    pub(super) id_token: Option<Secret>,
    /// What was granted, where that is said (RFC 6749 section 5.1).
    pub(super) scope: Option<String>,
}

/// Why an exchange brought no access token.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: TokenErrorKind,
    /// Two parts of one text: what happened, without a subject, and what to do.
    pub(super) what: String,
    pub(super) advice: Advice,
    /// Whether the provider certainly has not given out a new refresh token.
    pub(super) unspent: bool,
    /// When the provider wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// The provider's name for this answer, for its support.
    pub(super) trace_id: Option<String>,
    /// A new refresh token in an answer that is otherwise of no use: it must be kept all the same.
    pub(super) rotated: Option<Secret>,
    /// Whether the refresh token itself is what the provider refused.
    pub(super) refused_grant: bool,
    /// The provider's own word, where it has the usual form.
    pub(super) error: Option<Box<str>>,
    /// The AADSTS number behind it, where it is a known one.
    pub(super) code: Option<u32>,
    /// The same, known or not.
    pub(super) any_code: Option<u32>,
    /// Where it comes from.
    pub(super) origin: Origin,
}

/// Where a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From ourselves: nothing was sent.
    Request,
    /// From the way to the token endpoint.
    Way,
    /// From the certificate of whoever answers there.
    Certificate(CertificateFault),
    /// From an answer that was too slow or too long.
    Unanswered,
    /// From its answer, with the HTTP status.
    Answer(u16),
}

impl Failure {
    /// A passing fault.
    pub(super) fn passing(what: impl Into<String>, unspent: bool) -> Self {
        Self {
            kind: TokenErrorKind::Unavailable,
            what: what.into(),
            advice: Advice::TryLater,
            unspent,
            retry_after: None,
            trace_id: None,
            rotated: None,
            refused_grant: false,
            error: None,
            code: None,
            any_code: None,
            origin: Origin::Way,
        }
    }

    /// A connection stood, and no whole answer came: whatever was sent may have been taken.
    pub(super) fn unanswered(what: impl Into<String>) -> Self {
        Self { origin: Origin::Unanswered, ..Self::passing(what, false) }
    }

    /// Whether the connection to the provider never stood.
    pub(super) fn never_stood(&self) -> bool {
        self.origin == Origin::Way && self.unspent
    }

    /// What stands behind it.
    pub(super) fn cause(&self, oauth: &OAuthConfig) -> Cause {
        let what = self.what.clone();
        match self.origin {
            Origin::Request => Cause::Request { what },
            Origin::Way => {
                let host = oauth.token_url.host_str().unwrap_or_default().to_owned();
                Cause::Unreachable { host, what }
            }
            Origin::Certificate(fault) => {
                let host = oauth.token_url.host_str().unwrap_or_default().to_owned();
                Cause::Certificate { host, fault }
            }
            Origin::Unanswered => Cause::Unanswered { what },
            Origin::Answer(status) => Cause::Provider {
                error: self.error.as_deref().map(str::to_owned),
                code: self.code.or(self.any_code),
                status,
                retry_after: self.retry_after,
                what,
            },
        }
    }

    /// Something that the operator must correct, found before anything was sent.
    pub(super) fn configuration(what: impl Into<String>) -> Self {
        Self {
            kind: TokenErrorKind::Configuration,
            advice: Advice::CheckConfiguration,
            origin: Origin::Request,
            ..Self::passing(what, true)
        }
    }
}

/// Sorts an answer.
pub(super) fn read(response: &Response) -> Result<Answer, Failure> {
    let origin = Origin::Answer(response.status);
    sorted(response).map_err(|failure| Failure { origin, ..failure })
}

fn sorted(response: &Response) -> Result<Answer, Failure> {
    match response.status {
        200..=299 => read_success(&response.body),
        300..=399 => Err(Failure {
            advice: Advice::CheckTokenUrl,
            ..Failure::passing(
                format!(
                    "answers with a redirect (HTTP {}), which is never followed",
                    response.status
                ),
                true,
            )
        }),
        _ => Err(read_error(response)),
    }
}

/// An answer's members. One that has an odd type or comes twice must not cost the others, least of all a
/// new refresh token.
struct Members(Map<String, Value>);

impl Members {
    /// `None`: no JSON object. The parser's own words may quote the body, so they are dropped.
    fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    /// `null` says nothing.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    /// RFC 6749 wants a number; some providers send it as a string.
    fn seconds(&mut self, name: &str) -> Option<f64> {
        match self.take(name)? {
            Value::Number(seconds) => seconds.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

fn read_success(body: &[u8]) -> Result<Answer, Failure> {
    let mut members = Members::read(body).ok_or_else(nonsense)?;
    // Whatever it looks like: it goes into a form only, and lost it would cost the sign-in.
    let refresh_token = members.text("refresh_token");
    let refresh_token = refresh_token.filter(|text| !text.is_empty()).map(Secret::new);
    let access_token = members.text("access_token");
    let Some(access_token) = access_token.filter(|text| is_token(text)) else {
        return Err(Failure { rotated: refresh_token, ..nonsense() });
    };
    let access_token = Secret::new(access_token);
    // Without a type it can only be this one; with an odd one it is another.
    let is_bearer = members
        .take("token_type")
        .is_none_or(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")));
    if !is_bearer {
        return Err(Failure {
            kind: TokenErrorKind::Configuration,
            advice: Advice::CheckConfiguration,
            rotated: refresh_token,
            ..Failure::passing("gives out tokens of another type than Bearer", false)
        });
    }
    let lifetime = lifetime(members.seconds("expires_in"));
    let id_token = members.text("id_token").map(Secret::new);
    let scope = members.text("scope");
    // Google's name for it, and Keycloak's.
    let window = members.seconds("refresh_token_expires_in");
    let window = window.or_else(|| members.seconds("refresh_expires_in")).and_then(window_of);
    Ok(Answer { access_token, refresh_token, lifetime, window, id_token, scope })
}

/// RFC 6749 appendix A.12: `access-token = 1*VSCHAR`. Anything else could break out of a SASL message.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| (0x20..=0x7e).contains(&octet))
}

fn nonsense() -> Failure {
    Failure {
        advice: Advice::CheckTokenUrl,
        ..Failure::passing("answers with something that is not an OAuth answer", false)
    }
}

fn lifetime(expires_in: Option<f64>) -> Duration {
    expires_in
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or(USUAL_LIFETIME, |lifetime| lifetime.min(LONGEST_LIFETIME))
}

/// Zero stands for a token without an end.
fn window_of(expires_in: f64) -> Option<Duration> {
    let window = Duration::try_from_secs_f64(expires_in).ok()?;
    (window >= Duration::from_secs(1)).then(|| window.min(LONGEST_LIFETIME))
}

/// Sorts an answer that is none.
pub(super) fn read_error(response: &Response) -> Failure {
    let status = response.status;
    // RFC 6749 section 5.2, with what Microsoft adds to it.
    let mut body = Members::read(&response.body).unwrap_or_else(|| Members(Map::new()));
    let error = body.text("error").filter(|error| is_code(error));
    let codes = body.take("error_codes");
    let codes = codes.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut codes: Vec<u32> = codes.iter().filter_map(|it| it.as_u64()?.try_into().ok()).collect();
    if codes.is_empty() {
        // Never shown: only the number at its beginning is read.
        codes.extend(body.text("error_description").as_deref().and_then(code_in));
    }
    let mut failure = sort(status, error.as_deref(), &codes);
    failure.origin = Origin::Answer(status);
    failure.any_code = codes.first().copied();
    failure.retry_after = response.retry_after;
    failure.trace_id = body.text("trace_id").filter(|id| is_trace_id(id));
    failure
}

fn sort(status: u16, error: Option<&str>, codes: &[u32]) -> Failure {
    if status == 429 || status == 408 {
        return Failure::passing(format!("asks for a pause (HTTP {status})"), true);
    }
    if status >= 500 {
        // A gateway's 502 or 504 can hide an answer that was already given.
        return Failure::passing(format!("is in trouble (HTTP {status})"), status == 503);
    }
    let Some(error) = error else {
        return Failure {
            advice: Advice::CheckTokenUrl,
            ..Failure::passing(format!("answers with HTTP {status} and no OAuth error"), true)
        };
    };
    let known = codes.iter().find_map(|code| advice::of_code(*code).map(|row| (*code, row)));
    let (kind, what, advice, shown) = match known {
        Some((code, row)) => (row.kind, row.what, row.advice, format!("AADSTS{code}")),
        None => {
            let row = advice::of_error(error);
            // Microsoft says invalid_grant of much else than a sign-in that has ended.
            let is_vague = error == "invalid_grant" && !codes.is_empty();
            let what = if is_vague { "does not accept the sign-in" } else { row.what };
            (row.kind, what, row.advice, name(error, codes))
        }
    };
    let what = format!("{what} ({shown})");
    let refused_grant = error == "invalid_grant";
    let error = Some(error.into());
    let code = known.map(|(code, _)| code);
    Failure { kind, advice, refused_grant, error, code, ..Failure::passing(what, true) }
}

/// Sorts a refusal that did not come from the token endpoint: from the redirect of a sign-in, say.
pub(super) fn refusal(error: &str, code: Option<u32>) -> Failure {
    let error = if is_code(error) { error } else { "an error of unknown form" };
    let codes: Vec<u32> = code.into_iter().collect();
    let failure =
        Failure { origin: Origin::Answer(400), any_code: code, ..sort(400, Some(error), &codes) };
    let known = codes.first().is_some_and(|code| advice::of_code(*code).is_some());
    if known || !matches!(error, "access_denied" | "authorization_declined") {
        return failure;
    }
    // Most often it was the person who said no.
    Failure {
        kind: TokenErrorKind::SignIn,
        what: format!("says that the sign-in was cancelled or forbidden ({})", name(error, &codes)),
        advice: Advice::SignIn,
        ..failure
    }
}

fn name(error: &str, codes: &[u32]) -> String {
    codes.first().map_or_else(|| error.to_owned(), |code| format!("{error}, AADSTS{code}"))
}

/// Where Microsoft leaves `error_codes` out, its description still begins with "AADSTS700082: ".
fn code_in(description: &str) -> Option<u32> {
    let (digits, _) = description.strip_prefix("AADSTS")?.split_once(':')?;
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Error codes are shown to people, so only their usual form passes.
fn is_code(error: &str) -> bool {
    (1..=40).contains(&error.len())
        && error.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
}

fn is_trace_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-')
}

/// Where the provider does not say. One hour is what nearly all of them give.
const USUAL_LIFETIME: Duration = Duration::from_secs(3600);

/// A year: keeps sums of times in range.
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, retry_after: None, body: Zeroizing::new(body.as_bytes().to_vec()) }
    }

    fn success(body: &str) -> Answer {
        match read(&response(200, body)) {
            Ok(answer) => answer,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    fn failure(status: u16, body: &str) -> Failure {
        match read(&response(status, body)) {
            Ok(_) => panic!("{status} {body} was taken for a token"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn what_comes_twice_costs_nothing_else() {
        for (more, window) in [
            (r#""refresh_token_expires_in":90,"refresh_expires_in":60"#, Some(90)),
            (r#""refresh_expires_in":60,"refresh_token_expires_in":null"#, Some(60)),
            (r#""access_token":"a","expires_in":1,"expires_in":2"#, None),
        ] {
            let body = format!(r#"{{"access_token":"a","refresh_token":"r",{more}}}"#);
            let answer = success(&body);
            assert_eq!(answer.refresh_token.unwrap().expose(), b"r", "{body}");
            assert_eq!(answer.window.map(|it| it.as_secs()), window, "{body}");
        }
    }

    #[test]
    fn lifetimes_in_every_form() {
        let seconds = |field: &str| {
            success(&format!(r#"{{"access_token":"a","token_type":"Bearer"{field}}}"#))
                .lifetime
                .as_secs()
        };
        assert_eq!(seconds(r#","expires_in":1800"#), 1800);
        assert_eq!(seconds(r#","expires_in":"1800""#), 1800);
        assert_eq!(seconds(r#","expires_in":1800.0"#), 1800);
        assert_eq!(seconds(r#","expires_in":0"#), 0);
        assert_eq!(seconds(""), 3600);
        assert_eq!(seconds(r#","expires_in":null"#), 3600);
        assert_eq!(seconds(r#","expires_in":"soon""#), 3600);
        assert_eq!(seconds(r#","expires_in":-5"#), 3600);
        assert_eq!(seconds(r#","expires_in":{"a":1}"#), 3600);
        assert_eq!(seconds(r#","expires_in":1e300"#), 3600);
        assert_eq!(seconds(r#","expires_in":1e12"#), LONGEST_LIFETIME.as_secs());
    }

    #[test]
    fn token_types_without_case() {
        for kind in [r#","token_type":"bearer""#, r#","token_type":"BEARER""#, ""] {
            let answer = success(&format!(r#"{{"access_token":"a"{kind},"refresh_token":"r"}}"#));
            assert_eq!(answer.access_token.expose(), b"a");
            assert_eq!(answer.refresh_token.unwrap().expose(), b"r");
        }
        let odd = success(r#"{"access_token":"a","refresh_token":"n\u00e9w"}"#);
        assert_eq!(odd.refresh_token.unwrap().expose(), "néw".as_bytes());
        let body = r#"{"access_token":"a","token_type":"DPoP","refresh_token":"new"}"#;
        let failure = failure(200, body);
        assert_eq!(failure.kind, TokenErrorKind::Configuration);
        assert_eq!(failure.rotated.unwrap().expose(), b"new", "a rotated token is never dropped");
    }

    #[test]
    fn nonsense_is_a_passing_fault_that_may_have_spent_the_token() {
        for body in [
            "",
            "<html>Welcome to the hotel</html>",
            r#"{"access_token":"a","token_type":"Bea"#,
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\u0001auth=Bearer b"}"#,
            r#"{"access_token":["a"]}"#,
        ] {
            let failure = failure(200, body);
            assert_eq!(failure.kind, TokenErrorKind::Unavailable, "{body}");
            assert!(!failure.unspent, "{body}");
        }
    }

    #[test]
    fn errors_are_sorted_into_four_kinds() {
        let kind = |status, body: &str| failure(status, body).kind;
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, TokenErrorKind::SignIn),
            (400, r#"{"error":"invalid_grant","error_codes":[700082]}"#, TokenErrorKind::SignIn),
            (400, r#"{"error":"invalid_grant","error_codes":[53003]}"#, TokenErrorKind::Policy),
            (400, r#"{"error":"interaction_required"}"#, TokenErrorKind::SignIn),
            (401, r#"{"error":"invalid_client"}"#, TokenErrorKind::Configuration),
            (
                401,
                r#"{"error":"invalid_client","error_codes":[7000222]}"#,
                TokenErrorKind::Configuration,
            ),
            (400, r#"{"error":"brand_new_error"}"#, TokenErrorKind::Configuration),
            (400, r#"{"error":"temporarily_unavailable"}"#, TokenErrorKind::Unavailable),
            (
                400,
                r#"{"error":"invalid_grant","error_codes":[90033]}"#,
                TokenErrorKind::Unavailable,
            ),
            (429, r#"{"error":"invalid_grant"}"#, TokenErrorKind::Unavailable),
            (503, r#"{"error":"invalid_client"}"#, TokenErrorKind::Unavailable),
            (502, "<html>", TokenErrorKind::Unavailable),
            (400, "<html>", TokenErrorKind::Unavailable),
            (404, "", TokenErrorKind::Unavailable),
            (302, "", TokenErrorKind::Unavailable),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_odd_member_costs_only_itself() {
        let body = r#"{"error":"invalid_grant","error_codes":["x",53003],"trace_id":7}"#;
        let policy = failure(400, body);
        assert_eq!((policy.kind, policy.trace_id), (TokenErrorKind::Policy, None));
        for (codes, trace) in [("7", "[]"), ("null", "null"), ("[-1, 1e9, {}]", "{\"a\":1}")] {
            let body =
                format!(r#"{{"error_codes":{codes},"trace_id":{trace},"error":"invalid_grant"}}"#);
            assert_eq!(failure(400, &body).kind, TokenErrorKind::SignIn, "{body}");
        }
        assert_eq!(failure(400, r#"{"error":5}"#).kind, TokenErrorKind::Unavailable);
        for body in [
            r#"{"access_token":["a"],"refresh_token":"new"}"#,
            r#"{"access_token":"a","token_type":7,"refresh_token":"new"}"#,
        ] {
            assert_eq!(failure(200, body).rotated.unwrap().expose(), b"new", "{body}");
        }
        let answer = success(r#"{"access_token":"a","refresh_token":7}"#);
        assert!(answer.refresh_token.is_none());
    }

    #[test]
    fn nothing_of_the_peers_own_words_is_repeated() {
        let body = r#"{"error":"SECRET words","error_description":"SECRET","trace_id":"SECRET"}"#;
        assert!(!format!("{:?}", failure(400, body)).contains("SECRET"));
        let body = r#"{"error":"invalid_grant","error_description":"SECRET","trace_id":"0a-1f"}"#;
        let failure = failure(400, body);
        assert!(!format!("{failure:?}").contains("SECRET"));
        assert_eq!(failure.trace_id.as_deref(), Some("0a-1f"));
    }
}
