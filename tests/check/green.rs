use std::time::Duration;

use saslgate::check::Light;

use super::{Scene, outline};

#[tokio::test]
async fn all_is_green_but_that_no_mail_was_sent() {
    let scene = Scene::start().await;
    let report = scene.check().await;
    assert_eq!(
        outline(&report),
        [
            "configuration : configuration_good",
            "resolve imap+pop3+smtp: resolved",
            "connect imap: connected",
            "tls imap: tls_good",
            "connect pop3: connected",
            "tls pop3: tls_good",
            "connect smtp: connected",
            "tls smtp: tls_good",
            "credential imap+pop3+smtp: token_good",
            "claims imap+pop3+smtp: claims_opaque",
            "login imap: login_good",
            "inbox imap: inbox_good",
            "login pop3: login_good inbox_good",
            "login smtp: login_good",
            "mail smtp: mail_not_sent",
        ],
    );
    assert_eq!(report.light(), Light::Yellow);
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_mail_is_sent_and_found() {
    let mut scene = Scene::start().await;
    scene.options.send_to = Some("Demo@example.test".into());
    scene.options.wait = Some(Duration::from_secs(30));
    let report = scene.check().await;
    let outline = outline(&report);
    assert_eq!(outline[outline.len() - 2..], ["mail smtp: mail_sent", "arrival : mail_arrived"]);
    assert_eq!(report.light(), Light::Green);
    // Without IMAP it is looked for by POP3.
    scene.account.imap = None;
    let report = scene.check().await;
    assert_eq!(report.light(), Light::Green);
    scene.options.send_to = Some("someone@elsewhere.test".into());
    let report = scene.check().await;
    assert_ne!(report.light(), Light::Green);
    scene.provider.stop().await;
}

#[tokio::test]
async fn where_nobody_signs_in_each_check_asks_anew() {
    let scene = Scene::start().await;
    let refreshed = |report: &saslgate::check::Report| {
        let json = serde_json::to_value(report).unwrap();
        json["steps"][8]["findings"][0]["refreshed"].as_bool().unwrap()
    };
    assert!(refreshed(&scene.check().await));
    assert!(refreshed(&scene.check().await));
    scene.provider.stop().await;
}
