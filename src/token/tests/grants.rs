//! The grants that need no person, and how the application proves who it is: each request field by field.

use std::{collections::HashSet, fs, path::Path};

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::Value;

use super::{provider::Form, *};
use crate::signing_key::tests::{passphrase, public_key, test_file, write_service_account};

/// The header and the claims of an assertion whose signature is good.
fn verified(assertion: &str, algorithm: Algorithm, audience: &str) -> (Header, Value) {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    validation.validate_nbf = true;
    let key = DecodingKey::from_rsa_der(&public_key());
    let data = jsonwebtoken::decode(assertion, &key, &validation).unwrap();
    (data.header, data.claims)
}

#[track_caller]
fn check_fields(form: &Form, expected: &[(&str, &str)], others: &[&str]) {
    let fields: HashSet<&str> = form.keys().map(String::as_str).collect();
    let known: HashSet<&str> =
        expected.iter().map(|(name, _)| *name).chain(others.iter().copied()).collect();
    assert_eq!(fields, known);
    for (name, value) in expected {
        assert_eq!(form[*name], *value, "{name}");
    }
}

/// An account that needs nobody, in front of a provider that gives one token.
async fn own(grant: GrantKind, reply: Reply) -> Scene {
    let mut scene = Scene::empty(vec![reply]).await;
    scene.oauth().grant = grant;
    scene
}

fn certificate() -> ClientAuthentication {
    ClientAuthentication::Certificate {
        certificate: test_file("encrypted.pem"),
        key: test_file("encrypted.pem"),
        passphrase: Some(passphrase()),
    }
}

const ASSERTION: [&str; 2] = ["client_assertion", "client_assertion_type"];
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test]
async fn a_certificate_proves_the_application() {
    let mut scene = own(GrantKind::ClientCredentials, Reply::token("a1", None)).await;
    scene.oauth().client_authentication = certificate();
    assert_eq!(scene.access().await.unwrap(), "a1");
    let url = scene.provider.url();
    let form = scene.provider.request().await;
    check_fields(
        &form,
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "app-id"),
            ("scope", "mail.read offline_access"),
            ("client_assertion_type", ASSERTION_TYPE),
        ],
        &["client_assertion"],
    );
    let (header, claims) = verified(&form["client_assertion"], Algorithm::PS256, &url);
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    // The SHA-256 that openssl shows for the certificate.
    assert_eq!(header.x5t_s256.as_deref(), Some("aaa2IquzZRprqiq0MuDmfw7JaZ0xm2FEc3r53CDa5ts"));
    assert_eq!((&claims["iss"], &claims["sub"]), (&"app-id".into(), &"app-id".into()));
    let seconds = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(seconds("nbf"), seconds("iat"));
    assert!(seconds("exp") - seconds("nbf") <= 600, "{claims}");
    assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
    assert_eq!(claims.as_object().unwrap().len(), 7, "{claims}");
    scene.provider.finish().await;
}

