use super::*;
use crate::config::{Paths, Protocol, Provider, Secrets, UpstreamTlsMode, load_with};

fn answers(provider: &str, grant: &'static str, proof: Proof) -> Answers {
    let provider = Provider::named(provider).unwrap();
    let is_custom = provider.name() == "custom";
    let endpoints = Endpoints {
        issuer: Some("https://id.example.test".to_owned()),
        token_url: "https://id.example.test/token".to_owned(),
        authorization_url: Some("https://id.example.test/auth".to_owned()),
        device_url: Some("https://id.example.test/device".to_owned()),
        scopes: vec!["mail".to_owned()],
        sign_in_scopes: vec!["openid".to_owned()],
        secret_in_header: false,
    };
    let server = |text: &str| text.parse::<ServerAnswer>().unwrap();
    Answers {
        login: "anna@example.ch".to_owned(),
        mailbox: "anna@example.ch".to_owned(),
        owner: None,
        provider,
        tenant: (provider.tenant() == crate::config::TenantNeed::Required)
            .then(|| "example.ch".to_owned()),
        grant,
        client_id: if grant == "service_account" { String::new() } else { "id".to_owned() },
        proof,
        redirect_uri: None,
        ca_file: None,
        endpoints: is_custom.then_some(endpoints),
        servers: if is_custom {
            vec![
                (Protocol::Imap, server("imap.example.test:1993")),
                (Protocol::Smtp, server("smtp.example.test:587")),
            ]
        } else {
            Vec::new()
        },
        ports: vec![(Protocol::Imap, 1143), (Protocol::Smtp, 1587)],
    }
}

/// It loads without a mistake; the account's text.
#[track_caller]
fn loads(answers: &Answers) -> String {
    let paths = Paths { config: "/nowhere/saslgate.toml".into(), state: "/nowhere/state".into() };
    let text = account_text(answers);
    let files = [
        (paths.config.clone(), main_text(answers)),
        ("/nowhere/accounts.d/x.toml".into(), text.clone()),
    ];
    let config = match load_with(&paths, Secrets::Skip, &files) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}\n{text}"),
    };
    assert_eq!(config.accounts[0].login, answers.login);
    assert_eq!(config.accounts[0].mailbox, answers.mailbox);
    assert_eq!(config.listeners.len(), 2);
    text
}

#[test]
fn an_address_has_one_at_sign_between_a_name_and_a_domain() {
    for fit in
        ["anna@example.ch", "o'neil+x@localhost", "j\u{fc}rg@b\u{fc}cher.example", "*@example.ch"]
    {
        assert!(is_address(fit), "{fit}");
    }
    for unfit in ["", "x", "noat", "@", "a@", "@b", "a@b@c", "a@b..c", "a@.c", "a@b.", "a@b/c"] {
        assert!(!is_address(unfit), "{unfit}");
    }
}

#[test]
fn every_provider_and_kind_loads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "anything: secrets and keys are not read").unwrap();
    for provider in Provider::all() {
        let mut kinds = vec![
            ("refresh_token", Proof::Public),
            ("refresh_token", Proof::Secret(file.clone())),
            ("refresh_token", Proof::Certificate(file.clone(), Some(file.clone()))),
        ];
        match provider.app_only_grant() {
            Some("service_account") => {
                kinds.push(("service_account", Proof::ServiceAccountKey(file.clone())));
            }
            Some(_) => kinds.push(("client_credentials", Proof::Certificate(file.clone(), None))),
            None => {}
        }
        for (grant, proof) in kinds {
            loads(&answers(provider.name(), grant, proof));
        }
    }
    loads(&answers("custom", "client_credentials", Proof::Secret(file)));
}

#[test]
fn odd_addresses_are_quoted() {
    for login in ["o'brien\"x@example.ch", "EX\\anna", "grüße@bücher.example", "a#b=[c]@example.ch"]
    {
        let mut answers = answers("microsoft365", "refresh_token", Proof::Public);
        answers.login = login.to_owned();
        answers.mailbox = login.to_owned();
        answers.owner = Some("anna@example.ch".to_owned());
        loads(&answers);
    }
}

