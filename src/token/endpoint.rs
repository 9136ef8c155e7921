//! One exchange with a token endpoint. The hard thing is to lose nothing of the answer: `oauth2`
//! builds the requests (RFC 6749 sections 4.4.2 and 6), but its parser drops what decides between
//! "later" and "never". So the adapter below hands the raw answer out on the crate's error path, and
//! [`super::answer`] reads it.
//!
//! Proxies named in the environment are not used: the mail connections could not use them either, and
//! a token should not depend on who exported what. Each exchange has a connection of its own, since a
//! request on a connection that the peer has just closed could not be told from a lost answer, and a
//! refresh token may be good only once.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, Scope, TokenUrl, basic::BasicClient,
};
use rustls::ClientConfig;
use url::Url;
use zeroize::{Zeroize as _, Zeroizing};

use super::answer::{self, Answer, Failure, Response};
use crate::{
    config::{ClientAuthentication, Grant, OAuthConfig},
    resolver::HttpResolver,
    secret::Secret,
    tls,
};

/// The HTTP side of all token endpoints.
pub(super) struct Endpoint {
    deadline: RwLock<Duration>,
    /// By CA file: reading the system's roots takes a while.
    clients: Mutex<HashMap<Option<PathBuf>, reqwest::Client>>,
}

impl Endpoint {
    /// `deadline` bounds a whole exchange, from DNS to the last octet.
    pub(super) fn new(deadline: Duration) -> Self {
        Self { deadline: RwLock::new(deadline), clients: Mutex::default() }
    }

    /// How long an exchange may take.
    pub(super) fn deadline(&self) -> Duration {
        *self.deadline.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another deadline, and reads CA files again.
    pub(super) fn renew(&self, deadline: Duration) {
        *self.deadline.write().unwrap_or_else(PoisonError::into_inner) = deadline;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Asks for an access token.
    pub(super) async fn exchange(
        &self,
        oauth: &OAuthConfig,
        errand: Errand<'_>,
    ) -> Result<Answer, Failure> {
        let deadline = self.deadline();
        let request = Request::new(oauth, errand)?;
        let client = self.client(oauth.ca_file.as_deref()).await?;
        let response = tokio::time::timeout(deadline, request.send(&Adapter(client)))
            .await
            .map_err(|_| {
                let seconds = deadline.as_secs();
                Failure::passing(format!("has not answered within {seconds} s"), false)
            })??;
        answer::read(&response)
    }

    async fn client(&self, ca_file: Option<&Path>) -> Result<reqwest::Client, Failure> {
        let key = ca_file.map(Path::to_owned);
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(client) = known {
            return Ok(client);
        }
        let file = key.clone();
        // Shorter than the whole: a host that does not answer is then told from a lost answer.
        let patience = self.deadline() / 2;
        let client = tokio::task::spawn_blocking(move || build_client(file.as_deref(), patience))
            .await
            .map_err(|_| Failure::passing("cannot be asked: the gateway is stopping", true))??;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client.clone());
        Ok(client)
    }
}

/// What an access token is asked for with.
#[derive(Clone, Copy)]
pub(super) enum Errand<'a> {
    /// What the configuration's grant itself brings along; nobody has to sign in.
    Own,
    /// RFC 6749 section 6.
    Refresh(&'a Secret),
    /// RFC 6749 section 4.1.3, with RFC 7636's verifier.
    #[expect(dead_code, reason = "the sign-in flows come next")]
    Code { code: &'a Secret, verifier: &'a Secret, redirect_uri: &'a Url },
    /// RFC 8628 section 3.4: one poll.
    #[expect(dead_code, reason = "the sign-in flows come next")]
    Device { device_code: &'a Secret },
}

/// Everything that goes into the form, checked.
struct Request<'a> {
    oauth: &'a OAuthConfig,
    client_secret: Option<ClientSecret>,
    refresh_token: Option<RefreshToken>,
}

impl<'a> Request<'a> {
    fn new(oauth: &'a OAuthConfig, errand: Errand<'_>) -> Result<Self, Failure> {
        let refresh_token = match errand {
            Errand::Refresh(token) => Some(token),
            Errand::Own => None,
            Errand::Code { .. } | Errand::Device { .. } => {
                return Err(Failure::configuration("is not built yet"));
            }
        };
        let secret = match &oauth.client_authentication {
            ClientAuthentication::Public => None,
            ClientAuthentication::Secret(secret) => Some(secret),
            ClientAuthentication::Certificate { .. }
            | ClientAuthentication::FederatedToken { .. } => {
                return Err(Failure::configuration("is not built yet"));
            }
        };
        let client_secret = secret
            .map(|secret| text(secret).map(ClientSecret::new))
            .transpose()
            .map_err(|()| Failure::configuration("cannot be asked: client_secret is not text"))?;
        let refresh_token =
            refresh_token.map(|secret| text(secret).map(RefreshToken::new)).transpose().map_err(
                |()| Failure::configuration("cannot be asked: the refresh token is not text"),
            )?;
        Ok(Self { oauth, client_secret, refresh_token })
    }

    /// The secret goes into the body (RFC 6749 section 2.3.1), as Microsoft and Google expect it.
    async fn send(self, adapter: &Adapter) -> Result<Response, Failure> {
        let mut client = BasicClient::new(ClientId::new(self.oauth.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(self.oauth.token_url.clone()));
        if let Some(client_secret) = self.client_secret {
            client = client.set_client_secret(client_secret);
        }
        let scopes = self.oauth.scopes.iter().cloned().map(Scope::new);
        let result = match (&self.oauth.grant, self.refresh_token) {
            (Grant::RefreshToken, Some(refresh_token)) => {
                client
                    .exchange_refresh_token(&refresh_token)
                    .add_scopes(scopes)
                    .request_async(adapter)
                    .await
            }
            (Grant::RefreshToken, None) => {
                return Err(Failure::configuration("cannot be asked without a refresh token"));
            }
            (Grant::ServiceAccount { .. } | Grant::Password { .. }, _) => {
                return Err(Failure::configuration("is not built yet"));
            }
            (Grant::ClientCredentials, _) => {
                client.exchange_client_credentials().add_scopes(scopes).request_async(adapter).await
            }
        };
        match result {
            Err(RequestTokenError::Request(Handed::Answer(response))) => Ok(response),
            Err(RequestTokenError::Request(Handed::Fault(failure))) => Err(failure),
            // The adapter never lets the crate see an answer, so what is left is a bad request.
            Ok(_) | Err(_) => {
                Err(Failure::configuration("cannot be asked: the request is malformed"))
            }
        }
    }
}

fn text(secret: &Secret) -> Result<String, ()> {
    std::str::from_utf8(secret.expose()).map(str::to_owned).map_err(|_| ())
}

/// Lets `oauth2` 5 speak through this tree's reqwest.
struct Adapter(reqwest::Client);

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
enum Handed {
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

async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<Response, Failure> {
    let request = reqwest::Request::try_from(request)
        .map_err(|_| Failure::configuration("cannot be asked: token_url is malformed"))?;
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(Failure::passing("answers without an end", false));
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
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_connect() {
        Failure::passing(format!("cannot be reached ({cause})"), true)
    } else {
        Failure::passing(format!("broke the connection off ({cause})"), false)
    }
}

fn build_client(ca_file: Option<&Path>, patience: Duration) -> Result<reqwest::Client, Failure> {
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
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
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
