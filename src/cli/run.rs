//! `saslgate run`: the daemon. The hard thing is the end: sessions get their goodbye, and a token
//! refresh under way is waited for, since its new refresh token exists nowhere else yet.

use std::{future::Future, io, net::TcpListener, sync::Arc, time::Duration};

use tracing::{info, warn};

use super::{
    Failure, Global,
    start::{Prepared, prepare},
};
use crate::{
    config::{Config, Deadlines},
    gateway::{Gateway, warning::warn_of},
    listener,
    platform::{Signal, Signals},
    reload::Origin,
    service::{self, notify, watchdog},
    store::{Store, sqlite::SqliteStore},
    tap::Tap,
    tls::Certificates,
    token::Tokens,
};

/// Runs the gateway until SIGTERM, Ctrl-C, or the end of its terminal.
///
/// A changed configuration, account or certificate counts some seconds after its file was saved, and no
/// session is dropped for it; SIGHUP has it read at once, where standard input is not a terminal. What has
/// mistakes is not put in force, and the log says what they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  saslgate --config ./saslgate.toml run")]
pub struct RunArgs {}

/// Runs the daemon.
///
/// # Errors
/// The configuration, the store or a port cannot be used.
pub fn run(_: &RunArgs, global: &Global) -> Result<(), Failure> {
    let Prepared { origin, config, sockets, certificates, key } = prepare(global)?;
    block_on(async {
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open_with(&config.state_folder, key).await?);
        warn_of(config.accounts.iter(), &config, store.as_ref()).await;
        let _watchdog = watchdog::start(Arc::clone(&store));
        let options = Options { origin: Some(origin), sockets, certificates, tap: None };
        let serving = service::status(&config);
        serve(config, store, options, |_| notify::ready(&serving)).await
    })?
}

/// What a daemon may have beside configuration and store.
#[derive(Default)]
pub struct Options {
    /// Where the configuration was read; without it there is no reload.
    pub origin: Option<Origin>,
    /// Ports that are open already.
    pub sockets: Vec<TcpListener>,
    /// Certificates that were read already.
    pub certificates: Certificates,
    /// Sees both legs of every connection.
    pub tap: Option<Arc<dyn Tap>>,
}

/// Serves until the process is asked to stop. `ready` hears where, once every port is open.
///
/// # Errors
/// A port cannot be opened.
pub async fn serve(
    config: Arc<Config>,
    store: Arc<dyn Store>,
    options: Options,
    ready: impl FnOnce(&[listener::Listener]),
) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::fault(error.to_string());
    let Options { origin, sockets, certificates, tap } = options;
    // Listened for before the ports open, so that no signal finds us deaf.
    let mut signals = Signals::new(origin.is_some()).map_err(fault)?;
    let tokens = Tokens::new(Arc::clone(&store), config.deadlines.token);
    let gateway = Gateway::new(config, store, tokens, tap).map_err(fault)?;
    gateway.certificates.take_over(certificates);
    let listeners = listener::bind(&gateway, sockets).await.map_err(fault)?;
    listener::announce(&listeners).map_err(fault)?;
    if let Some(origin) = origin {
        gateway.reload_from(origin);
        // Without files there is no store on the disk either, whose commands could ask.
        #[cfg(unix)]
        crate::control::daemon::open(&gateway);
    }
    // Only now: who hears it may ask for a reload at once.
    ready(&listeners);
    for listener in listeners {
        gateway.tasks.spawn(listener.serve(Arc::clone(&gateway)));
    }
    gateway.keep_signed_in();
    gateway.tasks.spawn(Arc::clone(&gateway).keep_house());
    gateway.tasks.spawn(Arc::clone(&gateway).keep_last_uses());
    let asked_by = reload_until_stop(&gateway, &mut signals).await;
    info!("{asked_by}: stopping");
    notify::stopping("ending its sessions", longest_stop(&gateway.config().deadlines));
    stop(&gateway, &mut signals).await;
    Ok(())
}

/// Returns the name of the signal that asks to stop.
async fn reload_until_stop(gateway: &Arc<Gateway>, signals: &mut Signals) -> &'static str {
    loop {
        match signals.next().await {
            Signal::Stop(name) => return name,
            Signal::Reload(name) => {
                let gateway = Arc::clone(gateway);
                // Not waited for: a stop must be heard meanwhile. How it went is logged.
                tokio::spawn(async move { gateway.reload(name).await });
            }
        }
    }
}

async fn stop(gateway: &Gateway, signals: &mut Signals) {
    gateway.close();
    let drain = gateway.config().deadlines.drain;
    if !drain.is_zero() {
        tokio::select! {
            () = gateway.drain(drain) => {}
            again = signals.next_stop() => warn!("{again} again: all sessions end now"),
        }
    }
    tokio::select! {
        () = end_sessions(gateway) => {}
        again = signals.next_stop() => warn!("{again} again: connections are cut at once"),
    }
    // People press Ctrl-C twice; that must not cost a sign-in. A third time is on purpose.
    tokio::select! {
        () = gateway.tokens.settle() => info!("stopped"),
        again = signals.next_stop() => {
            warn!("{again} again: a token refresh under way is given up, and may cost a sign-in");
        }
    }
}

/// Sessions may end by themselves, then they are told to, and then a token refresh under way is waited for.
fn longest_stop(deadlines: &Deadlines) -> Duration {
    deadlines.drain + deadlines.shutdown + deadlines.token
}

async fn end_sessions(gateway: &Gateway) {
    gateway.stop.cancel();
    gateway.tasks.close();
    let patience = gateway.config().deadlines.shutdown;
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
    // What hangs in the operating system must not hold up the end.
    runtime.shutdown_background();
    Ok(output)
}
