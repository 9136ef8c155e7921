use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use serde_json::Value;

use super::*;
use crate::{
    check::{Finding, Step, StepKind, examples},
    config::{Loaded, Paths, Protocol, Secrets, load},
    proto::Side,
    recent::RecentLog,
    sasl::base64,
    secret::Secret,
    status::{Facts, State, judge},
    store::{
        Grant, Identity, LocalPassword, PasswordUse, RefreshFailure, RefreshHistory, SignedIn,
        Store as _, StoredAccessToken, limits::PasswordLimits, memory::MemoryStore,
    },
};

/// What must never be seen.
const SEEDS: &[&str] = &[
    "tok3n-ya29.A0ARrdaM",
    "Passw0rt!geheim",
    "anna.mueller",
    "firma-geheim.ch",
    "Kuendigung",
    "Gehaltsliste",
    "/home/amueller",
    r"C:\Users\amueller",
    "mx7.firma-geheim.ch",
    "203.0.113.77",
    "aaaabbbb-1111-2222-3333-ccccddddeeee",
    "Mueller",
    "0123456789abcdef0123456789abcdef",
];

/// All of them, as a server, a log line or a message could have them.
fn seeded() -> String {
    format!(
        "535 5.7.3 {} To: \"Anna\" <anna.mueller@firma-geheim.ch>, \
         anna.mueller@firma-geheim.ch:993 https://mx7.firma-geheim.ch/Kuendigung?t=tok3n-ya29.A0ARrdaM \
         anna.mueller%40firma-geheim.ch (Kuendigung)",
        SEEDS.join(" ")
    )
}

#[track_caller]
fn assert_clean(text: &str) {
    for seed in SEEDS {
        let encoded = String::from_utf8(base64::encode(seed.as_bytes())).unwrap();
        for seed in [*seed, encoded.trim_end_matches('=')] {
            assert!(!text.to_lowercase().contains(&seed.to_lowercase()), "{seed} is in:\n{text}");
        }
    }
}

fn names() -> Vec<String> {
    vec!["anna.mueller@firma-geheim.ch".to_owned()]
}

