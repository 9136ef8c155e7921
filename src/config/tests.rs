use std::{fs, path::Path};

use super::{mistake::SourceFile, *};

mod grants;
mod identities;
mod layers;
mod listeners;
mod providers;
mod servers;
mod service;

/// Judges a text as if it stood in `saslgate.toml`.
pub(crate) fn judge(text: &str) -> Result<Loaded, ConfigError> {
    judge_with(text, &[])
}

fn judge_with(text: &str, folder: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let main = SourceFile::new("saslgate.toml", text);
    let files: Vec<_> = folder.iter().map(|(path, text)| SourceFile::new(*path, *text)).collect();
    resolve::resolve(&main, &files, Path::new("state"), Secrets::Skip)
}

#[track_caller]
fn check_mistakes(text: &str, expected: &str) {
    let error = judge(text).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[track_caller]
fn account(text: &str) -> Arc<AccountConfig> {
    let loaded = judge(text).unwrap_or_else(|error| panic!("{error}"));
    Arc::clone(&loaded.config.accounts[0])
}

/// A configuration with nothing wrong, for one table to go wrong beside it.
const GOOD: &str = r#"[[account]]
login = "a@example.com"
provider = "microsoft365"
tenant = "example.com"
client_id = "id"
"#;

fn good_and(text: &str) -> String {
    format!("{GOOD}{text}")
}

#[test]
fn microsoft_needs_little() {
    let account = account(GOOD);
    assert_eq!(account.mailbox, "a@example.com");
    assert_eq!(
        account.oauth.as_ref().unwrap().token_url.as_str(),
        "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"
    );
    assert_eq!(
        account.oauth.as_ref().unwrap().scopes,
        ["https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"]
    );
    assert!(account.oauth.as_ref().unwrap().grant.needs_sign_in());
    assert_eq!(account.mechanism, Some(BearerMechanism::XOAuth2));
    assert_eq!(account.hide_capabilities, ["IMAP4REV2", "ENABLE"]);
    assert_eq!(account.imap.as_ref().unwrap().connection_limit, 16);
    let imap = account.imap.as_ref().unwrap();
    assert_eq!(imap.to_string(), "outlook.office365.com:993");
    assert_eq!(imap.mode, UpstreamTlsMode::Implicit);
    assert_eq!(imap.verification, Verification::Roots { ca_file: None, name: None });
}

#[test]
fn one_port_without_tls_is_the_default() {
    let loaded = judge(GOOD).unwrap();
    let [listener] = &loaded.config.listeners[..] else { panic!("one listener") };
    assert_eq!(listener.address.to_string(), "127.0.0.1:1143");
    assert!(matches!(listener.tls, ListenTls::None));
}

#[test]
fn an_account_overrides_the_defaults() {
    let account = account(
        r#"
[defaults]
provider = "microsoft365"
tenant = "example.com"
client_id = "id"
client_secret = { file = "secret" }
grant = "client_credentials"
connection_limit = 4
[defaults.imap]
port = 1993
[[account]]
login = "a@example.com"
mailbox = "shared@example.com"
client_id = "other"
client_secret = { file = "other" }
imap.host = "imap.example.com"
"#,
    );
    assert_eq!(account.mailbox, "shared@example.com");
    assert_eq!(account.oauth.as_ref().unwrap().client_id, "other");
    assert_eq!(account.oauth.as_ref().unwrap().scopes, ["https://outlook.office365.com/.default"]);
    assert_eq!(account.imap.as_ref().unwrap().connection_limit, 4);
    assert_eq!(account.imap.as_ref().unwrap().to_string(), "imap.example.com:1993");
}

#[test]
fn another_provider_takes_nothing_of_the_defaults_provider() {
    let text = r#"
[defaults]
provider = "microsoft365"
tenant = "example.com"
client_id = "id"
client_secret = { file = "secret" }
fresh_percent = 20
[[account]]
login = "a@example.org"
provider = "custom"
token_url = "http://127.0.0.1:8080/token"
client_id = "theirs"
imap = { host = "imap.example.org", tls = "starttls" }
"#;
    let account = account(text);
    assert!(account.oauth.as_ref().unwrap().client_authentication.secret().is_none());
    assert!(account.oauth.as_ref().unwrap().scopes.is_empty());
    assert_eq!((account.mechanism, account.oauth.as_ref().unwrap().fresh_percent), (None, 20));
    assert_eq!(account.imap.as_ref().unwrap().to_string(), "imap.example.org:143");
    check_mistakes(
        &text.replace("client_id = \"theirs\"\n", ""),
        "\
saslgate.toml:8: account.client_id: is missing: write the application's (client) id as the provider \
shows it, here or in [defaults]",
    );
}

#[test]
fn accounts_stand_in_the_folder_too() {
    let folder = [("accounts.d/b.toml", "[[account]]\nlogin = \"B@example.com\"\n")];
    let defaults =
        "[defaults]\nprovider = \"microsoft365\"\ntenant = \"t.example\"\nclient_id = \"id\"\n";
    let loaded = judge_with(defaults, &folder).unwrap();
    assert_eq!(loaded.config.accounts[0].key(), "b@example.com");
    let twice = judge_with(&format!("{defaults}[[account]]\nlogin = \"b@EXAMPLE.com\"\n"), &folder);
    assert_eq!(
        twice.map(|_| ()).unwrap_err().to_string(),
        "\
accounts.d/b.toml:1: account.login: there is already an account with this login at saslgate.toml:5 \
(upper and lower case are the same): each login stands once"
    );
    let wrong = judge_with(GOOD, &[("accounts.d/c.toml", "[limits]\n")]).map(|_| ()).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "accounts.d/c.toml:1: limits: unknown key `limits`: known here: account"
    );
}

