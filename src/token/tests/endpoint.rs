//! Endpoints on a bad day, and what people then read.

use tokio::sync::Semaphore;
use tokio_rustls::{TlsAcceptor, rustls};

use super::*;

/// Puts one reply in front of an account without a token, and returns what comes of it.
async fn fault_of(reply: Reply) -> (TokenError, Scene) {
    let scene = Scene::signed_in(vec![reply]).await;
    let fault = scene.fault().await;
    assert_eq!(scene.refresh_token().await, "r0", "a refresh token is never thrown away");
    (fault, scene)
}

#[tokio::test]
async fn passing_faults() {
    let html = "<html><title>Welcome to the hotel</title></html>";
    for (name, reply, spent) in [
        ("trouble", Reply::error(500, html), true),
        ("maintenance", Reply::error(503, ""), false),
        ("a wrong path", Reply::error(404, html), false),
        ("HTML", Reply::error(200, html), true),
        ("cut JSON", Reply::error(200, r#"{"access_token":"a1","refr"#), true),
        ("a cut connection", Reply::token("a1", Some("r1")).cut(5), true),
        ("no answer at all", Reply::hang_up(), true),
        ("a redirect", Reply::new(302, "Location: http://127.0.0.1:1/\r\n", ""), false),
        ("an endless body", Reply::flood(), true),
    ] {
        let (fault, scene) = fault_of(reply).await;
        assert_eq!(fault.kind, TokenErrorKind::Unavailable, "{name}: {fault}");
        let marked = scene.grant().await.refresh_started.is_some();
        assert_eq!(marked, spent, "{name}: the mark tells whether the token may be spent");
        assert_eq!(scene.provider.finish().await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up() {
    let mut scene = Scene::signed_in(vec![Reply::silence()]).await;
    let deadline = Duration::from_millis(200);
    let forced = ForcedRefresh::default();
    scene.tokens = Tokens::with(scene.store.clone(), deadline, scene.time.clock(), forced);
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert!(fault.text.contains("has not answered"), "{fault}");
    assert!(scene.grant().await.refresh_started.is_some());
    scene.provider.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_costs_no_token() {
    let mut scene = Scene::signed_in(vec![]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    scene.oauth().token_url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert!(fault.text.contains("cannot be reached"), "{fault}");
    assert_eq!(scene.grant().await.refresh_started, None);
    scene.provider.finish().await;
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let throttled = Reply::new(429, "Retry-After: 120\r\n", r#"{"error":"too_many"}"#);
    let scene = Scene::signed_in(vec![throttled, Reply::token("a1", None)]).await;
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    scene.time.advance(119);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    // And up to a tenth more, so that not everybody comes back at once.
    scene.time.advance(13);
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_refused_grant_is_not_asked_again_until_something_changes() {
    let mut scene = Scene::signed_in(vec![
        Reply::invalid_grant(),
        Reply::invalid_grant(),
        Reply::token("b1", Some("b")),
    ])
    .await;
    for _ in 0..20 {
        let fault = scene.fault().await;
        assert_eq!(fault.kind, TokenErrorKind::SignIn);
        assert_eq!(
            fault.text,
            "localhost says that the sign-in has ended or was revoked (invalid_grant). Sign in again: saslgate signin User@Example.test",
        );
        scene.time.advance(10);
    }
    scene.provider.request().await;
    scene.time.advance(100);
    scene.fault().await;
    scene.provider.request().await;
    import(&*scene.store, &scene.account, Secret::new("b0")).await.unwrap();
    assert_eq!(scene.access().await.unwrap(), "b1", "a new sign-in counts at once");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn a_refused_token_counts_again_once_it_was_imported_again() {
    for first in [
        Reply::invalid_grant(),
        Reply::error(200, r#"{"access_token":"a1","token_type":"DPoP","refresh_token":"r0"}"#),
    ] {
        let scene = Scene::signed_in(vec![first, Reply::token("a1", None)]).await;
        scene.fault().await;
        scene.fault().await;
        import(&*scene.store, &scene.account, Secret::new("r0")).await.unwrap();
        assert_eq!(scene.access().await.unwrap(), "a1");
        assert_eq!(scene.provider.finish().await.len(), 2);
    }
}

#[tokio::test]
async fn microsofts_codes_become_advice() {
    for (body, kind, text) in [
        (
            r#"{"error":"invalid_grant","error_codes":[700082],"error_description":"secret-words"}"#,
            TokenErrorKind::SignIn,
            "localhost says that the sign-in has ended because it was not used for too long \
             (AADSTS700082). Sign in again: saslgate signin \
             User@Example.test",
        ),
        (
            r#"{"error":"invalid_client","error_codes":[7000222]}"#,
            TokenErrorKind::Configuration,
            "localhost says that the client secret has expired (AADSTS7000222). Correct \
             client_secret of User@Example.test (application app-id).",
        ),
        (
            r#"{"error":"invalid_grant","error_codes":[53003]}"#,
            TokenErrorKind::Policy,
            "localhost says that conditional access or device rules forbid this (AADSTS53003). Ask \
             the administrator to allow the application app-id for User@Example.test.",
        ),
        (
            r#"{"error":"unheard_of","error_codes":[1234567]}"#,
            TokenErrorKind::Configuration,
            "localhost does not accept the request (unheard_of, AADSTS1234567). Check \
             client_id, client_secret and scopes of User@Example.test.",
        ),
    ] {
        let (fault, scene) = fault_of(Reply::error(400, body)).await;
        assert_eq!((fault.kind, fault.text.as_str()), (kind, text));
        assert_eq!(scene.grant().await.refresh_started, None, "a clear answer spends nothing");
        scene.provider.finish().await;
    }
}

#[tokio::test]
async fn the_old_token_goes_on_while_it_lasts() {
    let scene = Scene::signed_in(vec![
        Reply::token("a1", None),
        Reply::error(503, ""),
        Reply::error(503, ""),
    ])
    .await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.time.advance(1801);
    assert_eq!(scene.access().await.unwrap(), "a1", "not fresh, but valid");
    assert_eq!(scene.access().await.unwrap(), "a1", "and no second request so soon");
    scene.time.advance(1799);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    scene.provider.finish().await;
}

#[tokio::test]
async fn tls_is_verified_and_a_ca_file_is_believed() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, issued.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.unwrap())
        .unwrap();
    let mut scene = Scene::signed_in(vec![]).await;
    let script = vec![Reply::token("a1", None)];
    let server = Provider::start_with(script, Some(TlsAcceptor::from(Arc::new(config)))).await;
    scene.account = account(&server.url());

    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert!(fault.text.contains("invalid peer certificate"), "{fault}");
    assert_eq!(scene.grant().await.refresh_started, None);

    scene.time.advance(3);
    scene.oauth().ca_file = Some(folder.path().join("missing.pem"));
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Configuration);
    assert!(fault.text.contains("missing.pem"), "{fault}");

    scene.time.advance(300);
    scene.oauth().ca_file = Some(ca_file);
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(server.finish().await.len(), 1);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_rotated_token_is_kept_even_if_the_rest_is_of_no_use() {
    let body = r#"{"access_token":"a1","token_type":"DPoP","refresh_token":"r1"}"#;
    let scene = Scene::signed_in(vec![Reply::error(200, body)]).await;
    for _ in 0..3 {
        assert_eq!(scene.fault().await.kind, TokenErrorKind::Configuration);
    }
    assert_eq!(scene.refresh_token().await, "r1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber, tracing lets the first thread that passes a log line decide for all
    // whether it is wanted, and the tests beside this one want none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let gate = Arc::new(Semaphore::new(1));
    let scene = Scene::signed_in(vec![
        Reply::token("very-secret-a1", Some("very-secret-r1")).behind(&gate),
        Reply::invalid_grant(),
    ])
    .await;
    scene.access().await.unwrap();
    scene.time.advance(3600);
    scene.fault().await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("access token refreshed"), "{text}");
    assert!(text.contains("no new access token"), "{text}");
    for secret in ["very-secret", "secret-words", "client&secret", "client%26secret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    scene.provider.finish().await;
}
