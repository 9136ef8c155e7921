use std::time::SystemTime;

use super::*;
use crate::{
    account::tests::account as configured,
    check::{Finding, Step, StepKind, examples},
    config::{Domain, Identity, Protocol},
    store::{LocalPassword, limits::PasswordLimits, memory::MemoryStore},
};

fn checked(findings: Vec<Finding>) -> Checked {
    let good = Step {
        number: 1,
        kind: StepKind::Configuration,
        protocols: Vec::new(),
        tried: "saslgate.toml".to_owned(),
        findings: vec![Finding::ClaimsOpaque],
        waits_for: None,
        took: Duration::ZERO,
    };
    let login = Step {
        number: 2,
        kind: StepKind::Login,
        protocols: vec![Protocol::Imap],
        tried: "me@example.com".to_owned(),
        findings,
        waits_for: None,
        took: Duration::from_millis(12),
    };
    let inbox = Step {
        number: 3,
        kind: StepKind::Inbox,
        findings: Vec::new(),
        waits_for: Some(2),
        ..login.clone()
    };
    let report = Report { login: "me@example.com".to_owned(), steps: vec![good, login, inbox] };
    Checked { about: About::new(&configured("me@example.com")), report }
}

fn shown(checked: &Checked, language: Language) -> String {
    let step = |step| text::step(step, &checked.about, language, false);
    checked.report.steps.iter().map(step).collect()
}

#[test]
fn people_see_what_to_do() {
    let checked = checked(vec![Finding::SignInMissing]);
    let expected = "  1. Konfiguration: grün
     versucht: saslgate.toml
     Das Token kann nur der Anbieter selbst lesen. Das ist in Ordnung.
  2. IMAP-Anmeldung: rot
     versucht: me@example.com
     me@example.com hat sich noch nicht beim Anbieter angemeldet.
     → Melden Sie sich als me@example.com an:
         saslgate signin me@example.com
  3. Posteingang (INBOX): nicht versucht
     versucht: me@example.com
     Nicht versucht: Zuerst muss Schritt 2 behoben werden.
";
    assert_eq!(shown(&checked, Language::De), expected);
    assert_eq!(
        text::summaries(&[checked], Language::En),
        "\nme@example.com does not work: begin with step 2. After a change in the configuration: \
         saslgate reload\n"
    );
}

#[test]
fn sentences_are_wrapped_and_lines_to_copy_are_not() {
    for finding in examples::findings() {
        let checked = checked(vec![finding.clone()]);
        for language in [Language::En, Language::De] {
            let text = shown(&checked, language);
            let words = check::words::of(&finding, &checked.about, language);
            for line in words.remedy.iter().flat_map(|it| &it.lines) {
                assert!(text.contains(&format!("\n         {line}\n")), "{text}");
            }
            let sentences = text.lines().filter(|line| !line.starts_with("      "));
            // A name from the outside is never broken.
            assert!(sentences.into_iter().all(|line| line.chars().count() <= 100), "{text}");
        }
    }
}

#[test]
fn only_the_light_is_coloured() {
    let checked = checked(vec![Finding::SignInMissing]);
    let red = text::step(&checked.report.steps[1], &checked.about, Language::En, true);
    assert!(red.starts_with("  2. IMAP login: \x1b[1;31m● red\x1b[0m\n"), "{red}");
    assert_eq!(red.matches('\x1b').count(), 2);
}

#[test]
fn programs_see_ids_parameters_and_words() {
    let finding = Finding::MfaNeeded { code: Some(50076) };
    let text = json::text(&[checked(vec![finding])], Vec::new(), Language::En).unwrap();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["light"], "red");
    let account = &object["accounts"][0];
    assert_eq!((&account["login"], &account["begin_at"]), (&"me@example.com".into(), &2.into()));
    let step = &account["steps"][1];
    assert_eq!((&step["kind"], &step["milliseconds"]), (&"login".into(), &12.into()));
    let found = &step["findings"][0];
    assert_eq!((&found["id"], &found["code"]), (&"mfa_needed".into(), &50076.into()));
    assert_eq!(found["remedy"][0]["lines"][0], "saslgate signin me@example.com");
    assert_eq!(account["steps"][2]["light"], serde_json::Value::Null);
    assert_eq!(account["steps"][2]["waits_for"], 2);
}

#[test]
fn a_yellow_step_is_no_failure_and_is_named() {
    let yellow = checked(vec![Finding::MailNotSent]);
    assert_eq!((yellow.report.light(), yellow.report.begin_at()), (Light::Yellow, Some(2)));
    let green = checked(vec![Finding::LoginGood { user: "me".to_owned() }]);
    assert_eq!((green.report.light(), green.report.begin_at()), (Light::Green, None));
}

