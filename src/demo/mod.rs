//! The in-memory provider behind `saslgate demo`: a token endpoint and mail servers that accept its
//! tokens and nothing else. It stands on other people's codecs and never on our own parsers: the same
//! mistake on both sides of the gateway would go unseen.
//!
//! [`Provider::start`] binds loopback ports and makes a certificate; [`mailbox`] is what all its
//! servers share; [`view`] shows what passes through a gateway in front of it.

mod folder;
mod imap;
mod lines;
pub mod mailbox;
mod pop3;
mod samples;
mod sasl;
mod server;
mod smtp;
#[cfg(test)]
mod tests;
pub mod token;
pub mod view;

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use aws_lc_rs::{digest, rand};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivateKeyDer},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{config::Protocol, secret::Secret};
use mailbox::{Mailbox, MailboxLimits};
use server::Server;
use token::Tokens;

pub use smtp::EXTENSIONS as SMTP_EXTENSIONS;

/// A running provider. It stops when it is dropped; [`Provider::stop`] also waits for its tasks.
pub struct Provider {
    /// The token endpoint, http on loopback.
    pub token_url: Url,
    /// The client that the token endpoint knows.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The IMAP server, TLS from the first byte as with the others; the certificate is for
    /// `localhost`, 127.0.0.1.
    pub imap: SocketAddr,
    /// The POP3 server.
    pub pop3: SocketAddr,
    /// The SMTP submission server.
    pub smtp: SocketAddr,
    /// The SHA-256 of the servers' certificate in DER form.
    pub certificate_sha256: [u8; 32],
    /// The servers' certificate: it signed itself, so it is also what a client has to trust.
    pub certificate_pem: String,
    mailbox: Arc<Mailbox>,
    tasks: Tasks,
}

impl Provider {
    /// Starts the servers on free loopback ports, for one user with three sample messages.
    ///
    /// # Errors
    /// When no port can be bound or no certificate be made.
    pub async fn start(user: &str) -> io::Result<Self> {
        let certificate = Certificate::generate()?;
        let tokens = Arc::new(Tokens::new()?);
        let mailbox = Arc::new(Mailbox::new(MailboxLimits::default()));
        samples::fill(&mailbox, user)?;
        let tasks = Tasks::default();

        let token_listener = TcpListener::bind(LOOPBACK).await?;
        let token_url = format!("http://{}/token", token_listener.local_addr()?);
        let token_url = Url::parse(&token_url).map_err(io::Error::other)?;
        let stop = tasks.stop.clone().cancelled_owned();
        let app = token::router(Arc::clone(&tokens));
        tasks.spawn(async move {
            // It only ends when told to: axum goes on after a failed accept.
            let _ = axum::serve(token_listener, app).with_graceful_shutdown(stop).await;
        });

        let server = Arc::new(Server {
            user: user.to_owned(),
            tokens: Arc::clone(&tokens),
            mailbox: Arc::clone(&mailbox),
            acceptor: certificate.acceptor,
            maildrop: Arc::new(Semaphore::new(1)),
        });
        let imap = listen(&server, Protocol::Imap, &tasks).await?;
        let pop3 = listen(&server, Protocol::Pop3, &tasks).await?;
        let smtp = listen(&server, Protocol::Smtp, &tasks).await?;

        Ok(Self {
            token_url,
            client_id: tokens.client_id.clone(),
            client_secret: tokens.client_secret.clone(),
            imap,
            pop3,
            smtp,
            certificate_sha256: certificate.sha256,
            certificate_pem: certificate.pem,
            mailbox,
            tasks,
        })
    }

    /// What the servers serve.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Ends all sessions and waits until they are gone.
    pub async fn stop(self) {
        self.tasks.stop.cancel();
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.tasks.stop.cancel();
    }
}

/// Starts a mail server and says where.
async fn listen(server: &Arc<Server>, protocol: Protocol, tasks: &Tasks) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(LOOPBACK).await?;
    let address = listener.local_addr()?;
    tasks.spawn(server::serve(listener, Arc::clone(server), protocol, tasks.clone()));
    Ok(address)
}

/// Everything that runs for a provider, and the way to stop it.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }
}

/// A certificate that lives as long as the provider.
struct Certificate {
    acceptor: TlsAcceptor,
    sha256: [u8; 32],
    pem: String,
}

impl Certificate {
    fn generate() -> io::Result<Self> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let der = made.cert.der().clone();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, &der).as_ref());
        let key =
            PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![der], key))
            .map_err(io::Error::other)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), sha256, pem: made.cert.pem() })
    }
}

/// A random word of small letters and digits, five bits a character.
fn random_word(length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    let letter = |byte: u8| match byte & 31 {
        low @ 0..26 => char::from(b'a' + low),
        high => char::from(b'2' + high - 26),
    };
    Ok(bytes.into_iter().map(letter).collect())
}

/// Any free port, reachable from this machine only.
const LOOPBACK: (&str, u16) = ("127.0.0.1", 0);
