use std::{path::PathBuf, time::Duration};

use saslgate::{
    check::{Finding, Light, StepKind},
    config::{ClientAuthentication, Protocol, UpstreamTlsMode, Verification},
    secret::Secret,
};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{Scene, found, outline};
use crate::support::upstream::Upstream;

/// A port of this machine where nobody listens.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_closed_port_keeps_nothing_else_from_being_tried() {
    let mut scene = Scene::start().await;
    scene.account.imap.as_mut().unwrap().port = closed_port().await;
    let report = scene.check().await;
    let outline = outline(&report);
    assert!(outline.contains(&"connect imap: connection_refused".to_owned()), "{outline:?}");
    for waiting in ["tls imap: waits for 3", "login imap: waits for 3", "inbox imap: waits for 3"] {
        assert!(outline.contains(&waiting.to_owned()), "{waiting}: {outline:?}");
    }
    assert!(outline.contains(&"login pop3: login_good inbox_good".to_owned()), "{outline:?}");
    assert!(outline.contains(&"mail smtp: mail_not_sent".to_owned()), "{outline:?}");
    let finding = found(&report, StepKind::Connect, Protocol::Imap).unwrap();
    assert!(
        matches!(finding, Finding::ConnectionRefused { usual_port: Some(993), .. }),
        "{finding:?}"
    );
    assert_eq!(report.light(), Light::Red);
    scene.provider.stop().await;
}

#[tokio::test]
async fn certificates_are_told_apart() {
    let mut scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let right = write("right.pem", &scene.provider.certificate_pem);
    let other = rcgen::generate_simple_self_signed(vec!["ca.test".into()]).unwrap();
    let wrong = write("wrong.pem", &other.cert.pem());
    let roots = |ca_file: &PathBuf, name: Option<&str>| Verification::Roots {
        ca_file: Some(ca_file.clone()),
        name: name.map(str::to_owned),
    };
    scene.account.imap.as_mut().unwrap().verification = roots(&wrong, None);
    scene.account.pop3.as_mut().unwrap().verification = roots(&right, Some("other.test"));
    scene.account.smtp.as_mut().unwrap().verification = Verification::Pin { sha256: [7; 32] };
    let report = scene.check().await;
    let sha256: String =
        scene.provider.certificate_sha256.iter().map(|octet| format!("{octet:02x}")).collect();
    let shown = found(&report, StepKind::Tls, Protocol::Imap).unwrap();
    let Finding::CertificateUnknownIssuer { issuer: Some(_), sha256: Some(its), .. } = shown else {
        panic!("{shown:?}");
    };
    assert_eq!(*its, sha256);
    let names = found(&report, StepKind::Tls, Protocol::Pop3).unwrap();
    let Finding::CertificateNameMismatch { host, names } = names else { panic!("{names:?}") };
    assert_eq!((host.as_str(), names.contains(&"localhost".to_owned())), ("other.test", true));
    let pin = found(&report, StepKind::Tls, Protocol::Smtp).unwrap();
    let Finding::CertificatePinMismatch { sha256: Some(its), .. } = pin else { panic!("{pin:?}") };
    assert_eq!(*its, sha256);

    scene.account.imap.as_mut().unwrap().verification = roots(&right, None);
    scene.account.pop3.as_mut().unwrap().verification = Verification::DangerSkip;
    let report = scene.check().await;
    let good = found(&report, StepKind::Tls, Protocol::Imap).unwrap();
    assert!(matches!(good, Finding::TlsGood { expires: Some(_), .. }), "{good:?}");
    let outline = outline(&report);
    assert!(outline.contains(&"tls pop3: tls_good verification_off".to_owned()), "{outline:?}");
    scene.provider.stop().await;
}

/// A server that says this to everybody, in clear, and then waits.
async fn in_clear(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(words.as_bytes()).await;
            kept.push(stream);
        }
    });
    port
}

