//! STARTTLS, and servers that take a password.

use saslgate::{
    check::{Finding, Report, StepKind},
    config::{Authentication, Protocol, UpstreamTlsMode},
    secret::Secret,
};

use super::{Scene, found, outline, scripted::Smtp};

/// With this SMTP server and no other.
pub async fn check_smtp(scene: &mut Scene, smtp: &Smtp, authentication: Authentication) -> Report {
    (scene.account.imap, scene.account.pop3) = (None, None);
    scene.account.smtp = Some(smtp.server(authentication));
    tokio::select! {
        report = scene.check() => report,
        () = smtp.serve() => unreachable!(),
    }
}

#[tokio::test]
async fn starttls_is_gone_through() {
    let mut scene = Scene::start().await;
    let smtp = Smtp::start(UpstreamTlsMode::StartTls, &["user=demo@example.test\u{1}"]).await;
    let report = check_smtp(&mut scene, &smtp, Authentication::OAuth).await;
    let outline = outline(&report);
    for expected in ["tls smtp: tls_good", "login smtp: login_good"] {
        assert!(outline.contains(&expected.to_owned()), "{expected}: {outline:?}");
    }
    scene.provider.stop().await;
}

#[tokio::test]
async fn starttls_that_is_not_offered_is_told() {
    let mut scene = Scene::start().await;
    let mut smtp = Smtp::start(UpstreamTlsMode::StartTls, &[]).await;
    smtp.offers = false;
    let report = check_smtp(&mut scene, &smtp, Authentication::OAuth).await;
    let finding = found(&report, StepKind::Tls, Protocol::Smtp).unwrap();
    assert!(matches!(finding, Finding::StartTlsMissing { .. }), "{finding:?}");
    assert!(outline(&report).contains(&"login smtp: waits for 4".to_owned()));
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_server_that_takes_a_password() {
    let mut scene = Scene::start().await;
    scene.account.oauth = None;
    let smtp = Smtp::start(UpstreamTlsMode::Implicit, &["\0anna\0right"]).await;
    let by_password = || Authentication::Password { user: "anna".into() };

    let report = check_smtp(&mut scene, &smtp, by_password()).await;
    let missing = ["credential smtp: upstream_password_missing", "login smtp: waits for 5"];
    assert_eq!(outline(&report)[4..6], missing);

    for (password, login) in
        [("wrong", "login smtp: upstream_password_refused"), ("right", "login smtp: login_good")]
    {
        let (key, password) = (scene.account.key(), Secret::new(password));
        scene.store.write_upstream_password(&key, "smtp", "127.0.0.1", &password).await.unwrap();
        let report = check_smtp(&mut scene, &smtp, by_password()).await;
        assert_eq!(outline(&report)[4..6], ["credential smtp: upstream_password_good", login]);
    }
    scene.provider.stop().await;
}
