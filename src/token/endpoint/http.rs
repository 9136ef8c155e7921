//! HTTP as the token endpoints want it. The hard thing is to lose nothing of the answer: `oauth2` builds the
//! requests, but its parser drops what decides between "later" and "never". So the adapter below hands the
//! raw answer out on the crate's error path, and [`crate::token::answer`] reads it.
//!
//! Each exchange has a connection of its own, since a request on a connection that the peer has just closed
//! could not be told from a lost answer, and a refresh token may be good only once.

use std::{
    error::Error,
    fmt,
    path::Path,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError};
use rustls::ClientConfig;
use url::{Url, form_urlencoded};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    resolver::HttpResolver,
    secret::Secret,
    tls,
    token::{
        CertificateFault,
        answer::{Failure, Origin, Response},
    },
};

/// What the adapter has handed past the crate.
pub(super) fn handed<T, E>(
    result: Result<T, RequestTokenError<Handed, E>>,
) -> Result<Response, Failure>
where
    E: oauth2::ErrorResponse,
{
    match result {
        Err(RequestTokenError::Request(Handed::Answer(response))) => Ok(response),
        Err(RequestTokenError::Request(Handed::Fault(failure))) => Err(failure),
        // The adapter never lets the crate see an answer, so what is left is a bad request.
        Ok(_) | Err(_) => Err(Failure::configuration("cannot be asked: the request is malformed")),
    }
}

pub(super) fn text(secret: &Secret) -> Result<String, ()> {
    std::str::from_utf8(secret.expose()).map(str::to_owned).map_err(|_| ())
}

/// Lets `oauth2` 5 speak through this tree's reqwest.
pub(super) struct Adapter(pub(super) reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Adapter {
    type Error = Handed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Handed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            Err(match send(&self.0, request).await {
                Ok(response) => Handed::Answer(response),
                Err(failure) => Handed::Fault(failure),
            })
        })
    }
}

/// What the adapter hands past the crate. Its `Debug` shows no body.
pub(super) enum Handed {
    Answer(Response),
    Fault(Failure),
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer(..)",
            Self::Fault(_) => "Fault(..)",
        })
    }
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for Handed {}

/// A request that `oauth2` does not know.
pub(super) async fn post(
    adapter: &Adapter,
    url: &Url,
    form: &[(&str, &str)],
    authorization: Option<&str>,
) -> Result<Response, Failure> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = http::Request::builder();
    if let Some(authorization) = authorization {
        let mut value = http::HeaderValue::from_str(authorization)
            .map_err(|_| Failure::configuration("cannot be asked: client_secret is malformed"))?;
        value.set_sensitive(true);
        request = request.header(http::header::AUTHORIZATION, value);
    }
    let request = request
        .method(http::Method::POST)
        .uri(url.as_str())
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.into_bytes())
        .map_err(|_| Failure::configuration("cannot be asked: token_url is malformed"))?;
    send(&adapter.0, request).await
}

/// A document that is no secret.
pub(super) async fn get(client: &reqwest::Client, url: &Url) -> Result<Response, Failure> {
    let request = http::Request::builder()
        .uri(url.as_str())
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|_| Failure::configuration("cannot be asked: its address is malformed"))?;
    send(client, request).await
}

async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<Response, Failure> {
    let request = reqwest::Request::try_from(request)
        .map_err(|_| Failure::configuration("cannot be asked: token_url is malformed"))?;
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(Failure::unanswered("answers without an end"));
        }
        grow(&mut body, &chunk);
    }
    Ok(Response { status: response.status().as_u16(), retry_after, body })
}

/// RFC 9110 section 10.2.3: `Retry-After = HTTP-date / delay-seconds`. A date is measured against the
/// answer's own, so that two clocks need not agree.
fn retry_after(headers: &http::HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let written = text(http::header::RETRY_AFTER)?;
    if let Ok(seconds) = written.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(written).ok()?;
    let sent = text(http::header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    until.duration_since(sent.unwrap_or(now)).ok()
}

/// [`retry_after`] of these two values.
#[cfg(any(test, fuzzing))]
pub(in crate::token) fn fuzz_retry_after(written: &[u8], date: &[u8]) -> Option<Duration> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in [(http::header::RETRY_AFTER, written), (http::header::DATE, date)] {
        headers.extend(http::HeaderValue::from_bytes(value).ok().map(|value| (name, value)));
    }
    retry_after(&headers, SystemTime::UNIX_EPOCH)
}

