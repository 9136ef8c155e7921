//! Through real TLS on both sides: what TLS holds back must be flushed, and an end of TLS must be told
//! from an end of the connection.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client, rustls,
    rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    server,
};
use tokio_util::sync::CancellationToken;

use super::{Marks, driver::options, followed, strewn};
use crate::{
    relay::{Early, Ended, run},
    stream::Stream,
};

/// A relay that is TLS server to a client and TLS client to a server, over pipes in memory.
struct Rig {
    client: client::TlsStream<DuplexStream>,
    server: server::TlsStream<DuplexStream>,
    stop: CancellationToken,
    relay: JoinHandle<Ended>,
}

async fn rig() -> Rig {
    let (acceptor, connector) = tls();
    let name = ServerName::try_from("localhost").unwrap();
    let (client, downstream) = tokio::io::duplex(4096);
    let (server, upstream) = tokio::io::duplex(4096);
    let (mut downstream, mut upstream) = (Stream::Clear(downstream), Stream::Clear(upstream));
    let (accepted, connected, client, server) = tokio::join!(
        downstream.accept_tls(&acceptor),
        upstream.connect_tls(&connector, name.clone()),
        connector.connect(name.clone(), client),
        acceptor.accept(server),
    );
    accepted.unwrap();
    connected.unwrap();
    let stop = CancellationToken::new();
    let marks = Box::new(Marks::default());
    let relay = tokio::spawn(run(downstream, upstream, marks, Early::default(), options(&stop)));
    Rig { client: client.unwrap(), server: server.unwrap(), stop, relay }
}

fn tls() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

#[tokio::test]
async fn a_download_arrives_whole_and_ends_with_close_notify() {
    let Rig { mut client, mut server, relay, .. } = rig().await;
    let mail = strewn(3 * 1024 * 1024, b"%", 31);
    let sent = mail.clone();
    let sending = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
        server.shutdown().await.unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        rest
    });
    let mut got = Vec::new();
    // Without close_notify this would be an error.
    client.read_to_end(&mut got).await.unwrap();
    assert!(got == followed(&mail));
    client.shutdown().await.unwrap();
    assert_eq!(sending.await.unwrap(), b"");
    assert_eq!(relay.await.unwrap().cause.to_string(), "the mail server closed the connection");
}

#[tokio::test]
async fn an_upload_arrives_whole_though_the_client_closes_at_once() {
    let Rig { mut client, mut server, relay, .. } = rig().await;
    let message = strewn(3 * 1024 * 1024, b"%", 32);
    let sent = message.clone();
    let sending = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert!(got == followed(&message));
    server.write_all(b"done\n").await.unwrap();
    server.shutdown().await.unwrap();
    // The client has closed its own half only.
    let mut answer = String::new();
    sending.await.unwrap().read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "done\n");
    assert_eq!(relay.await.unwrap().cause.to_string(), "the client closed the connection");
}

#[tokio::test]
async fn both_at_once_do_not_wait_for_each_other() {
    let Rig { client, server, relay, .. } = rig().await;
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut server_read, mut server_write) = tokio::io::split(server);
    let content = strewn(1024 * 1024, b"", 33);
    let (mut at_client, mut at_server) = (vec![0; content.len()], vec![0; content.len()]);
    tokio::join!(
        async {
            client_write.write_all(&content).await.unwrap();
            client_write.flush().await.unwrap();
        },
        async {
            server_write.write_all(&content).await.unwrap();
            server_write.flush().await.unwrap();
        },
        async { assert!(client_read.read_exact(&mut at_client).await.is_ok()) },
        async { assert!(server_read.read_exact(&mut at_server).await.is_ok()) },
    );
    assert!(at_client == content && at_server == content);
    drop((client_read, client_write, server_read, server_write));
    relay.await.unwrap();
}

#[tokio::test]
async fn an_end_without_close_notify_is_named() {
    let Rig { client, mut server, relay, .. } = rig().await;
    let (client, _) = client.into_inner();
    drop(client);
    let mut rest = Vec::new();
    // The server, for its part, gets one.
    server.read_to_end(&mut rest).await.unwrap();
    drop(server);
    let cause = relay.await.unwrap().cause.to_string();
    assert_eq!(cause, "the client closed the connection without ending TLS");
}

#[tokio::test]
async fn a_stop_ends_both_in_good_order() -> io::Result<()> {
    let Rig { mut client, mut server, stop, relay } = rig().await;
    server.write_all(b"ok\n").await?;
    let mut line = [0; 3];
    client.read_exact(&mut line).await?;
    stop.cancel();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await?;
    assert_eq!(rest, "BYE see you\n");
    server.read_to_string(&mut rest).await?;
    assert_eq!(relay.await?.cause.to_string(), "the gateway ended the session");
    Ok(())
}
