//! What must hold of a sign-in whatever comes back from it: requests to the place on loopback, pasted text,
//! id_tokens. Runs over seeds in the tests, and over everything else in the fuzzer.

use std::{
    io::Write,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    authorization::{Authorization, Returned},
    identity::{self, Expected},
    landing::{self, Gate},
    paste::PasteFlow,
};
use crate::{
    config::{Grant, OAuthConfig},
    secret::Secret,
    store::Identity,
};

fn oauth() -> OAuthConfig {
    let url = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("{text}"));
    let mut oauth = OAuthConfig::new(url("https://id.test/token"), CLIENT, Grant::RefreshToken);
    oauth.sign_in.authorization_url = Some(url("https://id.test/authorize"));
    oauth.sign_in.issuer = Some(ISSUER.to_owned());
    oauth
}

fn authorization() -> (Authorization, String) {
    let made = Authorization::new("me", &oauth(), "http://127.0.0.1:8080/back".to_owned());
    let Ok(authorization) = made else { unreachable!("no request") };
    let state = authorization.link().query_pairs().find(|(key, _)| key == "state");
    let state = state.map(|(_, state)| state.into_owned()).unwrap_or_default();
    (authorization, state)
}

/// `data` with this sign-in's state in the place of each `$S`, which no fuzzer could guess.
fn with_state(data: &[u8], state: &str) -> Vec<u8> {
    let mut filled = Vec::new();
    let mut rest = data;
    while let Some((first, behind)) = rest.split_first() {
        rest = match rest.strip_prefix(b"$S") {
            Some(behind) => {
                filled.extend_from_slice(state.as_bytes());
                behind
            }
            None => {
                filled.push(*first);
                behind
            }
        };
    }
    filled
}

/// Sends `data` to the place where the browser comes back to, through the HTTP server; a `$S` in it is
/// this sign-in's state.
///
/// # Panics
/// If anything but a GET of the right host, path and state counts as the end of the sign-in, if an answer
/// holds anything of the request, or if the code or the state reaches the log.
pub fn fuzz_redirect(data: &[u8]) {
    let (authorization, state) = authorization();
    let request = with_state(data, &state);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { unreachable!("no runtime") };
    let gate = Gate {
        authorization: Arc::new(authorization),
        issuer: Some(ISSUER.to_owned()),
        host: "127.0.0.1".to_owned(),
        port: 8080,
        path: "/back".to_owned(),
    };
    let mut browser = Browser { says: &request, patience: 64, hears: Vec::new() };
    // The sign-in comes to a good end if it comes to any.
    let visit = landing::serve_one(gate, &mut browser, Ok("Signed in as somebody.".to_owned()));
    let arrived = tracing::subscriber::with_default(subscriber, || runtime.block_on(visit));
    let answer = browser.hears;
    if let Some(returned) = &arrived {
        assert!(is_ours(&request, &state), "{}", request.escape_ascii());
        judge_returned(returned);
    }
    if let Some((_, body)) = split_head(&answer) {
        let known =
            PAGES.iter().any(|page| body.windows(page.len()).any(|it| it == page.as_bytes()));
        assert!(body.is_empty() || known, "{}", answer.escape_ascii());
    }
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(!holds(answer.as_slice(), state.as_bytes()) && !log.contains(&state), "{log}");
    if let Some(Returned::Code(code)) = &arrived
        && code.code.len() >= 24
    {
        assert!(!holds(answer.as_slice(), code.code.expose()));
        assert!(!holds(log.as_bytes(), code.code.expose()), "{log}");
    }
}

/// A browser that has said all it has to say, and waits a little for the answer.
struct Browser<'a> {
    says: &'a [u8],
    patience: usize,
    hears: Vec<u8>,
}

