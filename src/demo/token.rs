//! The provider's token endpoint: RFC 6749 section 4.4 (`client_credentials`) and nothing else. Tokens
//! are opaque random words, so holding one is all that the mail servers of the demo check.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::random_word;
use crate::secret::Secret;

/// What the endpoint and the mail servers share: the client that may ask, and the tokens it got.
pub struct Tokens {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    live: Mutex<VecDeque<(Secret, Instant)>>,
}

impl Tokens {
    /// A client with a fresh id and secret, and no tokens.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            client_id: format!("demo-{}", random_word(8)?),
            client_secret: Secret::new(random_word(32)?),
            live: Mutex::default(),
        })
    }

    /// A fresh access token, good for an hour.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn issue(&self) -> io::Result<Secret> {
        let token = Secret::new(format!("demo.{}", random_word(48)?));
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.len() >= LIVE_TOKENS {
            live.pop_front();
        }
        live.push_back((token.clone(), Instant::now() + LIFETIME));
        Ok(token)
    }

    /// Whether this is a token of ours that has not run out.
    pub fn accepts(&self, token: &[u8]) -> bool {
        let now = Instant::now();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|(_, end)| *end > now);
        live.iter().any(|(known, _)| verify_slices_are_equal(known.expose(), token).is_ok())
    }

    fn knows_client(&self, id: &str, secret: &str) -> bool {
        let secret = verify_slices_are_equal(self.client_secret.expose(), secret.as_bytes());
        id == self.client_id && secret.is_ok()
    }
}

/// Serves `POST /token`.
pub fn router(tokens: Arc<Tokens>) -> Router {
    Router::new().route("/token", post(answer)).with_state(tokens)
}

/// The request's body (RFC 6749 section 4.4.2); the client may be named here or in a header.
#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

async fn answer(
    State(tokens): State<Arc<Tokens>>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    let client =
        basic_credentials(&headers).or_else(|| request.client_id.zip(request.client_secret));
    if !client.is_some_and(|(id, secret)| tokens.knows_client(&id, &secret)) {
        let text = "The demo's provider does not know this client id with this client secret";
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", text);
    }
    if request.grant_type != "client_credentials" {
        let text = "The demo's provider knows the grant client_credentials only";
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", text);
    }
    let Ok(token) = tokens.issue() else {
        let text = "The system has no random numbers just now";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text);
    };
    let body = json!({
        "access_token": String::from_utf8_lossy(token.expose()),
        "token_type": "Bearer",
        "expires_in": LIFETIME.as_secs(),
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// An error of RFC 6749 section 5.2.
fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    let body = Json(json!({ "error": error, "error_description": description }));
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// The client's id and secret from an HTTP Basic header (RFC 6749 section 2.3.1). Ours are letters
/// and digits, which the form encoding inside leaves as they are.
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// How long a token is good: what large providers give.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Older tokens stop working when more than this many were issued within a lifetime.
const LIVE_TOKENS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_token_goes_first_when_there_are_too_many() {
        let tokens = Tokens::new().unwrap();
        let first = tokens.issue().unwrap();
        let second = tokens.issue().unwrap();
        for _ in 2..=LIVE_TOKENS {
            tokens.issue().unwrap();
        }
        assert!(!tokens.accepts(first.expose()));
        assert!(tokens.accepts(second.expose()));
        assert!(!tokens.accepts(b""));
        assert!(!tokens.accepts(b"demo."));
    }

    #[test]
    fn basic_credentials_are_taken_from_the_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(basic_credentials(&headers), None);
        headers.insert(header::AUTHORIZATION, "Basic aWQ6c2VjOnJldA==".parse().unwrap());
        assert_eq!(basic_credentials(&headers), Some(("id".into(), "sec:ret".into())));
        headers.insert(header::AUTHORIZATION, "Bearer aWQ6c2VjcmV0".parse().unwrap());
        assert_eq!(basic_credentials(&headers), None);
    }
}