#[test]
fn mistakes_of_grammar_and_spelling() {
    for (text, expected) in [
        (
            "[[account]]\nlogn = \"a\"\n",
            "saslgate.toml:2: account.logn: unknown key `logn`: did you mean `login`?",
        ),
        (
            "[[listen]]\nprotocol = \"imap\"\n\n[[listen]]\ntls = \"STARTTLS\"\n",
            "saslgate.toml:5: listen.tls: unknown word `STARTTLS`: did you mean `starttls`? \
             Known here: none, starttls, implicit, auto",
        ),
        (
            "[defaults.imap]\nport = \"993\"\n",
            "saslgate.toml:2: defaults.imap.port: invalid type: string \"993\", expected a \
             whole number from 0 on",
        ),
        (
            "[deadlines]\nlogin = 300\n",
            "saslgate.toml:2: deadlines.login: invalid type: integer `300`, expected a time with its \
             unit in quotes, such as \"300ms\", \"50s\" or \"5m\"",
        ),
        (
            "[[account]]\nlogin = \n",
            "saslgate.toml:2: string values must be quoted, expected literal string",
        ),
        (
            "[defaults]\nclient_secret = \"hunter2\"\n",
            "saslgate.toml:2: defaults.client_secret: a secret does not stand in the configuration, \
             which is copied, backed up and shown to others: write it to a file that only saslgate \
             can read and say { file = \"client-secret\" }, or use { env = … }, { command = […] } or \
             { credential = … }",
        ),
        (
            "[[listen]]\nprotocol = \"submission\"\n",
            "saslgate.toml:2: listen.protocol: unknown word `submission`: known here: imap, pop3, \
             smtp",
        ),
        (
            "[defaults]\nclient_secret = { file = \"a\", env = \"b\" }\n",
            "saslgate.toml:2: defaults.client_secret: exactly one of `file`, `env`, `command` and \
             `credential` is needed",
        ),
    ] {
        check_mistakes(text, expected);
    }
}

