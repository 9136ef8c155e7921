use std::collections::HashMap;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// A server with a few documents, each for one path, as they go over the wire.
struct Site {
    origin: String,
    asked: JoinHandle<()>,
    paths: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Site {
    /// `documents` makes them, for the origin.
    async fn with(documents: impl FnOnce(&str) -> HashMap<&'static str, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let documents = documents(&origin);
        let (note, paths) = tokio::sync::mpsc::unbounded_channel();
        let asked = tokio::spawn(async move {
            loop {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(peer.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let answer = documents.get(path.as_str()).cloned();
                note.send(path).unwrap();
                let answer = answer.unwrap_or_else(|| ok("404 Not Found", "<html>"));
                // Who has heard too much already hangs up.
                let _ = peer.write_all(&answer).await;
            }
        });
        Self { origin, asked, paths }
    }

    async fn ask(&self, path: &str) -> Result<Metadata, DiscoveryError> {
        let issuer = format!("{}{path}", self.origin).parse().unwrap();
        discover(&issuer, None, None, Duration::from_secs(20)).await
    }

    /// What was asked for, in order.
    fn finish(mut self) -> Vec<String> {
        self.asked.abort();
        std::iter::from_fn(|| self.paths.try_recv().ok()).collect()
    }
}

fn ok(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn document(issuer: &str, origin: &str, more: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"{origin}/token","authorization_endpoint":"{origin}/auth"{more}}}"#
    );
    ok("200 OK", &body)
}

const OPENID_MORE: &str = r#","subject_types_supported":["public"],"scopes_supported":["openid","email","offline_access","imap"],
    "code_challenge_methods_supported":["plain","S256"],"device_authorization_endpoint":"https://elsewhere.example/device",
    "token_endpoint_auth_methods_supported":["none","client_secret_post"],"unknown":{"a":[1]}"#;

#[tokio::test]
async fn openid_appends_to_the_issuer() {
    let site = Site::with(|origin| {
        let issuer = format!("{origin}/realms/mail");
        HashMap::from([(
            "/realms/mail/.well-known/openid-configuration",
            document(&issuer, origin, OPENID_MORE),
        )])
    })
    .await;
    let found = site.ask("/realms/mail").await.unwrap();
    assert_eq!(found.issuer, format!("{}/realms/mail", site.origin));
    assert_eq!(found.token_url.as_str(), format!("{}/token", site.origin));
    assert_eq!(found.device_url.as_ref().unwrap().as_str(), "https://elsewhere.example/device");
    assert_eq!(found.sign_in_scopes(), ["openid", "email"]);
    assert!(found.offers_offline_access());
    assert_eq!((found.pkce, found.client_secret_method), (Pkce::Offered, ClientSecretMethod::Post));
    assert_eq!(site.finish(), ["/realms/mail/.well-known/openid-configuration"]);
}

#[tokio::test]
async fn oauth_inserts_before_the_path() {
    let site = Site::with(|origin| {
        let issuer = format!("{origin}/realms/mail");
        let more = r#","code_challenge_methods_supported":["plain"]"#;
        HashMap::from([
            ("/realms/mail/.well-known/openid-configuration", ok("200 OK", "<html>Welcome</html>")),
            (
                "/.well-known/oauth-authorization-server/realms/mail",
                document(&issuer, origin, more),
            ),
        ])
    })
    .await;
    let found = site.ask("/realms/mail").await.unwrap();
    assert_eq!(found.sign_in_scopes(), [""; 0], "it does not speak OpenID Connect");
    assert_eq!(
        (found.pkce, found.client_secret_method),
        (Pkce::NotOffered, ClientSecretMethod::Basic)
    );
    site.finish();
}

#[tokio::test]
async fn every_place_is_tried_and_told() {
    let site = Site::with(|_| {
        let redirect =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        HashMap::from([("/.well-known/oauth-authorization-server/a", redirect.as_bytes().to_vec())])
    })
    .await;
    let error = site.ask("/a/").await.unwrap_err().to_string();
    assert!(error.contains("/a/.well-known/openid-configuration answers with HTTP 404"), "{error}");
    assert!(error.contains("a redirect (HTTP 302), which is not followed"), "{error}");
    let asked = site.finish();
    assert_eq!(
        asked,
        [
            "/a/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/a",
            "/.well-known/openid-configuration/a",
        ]
    );
}

#[tokio::test]
async fn another_issuer_is_not_believed() {
    let site = Site::with(|origin| {
        HashMap::from([
            ("/.well-known/openid-configuration", document(&format!("{origin}/b"), origin, "")),
            ("/b/.well-known/openid-configuration", document(&format!("{origin}/b/"), origin, "")),
            ("/c/.well-known/openid-configuration", document("x\\u001b[2J", origin, "")),
        ])
    })
    .await;
    for (path, said) in [("", "/b"), ("/b", "/b/"), ("/c", "x")] {
        let Err(DiscoveryError::WrongIssuer { said: found, .. }) = site.ask(path).await else {
            panic!("{path} was believed");
        };
        assert!(found.contains(said) && !found.contains('\x1b'), "{found}");
    }
    site.finish();
}

#[tokio::test]
async fn a_bare_host_may_have_its_slash_or_not() {
    for slash in ["", "/"] {
        let site = Site::with(|origin| {
            let issuer = format!("{origin}{slash}");
            HashMap::from([("/.well-known/openid-configuration", document(&issuer, origin, ""))])
        })
        .await;
        assert_eq!(site.ask("").await.unwrap().issuer, format!("{}{slash}", site.origin));
        site.finish();
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_left() {
    let site = Site::with(|origin| {
        let padding = format!(r#","padding":"{}""#, "x".repeat(2 * 1024 * 1024));
        HashMap::from([("/.well-known/openid-configuration", document(origin, origin, &padding))])
    })
    .await;
    let error = site.ask("").await.unwrap_err();
    let DiscoveryError::Unreachable { what, .. } = error else { panic!("{error}") };
    assert_eq!(what, "answers without an end");
    site.finish();
}

#[tokio::test]
async fn endpoints_that_must_not_be_told_a_secret_are_refused() {
    let site = Site::with(|origin| {
        let at = |token: &str| ok("200 OK", &format!(r#"{{"issuer":"{origin}{token}"}}"#));
        let clear = format!(
            r#"{{"issuer":"{origin}/clear","token_endpoint":"http://id.example.test/token"}}"#
        );
        HashMap::from([
            ("/none/.well-known/openid-configuration", at("/none")),
            ("/clear/.well-known/openid-configuration", ok("200 OK", &clear)),
        ])
    })
    .await;
    for (path, expected) in [("/none", "names no token endpoint"), ("/clear", "outside TLS")] {
        let error = site.ask(path).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    site.finish();
}

#[tokio::test]
async fn only_an_issuer_is_asked() {
    for issuer in [
        "http://id.example.test",
        "ftp://id.example.test",
        "https://id.example.test/?x",
        "https://id.example.test/#x",
        "https://user@id.example.test",
    ] {
        let asked = discover(&issuer.parse().unwrap(), None, None, Duration::from_secs(20)).await;
        assert_eq!(asked, Err(DiscoveryError::UnfitIssuer), "{issuer}");
    }
}
