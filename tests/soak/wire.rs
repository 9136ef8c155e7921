//! Sockets of both legs, as the two peers of the gateway use them, and the certificate that all of them show.

use std::{io, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use saslgate::stream::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{chance::Chance, plan::ClientFault, secrets::Scanner};

/// An authority, and a certificate of it for this machine.
pub struct Tls {
    pub ca_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
    pub acceptor: TlsAcceptor,
    pub connector: TlsConnector,
}

impl Tls {
    pub fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();

        let provider = saslgate::tls::provider();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(leaf.der().to_vec())],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            ca_pem: ca.pem(),
            certificate_pem: leaf.pem(),
            key_pem: key.serialize_pem(),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        }
    }
}

/// Why a peer says no more.
#[derive(Debug)]
pub enum Stop {
    /// Its own planned fault.
    Fault(ClientFault),
    /// The gateway has closed, or the connection broke.
    Closed(String),
    /// The gateway does not answer.
    Late,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Closed(error.to_string())
    }
}

/// One side of a connection, before its two directions go their own ways.
pub struct Wire {
    pub stream: Stream<TcpStream>,
    /// Read and not used.
    pub read: Vec<u8>,
    pub scanner: Scanner,
    pub written: usize,
    pub fault: Option<(usize, ClientFault)>,
    pub cuts: Chance,
}

impl Wire {
    pub fn new(socket: TcpStream, scanner: Scanner, cuts: Chance) -> Self {
        let _ = socket.set_nodelay(true);
        let stream = Stream::Clear(socket);
        Self { stream, read: Vec::new(), scanner, written: 0, fault: None, cuts }
    }

    pub async fn connect_tls(&mut self, tls: &Tls) -> Result<(), Stop> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let handshake = self.stream.connect_tls(&tls.connector, name);
        Ok(timeout(PATIENCE, handshake).await.map_err(|_| Stop::Late)??)
    }

    /// Sends in segments, up to the planned fault.
    pub async fn send(&mut self, octets: &[u8]) -> Result<(), Stop> {
        let (stream, cuts) = (&mut self.stream, &mut self.cuts);
        let sent = timeout(PATIENCE, send(stream, octets, &mut self.written, self.fault, cuts));
        sent.await.map_err(|_| Stop::Late)?
    }

    /// A line, with its end.
    pub async fn line(&mut self) -> Result<String, Stop> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read) {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(Stop::Closed("end of file".to_owned()));
            }
        }
    }

    /// Reads what there is; 0 at the end.
    pub async fn fill(&mut self) -> Result<usize, Stop> {
        let mut chunk = [0; 8192];
        let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await;
        let count = read.map_err(|_| Stop::Late)??;
        self.scanner.see(&chunk[..count]);
        self.read.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// From here on, closing it resets it.
    pub fn reset_on_close(&self) {
        if let Some(socket) = socket(&self.stream) {
            let _ = socket.set_zero_linger();
        }
    }
}

fn socket(stream: &Stream<TcpStream>) -> Option<&TcpStream> {
    match stream {
        Stream::Clear(socket) => Some(socket),
        Stream::Tls(tls) => Some(tls.get_ref().0),
        Stream::Broken => None,
    }
}

/// Ends the writing half without the end of TLS.
pub async fn truncate(stream: &mut Stream<TcpStream>) {
    let _ = match stream {
        Stream::Clear(socket) => socket.shutdown().await,
        Stream::Tls(tls) => tls.get_mut().0.shutdown().await,
        Stream::Broken => Ok(()),
    };
}

/// Sends in segments, up to the planned fault.
pub async fn send<W: tokio::io::AsyncWrite + Unpin>(
    stream: &mut W,
    mut octets: &[u8],
    written: &mut usize,
    fault: Option<(usize, ClientFault)>,
    cuts: &mut Chance,
) -> Result<(), Stop> {
    while !octets.is_empty() {
        let mut length = match cuts.below(12) {
            0 => 1,
            1 => 1 + cuts.below(16),
            2 => 1 + cuts.below(1000),
            _ => octets.len(),
        };
        if let Some((at, kind)) = fault {
            if at <= *written {
                return Err(Stop::Fault(kind));
            }
            length = length.min(at - *written);
        }
        let (now, later) = octets.split_at(length.min(octets.len()));
        stream.write_all(now).await?;
        stream.flush().await?;
        *written += now.len();
        octets = later;
        if !octets.is_empty() && cuts.percent(30) {
            tokio::time::sleep(Duration::from_millis(cuts.below(30) as u64)).await;
        }
    }
    Ok(())
}

/// Longer than everything that the gateway may wait for.
pub const PATIENCE: Duration = Duration::from_secs(90);
