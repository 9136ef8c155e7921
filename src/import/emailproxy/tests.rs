//! What a file of every kind becomes. The secrets in it were encrypted by Python's cryptography.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{config::Protocol, secret::Secret};

const ALL: &[u8] = include_bytes!("testdata/all-flows.config");

fn planned() -> (Installation, Plan) {
    let installation = read(ALL, None).unwrap();
    let plan = plan(&installation, Path::new("/old"));
    (installation, plan)
}

#[track_caller]
fn account(login: &str) -> (String, OwnSecret) {
    let (_, plan) = planned();
    let found = plan.accounts.iter().find(|it| it.login == login).unwrap();
    (found.toml.clone(), found.own_secret)
}

#[track_caller]
fn check_remark(about: &str, words: &str) {
    let (_, plan) = planned();
    let said = plan.remarks.iter().any(|it| it.about == about && it.text.contains(words));
    assert!(said, "{about}: {words}: {:#?}", plan.remarks);
}

#[test]
fn ports() {
    let (installation, plan) = planned();
    let found: Vec<(Protocol, String)> =
        installation.listeners.iter().map(|it| (it.protocol, it.address.to_string())).collect();
    let expected = [
        (Protocol::Imap, "127.0.0.1:1993"),
        (Protocol::Pop3, "127.0.0.1:1995"),
        (Protocol::Smtp, "127.0.0.1:1587"),
        (Protocol::Imap, "[::1]:2993"),
        (Protocol::Smtp, "127.0.0.1:2465"),
    ];
    assert_eq!(found, expected.map(|(protocol, address)| (protocol, address.to_owned())));
    assert_eq!(
        plan.listen[3].toml,
        "[[listen]] # [IMAP-2993]\nprotocol = \"imap\"\naddress = \"[::1]:2993\"\ntls = \"implicit\"\n\
         certificate = \"/old/local.pem\"\nkey = \"/etc/local.key\"\n"
    );
    check_remark("SMTP-1587", "which meant every network");
    check_remark("SMTP-2465", "in clear from the network");
    check_remark("SMTP-3465", "has no server_address");
}

#[test]
fn a_preset_says_what_it_knows() {
    let (toml, secret) = account("code@example.com");
    assert_eq!(
        toml,
        "[[account]]\nlogin = \"code@example.com\"\nprovider = \"microsoft365\"\ntenant = \"common\"\n\
         grant = \"refresh_token\"\nclient_id = \"1234\"\n\
         client_secret = { file = \"code@example.com.secret\" }\n\
         scopes = [\"https://outlook.office.com/IMAP.AccessAsUser.All\", \
         \"https://outlook.office.com/SMTP.Send\", \"offline_access\"]\n\
         redirect_uri = \"http://localhost:8080\"\n"
    );
    assert_eq!(secret, OwnSecret::Written);
}

#[test]
fn another_provider_is_written_out() {
    let (toml, secret) = account("device@gmail.com");
    assert_eq!(
        toml,
        "[[account]]\nlogin = \"device@gmail.com\"\nprovider = \"custom\"\n\
         token_url = \"https://oauth2.googleapis.com/token\"\n\
         device_url = \"https://oauth2.googleapis.com/device/code\"\ngrant = \"refresh_token\"\n\
         client_id = \"abc\"\nclient_secret = { file = \"device@gmail.com.secret\" }\n\
         scopes = [\"https://mail.google.com/\"]\n\n\
         [account.imap]\nhost = \"imap.gmail.com\"\nport = 993\ntls = \"implicit\"\n\n\
         [account.smtp]\nhost = \"smtp.gmail.com\"\nport = 465\ntls = \"implicit\"\n"
    );
    assert_eq!(secret, OwnSecret::Sealed);
}

#[test]
fn applications_of_every_kind() {
    let (toml, secret) = account("robot@example.com");
    assert!(toml.contains("client_certificate = \"/old/certs/app.pem\""), "{toml}");
    assert!(toml.contains("client_key = \"/old/certs/app.key\""), "{toml}");
    assert_eq!(secret, OwnSecret::None);
    assert_eq!(account("lazy@example.com").1, OwnSecret::LoginPassword);
    let (toml, _) = account("ropc@example.com");
    assert!(toml.contains("owner_password = { file = \"ropc@example.com.password\" }"), "{toml}");
    let (toml, secret) = account("service@gmail.com");
    assert!(toml.contains("service_account_key = \"/old/keys/service.json\""), "{toml}");
    assert_eq!(secret, OwnSecret::None);
}

