use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::Value;

use super::*;
use crate::{
    check::{Finding, Step, StepKind, examples},
    config::{Paths, Protocol, Secrets, load},
    status::State,
    store::RefreshFailure,
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
        assert!(!text.to_lowercase().contains(&seed.to_lowercase()), "{seed} is in:\n{text}");
    }
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
        provider: "microsoft365",
        mailboxes: Protocol::ALL.map(|protocol| (protocol, name.clone())).into(),
        owner: Some(name),
        own: None,
        client_id: "aaaabbbb-1111-2222-3333-ccccddddeeee".to_owned(),
        tenant: Some("firma-geheim.ch".to_owned()),
        token_url: Some(
            "https://login.microsoftonline.com/firma-geheim.ch/oauth2/v2.0/token".to_owned(),
        ),
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
    let folder = tempfile::tempdir().unwrap();
    let paths =
        Paths { config: folder.path().join("saslgate.toml"), state: folder.path().join("s") };
    fs::write(&paths.config, CONFIGURATION).unwrap();
    load(&paths, Secrets::Skip).unwrap().sections
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
        log: &seeded(),
    };
    let (text, table) = markdown(&sources);
    assert_clean(&text);
    for finding in examples::findings() {
        assert!(text.contains(&format!("`{}`: ", finding.id())), "{} is lost", finding.id());
    }
    // Their owner can read them back.
    assert!(table.iter().any(|(name, _)| name == "anna.mueller@firma-geheim.ch"));
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
    let (text, _) =
        markdown(&Sources { sections: &sections, status: &status, check: None, log: "" });
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