#[test]
fn mistakes_of_type_are_told_in_plain_words() {
    for (text, expected) in [
        (
            "[defaults]\nscopes = \"mail\"\n",
            "saslgate.toml:2: defaults.scopes: invalid type: string \"mail\", expected a list […]",
        ),
        (
            "account = 1\n",
            "saslgate.toml:1: account: invalid type: integer `1`, expected a list […]",
        ),
        ("limits = 1\n", "saslgate.toml:1: limits: invalid type: integer `1`, expected a table"),
        (
            "[defaults]\nimap = \"host\"\n",
            "saslgate.toml:2: defaults.imap: invalid type: string \"host\", expected a table",
        ),
        (
            "defaults = true\n",
            "saslgate.toml:1: defaults: invalid type: boolean `true`, expected a table",
        ),
        (
            "[[account]]\nlogin = 5\n",
            "saslgate.toml:2: account.login: invalid type: integer `5`, expected a text in quotes",
        ),
    ] {
        check_mistakes(text, expected);
    }
}

#[test]
fn all_mistakes_of_sense_are_told_at_once() {
    check_mistakes(
        r#"[defaults]
provider = "microsoft365"
login = "x"
[[listen]]
address = "localhost:1143"
[[listen]]
address = "0.0.0.0:1143"
[[account]]
login = "a b"
[[account]]
login = "a@example.com"
tenant = "common"
client_id = "id"
grant = "client_credentials"
[limits]
login_line = 3
[deadlines]
token = "2h"
drain = "2h"
"#,
        "\
saslgate.toml:5: listen.address: `localhost:1143` is not an address and a port: write for example \
\"127.0.0.1:1143\" or \"[::1]:1143\" (a name such as localhost is not an address)
saslgate.toml:7: listen.address: passwords would cross the network in clear: set tls = \"implicit\", \
or \"starttls\" with login_in_clear = false, or listen on 127.0.0.1; if the network really is \
trusted, say allow_clear_network = true
saslgate.toml:16: limits.login_line: must lie between 512 and 1048576
saslgate.toml:18: deadlines.token: must lie between 1s and 5m
saslgate.toml:19: deadlines.drain: must lie between 0s and 1h
saslgate.toml:3: defaults.login: cannot be the same for all accounts: write it in each [[account]]
saslgate.toml:9: account.login: contains a space or a control character: take it out
saslgate.toml:12: account.tenant: `common` stands for many tenants, and grant = \
\"client_credentials\" needs one: write the tenant's id or domain
saslgate.toml:10: account.client_secret: is missing: grant = \"client_credentials\" needs the \
application's secret, for example client_secret = { file = \"client-secret\" }, or a client_certificate or a \
federated_token_file",
    );
}

#[test]
fn what_is_missing_in_an_account() {
    for (text, expected) in [
        (
            "",
            "saslgate.toml:1: account: there is no account yet: add an [[account]] table with a \
              `login`, here or in a file in the folder accounts.d",
        ),
        (
            "[[account]]\nmailbox = \"a\"\n",
            "saslgate.toml:1: account.login: is missing: write what \
              the mail program will send as its user name",
        ),
        (
            "[[account]]\nlogin = \"a\"\n",
            "saslgate.toml:1: account.provider: is missing: write \
              provider = \"microsoft365\", \"google\" or another one that `saslgate provider list` \
              names, or \"custom\" with mail servers (and, for OAuth, a token_url) of your own, here \
              or in [defaults]",
        ),
        (
            "[[account]]\nlogin = \"a\"\nprovider = \"microsoft365\"\nclient_id = \"i\"\n",
            "saslgate.toml:1: account.tenant: is missing: write the Microsoft tenant's id or one of its \
          domains, here or in [defaults]",
        ),
        (
            "[[account]]\nlogin = \"a\"\nprovider = \"custom\"\nclient_id = \"i\"\n",
            "saslgate.toml:1: account: has no mail server: a custom provider needs one at least, by its \
          host in [account.imap], [account.pop3] or [account.smtp] (or in the same tables of \
          [defaults])\n\
          saslgate.toml:1: account.token_url: is missing: a custom provider needs the URL of its \
          token endpoint (a server that takes a password says auth = \"password\" in its table)",
        ),
    ] {
        check_mistakes(text, expected);
    }
}

