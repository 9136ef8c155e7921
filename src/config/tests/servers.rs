//! `[account.imap]`, `[account.pop3]`, `[account.smtp]`: which servers an account has, and what they take.

use super::*;

/// A custom account with this in it.
fn custom(text: &str) -> String {
    format!("[[account]]\nlogin = \"a@example.org\"\nprovider = \"custom\"\n{text}\n")
}

/// The keys that a custom account with OAuth needs, in two lines.
const OAUTH: &str = "token_url = \"https://example.org/token\"\nclient_id = \"id\"\n";

fn upstream(account: &AccountConfig, protocol: Protocol) -> &UpstreamConfig {
    account.upstream(protocol).unwrap()
}

fn user(server: &UpstreamConfig) -> Option<&str> {
    match &server.authentication {
        Authentication::OAuth => None,
        Authentication::Password { user } => Some(user),
    }
}

#[test]
fn microsoft_has_all_three() {
    let account = account(GOOD);
    let pop3 = upstream(&account, Protocol::Pop3);
    assert_eq!(pop3.to_string(), "outlook.office365.com:995");
    assert_eq!((pop3.mode, pop3.connection_limit), (UpstreamTlsMode::Implicit, 16));
    let smtp = upstream(&account, Protocol::Smtp);
    assert_eq!(smtp.to_string(), "smtp.office365.com:587");
    assert_eq!((smtp.mode, smtp.connection_limit), (UpstreamTlsMode::StartTls, 3));
    assert_eq!(smtp.authentication, Authentication::OAuth);
    assert_eq!(
        smtp.presumed_extensions.join(", "),
        "SIZE 157286400, PIPELINING, DSN, ENHANCEDSTATUSCODES, 8BITMIME, BINARYMIME, CHUNKING, SMTPUTF8"
    );
}

#[test]
fn scopes_are_those_of_the_protocols_in_use() {
    let scopes = |text: &str| account(&good_and(text)).oauth.as_ref().unwrap().scopes.join(" ");
    let listen = |protocol| format!("[[listen]]\nprotocol = \"{protocol}\"\n");
    let [imap, pop3, smtp] = ["imap", "pop3", "smtp"].map(listen);
    assert_eq!(
        scopes(&format!("{smtp}{imap}")),
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send \
         offline_access"
    );
    assert_eq!(
        scopes(&format!("{pop3}{smtp}")),
        "https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send \
         offline_access"
    );
    let password = "smtp = { host = \"mail.example.org\", auth = \"password\" }\n";
    assert_eq!(
        scopes(&format!("{password}{imap}{smtp}")),
        "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"
    );
    let application =
        "grant = \"client_credentials\"\nclient_secret = { env = \"X\" }\nscopes = [\"mine\"]\n";
    assert_eq!(scopes(&format!("{application}{smtp}")), "mine");
    assert_eq!(
        scopes(&format!("{application}{smtp}").replace("scopes = [\"mine\"]\n", "")),
        "https://outlook.office365.com/.default"
    );
}

#[test]
fn ports_go_with_protocol_and_tls() {
    for (protocol, name, implicit, starttls) in [
        (Protocol::Imap, "imap", 993, 143),
        (Protocol::Pop3, "pop3", 995, 110),
        (Protocol::Smtp, "smtp", 465, 587),
    ] {
        let port = |tls: &str| {
            let listen = format!("[[listen]]\nprotocol = \"{name}\"\n");
            let text = format!("{OAUTH}{name} = {{ host = \"m.example.org\"{tls} }}\n{listen}");
            let account = account(&custom(&text));
            let others = Protocol::ALL.into_iter().filter(|&other| other != protocol);
            assert!(others.into_iter().all(|other| account.upstream(other).is_none()));
            let server = upstream(&account, protocol);
            assert!(server.presumed_extensions.is_empty());
            (server.mode, server.port)
        };
        assert_eq!(port(""), (UpstreamTlsMode::Implicit, implicit));
        assert_eq!(port(", tls = \"implicit\""), (UpstreamTlsMode::Implicit, implicit));
        assert_eq!(port(", tls = \"starttls\""), (UpstreamTlsMode::StartTls, starttls));
        assert_eq!(port(", port = 2525"), (UpstreamTlsMode::Implicit, 2525));
    }
}