impl AsyncRead for Browser<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.says.is_empty() && self.patience > 0 {
            self.patience -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (now, later) = self.says.split_at(self.says.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.says = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Browser<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        text: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.hears.extend_from_slice(text);
        Poll::Ready(Ok(text.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Read without an HTTP parser.
fn is_ours(request: &[u8], state: &str) -> bool {
    // Empty lines before a request count for nothing (RFC 9112 section 2.2).
    let begins = request.iter().position(|octet| !b"\r\n".contains(octet)).unwrap_or_default();
    let (_, request) = request.split_at(begins);
    let head = split_head(request).map_or(request, |(head, _)| head);
    let mut lines =
        head.split(|&octet| octet == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next().unwrap_or_default();
    let is_host = |line: &[u8]| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix(b"host:").is_some_and(|host| host.trim_ascii() == b"127.0.0.1:8080")
    };
    let decoded = percent_decoded(first);
    first.starts_with(b"GET ")
        && (first.starts_with(b"GET /back?") || holds(first, b"://") && holds(first, b"/back?"))
        && lines.any(is_host)
        && holds(&decoded, state.as_bytes())
}

fn judge_returned(returned: &Returned) {
    match returned {
        Returned::Code(code) => assert!(!code.code.is_empty()),
        Returned::Refused(failure) => {
            assert!(failure.what.bytes().all(|it| it == b' ' || it.is_ascii_graphic()));
            assert!(!failure.what.contains('<'));
        }
        Returned::Wrong(text) => assert!(!text.chars().any(char::is_control), "{text}"),
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let hex = (*first == b'%').then(|| behind.get(..2)).flatten();
        let octet = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    decoded
}

fn split_head(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = message.windows(4).position(|it| it == b"\r\n\r\n")?;
    message.split_at_checked(at + 4)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|it| it == part)
}

/// Takes `data` for what a person pastes; a `$S` in it is this sign-in's state.
///
/// # Panics
/// If an address counts without the state.
pub fn fuzz_paste(data: &[u8]) {
    let (authorization, state) = authorization();
    let pasted = with_state(data, &state);
    let flow = PasteFlow::new(authorization);
    let Ok(returned) = flow.fuzz_read(&Secret::new(pasted.as_slice()), Some(ISSUER)) else {
        return;
    };
    judge_returned(&returned);
    if let Returned::Code(code) = &returned {
        // A bare code, taken as it is, or one out of an address.
        let text =
            String::from_utf8_lossy(&pasted).trim().trim_start_matches('\u{feff}').to_owned();
        let bare = code.code.expose() == text.trim().as_bytes();
        assert!(bare || holds(&percent_decoded(&pasted), state.as_bytes()));
    }
}

/// Takes `data` for the claims of an id_token, or, if its first octet is odd, for the whole of one.
///
/// # Panics
/// If a token is believed that says something else than it must, or if a name could steer a terminal.
pub fn fuzz_id_token(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let token = match choice & 1 {
        0 => Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(data))),
        _ => Secret::new(data),
    };
    let (oauth, nonce) = (oauth(), (choice & 2 == 0).then_some(NONCE));
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let expected = Expected { oauth: &oauth, issuer: Some(ISSUER), nonce, now };
    let read = identity::read(&token, &expected);
    let payload = token.expose().split(|&octet| octet == b'.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    let claims = serde_json::from_slice::<Map<String, Value>>(&payload).unwrap_or_default();
    let Ok(person) = read else { return };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_client = |value: &Value| value.as_str() == Some(CLIENT);
    let audience = claims.get("aud").is_some_and(|aud| {
        is_client(aud) || aud.as_array().is_some_and(|many| many.iter().any(is_client))
    });
    assert!(audience && text("iss") == Some(ISSUER), "{claims:?}");
    assert!(nonce.is_none() || text("nonce") == nonce, "{claims:?}");
    let ends = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
    assert!(ends + 300.0 > NOW as f64, "{claims:?}");
    let pinned =
        Identity { issuer: ISSUER.into(), subject: "7".into(), name: Some("boss\u{1b}".into()) };
    for owner in [None, Some("boss@example.test")] {
        for pinned in [None, Some(&pinned)] {
            let Err(text) = person.check("me", owner, pinned) else { continue };
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }
    assert!(!person.identity.shown().contains(char::is_control));
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const ISSUER: &str = "https://id.test";
const CLIENT: &str = "app";
const NONCE: &str = "n-1";
const NOW: u64 = 1_800_000_000;

/// All that is ever shown.
const PAGES: [&str; 3] = [
    "<body><h1>Nothing here</h1>\n<p>This address only waits for the end of a sign-in.</p>\n</body>",
    "<body><h1>Not allowed</h1>\n<p>This address only waits for a browser.</p>\n</body>",
    "<body><h1>Signed in</h1>\n<p>Signed in as somebody.</p>\n<p>This page can be closed.</p>\n</body>",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        let host = "Host: 127.0.0.1:8080\r\n";
        for request in [
            format!("GET /back?code=c-1234567890&state=$S HTTP/1.1\r\n{host}\r\n"),
            format!("GET /back?state=%24S&code=c HTTP/1.1\r\n{host}\r\n"),
            format!("GET /back?error=access_denied&state=$S HTTP/1.1\r\n{host}\r\n"),
            format!("GET /back?code=c&state=$S&iss=https://evil.test HTTP/1.1\r\n{host}\r\n"),
            format!("GET http://127.0.0.1:8080/back?code=c&state=$S HTTP/1.1\r\n{host}\r\n"),
            format!("GET /other?code=c&state=$S HTTP/1.1\r\n{host}\r\n"),
            format!("POST /back?code=c&state=$S HTTP/1.1\r\n{host}content-length: 0\r\n\r\n"),
            format!("HEAD /back?code=c&state=$S HTTP/1.1\r\n{host}\r\n"),
            format!("GET /back?<script> HTTP/1.1\r\n{host}\r\n"),
            "GET /back?code=c&state=$S HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_owned(),
            "GET /back?code=c&state=$S HTTP/1.0\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}".to_owned(),
            format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(70_000)),
            "GET /back".to_owned(),
            String::new(),
        ] {
            fuzz_redirect(request.as_bytes());
        }
    }

    #[test]
    fn pasted_text() {
        for text in [
            "http://127.0.0.1:8080/back?code=c&state=$S",
            "code=c%2D1&state=$S#x",
            "http://127.0.0.1:8080/back?code=c&state=other",
            "c-1",
            "two words",
            "\u{feff} \u{e9}",
            "",
        ] {
            fuzz_paste(text.as_bytes());
        }
    }

    #[test]
    fn id_tokens() {
        for claims in [
            r#"{"iss":"https://id.test","sub":"7","aud":"app","exp":1800000060,"nonce":"n-1"}"#,
            r#"{"iss":"https://id.test","sub":"8","aud":["x","app"],"exp":1e300,"nonce":"n-1","upn":7,"email":"\u001b[2J"}"#,
            r#"{"iss":"https://id.test","sub":"\n","aud":"app","exp":1800000060,"oid":"o","tid":"t"}"#,
            r#"{"iss":"https://evil.test","sub":"7","aud":"app","exp":1800000060,"nonce":"n-1"}"#,
            r#"{"iss":"https://id.test","iss":"https://evil.test"}"#,
            r#"["https://id.test","7","app",1800000060,"n-1",null,null,null,null,null,null]"#,
            "h.e30.s",
            "",
        ] {
            for choice in 0..4 {
                fuzz_id_token(&[&[choice], claims.as_bytes()].concat());
            }
        }
    }
}