#[tokio::test]
async fn each_request_has_an_assertion_of_its_own() {
    let script = vec![Reply::token("a1", Some("r1")), Reply::token("a2", None)];
    let mut scene = Scene::signed_in(script).await;
    scene.oauth().client_authentication = certificate();
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.time.advance(3600);
    assert_eq!(scene.access().await.unwrap(), "a2");
    let url = scene.provider.url();
    let forms = scene.provider.finish().await;
    let names: HashSet<String> = forms
        .iter()
        .map(|form| {
            check_fields(
                form,
                &[("grant_type", "refresh_token"), ("client_id", "app-id")],
                &[&["refresh_token", "scope"][..], &ASSERTION].concat(),
            );
            let (_, claims) = verified(&form["client_assertion"], Algorithm::PS256, &url);
            claims["jti"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn a_federated_token_is_read_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let script = vec![Reply::token("a1", None), Reply::token("a2", None)];
    let mut scene = Scene::empty(script).await;
    scene.oauth().grant = GrantKind::ClientCredentials;
    scene.oauth().client_authentication =
        ClientAuthentication::FederatedToken { file: file.clone() };

    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Configuration);
    assert!(fault.text.contains(&file.display().to_string()), "{fault}");

    // What another system writes is noticed at once.
    for (written, access) in [("first.assertion\n", "a1"), ("second.assertion", "a2")] {
        fs::write(&file, written).unwrap();
        assert_eq!(scene.access().await.unwrap(), access);
        let form = scene.provider.request().await;
        check_fields(
            &form,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "app-id"),
                ("scope", "mail.read offline_access"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", written.trim()),
            ],
            &[],
        );
        scene.time.advance(3600);
    }
    fs::write(&file, "an error message").unwrap();
    let fault = scene.fault().await;
    assert_eq!(
        fault.text,
        "localhost cannot be asked: federated_token_file holds no assertion. Put that right; \
         `saslgate config check` tells whether it is."
    );
    scene.provider.finish().await;
}

fn service_account(folder: &Path, url: &str) -> GrantKind {
    let key_file = write_service_account(folder, url);
    GrantKind::ServiceAccount { key_file, subject: "user@example.test".to_owned() }
}

#[tokio::test]
async fn a_service_account_acts_for_the_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::empty(vec![Reply::token("a1", None)]).await;
    let url = scene.provider.url();
    scene.oauth().grant = service_account(folder.path(), &url);
    scene.oauth().scopes = vec!["https://mail.example.test/".to_owned()];
    scene.oauth().client_authentication = ClientAuthentication::Public;
    assert_eq!(scene.access().await.unwrap(), "a1");
    let form = scene.provider.request().await;
    let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    check_fields(&form, &[("grant_type", grant_type)], &["assertion"]);
    let (header, claims) = verified(&form["assertion"], Algorithm::RS256, &url);
    assert_eq!((header.kid.as_deref(), header.typ.as_deref()), (Some("0123abcd"), Some("JWT")));
    assert_eq!(claims["iss"], "gateway@project.iam.example.test");
    assert_eq!(claims["sub"], "user@example.test");
    assert_eq!(claims["scope"], "https://mail.example.test/");
    let seconds = |name: &str| claims[name].as_u64().unwrap();
    assert!(seconds("exp") - seconds("iat") <= 3600, "{claims}");
    assert_eq!(claims.as_object().unwrap().len(), 6, "{claims}");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_service_accounts_refusal_is_no_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    for (body, text) in [
        (
            r#"{"error":"invalid_grant","error_description":"secret-words"}"#,
            "localhost does not accept the service account, or does not know the user for whom it acts \
             (invalid_grant). Check the mailbox of User@Example.test (user@example.test), whether Google \
             still has the key in service_account_key, and the clock of this machine.",
        ),
        (
            r#"{"error":"unauthorized_client"}"#,
            "localhost says that the service account may not act for users with these scopes \
             (unauthorized_client). Let the domain's administrator delegate exactly these scopes to it \
             (Admin console, Security, API controls, Domain-wide delegation): mail.read offline_access",
        ),
        (
            r#"{"error":"invalid_scope"}"#,
            "localhost does not know a scope or resource (invalid_scope). Compare the scopes of \
             User@Example.test (mail.read offline_access) with the permissions of the service account.",
        ),
    ] {
        let grant = service_account(folder.path(), "http://localhost/");
        let scene = own(grant, Reply::error(400, body)).await;
        let fault = scene.fault().await;
        assert_eq!((fault.kind, fault.text.as_str()), (TokenErrorKind::Configuration, text));
        scene.provider.finish().await;
    }
}

fn by_password() -> GrantKind {
    let (user, password) = ("owner@example.test".to_owned(), Secret::new("pass&word"));
    GrantKind::Password { user, password }
}