#[tokio::test]
async fn the_wrong_kind_of_server_is_told() {
    let mut scene = Scene::start().await;
    scene.account.pop3 = None;
    let imap = scene.account.imap.as_mut().unwrap();
    imap.port = in_clear("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n").await;
    let smtp = scene.account.smtp.as_mut().unwrap();
    smtp.mode = UpstreamTlsMode::StartTls;
    smtp.port = in_clear("+OK POP3 ready\r\n").await;
    let report = scene.check().await;
    let not_tls = found(&report, StepKind::Tls, Protocol::Imap).unwrap();
    assert!(matches!(not_tls, Finding::NotTls { .. }), "{not_tls:?}");
    let other = found(&report, StepKind::Tls, Protocol::Smtp).unwrap();
    let Finding::WrongProtocol { text, .. } = other else { panic!("{other:?}") };
    assert!(text.ends_with("it begins with \"+OK POP3\""), "{text}");
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_stops_the_logins_and_not_the_way_there() {
    let mut scene = Scene::start().await;
    let oauth = scene.account.oauth.as_mut().unwrap();
    oauth.client_authentication = ClientAuthentication::Secret(Secret::new("another"));
    let report = scene.check().await;
    // Nothing is remembered that a second look would trip over.
    let again = scene.check().await;
    for report in [report, again] {
        let outline = outline(&report);
        for expected in [
            "tls smtp: tls_good",
            "credential imap+pop3+smtp: secret_wrong",
            "claims imap+pop3+smtp: waits for 9",
            "login imap: waits for 9",
            "inbox imap: waits for 9",
            "login pop3: waits for 9",
            "login smtp: waits for 9",
            "mail smtp: waits for 9",
        ] {
            assert!(outline.contains(&expected.to_owned()), "{expected}: {outline:?}");
        }
    }
    scene.provider.stop().await;
}

#[tokio::test]
async fn what_other_servers_say_decides_about_a_refusal() {
    let mut scene = Scene::start().await;
    let upstream = Upstream::start().await;
    let imap = scene.account.imap.as_mut().unwrap();
    imap.port = upstream.port;
    imap.verification = Verification::Pin { sha256: upstream.pin };
    let server = async {
        loop {
            let mut session = upstream.accept_in_clear().await;
            let Ok(stream) = upstream.secure(&mut session).await else { continue };
            let mut session = crate::support::Peer::new(stream);
            // The step before looks at TLS alone.
            let _ = session.stream.write_all(b"* OK ready\r\n").await;
            let _ = session.stream.flush().await;
            let Ok(line) = session.try_line().await else { continue };
            let tag = line.split(' ').next().unwrap().to_owned();
            session
                .send(&format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n{tag} OK done\r\n"))
                .await;
            let line = session.line().await;
            let tag = line.split(' ').next().unwrap().to_owned();
            session.send(&format!("{tag} BAD User is authenticated but not connected.\r\n")).await;
        }
    };
    let report = tokio::select! {
        report = scene.check() => report,
        () = server => unreachable!(),
    };
    let finding = found(&report, StepKind::Login, Protocol::Imap).unwrap();
    assert!(
        matches!(finding, Finding::ProtocolOff { protocol: Protocol::Imap, .. }),
        "{finding:?}"
    );
    // In their order, though POP3 was asked before anything was said.
    let logins = report.steps.iter().filter(|step| step.kind == StepKind::Login);
    let protocols: Vec<Protocol> = logins.flat_map(|step| step.protocols.clone()).collect();
    assert_eq!(protocols, Protocol::ALL);
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_silent_server_costs_its_deadline_only() {
    let mut scene = Scene::start().await;
    scene.deadline = Duration::from_millis(300);
    scene.account.pop3 = None;
    let imap = scene.account.imap.as_mut().unwrap();
    imap.mode = UpstreamTlsMode::StartTls;
    imap.port = in_clear("").await;
    let report = scene.check().await;
    let finding = found(&report, StepKind::Tls, Protocol::Imap).unwrap();
    assert!(matches!(finding, Finding::ServerSilent { .. }), "{finding:?}");
    scene.provider.stop().await;
}

#[tokio::test]
async fn a_server_that_sends_us_away_is_where_to_begin() {
    let mut scene = Scene::start().await;
    scene.account.pop3 = None;
    let imap = scene.account.imap.as_mut().unwrap();
    imap.mode = UpstreamTlsMode::StartTls;
    imap.port = in_clear("* BYE Too busy\r\n").await;
    let report = scene.check().await;
    let login = report.steps.iter().find(|step| step.kind == StepKind::Login).unwrap();
    assert!(matches!(login.findings[..], [Finding::ServerThrottles { .. }]), "{login:?}");
    assert_eq!(report.light(), Light::Yellow);
    assert_eq!(report.begin_at(), Some(login.number));
    assert!(!report.is_let_in());
    scene.provider.stop().await;
}

#[tokio::test]
async fn when_the_time_is_up_nothing_new_is_begun() {
    let mut scene = Scene::start().await;
    scene.options.limit = Duration::ZERO;
    let report = scene.check().await;
    let outline = outline(&report);
    assert_eq!(outline[1], "resolve imap+pop3+smtp: time_up");
    assert!(outline[2..].iter().all(|step| step.ends_with(": waits for 2")), "{outline:?}");
    assert!(outline.contains(&"login smtp: waits for 2".to_owned()), "{outline:?}");
    assert_eq!(report.light(), Light::Yellow);
    scene.provider.stop().await;
}
