//! Who logs in as whom: shared mailboxes, whole domains, and tokens of another account.

use std::sync::Arc;

use saslgate::{
    account::Accounts,
    check::{Finding, StepKind},
    config::{Authentication, Domain, Protocol, UpstreamTlsMode},
};

use super::{Scene, found, outline, scripted::Smtp, servers::check_smtp};

const OWNER: &str = "anna@example.test";
const SHARED: &str = "info@example.test";

/// What SMTP is told to be set to, where the mailbox is [`SHARED`], the token [`OWNER`]'s, and SMTP logs in
/// as `configured`.
async fn works_as(configured: &str, lets_in: &'static [&'static str]) -> Finding {
    let mut scene = Scene::start().await;
    scene.account.mailbox = SHARED.into();
    scene.account.identity.mailboxes = vec![(Protocol::Smtp, configured.to_owned())];
    scene.account.oauth.as_mut().unwrap().sign_in.owner = Some(OWNER.into());
    let smtp = Smtp::start(UpstreamTlsMode::Implicit, lets_in).await;
    let report = check_smtp(&mut scene, &smtp, Authentication::OAuth).await;
    scene.provider.stop().await;
    found(&report, StepKind::Login, Protocol::Smtp).unwrap().clone()
}

#[tokio::test]
async fn smtp_works_as_the_other_one() {
    let works = |user: &str, configured: &str, setting: &str| Finding::SmtpWorksAs {
        user: user.into(),
        configured: configured.into(),
        setting: setting.into(),
    };
    let delegate = works_as(SHARED, &["user=anna@example.test\u{1}"]).await;
    assert_eq!(delegate, works(OWNER, SHARED, "delegate"));
    let shared = works_as(OWNER, &["user=info@example.test\u{1}"]).await;
    assert_eq!(shared, works(SHARED, OWNER, "shared"));
    let neither = works_as(OWNER, &[]).await;
    assert!(matches!(neither, Finding::TokenRefused { .. }), "{neither:?}");
    let as_configured = works_as(OWNER, &["user=anna@example.test\u{1}"]).await;
    assert_eq!(as_configured, Finding::LoginGood { user: OWNER.into() });
}

/// The account that a login leads to.
fn found_by(scene: &mut Scene, login: &str) {
    let accounts = Accounts::new(&[Arc::new(scene.account.clone())]);
    scene.account = accounts.find(login.as_bytes()).unwrap().as_ref().clone();
}

/// All logins are green.
async fn all_logins(scene: &Scene) -> String {
    let report = scene.check().await;
    let outline = outline(&report);
    for expected in [
        "login imap: login_good",
        "inbox imap: inbox_good",
        "login pop3: login_good inbox_good",
        "login smtp: login_good",
    ] {
        assert!(outline.contains(&expected.to_owned()), "{expected}: {outline:?}");
    }
    report.login
}

#[tokio::test]
async fn a_mailbox_of_a_whole_domain() {
    let mut scene = Scene::start().await;
    scene.account.login = "*@example.test".into();
    scene.account.mailbox = "*@example.test".into();
    let name = "example.test".into();
    scene.account.identity.domain = Some(Domain { name, mailboxes: None });
    found_by(&mut scene, "Demo@example.test");
    assert_eq!(all_logins(&scene).await, "demo@example.test");
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_shared_mailbox_by_its_login_form() {
    let mut scene = Scene::start().await;
    scene.account.login = OWNER.into();
    scene.account.mailbox = OWNER.into();
    scene.account.identity.shared = vec!["demo@example.test".into()];
    found_by(&mut scene, r"anna@example.test\demo@example.test");
    assert_eq!(all_logins(&scene).await, r"anna@example.test\demo@example.test");
    scene.provider.stop().await;
}

#[tokio::test]
async fn the_tokens_of_another_account_are_kept_for_that_one() {
    let mut scene = Scene::start().await;
    scene.account.login = SHARED.into();
    scene.account.identity.token_from = Some(OWNER.into());
    assert_eq!(all_logins(&scene).await, SHARED);
    assert!(scene.store.grant(OWNER).await.unwrap().is_some());
    assert!(scene.store.grant(SHARED).await.unwrap().is_none());
    scene.provider.stop().await;
}