#[tokio::test]
async fn a_password_is_sent_where_it_is_allowed() {
    let mut scene = own(by_password(), Reply::token("a1", Some("unasked"))).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert!(scene.grant().await.refresh_token.is_none(), "nobody would use it");
    let form = scene.provider.request().await;
    check_fields(
        &form,
        &[
            ("grant_type", "password"),
            ("client_id", "app-id"),
            ("client_secret", "client&secret=1 ü"),
            ("username", "owner@example.test"),
            ("password", "pass&word"),
            ("scope", "mail.read offline_access"),
        ],
        &[],
    );
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_password_that_is_refused_needs_the_operator() {
    for (body, text) in [
        (
            r#"{"error":"invalid_grant","error_codes":[50126]}"#,
            "localhost says that the user's name or password is wrong (AADSTS50126). Correct \
             owner_password of User@Example.test (user owner@example.test).",
        ),
        (
            r#"{"error":"invalid_grant","error_description":"AADSTS50076: secret-words"}"#,
            "localhost asks for multi-factor authentication, which grant = \"password\" cannot do \
             (AADSTS50076). Write grant = \"refresh_token\" for User@Example.test, then sign in: saslgate \
             signin User@Example.test",
        ),
        (
            r#"{"error":"invalid_grant"}"#,
            "localhost says that the user's name or password is wrong (invalid_grant). Correct \
             owner_password of User@Example.test (user owner@example.test).",
        ),
    ] {
        let scene = own(by_password(), Reply::error(400, body)).await;
        let fault = scene.fault().await;
        assert_eq!((fault.kind, fault.text.as_str()), (TokenErrorKind::Configuration, text));
        scene.provider.finish().await;
    }
}

#[tokio::test]
async fn a_refused_certificate_is_asked_for_by_its_file() {
    let body = r#"{"error":"invalid_client","error_codes":[700027]}"#;
    let mut scene = own(GrantKind::ClientCredentials, Reply::error(401, body)).await;
    scene.oauth().client_authentication = certificate();
    let expected = format!(
        "localhost does not accept the application's credentials (AADSTS700027). Check that the \
         certificate {} is registered with the application app-id, and has not expired.",
        test_file("encrypted.pem").display()
    );
    assert_eq!(scene.fault().await.text, expected);
    assert_eq!(scene.fault().await.text, expected, "and it is not asked again");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn a_renewed_certificate_is_tried_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.pem");
    fs::copy(test_file("pkcs8.pem"), &file).unwrap();
    let body = r#"{"error":"invalid_client"}"#;
    let mut scene = Scene::empty(vec![Reply::error(401, body), Reply::token("a1", None)]).await;
    scene.oauth().grant = GrantKind::ClientCredentials;
    scene.oauth().client_authentication = ClientAuthentication::Certificate {
        certificate: file.clone(),
        key: test_file("pkcs1.pem"),
        passphrase: None,
    };
    scene.fault().await;
    scene.fault().await;
    let mut text = fs::read_to_string(&file).unwrap();
    text.push('\n');
    fs::write(&file, text).unwrap();
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn nobody_can_sign_in_for_an_application() {
    for (body, kind) in [
        (r#"{"error":"invalid_grant"}"#, TokenErrorKind::Configuration),
        (r#"{"error":"interaction_required"}"#, TokenErrorKind::Configuration),
        (r#"{"error":"invalid_grant","error_codes":[700082]}"#, TokenErrorKind::Configuration),
        (r#"{"error":"invalid_grant","error_codes":[65001]}"#, TokenErrorKind::Policy),
        (r#"{"error":"consent_required"}"#, TokenErrorKind::Policy),
        (r#"{"error":"temporarily_unavailable"}"#, TokenErrorKind::Unavailable),
    ] {
        let scene = own(GrantKind::ClientCredentials, Reply::error(400, body)).await;
        let fault = scene.fault().await;
        assert_eq!(fault.kind, kind, "{body}");
        assert!(!fault.text.to_lowercase().contains("sign in"), "{fault}");
        assert!(!fault.text.contains("sign-in"), "{fault}");
        scene.provider.finish().await;
    }
}

#[tokio::test]
async fn a_proxy_is_asked_where_one_is_set() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
        }
        socket.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let mut scene = Scene::signed_in(vec![]).await;
    scene.oauth().token_url = "https://id.example.test/token".parse().unwrap();
    scene.oauth().proxy = Some(format!("http://{address}").parse().unwrap());
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable, "{fault}");
    assert_eq!(scene.grant().await.refresh_started, None, "nothing was sent through it");
    let head = proxy.await.unwrap();
    assert!(head.starts_with("CONNECT id.example.test:443 HTTP/1.1\r\n"), "{head}");
    scene.provider.finish().await;
}
