//! What a file of every kind becomes. The secrets in it were encrypted by Python's cryptography.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{
    config::{Paths, Protocol, Secrets, load_with},
    secret::Secret,
};

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
fn ports_of_a_kind_are_told_of_once_and_sections_that_are_none_too() {
    let port =
        |name: &str| format!("[{name}]\nserver_address = mail.example.ch\nserver_port = 993\n");
    let names = ["IMAP-1993", "SMTP-1465", "IMAP--5", "IMAP-abc", "imap-1994", "Server setup"];
    let installation = read(names.map(port).concat().as_bytes(), None).unwrap();
    assert_eq!(installation.listeners.len(), 2);
    let of = |words: &str| {
        let said = installation.remarks.iter().filter(|it| it.text.contains(words));
        said.map(|it| it.about.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("which meant every network"), ["IMAP-1993, SMTP-1465"]);
    assert_eq!(of("is not a port"), ["IMAP--5", "IMAP-abc", "imap-1994"]);
    assert_eq!(installation.remarks.len(), 4, "{:#?}", installation.remarks);
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
fn what_a_preset_does_not_know_is_written_out() {
    let (toml, secret) = account("device@gmail.com");
    assert_eq!(
        toml,
        "[[account]]\nlogin = \"device@gmail.com\"\nprovider = \"google\"\n\
         device_url = \"https://oauth2.googleapis.com/device/code\"\ngrant = \"refresh_token\"\n\
         client_id = \"abc\"\nclient_secret = { file = \"device@gmail.com.secret\" }\n\
         scopes = [\"https://mail.google.com/\"]\n"
    );
    assert_eq!(secret, OwnSecret::Sealed);
}

/// An installation with one account at this token endpoint and these servers, as `saslgate` would load it.
#[track_caller]
fn check_provider(
    [provider, token_url]: [&str; 2],
    flow: &str,
    [imap, smtp]: [&str; 2],
    written_out: &[&str],
) {
    let server = |kind: &str, server: &str| {
        let (host, port) = server.split_once(':').unwrap();
        let starttls = if port == "587" { "True" } else { "False" };
        format!(
            "[{kind}-1{port}]\nlocal_address = 127.0.0.1\nserver_address = {host}\nserver_port = {port}\n\
             server_starttls = {starttls}\n"
        )
    };
    let text = format!(
        "{}{}[me@example.com]\n{flow}\ntoken_url = {token_url}\noauth2_scope = mail\nclient_id = 1\n\
         client_secret = s\nredirect_uri = http://localhost\n",
        server("IMAP", imap),
        server("SMTP", smtp)
    );
    let plan = plan(&read(text.as_bytes(), None).unwrap(), Path::new("/old"));
    let [account] = plan.accounts.as_slice() else { panic!("{plan:#?}") };
    let paths = Paths { config: "/nowhere/saslgate.toml".into(), state: "/nowhere/state".into() };
    let listen: String = plan.listen.iter().map(|it| it.toml.as_str()).collect();
    let files = [
        (paths.config.clone(), listen),
        ("/nowhere/accounts.d/x.toml".into(), account.toml.clone()),
    ];
    let config = match load_with(&paths, Secrets::Skip, &files) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{provider}: {error}\n{}", account.toml),
    };
    let toml = &account.toml;
    assert!(toml.contains(&format!("provider = \"{provider}\"\n")), "{provider}:\n{toml}");
    let keys = ["token_url", "authorization_url", "device_url", "[account.imap]", "[account.smtp]"];
    let found: Vec<&str> = keys.into_iter().filter(|it| toml.contains(it)).collect();
    assert_eq!(found, written_out, "{provider}:\n{toml}");
    // Else the token in the file would be another endpoint's.
    assert_eq!(config.accounts[0].oauth.as_ref().unwrap().token_url.as_str(), token_url);
    for (protocol, server) in [(Protocol::Imap, imap), (Protocol::Smtp, smtp)] {
        let upstream = config.accounts[0].upstream(protocol).unwrap();
        assert_eq!(format!("{}:{}", upstream.host, upstream.port), server, "{provider}");
    }
}

#[test]
fn microsofts_clouds_are_known_and_load() {
    let microsoft =
        |host: &str, tenant: &str, end: &str| format!("https://{host}/{tenant}/oauth2/v2.0/{end}");
    let office = ["outlook.office365.com:993", "smtp.office365.com:587"];
    let robot = "oauth2_flow = client_credentials";
    let person = |url: &str| format!("permission_url = {url}");
    let world = "login.microsoftonline.com";
    let authorize = |host: &str, tenant: &str| person(&microsoft(host, tenant, "authorize"));
    let token = |host: &str, tenant: &str| microsoft(host, tenant, "token");

    check_provider(["microsoft365", &token(world, "a.example")], robot, office, &[]);
    check_provider(
        ["microsoft365", &token(world, "common")],
        &authorize(world, "common"),
        ["outlook.office365.com:993", "smtp-mail.outlook.com:587"],
        &["[account.smtp]"],
    );
    let device = person(&microsoft(world, "common", "devicecode")) + "\noauth2_flow = device";
    check_provider(["microsoft365", &token(world, "common")], &device, office, &[]);
    check_provider(
        ["outlook.com", &token(world, "consumers")],
        &authorize(world, "consumers"),
        ["outlook.office365.com:993", "smtp-mail.outlook.com:587"],
        &[],
    );
    let us = "login.microsoftonline.us";
    let gcc_high = ["outlook.office365.us:993", "smtp.office365.us:587"];
    check_provider(["microsoft365-gcc-high", &token(us, "a.example")], robot, gcc_high, &[]);
    let dod = ["outlook-dod.office365.us:993", "outlook-dod.office365.us:587"];
    check_provider(["microsoft365-dod", &token(us, "a.example")], robot, dod, &[]);
    let cn = "login.partner.microsoftonline.cn";
    let china = ["partner.outlook.cn:993", "smtp.partner.outlook.cn:587"];
    check_provider(
        ["microsoft365-21vianet", &token(cn, "a.example")],
        &authorize(cn, "a.example"),
        china,
        &[],
    );
    // Microsoft's older endpoint is no preset's.
    check_provider(
        ["custom", "https://login.microsoftonline.com/a.example/oauth2/token"],
        robot,
        office,
        &["token_url", "[account.imap]", "[account.smtp]"],
    );
}

#[test]
fn other_providers_are_known_and_load() {
    let person = |url: &str| format!("permission_url = {url}");
    check_provider(
        ["google", "https://oauth2.googleapis.com/token"],
        &person("https://accounts.google.com/o/oauth2/auth"),
        ["imap.gmail.com:993", "smtp.gmail.com:465"],
        &["authorization_url"],
    );
    // Names that older files have.
    check_provider(
        ["google", "https://www.googleapis.com/oauth2/v4/token"],
        &person("https://accounts.google.com/o/oauth2/v2/auth"),
        ["imap.googlemail.com:993", "smtp.gmail.com:587"],
        &["token_url", "[account.imap]", "[account.smtp]"],
    );
    for (name, login, [imap, smtp]) in [
        ("yahoo", "api.login.yahoo.com", ["imap.mail.yahoo.com:993", "smtp.mail.yahoo.com:465"]),
        ("aol", "api.login.aol.com", ["imap.aol.com:993", "smtp.aol.com:465"]),
    ] {
        let token_url = format!("https://{login}/oauth2/get_token");
        let person = person(&format!("https://{login}/oauth2/request_auth"));
        check_provider([name, &token_url], &person, [imap, smtp], &[]);
    }
    check_provider(
        ["fastmail", "https://api.fastmail.com/oauth/refresh"],
        &person("https://api.fastmail.com/oauth/authorize"),
        ["imap.fastmail.com:993", "smtp.fastmail.com:465"],
        &[],
    );
    check_provider(
        ["custom", "https://login.example.net/token"],
        &person("https://login.example.net/authorize"),
        ["imap.example.net:993", "smtp.example.net:465"],
        &["token_url", "authorization_url", "[account.imap]", "[account.smtp]"],
    );
}

#[test]
fn applications_of_every_kind() {
    let (toml, secret) = account("robot@example.com");
    assert!(toml.contains("client_certificate = \"/old/certs/app.pem\""), "{toml}");
    assert!(toml.contains("client_key = \"/old/certs/app.key\""), "{toml}");
    assert_eq!(secret, OwnSecret::None);
    assert_eq!(account("lazy@example.com").1, OwnSecret::LoginPassword);
    check_remark("ropc@example.com", "RFC 9700 section 2.4");
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
    must_hold(ALL);
}

/// Whatever a file holds: no panic, and no secret of it in what would be written or said.
fn must_hold(data: &[u8]) {
    let Ok(installation) = read(data, None) else { return };
    let plan = plan(&installation, Path::new("/etc/emailproxy"));
    // `file`: then it is a file's name.
    let with_secret = installation.accounts.iter().filter(|it| it.application.client_id != "file");
    let secrets = with_secret.filter_map(|it| it.application.secret.as_ref());
    for secret in secrets.filter_map(|it| std::str::from_utf8(it.expose()).ok()) {
        // Shorter ones stand anywhere by chance, and one may stand elsewhere, too.
        let count = memchr::memmem::find_iter(data, secret.as_bytes()).count();
        if secret.starts_with("SECRET-") && secret.len() > 20 && count == 1 {
            let said = format!("{plan:?} {installation:?}");
            assert!(!said.contains(secret), "a secret leaves its field");
        }
    }
}

#[test]
fn a_mistake_in_the_file_of_tokens_is_that_file_s() {
    let error = read(b"[a@b]\n", Some(b"[IMAP-1993\n")).unwrap_err();
    assert_eq!(error, ReadError::Cache(Box::new(ReadError::NotIni { line: Some(1) })));
    assert_eq!(error.to_string(), "line 1 is neither a [section] nor an option = value");
}

proptest! {
    #[test]
    fn any_octets(data: Vec<u8>) {
        must_hold(&data);
    }

    /// Lines of the sample in any order, some of them spoiled.
    #[test]
    fn lines_in_any_order(picks in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]=:;# \t@*\u{e4}-]{0,3}"), 0..60)) {
        let lines: Vec<&str> = std::str::from_utf8(ALL).unwrap().lines().collect();
        let text: Vec<String> =
            picks.iter().map(|(index, odd)| format!("{odd}{}", index.get(&lines))).collect();
        must_hold(text.join("\n").as_bytes());
    }
}