#[test]
fn what_is_wrong_in_an_account() {
    for (line, expected) in [
        (
            "mailbox = \"a\\u0001b\"",
            "mailbox: contains a space or a control character: take it out",
        ),
        (
            "token_url = \"http://login.example.com/token\"",
            "token_url: must begin with https:// (http:// only on loopback)",
        ),
        (
            "token_url = \"https://u:p@example.com/\"",
            "token_url: must have no user, password or #fragment: take it out",
        ),
        (
            "token_url = \"token\"",
            "token_url: is not a URL: write it whole, beginning with https://",
        ),
        (
            "scopes = [\"one two\"]",
            "scopes: `one two` is not one scope: write each as a string of its own",
        ),
        (
            "hide_capabilities = [\"A B\"]",
            "hide_capabilities: `A B` is not a capability's name, such as \"CONDSTORE\"",
        ),
        ("fresh_percent = 96", "fresh_percent: must lie between 1 and 95"),
        ("connection_limit = 0", "connection_limit: must lie between 1 and 1000"),
        ("ca_file = \"no-such-ca.pem\"", "ca_file: the file no-such-ca.pem is not there"),
        (
            "imap.host = \"imap.example.com:993\"",
            "imap.host: `imap.example.com:993` is not a host's name or address (the port is a key of its \
          own: `port`)",
        ),
        ("imap.port = 70000", "imap.port: must lie between 1 and 65535"),
        (
            "imap.pin_sha256 = \"abcd\"",
            "imap.pin_sha256: is not a SHA-256 in hexadecimal: 64 digits, as `openssl x509 -fingerprint \
          -sha256` prints them",
        ),
        (
            "imap = { tls_name = \"x\", danger_skip_certificate_verification = true }",
            "imap.danger_skip_certificate_verification: nothing is verified, so tls_name has no meaning: \
          take one of them out",
        ),
    ] {
        check_mistakes(&good_and(line), &format!("saslgate.toml:6: account.{expected}"));
    }
}

#[test]
fn a_pin_is_read_with_and_without_colons() {
    for pin in ["00ff".repeat(16), "00:FF:".repeat(16).trim_end_matches(':').to_owned()] {
        let account = account(&good_and(&format!("imap.pin_sha256 = \"{pin}\"")));
        let Verification::Pin { sha256 } = account.imap.as_ref().unwrap().verification else {
            panic!("a pin")
        };
        assert_eq!(sha256[..4], [0, 255, 0, 255]);
    }
}

