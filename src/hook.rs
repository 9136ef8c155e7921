//! Tells the outside of an account whose sign-in has died, will die, or works again: by a program, by
//! a webhook. The hard thing is that either may hang or fail, and nothing here may be hurt by it: each
//! has a deadline and a few tries, the queue a bound, and nobody waits.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use rustls::ClientConfig;
use serde::Serialize;
use tokio::{io::AsyncWriteExt as _, process::Command, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

use crate::{config::Hooks, platform, resolver::HttpResolver, tls, token::Change};

/// Delivers changes until `stop`, one after the other; `hooks` says each time to whom.
pub async fn deliver(
    mut changes: mpsc::Receiver<Change>,
    hooks: impl Fn() -> Hooks,
    stop: CancellationToken,
) {
    while let Some(Some(change)) = stop.run_until_cancelled(changes.recv()).await {
        let hooks = hooks();
        let Ok(message) = serde_json::to_vec(&Message::new(&change)) else { continue };
        let both = async {
            tokio::join!(
                attempt("hooks.command", &change.account, || run(&hooks.command, &message)),
                attempt("hooks.webhook", &change.account, || post(
                    hooks.webhook.as_ref(),
                    &message
                )),
            )
        };
        if stop.run_until_cancelled(both).await.is_none() {
            return;
        }
    }
}

/// What a hook reads.
#[derive(Serialize)]
struct Message<'a> {
    account: &'a str,
    state: &'static str,
    reason: &'a str,
    next_step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    time: String,
}

impl<'a> Message<'a> {
    fn new(change: &'a Change) -> Self {
        Self {
            account: &change.account,
            state: change.state.name(),
            reason: &change.reason,
            next_step: &change.next_step,
            link: change.link.as_deref(),
            time: humantime::format_rfc3339_seconds(change.at).to_string(),
        }
    }
}

/// A few tries, and one line if all fail.
async fn attempt<F: Future<Output = Result<(), String>>>(
    hook: &str,
    account: &str,
    mut deliver: impl FnMut() -> F,
) {
    for pause in PAUSES {
        match tokio::time::timeout(DEADLINE, deliver()).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => debug!(account, "{hook}: {fault}"),
            Err(_) => debug!(account, "{hook}: not done within {DEADLINE:?}"),
        }
        tokio::time::sleep(*pause).await;
    }
    let fault = match tokio::time::timeout(DEADLINE, deliver()).await {
        Ok(Ok(())) => return,
        Ok(Err(fault)) => fault,
        Err(_) => format!("it is not done within {DEADLINE:?}"),
    };
    warn!(account, "{hook} has not been told of a change, and will not be: {fault}");
}

/// No shell; what it prints is nobody's business. Dropped, the child is killed.
async fn run(command: &[String], message: &[u8]) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let fault = |error: io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(platform::environment_of_program())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(fault)?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read it need not.
        let _ = input.write_all(message).await;
    }
    let status = child.wait().await.map_err(fault)?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

/// The URL itself may be a secret, so only its host is named.
async fn post(webhook: Option<&Url>, message: &[u8]) -> Result<(), String> {
    let Some(url) = webhook else { return Ok(()) };
    let host = url.host_str().unwrap_or_default();
    let client = tokio::task::spawn_blocking(client).await;
    let client = client.map_err(|_| "the gateway is stopping".to_owned())??;
    let request = client
        .post(url.clone())
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(message.to_vec());
    let response = request.send().await;
    let status = response.map_err(|error| format!("{host}: {}", error.without_url()))?.status();
    if status.is_success() { Ok(()) } else { Err(format!("{host}: HTTP {status}")) }
}

/// As for token endpoints: the system's roots, no redirect, no proxy from the environment.
fn client() -> Result<reqwest::Client, String> {
    let tls = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS has no usable version".to_owned())?
        .with_root_certificates(tls::system_roots())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(HttpResolver))
        .pool_max_idle_per_host(0)
        .http1_only()
        .user_agent(concat!("saslgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| "the HTTP client cannot be built".to_owned())
}

/// Of one try.
const DEADLINE: Duration = Duration::from_secs(30);

/// Between the tries.
const PAUSES: &[Duration] = &[Duration::from_secs(5), Duration::from_secs(30)];

#[cfg(test)]
mod tests;