/// Appends without leaving copies of a secret behind in memory that was given back.
fn grow(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if body.capacity() - body.len() < chunk.len() {
        let mut larger = Vec::with_capacity((body.len() + chunk.len()) * 2);
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Before the connection stood, nothing was sent, and the refresh token is certainly unspent.
fn failed(error: &reqwest::Error) -> Failure {
    let mut cause: &(dyn Error + 'static) = error;
    let mut certificate = certificate_fault(cause);
    while let Some(deeper) = cause.source() {
        cause = deeper;
        certificate = certificate.or_else(|| certificate_fault(cause));
    }
    if let Some(fault) = certificate {
        let what = format!("shows a certificate that is not believed ({cause})");
        Failure { origin: Origin::Certificate(fault), ..Failure::passing(what, true) }
    } else if error.is_connect() {
        Failure::passing(format!("cannot be reached ({cause})"), true)
    } else {
        Failure::passing(format!("broke the connection off ({cause})"), false)
    }
}

/// What rustls has against a certificate, if that is it.
fn certificate_fault(error: &(dyn Error + 'static)) -> Option<CertificateFault> {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    // An error of the system's kind hides what it was made of from `source`.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inner = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(fault)) = inner else { return None };
    if matches!(fault, UnknownIssuer | BadSignature) {
        Some(CertificateFault::UnknownIssuer)
    } else if matches!(fault, NotValidForName | NotValidForNameContext { .. }) {
        Some(CertificateFault::Name)
    } else if matches!(fault, Expired | ExpiredContext { .. }) {
        Some(CertificateFault::Expired)
    } else if matches!(fault, NotValidYet | NotValidYetContext { .. }) {
        Some(CertificateFault::NotYetValid)
    } else {
        None
    }
}

pub(super) fn build_client(
    ca_file: Option<&Path>,
    proxy: Option<&Url>,
    patience: Duration,
) -> Result<reqwest::Client, Failure> {
    let mut roots = tls::system_roots();
    if let Some(file) = ca_file {
        tls::add_ca_file(&mut roots, file)
            .map_err(|error| Failure::configuration(format!("cannot be asked: ca_file {error}")))?;
    }
    let tls = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| Failure::configuration("cannot be asked: TLS has no usable version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Proxies named in the environment are never used: a token should not depend on who exported what.
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(url) = proxy {
        let proxy = reqwest::Proxy::all(url.clone())
            .map_err(|_| Failure::configuration("cannot be asked: proxy is malformed"))?;
        builder = builder.proxy(proxy);
    }
    builder
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(HttpResolver))
        .connect_timeout(patience)
        .pool_max_idle_per_host(0)
        .http1_only()
        .user_agent(concat!("saslgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| Failure::configuration("cannot be asked: the HTTP client cannot be built"))
}

/// An answer has a few thousand octets; signed tokens with many groups some more.
const LONGEST_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:00:00 GMT").unwrap();
        let later = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (written, date, expected) in [
            ("120", None, Some(120)),
            (later, None, Some(28 * 60)),
            (later, Some("Wed, 21 Oct 2026 07:27:00 GMT"), Some(60)),
            (later, Some("yesterday"), Some(28 * 60)),
            ("Wed, 21 Oct 2026 06:59:00 GMT", None, None),
            ("-1", None, None),
            ("soon", None, None),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, written.parse().unwrap());
            if let Some(date) = date {
                headers.insert(http::header::DATE, date.parse().unwrap());
            }
            let found = retry_after(&headers, now).map(|pause| pause.as_secs());
            assert_eq!(found, expected, "{written} {date:?}");
        }
        assert_eq!(retry_after(&http::HeaderMap::new(), now), None);
    }
}