#[test]
fn what_is_in_force_is_shown_with_its_source_and_without_secrets() {
    let loaded = judge(&good_and(
        "client_secret = { command = [\"pass\", \"show\", \"x\"] }\nimap.port = 1993\n\
         smtp = { host = \"mail.example.org\", auth = \"password\" }\n",
    ))
    .unwrap();
    let account = loaded.sections.last().unwrap();
    assert_eq!(
        account.to_string(),
        r#"[[account]] a@example.com
provider              = "microsoft365"                            # saslgate.toml:3
mailbox               = "a@example.com"                           # default
connection_limit      = 16                                        # default
hide_capabilities     = ["IMAP4REV2", "ENABLE"]                   # preset microsoft365
grant                 = "refresh_token"                           # default
tenant                = "example.com"                             # saslgate.toml:4
token_url             = "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"  # preset microsoft365
client_id             = "id"                                      # saslgate.toml:5
client_secret         = { command = ["pass", …] }                 # saslgate.toml:6
client_secret_method  = "post"                                    # preset microsoft365
scopes                = ["https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"]  # preset microsoft365
authorization_url     = "https://login.microsoftonline.com/example.com/oauth2/v2.0/authorize"  # preset microsoft365
device_url            = "https://login.microsoftonline.com/example.com/oauth2/v2.0/devicecode"  # preset microsoft365
redirect_uri          = "http://localhost"                        # preset microsoft365
signin_scopes         = ["openid", "profile"]                     # preset microsoft365
refresh_idle          = "1day"                                    # default
fresh_percent         = 50                                        # default
mechanism             = "xoauth2"                                 # preset microsoft365
imap.host             = "outlook.office365.com"                   # preset microsoft365
imap.auth             = "oauth"                                   # default
imap.tls              = "implicit"                                # preset microsoft365
imap.port             = 1993                                      # saslgate.toml:7
imap.connection_limit = 16                                        # default
pop3.host             = "outlook.office365.com"                   # preset microsoft365
pop3.auth             = "oauth"                                   # default
pop3.tls              = "implicit"                                # preset microsoft365
pop3.port             = 995                                       # preset microsoft365
pop3.connection_limit = 16                                        # default
smtp.host             = "mail.example.org"                        # saslgate.toml:8
smtp.auth             = "password"                                # saslgate.toml:8
smtp.user             = "a@example.com"                           # default
smtp.tls              = "implicit"                                # default
smtp.port             = 465                                       # default
smtp.connection_limit = 16                                        # default
"#
    );
}

#[test]
fn of_a_webhook_only_the_server_is_shown() {
    let written = "[hooks]\nwebhook = \"https://hooks.example.test:8443/T0/secret?key=k\"\n";
    let loaded = judge(&format!("{written}{}", good_and(""))).unwrap();
    assert!(loaded.config.hooks.webhook.unwrap().path().ends_with("secret"));
    let shown: String = loaded.sections.iter().map(ToString::to_string).collect();
    assert!(shown.contains("\"https://hooks.example.test:8443/…\""), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("key=k"), "{shown}");
}

#[test]
fn the_example_is_true() {
    let text = include_str!("../../saslgate.example.toml");
    let written = judge(text).unwrap_or_else(|error| panic!("{error}"));
    // Every line that is commented out shows a key with its default, or another choice.
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix("#= ").unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let uncommented = judge(&all).unwrap_or_else(|error| panic!("{error}"));
    let limits =
        |loaded: &Loaded| format!("{:?} {:?}", loaded.config.limits, loaded.config.deadlines);
    assert_eq!(limits(&written), limits(&uncommented));
}

#[test]
fn the_example_shows_every_key() {
    let text = include_str!("../../saslgate.example.toml");
    for table in [
        "[[listen]]",
        "[defaults]",
        "[defaults.smtp]",
        "[limits]",
        "[deadlines]",
        "[hooks]",
        "[service]",
    ] {
        let error = judge(&format!("{table}\nno_such_key = 1\n")).map(|_| ()).unwrap_err();
        let error = error.to_string();
        let (_, known) = error.split_once("known here: ").unwrap();
        for key in known.split(", ") {
            let shown = text.lines().any(|line| {
                let line = line.trim_start_matches(['#', '=', ' ']);
                line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
            });
            let is_table = text.contains(&format!("[account.{key}]"));
            assert!(shown || is_table, "{table}: {key} is not in the example");
        }
    }
}

#[test]
fn a_secret_of_digits_is_not_repeated() {
    for secret in
        ["1234567", "12345678901234567890", "1234567.5", "1234567e9", "2027-12-31", "[\"1234567\"]"]
    {
        let text = good_and(&format!("client_secret = {secret}\n"));
        let error = judge(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("a secret does not stand in the configuration"), "{error}");
        assert!(!error.contains("1234567") && !error.contains("2027"), "{error}");
    }
}
