//! What the demo's mail servers have in common: one user, one mailbox, one certificate, and the way in.
//! The hard thing is that nobody may take more than his share: sessions, handshakes and waits all have
//! an upper limit.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Tasks, imap, mailbox::Mailbox, pop3, smtp, token::Tokens};
use crate::config::Protocol;

/// What all sessions share.
pub(super) struct Server {
    /// Whose mailbox it is.
    pub(super) user: String,
    /// Which tokens open it.
    pub(super) tokens: Arc<Tokens>,
    /// The mail.
    pub(super) mailbox: Arc<Mailbox>,
    /// TLS.
    pub(super) acceptor: TlsAcceptor,
    /// Who holds this reads the inbox by POP3; nobody else does at that time (RFC 1939 section 4).
    pub(super) maildrop: Arc<Semaphore>,
}

/// A client's connection, behind TLS.
pub(super) type Connection = TlsStream<TcpStream>;

/// Accepts connections until `tasks` are stopped; each session is one of the tasks.
pub(super) async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    protocol: Protocol,
    tasks: Tasks,
) {
    let sessions = Arc::new(Semaphore::new(SESSIONS));
    let accept = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&sessions).acquire_owned().await {
            let Ok((stream, address)) = listener.accept().await else {
                // Most likely no descriptor is free: it would fail again at once.
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let server = Arc::clone(&server);
            let stop = tasks.stop.clone();
            tasks.spawn(async move {
                let session = run(&server, protocol, stream, address.ip());
                // How a session fails concerns its client only, who has seen it.
                let _ = stop.run_until_cancelled(session).await;
                drop(permit);
            });
        }
    };
    tasks.stop.run_until_cancelled(accept).await;
}

async fn run(
    server: &Server,
    protocol: Protocol,
    stream: TcpStream,
    client: IpAddr,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE, server.acceptor.accept(stream)).await??;
    match protocol {
        Protocol::Imap => imap::run(server, stream).await,
        Protocol::Pop3 => pop3::run(server, stream).await,
        Protocol::Smtp => smtp::run(server, stream, client).await,
    }
}

/// Sessions at once with one protocol; more wait to be accepted.
const SESSIONS: usize = 32;

const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

const HANDSHAKE: Duration = Duration::from_secs(20);
