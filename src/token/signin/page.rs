//! What the browser shows when it comes back. The hard thing is that nothing on it may be anybody
//! else's: no script, no style, no picture, no word that is not escaped.

use axum::body::Body;
use http::{Response, StatusCode, header};

/// A page with one heading and one text of several lines.
pub(super) fn page(status: StatusCode, heading: &str, text: &str) -> Response<Body> {
    let lines: Vec<String> = text.lines().map(|line| format!("<p>{}</p>", escape(line))).collect();
    let heading = escape(heading);
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>saslgate</title></head>\n\
         <body><h1>{heading}</h1>\n{}\n</body></html>\n",
        lines.join("\n")
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// After a sign-in that came to a good end.
pub(super) fn signed_in(summary: &str) -> Response<Body> {
    page(StatusCode::OK, "Signed in", &format!("{summary}\n{CLOSE}"))
}

/// After one that did not.
pub(super) fn failed(reason: &str) -> Response<Body> {
    page(StatusCode::OK, "Not signed in", &format!("{reason}\n{CLOSE}"))
}

/// For whatever else is asked for.
pub(super) fn stray() -> Response<Body> {
    let text = "This address only waits for the end of a sign-in.";
    page(StatusCode::NOT_FOUND, "Nothing here", text)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const CLOSE: &str = "This page can be closed.";

/// The address of the page holds the code, so it goes to nobody as a referrer and into no cache.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONNECTION, "close"),
];
