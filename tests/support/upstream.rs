//! An upstream that a test plays: a TLS port with a certificate made for it.

use std::{io, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Peer, in_time};

pub struct Upstream {
    pub port: u16,
    pub pin: [u8; 32],
    pub certificate_pem: String,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// The gateway, seen from the upstream.
pub type Session = Peer<TlsStream<TcpStream>>;

impl Upstream {
    pub async fn start() -> Self {
        Self::with(rcgen::IsCa::NoCa).await
    }

    /// One that shows a CA's own certificate, as `openssl req -x509` makes it.
    pub async fn with_ca_certificate() -> Self {
        Self::with(rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)).await
    }

    async fn with(is_ca: rcgen::IsCa) -> Self {
        let mut parameters = rcgen::CertificateParams::new(vec!["upstream.test".into()]).unwrap();
        parameters.is_ca = is_ca;
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let made = parameters.self_signed(&signing_key).unwrap();
        let certificate = CertificateDer::from(made.der().to_vec());
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let pin = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
        let config = ServerConfig::builder_with_provider(saslgate::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            port: listener.local_addr().unwrap().port(),
            pin: pin.as_ref().try_into().unwrap(),
            certificate_pem: made.pem(),
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// The next connection, TLS done.
    pub async fn accept(&self) -> Session {
        Peer::new(self.secure(self.accept_in_clear().await).await.unwrap())
    }

    /// The next connection as it comes.
    pub async fn accept_in_clear(&self) -> TcpStream {
        in_time(self.listener.accept()).await.unwrap().0
    }

    /// Does the server's side of TLS on a connection.
    pub async fn secure<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        in_time(self.acceptor.accept(stream)).await
    }

    /// Offers TLS to the next connection, which may not want it.
    pub async fn offer(&self) {
        let _ = self.secure(self.accept_in_clear().await).await;
    }

    /// The next connection, greeted and asked for its token, which is returned and not yet answered:
    /// the answer's tag comes first.
    pub async fn asked(&self) -> (Session, String, String) {
        let mut session = self.accept().await;
        session.send("* OK ready\r\n").await;
        let tag = session.command("CAPABILITY").await;
        session
            .send(&format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n{tag} OK done\r\n"))
            .await;
        let line = session.line().await;
        let (tag, command) = line.split_once(' ').unwrap();
        let response = command.strip_prefix("AUTHENTICATE XOAUTH2 ").unwrap();
        let decoded = saslgate::sasl::base64::decode(response.as_bytes()).unwrap();
        (session, tag.to_owned(), String::from_utf8(decoded).unwrap())
    }

    /// The next connection, logged in with `token`.
    pub async fn let_in(&self, user: &str, token: &str) -> Session {
        let (mut session, tag, response) = self.asked().await;
        assert_eq!(response, format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        session.send(&format!("{tag} OK done\r\n")).await;
        let tag = session.command("CAPABILITY").await;
        session.send(&format!("* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n")).await;
        session
    }
}

impl Session {
    /// Reads a line, asserts its command, and returns its tag.
    pub async fn command(&mut self, command: &str) -> String {
        let line = self.line().await;
        let (tag, rest) = line.split_once(' ').unwrap();
        assert!(rest.starts_with(command), "expected {command:?}, got {rest:?}");
        tag.to_owned()
    }
}