#[test]
fn tokens_in_and_a_password_out() {
    let account = account(&good_and(
        "mailbox = \"box@example.com\"\n[account.smtp]\nhost = \"mail.example.org\"\n\
         auth = \"password\"\n",
    ));
    assert!(account.oauth.is_some());
    assert_eq!(upstream(&account, Protocol::Imap).authentication, Authentication::OAuth);
    let smtp = upstream(&account, Protocol::Smtp);
    assert_eq!(user(smtp), Some("box@example.com"));
    // Nothing that is known of the provider's own server is true of this one.
    assert_eq!((smtp.mode, smtp.port), (UpstreamTlsMode::Implicit, 465));
    assert_eq!(smtp.connection_limit, 16);
    assert!(smtp.presumed_extensions.is_empty());
}

#[test]
fn the_preset_is_true_of_its_own_server_and_of_its_kind() {
    for smtp in ["auth = \"password\"", "host = \"SMTP.office365.com\", auth = \"password\""] {
        let account = account(&good_and(&format!("smtp = {{ {smtp} }}\n")));
        let smtp = upstream(&account, Protocol::Smtp);
        assert_eq!((user(smtp), smtp.port), (Some("a@example.com"), 587));
        assert_eq!((smtp.connection_limit, smtp.presumed_extensions.len()), (3, 8));
    }
    // The national clouds have other names for the same servers.
    let account = account(&good_and("smtp.host = \"smtp.office365.us\"\n"));
    let smtp = upstream(&account, Protocol::Smtp);
    assert_eq!((smtp.mode, smtp.port), (UpstreamTlsMode::StartTls, 587));
    assert_eq!((smtp.connection_limit, smtp.presumed_extensions.len()), (3, 8));
}

#[test]
fn a_device_that_only_sends_needs_no_oauth() {
    let text = custom(
        "[account.smtp]\nhost = \"mail.example.org\"\nauth = \"password\"\nuser = 'EXAMPLE\\scanner'\n\
         tls = \"starttls\"\n[[listen]]\nprotocol = \"smtp\"\nobsolete_auth_line = true\n",
    );
    let loaded = judge(&text).unwrap_or_else(|error| panic!("{error}"));
    let account = &loaded.config.accounts[0];
    assert!(account.oauth.is_none() && account.mechanism.is_none());
    assert!(account.imap.is_none() && account.pop3.is_none());
    assert_eq!(user(upstream(account, Protocol::Smtp)), Some("EXAMPLE\\scanner"));
    let [listener] = &loaded.config.listeners[..] else { panic!("one listener") };
    assert_eq!(listener.address.to_string(), "127.0.0.1:1587");
    assert!(listener.obsolete_auth_line);
    let shown: String = loaded.sections.iter().map(ToString::to_string).collect();
    assert!(!shown.contains("grant") && !shown.contains("mechanism"), "{shown}");
}

#[test]
fn defaults_flow_into_the_tables_of_the_same_provider() {
    let defaults = "[defaults]\nprovider = \"custom\"\nconnection_limit = 8\nsmtp = { host = \
                    \"mail.example.org\", auth = \"password\", user = \"all\", connection_limit = 2 }\n";
    let listen = "[[listen]]\nprotocol = \"smtp\"\n";
    let with =
        |own: &str| account(&format!("{defaults}{listen}[[account]]\nlogin = \"a\"\n{own}\n"));
    let account = with("");
    let smtp = upstream(&account, Protocol::Smtp);
    assert_eq!((user(smtp), smtp.connection_limit), (Some("all"), 2));
    let account = with("smtp.user = \"me\"\npop3 = { host = \"p\", auth = \"password\" }");
    assert_eq!(user(upstream(&account, Protocol::Smtp)), Some("me"));
    let pop3 = upstream(&account, Protocol::Pop3);
    assert_eq!((user(pop3), pop3.connection_limit), (Some("a"), 8));
    // Whoever overrides the password overrides its user too.
    let account = with(&format!("{OAUTH}smtp.auth = \"oauth\""));
    assert_eq!(user(upstream(&account, Protocol::Smtp)), None);
    let account = with(
        "provider = \"microsoft365\"\ntenant = \"t.example\"\nclient_id = \"i\"\nsmtp.connection_limit = 5",
    );
    let smtp = upstream(&account, Protocol::Smtp);
    assert_eq!((smtp.to_string().as_str(), user(smtp)), ("smtp.office365.com:587", None));
    assert_eq!(
        (smtp.connection_limit, upstream(&account, Protocol::Imap).connection_limit),
        (5, 8)
    );
}

#[test]
fn a_lower_limit_of_the_account_counts_for_every_server() {
    let limits = |text: &str| {
        let account = account(&good_and(text));
        Protocol::ALL.map(|protocol| upstream(&account, protocol).connection_limit)
    };
    assert_eq!(limits("connection_limit = 2"), [2, 2, 2]);
    assert_eq!(limits("connection_limit = 8"), [8, 8, 3]);
    assert_eq!(limits("imap.connection_limit = 4"), [4, 16, 3]);
    check_mistakes(
        &good_and("pop3.connection_limit = 1001"),
        "saslgate.toml:6: account.pop3.connection_limit: must lie between 1 and 1000",
    );
}

