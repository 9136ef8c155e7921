//! TLS on both sides.

use std::{io, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use saslgate::config::{CertificateFiles, Config, ListenTls, Verification};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    join,
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Peer, Running, config, endpoint::Endpoint, in_time, upstream::Upstream};

/// A certificate for localhost in `folder`, and its PEM.
pub(super) fn certificate(folder: &Path) -> (CertificateFiles, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let files =
        CertificateFiles { certificate: folder.join("chain.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem())
}

async fn handshake(
    socket: TcpStream,
    pem: &str,
    alpn: Option<&str>,
) -> io::Result<Peer<TlsStream<TcpStream>>> {
    secure(socket, pem, alpn).await.map(Peer::new)
}

/// The client's side of TLS; only the certificate in `pem` is believed.
pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    pem: &str,
    alpn: Option<&str>,
) -> io::Result<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(saslgate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.into_iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

async fn start(
    tls: impl FnOnce(CertificateFiles) -> ListenTls,
) -> (Running, Upstream, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path());
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.listeners[0].tls = tls(files);
    (Running::start(config).await, upstream, pem, folder)
}

async fn log_in(client: &mut Peer<TlsStream<TcpStream>>, upstream: &Upstream) {
    let login = async {
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a OK ").await;
    };
    join!(login, upstream.let_in("alice@example.org", "good-token"));
}

#[tokio::test]
async fn implicit_tls() {
    let (running, upstream, pem, _folder) =
        start(|certificate| ListenTls::Implicit { certificate }).await;
    let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
    let mut client = handshake(socket, &pem, None).await.unwrap();
    let greeting = client.expect("* OK [CAPABILITY ").await;
    assert!(greeting.contains(" AUTH=PLAIN") && !greeting.contains("STARTTLS"), "{greeting}");
    log_in(&mut client, &upstream).await;
}

#[tokio::test]
async fn starttls_before_any_login() {
    let (running, upstream, pem, _folder) =
        start(|certificate| ListenTls::StartTls { certificate, login_in_clear: false }).await;
    let mut clear = running.connect().await;
    let greeting = clear.expect("* OK [CAPABILITY ").await;
    assert!(greeting.contains(" STARTTLS") && greeting.contains(" LOGINDISABLED"), "{greeting}");
    assert!(!greeting.contains("AUTH="), "{greeting}");
    clear.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    clear.expect("a NO [PRIVACYREQUIRED] ").await;
    clear.send("b STARTTLS\r\n").await;
    clear.expect("b OK ").await;
    let mut client = handshake(clear.stream.into_inner(), &pem, None).await.unwrap();
    log_in(&mut client, &upstream).await;
}

#[tokio::test]
async fn commands_in_clear_behind_starttls_are_never_run() {
    let (running, _upstream, pem, _folder) =
        start(|certificate| ListenTls::StartTls { certificate, login_in_clear: true }).await;
    let mut clear = running.connect().await;
    clear.expect("* OK ").await;
    clear.send("b STARTTLS\r\nc NOOP\r\n").await;
    clear.expect("b OK ").await;
    // What follows in clear is taken for the handshake, or discovered after it; it is never answered.
    if let Ok(mut client) = handshake(clear.stream.into_inner(), &pem, None).await {
        let last = String::from_utf8_lossy(&client.rest().await).into_owned();
        assert!(!last.contains("c OK"), "{last:?}");
    }
}

#[tokio::test]
async fn auto_serves_both() {
    let (running, upstream, pem, _folder) = start(|certificate| ListenTls::Auto {
        certificate,
        login_in_clear: true,
        wait: Duration::from_millis(100),
    })
    .await;
    let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
    let mut inside_tls = handshake(socket, &pem, None).await.unwrap();
    inside_tls.expect("* OK ").await;
    log_in(&mut inside_tls, &upstream).await;
    join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
}

#[tokio::test]
async fn a_browser_is_refused_by_alpn() {
    let (running, _upstream, pem, _folder) =
        start(|certificate| ListenTls::Implicit { certificate }).await;
    for (alpn, welcome) in [("http/1.1", false), ("imap", true)] {
        let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
        assert_eq!(handshake(socket, &pem, Some(alpn)).await.is_ok(), welcome, "{alpn}");
    }
}

#[tokio::test]
async fn a_changed_certificate_is_read_again() {
    let (running, _upstream, old, folder) =
        start(|certificate| ListenTls::Implicit { certificate }).await;
    let (_, new) = certificate(folder.path());
    assert_ne!(old, new);
    in_time(async {
        loop {
            let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
            if handshake(socket, &new, None).await.is_ok() {
                break;
            }
        }
    })
    .await;
}

async fn first_answer(prepare: impl FnOnce(&mut Config, &Upstream), accepts: bool) -> String {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    prepare(&mut config, &upstream);
    let running = Running::start(config).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a ").await
    };
    if accepts {
        join!(client, upstream.let_in("alice@example.org", "good-token")).0
    } else {
        join!(client, upstream.offer()).0
    }
}

fn verify(config: &mut Config, verification: Verification) {
    let account = Arc::get_mut(&mut config.accounts[0]).unwrap();
    account.imap.as_mut().unwrap().verification = verification;
}

#[tokio::test]
async fn the_upstream_is_verified_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let ca_file = || Some(path.clone());
    let name = |name: &str| Some(name.to_owned());
    let pem = |upstream: &Upstream| std::fs::write(&path, &upstream.certificate_pem).unwrap();

    let ok = first_answer(
        |config, upstream| {
            pem(upstream);
            verify(config, Verification::Roots { ca_file: ca_file(), name: name("upstream.test") });
        },
        true,
    );
    assert!(ok.await.starts_with("a OK "));
    let other_name = first_answer(
        |config, upstream| {
            pem(upstream);
            verify(config, Verification::Roots { ca_file: ca_file(), name: name("other.test") });
        },
        false,
    );
    let answer = other_name.await;
    assert!(answer.contains("another name"), "{answer}");
    let unknown_issuer = first_answer(
        |config, _| {
            verify(config, Verification::Roots { ca_file: None, name: name("upstream.test") })
        },
        false,
    );
    assert!(unknown_issuer.await.starts_with("a NO [UNAVAILABLE] "));
    let other_pin =
        first_answer(|config, _| verify(config, Verification::Pin { sha256: [7; 32] }), false);
    let answer = other_pin.await;
    assert!(answer.starts_with("a NO [UNAVAILABLE] ") && answer.contains("pin_sha256"), "{answer}");
    let skipped = first_answer(|config, _| verify(config, Verification::DangerSkip), true);
    assert!(skipped.await.starts_with("a OK "));
}

#[tokio::test]
async fn a_ca_certificate_as_a_servers_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_ca_certificate().await;
    let endpoint = Endpoint::good().await;
    let mut config = config(&upstream, &endpoint.url);
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &upstream.certificate_pem).unwrap();
    let name = Some("upstream.test".to_owned());
    verify(&mut config, Verification::Roots { ca_file: Some(path), name });
    let running = Running::start(config).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a NO [UNAVAILABLE] ").await
    };
    let (answer, ()) = join!(client, upstream.offer());
    assert!(answer.contains("pin_sha256"), "{answer}");
}
