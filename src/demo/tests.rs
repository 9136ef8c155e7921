//! What the tests of all servers need: a client over TCP and TLS, octet for octet, and a token.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::Provider;

pub(super) const USER: &str = "ada@example.org";

pub(super) struct Client {
    pub(super) stream: BufReader<TlsStream<TcpStream>>,
}

impl Client {
    pub(super) async fn open(provider: &Provider, address: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(provider.certificate_pem.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(super) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line with LF for CRLF; empty at the end.
    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.replace("\r\n", "\n")
    }
}

pub(super) async fn token(provider: &Provider) -> String {
    let secret = String::from_utf8(provider.client_secret.expose().to_vec()).unwrap();
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={secret}",
        provider.client_id
    );
    let (status, answer) = post(provider, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn post(provider: &Provider, body: &str) -> (u16, serde_json::Value) {
    let port = provider.token_url.port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

pub(super) fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

pub(super) async fn start() -> Provider {
    Provider::start(USER).await.unwrap()
}

#[tokio::test]
async fn the_token_endpoint_knows_one_client_and_one_grant() {
    let provider = start().await;
    token(&provider).await;
    let secret = String::from_utf8(provider.client_secret.expose().to_vec()).unwrap();
    let id = &provider.client_id;
    let wrong = format!("grant_type=client_credentials&client_id={id}&client_secret=no");
    let (status, answer) = post(&provider, &wrong).await;
    assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()));
    let other = format!("grant_type=password&client_id={id}&client_secret={secret}");
    let (status, answer) = post(&provider, &other).await;
    assert_eq!((status, &answer["error"]), (400, &"unsupported_grant_type".into()));
    provider.stop().await;
}
