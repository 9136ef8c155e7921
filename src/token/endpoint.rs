//! One exchange with a token endpoint: the right form for each grant. The hard thing is that whatever proves
//! who asks is put together anew for each request: assertions live for minutes, and the files that they are
//! made of change under a running gateway.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use oauth2::{RefreshToken, ResourceOwnerPassword, ResourceOwnerUsername, Scope};
use url::Url;

use self::{
    client::Proof,
    http::{Adapter, handed, text},
};
use super::{
    advice,
    answer::{self, Answer, Failure, Response},
};
use crate::{
    config::{Grant, OAuthConfig},
    secret::Secret,
};

mod assertion;
mod client;
mod http;
mod sign_in;

#[cfg(any(test, fuzzing))]
pub(super) use self::http::fuzz_retry_after;

/// What tells HTTP clients apart.
type Route = (Option<PathBuf>, Option<Url>);

/// The HTTP side of all token endpoints.
pub(super) struct Endpoint {
    deadline: RwLock<Duration>,
    /// By CA file and proxy: reading the system's roots takes a while.
    clients: Mutex<HashMap<Route, reqwest::Client>>,
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
        let adapter = self.adapter(oauth).await?;
        let exchange = async {
            let proof = Proof::of(oauth).await?;
            match errand {
                Errand::Code { code, verifier, redirect_uri } => {
                    sign_in::code(oauth, proof, (code, verifier, redirect_uri), &adapter).await
                }
                Errand::Device { device_code } => {
                    sign_in::device(oauth, &proof, device_code, &adapter).await
                }
                Errand::Own => own(oauth, proof, &adapter).await,
                Errand::Refresh(token) => refresh(oauth, proof, token, &adapter).await,
            }
        };
        let response = self.in_time(exchange).await??;
        answer::read(&response).map_err(|failure| advice::in_sight_of(oauth, failure))
    }

    /// Asks for a device code (RFC 8628 section 3.1); the answer is whatever has a good status.
    pub(super) async fn device_code(
        &self,
        oauth: &OAuthConfig,
        device_url: &Url,
        scopes: Vec<String>,
    ) -> Result<Response, Failure> {
        let adapter = self.adapter(oauth).await?;
        let exchange = async {
            let proof = Proof::of(oauth).await?;
            sign_in::device_code(oauth, proof, device_url, scopes, &adapter).await
        };
        let response = self.in_time(exchange).await??;
        match response.status {
            200..=299 => Ok(response),
            _ => Err(answer::read_error(&response)),
        }
    }

    /// One exchange within the deadline.
    async fn in_time<T>(&self, exchange: impl Future<Output = T>) -> Result<T, Failure> {
        let deadline = self.deadline();
        tokio::time::timeout(deadline, exchange).await.map_err(|_| {
            let seconds = deadline.as_secs();
            Failure::unanswered(format!("has not answered within {seconds} s"))
        })
    }

    async fn adapter(&self, oauth: &OAuthConfig) -> Result<Adapter, Failure> {
        let route = (oauth.ca_file.clone(), oauth.proxy.clone());
        let known =
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&route).cloned();
        if let Some(client) = known {
            return Ok(Adapter(client));
        }
        // Shorter than the whole: a host that does not answer is then told from a lost answer.
        let patience = self.deadline() / 2;
        let (ca_file, proxy) = route.clone();
        let build = move || http::build_client(ca_file.as_deref(), proxy.as_ref(), patience);
        let client = aside(build).await??;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(route, client.clone());
        Ok(Adapter(client))
    }
}

/// Fetches a document that is no secret, as a token endpoint would be asked: status and body, or why not in words that
/// continue "The server …".
pub(crate) async fn fetch(
    url: &Url,
    ca_file: Option<&Path>,
    proxy: Option<&Url>,
    deadline: Duration,
) -> Result<(u16, Vec<u8>), String> {
    let (ca_file, proxy) = (ca_file.map(PathBuf::from), proxy.cloned());
    let build = move || http::build_client(ca_file.as_deref(), proxy.as_ref(), deadline / 2);
    let fetch = async {
        let client = aside(build).await??;
        http::get(&client, url).await
    };
    let fetched = Endpoint::new(deadline).in_time(fetch).await;
    let response = fetched.flatten().map_err(|failure| failure.what)?;
    Ok((response.status, response.body.to_vec()))
}

/// Does what blocks on files where it may.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Failure::passing("cannot be asked: the gateway is stopping", true))
}

/// What an access token is asked for with.
#[derive(Clone, Copy)]
pub(super) enum Errand<'a> {
    /// What the configuration's grant itself brings along; nobody has to sign in.
    Own,
    /// RFC 6749 section 6.
    Refresh(&'a Secret),
    /// RFC 6749 section 4.1.3, with RFC 7636's verifier.
    Code { code: &'a Secret, verifier: &'a Secret, redirect_uri: &'a str },
    /// RFC 8628 section 3.4: one poll.
    Device { device_code: &'a Secret },
}

/// RFC 6749 section 6.
async fn refresh(
    oauth: &OAuthConfig,
    proof: Proof,
    token: &Secret,
    adapter: &Adapter,
) -> Result<Response, Failure> {
    let token = text(token)
        .map(RefreshToken::new)
        .map_err(|()| Failure::configuration("cannot be asked: the refresh token is not text"))?;
    let (client, proof) = proof.client(oauth);
    let mut request = client.exchange_refresh_token(&token).add_scopes(scopes(oauth));
    for (name, value) in proof {
        request = request.add_extra_param(name, value);
    }
    handed(request.request_async(adapter).await)
}

/// The grants that need no person.
async fn own(oauth: &OAuthConfig, proof: Proof, adapter: &Adapter) -> Result<Response, Failure> {
    match &oauth.grant {
        Grant::RefreshToken => {
            Err(Failure::configuration("cannot be asked without a refresh token"))
        }
        Grant::ClientCredentials => {
            let (client, proof) = proof.client(oauth);
            let mut request = client.exchange_client_credentials().add_scopes(scopes(oauth));
            for (name, value) in proof {
                request = request.add_extra_param(name, value);
            }
            handed(request.request_async(adapter).await)
        }
        Grant::Password { user, password } => {
            let password = text(password).map(ResourceOwnerPassword::new).map_err(|()| {
                Failure::configuration("cannot be asked: owner_password is not text")
            })?;
            let user = ResourceOwnerUsername::new(user.clone());
            let (client, proof) = proof.client(oauth);
            let mut request = client.exchange_password(&user, &password).add_scopes(scopes(oauth));
            for (name, value) in proof {
                request = request.add_extra_param(name, value);
            }
            handed(request.request_async(adapter).await)
        }
        Grant::ServiceAccount { key_file, subject } => {
            let (key_file, subject) = (key_file.clone(), subject.clone());
            let (url, scope) = (oauth.token_url.clone(), oauth.scopes.join(" "));
            let assertion =
                aside(move || assertion::of_service_account(&key_file, &subject, &url, &scope))
                    .await??;
            let assertion = text(&assertion).unwrap_or_default();
            let form = [("grant_type", assertion::JWT_BEARER), ("assertion", assertion.as_str())];
            http::post(adapter, &oauth.token_url, &form, None).await
        }
    }
}

fn scopes(oauth: &OAuthConfig) -> impl Iterator<Item = Scope> {
    oauth.scopes.iter().cloned().map(Scope::new)
}