#[test]
fn a_password_in_the_file_is_refused_and_not_repeated() {
    for (text, key, line, login) in [
        (good_and("[account.smtp]\npassword = \"hunter2\"\n"), "account.smtp", 7, "a@example.com"),
        (good_and("imap.password = 123456789\n"), "account.imap", 6, "a@example.com"),
        (format!("[defaults.pop3]\npassword = [\"x\"]\n{GOOD}"), "defaults.pop3", 2, "LOGIN"),
    ] {
        let protocol = key.split_once('.').unwrap().1;
        check_mistakes(
            &text,
            &format!(
                "saslgate.toml:{line}: {key}.password: a password does not stand in the \
                 configuration, which is copied, backed up and shown to others: take it out, say auth = \
                 \"password\", and give the password to `saslgate account upstream-password {login} \
                 --protocol {protocol}`, which seals it in the store"
            ),
        );
    }
    let error = judge("[defaults.smtp]\nhots = \"x\"\npasword = \"y\"\n").map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "saslgate.toml:2: defaults.smtp.hots: unknown key `hots`: did you mean `host`?"
    );
    let error = judge("[defaults.smtp]\nnonsense = 1\n").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("known here: host") && !error.contains("password"), "{error}");
}

#[test]
fn mistakes_of_servers() {
    for (text, expected) in [
        (
            format!("{OAUTH}[account.smtp]\nport = 25\n[account.imap]\nhost = \"h\"\n"),
            "saslgate.toml:6: account.smtp.host: is missing: a custom provider's server needs its \
             host, here or in [defaults]",
        ),
        (
            format!("{OAUTH}[account.imap]\nhost = \"h\"\nuser = \"u\"\n"),
            "saslgate.toml:8: account.imap.user: has no effect with auth = \"oauth\" (the default), \
             where the mailbox is the user: say auth = \"password\", or take it out",
        ),
        (
            "imap = { host = \"h\", auth = \"password\", user = \"a b\" }\n".to_owned(),
            "saslgate.toml:4: account.imap.user: contains a space or a control character: take it out",
        ),
        (
            "imap = { host = \"h\", auth = \"passwort\" }\n".to_owned(),
            "saslgate.toml:4: account.imap.auth: unknown word `passwort`: did you mean `password`? \
             Known here: oauth, password",
        ),
        (
            "grant = \"refresh_token\"\nimap = { host = \"h\", auth = \"password\" }\n".to_owned(),
            "saslgate.toml:4: account.grant: has no effect: every server of this account says auth = \
             \"password\", so no token is asked for: take it out, or say auth = \"oauth\" for the server \
             that takes tokens",
        ),
        (
            "smtp = { host = \"h\", pin_sha256 = \"x\" }\n".to_owned(),
            "saslgate.toml:4: account.smtp.pin_sha256: is not a SHA-256 in hexadecimal: 64 digits, as \
             `openssl x509 -fingerprint -sha256` prints them",
        ),
        (
            "smtp = { host = \"h\" }\n".to_owned(),
            "saslgate.toml:1: account.token_url: is missing: a custom provider needs the URL of its \
             token endpoint (a server that takes a password says auth = \"password\" in its table)",
        ),
    ] {
        let error = judge(&custom(&text)).map(|_| ()).unwrap_err().to_string();
        assert!(error.lines().any(|line| line == expected), "{error}");
    }
}

#[test]
fn a_listener_leads_to_a_server() {
    let account = custom("smtp = { host = \"h\", auth = \"password\" }");
    for (listeners, expected) in [
        (
            "",
            "saslgate.toml:1: listen: is missing: without any [[listen]] there is one for IMAP, and no \
             account has an IMAP server: add a [[listen]] with protocol = \"smtp\"",
        ),
        (
            "[[listen]]\nprotocol = \"smtp\"\n[[listen]]\nprotocol = \"pop3\"\n",
            "saslgate.toml:9: listen.protocol: no account has a server for POP3: write its host in \
             [account.pop3] or [defaults.pop3], or take this [[listen]] out",
        ),
        (
            "[[listen]]\nprotocol = \"smtp\"\n[[listen]]\naddress = \"127.0.0.1:99\"\n",
            "saslgate.toml:8: listen.protocol: no account has a server for IMAP: write its host in \
             [account.imap] or [defaults.imap], or take this [[listen]] out",
        ),
    ] {
        check_mistakes(&format!("{account}\n{listeners}"), expected);
    }
}