#[test]
fn each_line_says_what_it_is_for() {
    let text = loads(&answers("microsoft365", "refresh_token", Proof::Public));
    assert_eq!(
        text,
        "\
# A mailbox at Microsoft 365, written once by `saslgate init`: change it as you like.
[[account]]
login = \"anna@example.ch\"                                   # the user name in the mail program
provider = \"microsoft365\"
tenant = \"example.ch\"                                       # a domain of the organization, or the tenant's id
grant = \"refresh_token\"                                     # a person signs in, once
client_id = \"id\"                                            # the application's id at the provider
"
    );
}

#[test]
fn file_names_are_fit_and_differ() {
    assert_eq!(file_name("Anna@Example.ch"), "anna@example.ch");
    assert_eq!(file_name("../x"), "%2E.%2Fx");
    assert_eq!(file_name("DOM\\anna"), "dom%5Canna");
    assert_eq!(file_name("*@example.ch"), "%2A@example.ch");
    let long = |end: &str| file_name(&format!("{}{end}", "ä".repeat(150)));
    assert!(long("a").len() <= 200 && long("a").is_ascii());
    assert_ne!(long("a"), long("b"));
}

#[test]
fn servers_as_people_write_them() {
    use UpstreamTlsMode::{Implicit, StartTls};
    let check = |text: &str, host: &str, port, mode| {
        assert_eq!(text.parse(), Ok(ServerAnswer { host: host.to_owned(), port, mode }), "{text}");
    };
    check("mail.example.ch", "mail.example.ch", None, Implicit);
    check("mail.example.ch:993", "mail.example.ch", Some(993), Implicit);
    check("mail.example.ch:587", "mail.example.ch", Some(587), StartTls);
    check("mail.example.ch:2525/starttls", "mail.example.ch", Some(2525), StartTls);
    check("[::1]:587/implicit", "::1", Some(587), Implicit);
    for unfit in ["", ":993", "a:0", "a:x", "https://a", "a b", "[::1", "[::1]x", "a/tls"] {
        assert_eq!(unfit.parse::<ServerAnswer>(), Err(UnfitServer), "{unfit}");
    }
}

#[test]
fn an_address_tells_its_provider_only_where_it_is_sure() {
    let check = |address: &str, expected: Option<&str>| {
        assert_eq!(provider_of(address).map(Provider::name), expected, "{address}");
    };
    check("a@gmail.com", Some("google"));
    check("a@GoogleMail.com", Some("google"));
    check("a@hotmail.co.uk", Some("outlook.com"));
    check("a@live.de", Some("outlook.com"));
    check("a@live.example.ch", None);
    check("a@yahoo.com.br", Some("yahoo"));
    check("a@aol.com", Some("aol"));
    check("a@fastmail.fm", Some("fastmail"));
    check("a@example.ch", None);
    check("a@", None);
    check("a", None);
    assert_eq!(tenant_of("a@Example.CH").as_deref(), Some("example.ch"));
    assert_eq!(tenant_of("a@bücher.example"), None);
    assert_eq!(tenant_of("DOM\\a"), None);
}

#[test]
fn the_mail_program_is_told_what_is_in_force() {
    let paths = Paths { config: "/nowhere/saslgate.toml".into(), state: "/nowhere/state".into() };
    let answers = answers("google", "refresh_token", Proof::Public);
    let files = [
        (paths.config.clone(), main_text(&answers)),
        ("/nowhere/accounts.d/x.toml".into(), account_text(&answers)),
    ];
    let config = load_with(&paths, Secrets::Skip, &files).unwrap().config;
    let text = settings(&config, &config.accounts[0], Some("one-two-three"));
    let expected = "\
Type this into your mail program:

  Incoming mail (IMAP)
    Server               127.0.0.1
    Port                 1143
    Connection security  None
    Authentication       Password (not OAuth2)
    User name            anna@example.ch
    Password             one-two-three

  Outgoing mail (SMTP)
    Server               127.0.0.1
    Port                 1587
";
    assert!(text.starts_with(expected), "{text}");
    assert!(!settings(&config, &config.accounts[0], None).contains("one-two-three"));
}
