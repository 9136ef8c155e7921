//! `saslgate run`: the daemon. The hard thing is the end: sessions get their goodbye, and a token
//! refresh under way is waited for, since its new refresh token exists nowhere else yet.

use std::{future::Future, io, net::TcpListener, sync::Arc, time::Duration};

use tracing::{info, warn};

use super::{
    Failure, Global,
    start::{Prepared, prepare, status},
};
use crate::{
    config::{Authentication, Config, Protocol, Verification},
    gateway::Gateway,
    listener, platform,
    service::{notify, watchdog},
    store::{Store, sqlite::SqliteStore},
    tap::Tap,
    token::Tokens,
};

/// Runs the gateway until SIGTERM, Ctrl-C, or the end of its terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  saslgate --config ./saslgate.toml run")]
pub struct RunArgs {}

/// Runs the daemon.
///
/// # Errors
/// The configuration, the store or a port cannot be used.
pub fn run(_: &RunArgs, global: &Global) -> Result<(), Failure> {
    let Prepared { config, sockets, key } = prepare(global)?;
    warn_of_danger(&config);
    block_on(async {
        let store = SqliteStore::open_with(&config.state_folder, key).await?;
        warn_of_missing_passwords(&config, &store).await;
        let store: Arc<dyn Store> = Arc::new(store);
        let _watchdog = watchdog::start(Arc::clone(&store));
        let serving = status(&config);
        serve(config, store, sockets, None, |_| notify::ready(&serving)).await
    })?
}

/// Serves until the process is asked to stop. `sockets` are ports that are open already; `ready` hears where, once every port is open.
///
/// # Errors
/// A port cannot be opened.
pub async fn serve(
    config: Arc<Config>,
    store: Arc<dyn Store>,
    sockets: Vec<TcpListener>,
    tap: Option<Arc<dyn Tap>>,
    ready: impl FnOnce(&[listener::Listener]),
) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::fault(error.to_string());
    // Listened for before the ports open, so that no signal finds us deaf.
    let mut signals = platform::StopSignals::new().map_err(fault)?;
    let tokens = Tokens::new(Arc::clone(&store), config.deadlines.token);
    let gateway = Gateway::new(config, store, tokens, tap).map_err(fault)?;
    let listeners = listener::bind(&gateway, sockets).await.map_err(fault)?;
    listener::announce(&listeners).map_err(fault)?;
    ready(&listeners);
    for listener in listeners {
        gateway.tasks.spawn(listener.serve(Arc::clone(&gateway)));
    }
    gateway.tasks.spawn(Arc::clone(&gateway).keep_house());
    let asked_by = signals.next().await;
    info!("{asked_by}: stopping");
    notify::stopping("stopping", longest_stop(&gateway.config));
    tokio::select! {
        () = end_sessions(&gateway) => {}
        again = signals.next() => warn!("{again} again: connections are cut at once"),
    }
    // People press Ctrl-C twice; that must not cost a sign-in. A third time is on purpose.
    tokio::select! {
        () = gateway.tokens.settle() => info!("stopped"),
        again = signals.next() => {
            warn!("{again} again: a token refresh under way is given up, and may cost a sign-in");
        }
    }
    Ok(())
}

/// Sessions get their goodbye, and then a token refresh under way is waited for.
fn longest_stop(config: &Config) -> Duration {
    config.deadlines.shutdown + config.deadlines.token
}

async fn end_sessions(gateway: &Gateway) {
    gateway.stop.cancel();
    gateway.tasks.close();
    let patience = gateway.config.deadlines.shutdown;
    if tokio::time::timeout(patience, gateway.tasks.wait()).await.is_err() {
        warn!("{} connections did not end in {patience:?} and are cut", gateway.tasks.len());
    }
}

/// Runs a command's asynchronous part on a worker per core.
///
/// # Errors
/// The operating system gives no threads.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    let output = runtime.block_on(future);
    // A name resolution that hangs in the operating system must not hold up the end.
    runtime.shutdown_background();
    Ok(output)
}

/// What weakens everybody's safety is said at every start, not only when it was written.
fn warn_of_danger(config: &Config) {
    for account in &config.accounts {
        for protocol in Protocol::ALL {
            if let Some(server) = account.upstream(protocol)
                && server.verification == Verification::DangerSkip
            {
                let secret = match server.authentication {
                    Authentication::OAuth => "token",
                    Authentication::Password { .. } => "password",
                };
                warn!(
                    account = %account.login,
                    "DANGER: the certificate of {server} is not verified: whoever is in between reads \
                     the mail and the {secret}; pin_sha256 is the safe way"
                );
            }
        }
    }
}

/// Said at the start, and not only to the first mail program whose login fails for it.
async fn warn_of_missing_passwords(config: &Config, store: &dyn Store) {
    for account in &config.accounts {
        for protocol in Protocol::ALL {
            let Some(server) = account.upstream(protocol) else { continue };
            let takes_password = matches!(server.authentication, Authentication::Password { .. });
            if !takes_password || !config.listens_for(protocol) {
                continue;
            }
            match store.upstream_password(&account.key(), protocol.name(), &server.host_key()).await
            {
                Ok(Some(_)) => {}
                Ok(None) => warn!(
                    account = %account.login,
                    "there is no password for the {protocol} server {server} yet; set it with: saslgate \
                     account upstream-password {} --protocol {}",
                    account.login,
                    protocol.name()
                ),
                Err(error) => warn!(account = %account.login, "{error}"),
            }
        }
    }
}
