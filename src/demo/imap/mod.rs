//! The demo's IMAP server (RFC 3501 with a few extensions): TLS only, tokens only. The parsing of
//! commands and the writing of responses are imap-codec's. The hard thing is that several sessions
//! share one mailbox while each client counts messages by its own numbers: see `selected`.

mod auth;
mod command;
mod fetch;
mod listing;
mod search;
mod section;
mod selected;
mod session;
mod structure;
#[cfg(test)]
mod tests;
mod wire;

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Tasks, mailbox::Mailbox, token::Tokens};

/// What all sessions share.
pub struct Server {
    /// Whose mailbox it is.
    pub user: String,
    /// Which tokens open it.
    pub tokens: Arc<Tokens>,
    /// The mail.
    pub mailbox: Arc<Mailbox>,
    /// TLS.
    pub acceptor: TlsAcceptor,
}

/// Accepts connections until `tasks` are stopped; each session is one of the tasks.
pub async fn serve(listener: TcpListener, server: Arc<Server>, tasks: Tasks) {
    let sessions = Arc::new(Semaphore::new(SESSIONS));
    let accept = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&sessions).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                // Most likely no descriptor is free: it would fail again at once.
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let server = Arc::clone(&server);
            let stop = tasks.stop.clone();
            tasks.spawn(async move {
                // How a session fails concerns its client only, who has seen it.
                let _ = stop.run_until_cancelled(run(&server, stream)).await;
                drop(permit);
            });
        }
    };
    tasks.stop.run_until_cancelled(accept).await;
}

async fn run(server: &Server, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE, server.acceptor.accept(stream)).await??;
    session::Session::new(server, stream).run().await
}

/// Sessions at once; more wait to be accepted.
const SESSIONS: usize = 32;

const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

const HANDSHAKE: Duration = Duration::from_secs(20);