#[test]
fn a_login_that_is_not_let_in_is_where_to_begin_and_never_works() {
    let busy = || Finding::ServerThrottles { text: "bye".to_owned() };
    let mut remarked = checked(vec![busy()]);
    // Yellow, too, and earlier.
    remarked.report.steps[0].findings = vec![Finding::DaemonNotRunning];
    assert_eq!((remarked.report.light(), remarked.report.begin_at()), (Light::Yellow, Some(2)));
    let said = |language| text::summaries(std::slice::from_ref(&remarked), language);
    assert_eq!(
        said(Language::En),
        "\nWhether me@example.com works could not be seen: begin with step 2.\n"
    );
    assert!(said(Language::De).contains("Beginnen Sie mit Schritt 2."));
    // One that waits sends to what it waits for.
    let mut waiting = checked(Vec::new());
    waiting.report.steps[0].findings = vec![busy()];
    waiting.report.steps[1].waits_for = Some(1);
    assert_eq!(waiting.report.begin_at(), Some(1));
}

#[test]
fn a_token_that_looks_wrong_is_no_verdict_where_the_servers_take_it() {
    let wrong = || Finding::UserWrong { user: "anna".to_owned(), expected: "me".to_owned() };
    let claims = |login: Vec<Finding>| {
        let mut checked = checked(login);
        checked.report.steps[0].kind = StepKind::Claims;
        checked.report.steps[0].findings = vec![wrong()];
        checked
    };
    let good = claims(vec![Finding::LoginGood { user: "me".to_owned() }]);
    assert_eq!((good.report.light(), good.report.begin_at()), (Light::Yellow, Some(1)));
    assert!(text::summaries(std::slice::from_ref(&good), Language::En).contains("works; look at"));
    let json = json::text(&[good], Vec::new(), Language::En).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["accounts"][0]["steps"][0]["findings"][0]["light"], "yellow");
    // Refused, the same is red, and there it begins.
    let bad = claims(vec![wrong()]);
    assert_eq!((bad.report.light(), bad.report.begin_at()), (Light::Red, Some(2)));
}

#[tokio::test]
async fn of_whole_domains_those_that_log_in_are_in_all() {
    let domain = |mailboxes: Option<&[&str]>| {
        let mut account = (*configured("*@example.ch")).clone();
        let mailboxes = mailboxes.map(|it| it.iter().map(|&it| it.to_owned()).collect());
        account.identity.domain = Some(Domain { name: "example.ch".to_owned(), mailboxes });
        Arc::new(account)
    };
    let store = MemoryStore::new();
    for login in ["info@example.ch", "me@example.ch"] {
        store.password_salt(login, [7; 16]).await.unwrap();
        let password = LocalPassword {
            name: "default".to_owned(),
            digest: [7; 32],
            created: SystemTime::UNIX_EPOCH,
            limits: PasswordLimits::default(),
            last_used: None,
        };
        store.write_local_password(login, &password).await.unwrap();
    }
    let listed = ["Info@example.ch", "none@example.ch", "me@example.ch"];
    for (mailboxes, expected, reasons) in [
        (None, &["me@example.ch"][..], &["no_mailboxes"][..]),
        (Some(&["none@example.ch"][..]), &["me@example.ch"], &["no_local_password"]),
        (Some(&listed), &["Info@example.ch", "me@example.ch"], &[]),
    ] {
        let accounts = [domain(mailboxes), configured("me@example.ch")];
        let (all, skipped) = with_mailbox(&accounts, &store).await.unwrap();
        let logins: Vec<&str> = all.iter().map(|it| it.login.as_str()).collect();
        assert_eq!(logins, expected);
        // A program sees what was left out.
        let json = json::text(&[], skipped, Language::En).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let skipped: Vec<&str> = json["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["reason"].as_str().unwrap())
            .collect();
        assert_eq!(skipped, reasons);
    }
}

#[test]
fn commands_mean_the_same_place_and_the_account_that_signs_in() {
    let account = (*configured("info@example.com")).clone();
    let account = AccountConfig {
        identity: Identity { token_from: Some("me@example.com".to_owned()), ..Identity::default() },
        ..account
    };
    let about = About::new(&account).at(" --config /tmp/c.toml".to_owned());
    let words = check::words::of(&Finding::SignInMissing, &about, Language::En);
    let lines: Vec<String> = words.remedy.into_iter().flat_map(|it| it.lines).collect();
    assert_eq!(lines, ["saslgate signin me@example.com --config /tmp/c.toml"]);
}

#[test]
fn a_whole_domain_is_no_login() {
    let mut account = (*configured("*@example.ch")).clone();
    account.identity.domain = Some(Domain { name: "example.ch".to_owned(), mailboxes: None });
    let failure = single(Arc::new(account)).unwrap_err();
    assert_eq!(failure.code, 2);
    assert!(failure.text.ends_with("such as name@example.ch"), "{}", failure.text);
    assert!(single(configured("me@example.ch")).is_ok());
}

#[test]
fn no_parameter_hides_a_field_of_the_json() {
    for finding in examples::findings() {
        let json = serde_json::to_value(&finding).unwrap();
        for field in ["light", "what", "remedy"] {
            assert!(json.get(field).is_none(), "{field} of {json}");
        }
    }
}