/// As the daemon's ring has it, once somebody has logged in, and everything has gone into its lines.
fn log() -> String {
    use std::io::Write as _;
    let recent = RecentLog::new();
    let lines = [
        "INFO logged in account=anna.mueller@firma-geheim.ch connection=7".to_owned(),
        format!("WARN {} connection=7", seeded()),
        format!("WARN account=anna.mueller@firma-geheim.ch upstream={}", seeded()),
        format!("{{\"message\":{:?},\"account\":\"anna.mueller@firma-geheim.ch\"}}", seeded()),
        "INFO other account=Gehaltsliste@firma-geheim.ch connection=8".to_owned(),
    ];
    for line in lines.into_iter().chain(SEEDS.iter().map(|&seed| seed.to_owned())) {
        (&recent).write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    recent.lines().join("\n")
}

/// Servers that say all of it, and to whom all of it is said.
fn trace() -> Arc<Trace> {
    let trace = Arc::new(Trace::default());
    for protocol in Protocol::ALL {
        let (number, tap) = trace.begin(protocol).unwrap();
        tap.saw(
            number,
            Side::Upstream,
            true,
            b"* OK [CAPABILITY IMAP4rev1] mx7.firma-geheim.ch\r\n",
        );
        tap.saw(number, Side::Upstream, false, b"A1 AUTHENTICATE XOAUTH2 tok3n-ya29.A0ARrdaM\r\n");
        for seed in SEEDS.iter().map(|&seed| seed.to_owned()).chain([seeded()]) {
            let encoded = base64::encode(seed.as_bytes());
            for from_peer in [true, false] {
                for line in [
                    seed.clone(),
                    format!("{seed} OK"),
                    format!("250-{seed}"),
                    format!("* NO [{seed}] {seed}"),
                    format!("-ERR [ALERT {seed}]"),
                    String::from_utf8_lossy(&encoded).into_owned(),
                ] {
                    tap.saw(number, Side::Upstream, from_peer, format!("{line}\r\n").as_bytes());
                }
            }
        }
    }
    trace
}

fn seed(key: &str, value: &mut Value) {
    match value {
        Value::String(text) if key != "id" && key != "protocol" => *text = seeded(),
        Value::Array(values) => values.iter_mut().for_each(|value| seed(key, value)),
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| seed(key, value)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn seeded_findings() -> Vec<Finding> {
    let seeded = |finding: Finding| {
        let mut json = serde_json::to_value(&finding).unwrap();
        seed("", &mut json);
        serde_json::from_value(json).unwrap()
    };
    examples::findings().into_iter().map(seeded).collect()
}

fn status(text: String) -> AccountStatus {
    let failure = RefreshFailure {
        since: SystemTime::UNIX_EPOCH,
        last: SystemTime::UNIX_EPOCH,
        kind: "configuration".to_owned(),
        text: text.clone(),
    };
    AccountStatus {
        login: "anna.mueller@firma-geheim.ch".to_owned(),
        configured: true,
        state: State::Trouble,
        findings: vec![crate::status::Finding::RefreshFails { text }],
        grant: Some("refresh_token"),
        signed_in: None,
        access_token: Some((SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH)),
        last_refresh: Some(SystemTime::UNIX_EPOCH),
        failure: Some(failure),
        local_passwords: 2,
        sessions: Some(1),
    }
}

fn about() -> About {
    let name = "anna.mueller@firma-geheim.ch".to_owned();
    About {
        login: name.clone(),
        token_of: name.clone(),
        place: format!(" --config {}", SEEDS.join(" ")),
        provider: "microsoft365",
        mailboxes: Protocol::ALL.map(|protocol| (protocol, name.clone())).into(),
        owner: Some(name),
        own: None,
        client_id: "aaaabbbb-1111-2222-3333-ccccddddeeee".to_owned(),
        tenant: Some("firma-geheim.ch".to_owned()),
        token_url: Some(
            "https://login.microsoftonline.com/firma-geheim.ch/oauth2/v2.0/token".to_owned(),
        ),
        proxy: None,
        redirect_uri: Some("https://mx7.firma-geheim.ch/Kuendigung".to_owned()),
        scopes: vec![seeded(), "https://outlook.office.com/SMTP.Send".to_owned()],
        app_only: false,
        proof: None,
        grant: Some("refresh_token"),
    }
}

const CONFIGURATION: &str = r#"
[defaults]
provider = "custom"
token_url = "https://mx7.firma-geheim.ch/Kuendigung/token"
client_id = "aaaabbbb-1111-2222-3333-ccccddddeeee"
client_secret = { file = "Passw0rt!geheim" }
scopes = ["tok3n-ya29.A0ARrdaM"]
proxy = "http://mx7.firma-geheim.ch:3128"

[hooks]
command = ["/home/amueller/Gehaltsliste"]

[[account]]
login = "anna.mueller@firma-geheim.ch"
hide_capabilities = ["KUENDIGUNG"]
[account.imap]
host = "mx7.firma-geheim.ch"
pin_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

[[account]]
login = "Gehaltsliste@firma-geheim.ch"
[account.imap]
host = "mx7.firma-geheim.ch"
"#;

fn sections() -> Vec<Section> {
    loaded().sections
}

fn loaded() -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let paths =
        Paths { config: folder.path().join("saslgate.toml"), state: folder.path().join("s") };
    fs::write(&paths.config, CONFIGURATION).unwrap();
    load(&paths, Secrets::Skip).unwrap()
}

fn step(findings: Vec<Finding>) -> Step {
    Step {
        number: 1,
        kind: StepKind::Login,
        protocols: vec![Protocol::Imap],
        tried: seeded(),
        findings,
        waits_for: None,
        took: Duration::from_millis(7),
    }
}

#[test]
fn nothing_that_was_seeded_is_in_a_report() {
    let sections = sections();
    let status = status(seeded());
    let report = Report {
        login: status.login.clone(),
        steps: vec![step(seeded_findings()), step(examples::findings())],
    };
    let about = about();
    let sources = Sources {
        sections: &sections,
        status: &status,
        check: Some((&about, &report)),
        trace: &trace(),
        log: &log(),
        names: &names(),
    };
    let (text, table) = markdown(&sources);
    assert_clean(&text);
    for line in ["S   <=64  * OK [CAPABILITY IMAP4rev1] …", "C   <=64  tag AUTHENTICATE XOAUTH2 …"]
    {
        assert!(text.lines().any(|it| it == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains("\nINFO logged in account=user"), "{text}");
    for finding in examples::findings() {
        assert!(text.contains(&format!("`{}`: ", finding.id())), "{} is lost", finding.id());
    }
    // Their owner can read them back.
    assert!(table.iter().any(|(name, _)| name == "anna.mueller@firma-geheim.ch"));
}

/// A store in which everything is something that must not be seen.
async fn seeded_store() -> MemoryStore {
    let (store, login) = (MemoryStore::new(), "anna.mueller@firma-geheim.ch");
    let (now, secret) = (SystemTime::now(), || Secret::new(seeded()));
    let identity = Identity { issuer: seeded(), subject: seeded(), name: Some(seeded()) };
    let grant = Grant {
        refresh_token: Some(secret()),
        refresh_token_expires: Some(now),
        access_token: Some(StoredAccessToken {
            secret: secret(),
            obtained: now,
            expires: now,
            purpose: seeded(),
        }),
        refresh_started: Some(now),
        signed_in: Some(SignedIn { at: now, identity: Some(identity) }),
    };
    store.write_grant(login, None, &grant).await.unwrap().unwrap();
    store.password_salt(login, *b"Passw0rt!geheim_").await.unwrap();
    let used = PasswordUse { at: now, protocol: seeded(), address: [203, 0, 113, 77].into() };
    let password = LocalPassword {
        name: seeded(),
        digest: *b"0123456789abcdef0123456789abcdef",
        created: now,
        limits: PasswordLimits::default(),
        last_used: None,
    };
    store.write_local_password(login, &password).await.unwrap();
    store.note_password_use(login, &password.name, &password.digest, &used).await.unwrap();
    store.write_upstream_password(login, "imap", "mx7.firma-geheim.ch", &secret()).await.unwrap();
    let failure =
        RefreshFailure { since: now, last: now, kind: "configuration".to_owned(), text: seeded() };
    let history = RefreshHistory { succeeded: Some(now), failure: Some(failure) };
    store.write_refresh_history(login, &history).await.unwrap();
    store
}

#[tokio::test]
async fn nothing_of_the_store_is_in_a_report() {
    let Loaded { config, sections, .. } = loaded();
    let account = config.accounts.first().unwrap();
    let store = seeded_store().await;
    let facts = Facts::read(account.key(), Some(Arc::clone(account)), &config, &store, None).await;
    let status = judge(&facts, SystemTime::now());
    assert_eq!(status.local_passwords, 1);
    let (text, _) = markdown(&Sources {
        sections: &sections,
        status: &status,
        check: None,
        trace: &Trace::default(),
        log: &log(),
        names: &names(),
    });
    assert_clean(&text);
    assert!(text.contains("- local passwords: 1") && text.contains("- failing since "), "{text}");
}

#[test]
fn what_helps_a_maintainer_stays() {
    let mut names = StandIns::default();
    for (text, expected) in [
        (
            "535 5.7.3 Authentication unsuccessful [mx9.corp]",
            "535 5.7.3 Authentication unsuccessful …",
        ),
        ("NO AUTHENTICATE failed.", "NO AUTHENTICATE failed."),
        ("User is authenticated but not connected.", "User is authenticated but not connected."),
        (
            "[AUTHENTICATIONFAILED] for a.b@c.example",
            "[AUTHENTICATIONFAILED] for user1@domain1.example",
        ),
        ("outlook.office365.com:993", "outlook.office365.com:993"),
        ("mail.corp.example:143", "host1.example:143"),
        ("A.B@C.example again", "user1@domain1.example again"),
        ("2026-11-25T13:00:00Z INFO secret word word", "2026-11-25T13:00:00Z INFO secret …"),
        ("[2001:db8::7]:993 127.0.0.1:1143", "192.0.2.1:993 127.0.0.1:1143"),
        (
            "https://login.microsoftonline.com/corp.example/oauth2/v2.0/token",
            "https://login.microsoftonline.com/…/oauth2/v2.0/token",
        ),
        ("AADSTS53003: 1234567", "AADSTS53003: …"),
        ("``` ``", "…"),
    ] {
        assert_eq!(names.free(text), expected);
    }
    assert_eq!(names.tenant("common"), "common");
    assert_eq!(names.tenant("corp.example"), "tenant1");
    assert_eq!(names.name("*@c.example"), "*@domain1.example");
}

#[test]
fn the_configuration_keeps_its_shape() {
    let sections = sections();
    let status = status(String::new());
    let (text, _) = markdown(&Sources {
        sections: &sections,
        status: &status,
        check: None,
        trace: &Trace::default(),
        log: "",
        names: &names(),
    });
    assert_clean(&text);
    for line in [
        "[[account]] user1@domain1.example",
        "imap.host = \"host1.example\" # written",
        "imap.port = 993 # default",
        "provider = \"custom\" # written",
        "grant = \"refresh_token\" # default",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in:\n{text}");
    }
    assert_eq!(text.matches("[[account]]").count(), 1);
    assert!(text.contains("- rustls 0."), "{text}");
}

#[test]
fn known_words_are_no_ones_names() {
    let seeds = seeded();
    let found: BTreeSet<&str> = seeds.split(' ').filter(|word| known::is_word(word)).collect();
    assert_eq!(found, BTreeSet::new());
}