#[test]
fn a_domain_and_its_mailboxes() {
    assert!(account("*@whole.example").0.contains("login = \"*@whole.example\""));
    let (toml, secret) = account("one@whole.example");
    assert!(toml.contains("client_id = \"1241\""), "{toml}");
    assert_eq!(secret, OwnSecret::Written);
    check_remark("@people.example", "its people sign in one by one");
}

#[test]
fn what_has_no_counterpart_is_said() {
    check_remark("assertion@example.com", "oauth2_flow");
    check_remark("resource@example.com", "oauth2_resource");
    check_remark("CODE@example.com", "only in case");
}

#[test]
fn what_is_sealed_opens_with_its_password_alone() {
    let (installation, _) = planned();
    let of = |login: &str| {
        installation
            .accounts
            .iter()
            .find(|it| it.login == login)
            .map(|it| it.sealed.clone())
            .unwrap()
    };
    let text = |secret: Option<Secret>| secret.map(|it| it.expose().to_vec());
    let opened = of("code@example.com").open(&Secret::new("Pässword 1")).unwrap();
    assert_eq!(text(opened.refresh_token), Some(b"refresh-1".to_vec()));
    assert_eq!(text(opened.client_secret), None);
    let opened = of("device@gmail.com").open(&Secret::new("Pässword 1")).unwrap();
    assert_eq!(text(opened.client_secret), Some(b"client-secret-1".to_vec()));
    let wrong = of("code@example.com").open(&Secret::new("password 1")).unwrap_err();
    assert_eq!(wrong, Unsealed::Wrong);
    assert!(!of("robot@example.com").is_there());
}

#[test]
fn tokens_in_a_file_of_their_own() {
    let without = String::from_utf8(ALL.to_vec()).unwrap();
    let (tokens, rest): (Vec<&str>, Vec<&str>) = without.lines().partition(|it| {
        it.starts_with("token_") && !it.starts_with("token_url") || it.contains("= gAAAA")
    });
    let rest = rest.join("\n");
    let installation = read(rest.as_bytes(), None).unwrap();
    assert!(installation.remarks.iter().any(|it| it.text.contains("--cache-store FILE")));
    let cache = format!("[code@example.com]\n{}", tokens[..4].join("\n"));
    let installation = read(rest.as_bytes(), Some(cache.as_bytes())).unwrap();
    assert!(installation.accounts[0].sealed.open(&Secret::new("Pässword 1")).is_ok());
}

#[test]
fn logins_that_differ_in_case_alone_are_one() {
    let account = |login: &str| {
        format!(
            "[{login}]\npermission_url = https://id.example.net/auth\ntoken_url = https://id.example.net/token\n\
             oauth2_scope = mail\nclient_id = id\n"
        )
    };
    let text = account("\u{c9}va@example.ch") + &account("\u{e9}va@example.ch");
    let installation = read(text.as_bytes(), None).unwrap();
    assert_eq!(installation.accounts.len(), 1);
    assert!(installation.remarks.iter().any(|it| it.text.contains("only in case")));
}

#[test]
fn what_is_no_such_file() {
    let of = |content: &[u8]| read(content, None).map(|_| ()).unwrap_err();
    assert_eq!(of(b"[IMAP-1993\n"), ReadError::NotIni { line: Some(1) });
    assert_eq!(of(b"a = b\n"), ReadError::Nothing);
    assert_eq!(of(b""), ReadError::Nothing);
    assert_eq!(of(&[0xFF]), ReadError::NotText);
    assert_eq!(of(&vec![b' '; MAX_FILE + 1]), ReadError::TooLarge);
}

#[test]
fn a_byte_order_mark_and_the_default_section_count_as_in_python() {
    let text =
        "\u{FEFF}[DEFAULT]\r\nserver_port = 993\r\n[IMAP-1143]\r\nserver_address = a # b\r\n";
    let installation = read(text.as_bytes(), None).unwrap();
    assert_eq!(installation.listeners[0].server.host, "a # b");
    assert_eq!(installation.listeners[0].server.port, 993);
}

#[test]
fn the_sample_holds_what_must_always_hold() {
    fuzz_emailproxy(ALL);
}

proptest! {
    #[test]
    fn any_octets(data: Vec<u8>) {
        fuzz_emailproxy(&data);
    }

    /// Lines of the sample in any order, some of them spoiled.
    #[test]
    fn lines_in_any_order(picks in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]=:;# \t@*\u{e4}-]{0,3}"), 0..60)) {
        let lines: Vec<&str> = std::str::from_utf8(ALL).unwrap().lines().collect();
        let text: Vec<String> =
            picks.iter().map(|(index, odd)| format!("{odd}{}", index.get(&lines))).collect();
        fuzz_emailproxy(text.join("\n").as_bytes());
    }
}
