//! What is typed, and what that is.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::config::{Protocol, tests::judge};

/// A person who signed in, an application with a list, one with a service account's key, a shared mailbox
/// of its own, and two domains, one with a list.
const CONFIG: &str = r#"
[defaults]
provider = "custom"
token_url = "https://id.example.net/token"
client_id = "id"
imap.host = "mail.example.net"
smtp.host = "mail.example.net"

[[account]]
login = "anna@example.ch"
aliases = ["anna", 'CORP\anna']
shared = ["Info@example.ch", "odd,name=@example.ch"]

[[account]]
login = "bert@example.ch"
aliases = ["bert"]
shared_smtp = "delegate"

[[account]]
login = "robot"
mailbox = "robot@example.ch"
grant = "client_credentials"
client_secret = { env = "S" }
shared = ["info@example.ch"]

[[account]]
login = "office@example.ch"
mailbox = "team@example.ch"
token_from = "anna"

[[account]]
login = "*@example.com"
grant = "client_credentials"
client_secret = { env = "S" }

[[account]]
login = "*@example.org"
grant = "client_credentials"
client_secret = { env = "S" }
mailboxes = ["Info@example.org"]

[[account]]
login = "ceo@example.com"
mailbox = "boss@example.com"
"#;

fn accounts() -> Accounts {
    Accounts::new(&judge(CONFIG).unwrap_or_else(|error| panic!("{error}")).config.accounts)
}

const TABLE: &str = r"
        # typed                         | account           | IMAP                  | SMTP             | tokens of        | passwords of
        anna@example.ch                 | anna@example.ch   | anna@example.ch       | anna@example.ch  | anna@example.ch  | anna@example.ch
        ANNA                            | anna@example.ch   | anna@example.ch       | anna@example.ch  | anna@example.ch  | anna@example.ch
        corp\Anna                       | anna@example.ch   | anna@example.ch       | anna@example.ch  | anna@example.ch  | anna@example.ch
        other\anna                      | anna@example.ch   | anna@example.ch       | anna@example.ch  | anna@example.ch  | anna@example.ch
        other/anna                      | -
        \anna                           | -
        anna@example.ch\info@example.ch | anna@example.ch   | Info@example.ch       | Info@example.ch  | anna@example.ch  | anna@example.ch
        anna/INFO@example.ch            | anna@example.ch   | Info@example.ch       | Info@example.ch  | anna@example.ch  | anna@example.ch
        corp\anna\info@example.ch       | anna@example.ch   | Info@example.ch       | Info@example.ch  | anna@example.ch  | anna@example.ch
        dom\anna/info@example.ch        | anna@example.ch   | Info@example.ch       | Info@example.ch  | anna@example.ch  | anna@example.ch
        a\b\anna\info@example.ch        | -
        anna\odd,name=@example.ch       | anna@example.ch   | odd,name=@example.ch  | odd,name=@example.ch | anna@example.ch | anna@example.ch
        anna\Sales@example.ch           | anna@example.ch   | sales@example.ch      | sales@example.ch | anna@example.ch  | anna@example.ch
        anna\bert                       | -
        anna\                           | -
        anna\a,b@example.ch             | -
        anna\a b@example.ch             | -
        anna\*@example.com              | -
        anna\x@example.ch\y@example.ch  | -
        bert\info@example.ch            | bert@example.ch   | info@example.ch       | bert@example.ch  | bert@example.ch  | bert@example.ch
        robot                           | robot             | robot@example.ch      | robot@example.ch | robot            | robot
        robot\info@example.ch           | robot             | info@example.ch       | info@example.ch  | robot            | robot
        robot\sales@example.ch          | -
        dom\robot\sales@example.ch      | -
        robot\office@example.ch         | -
        office@example.ch               | office@example.ch | team@example.ch       | team@example.ch  | anna@example.ch  | office@example.ch
        office@example.ch\anna@example.ch | -
        office@example.ch/sales@example.ch | -
        dom\office@example.ch\anna@example.ch | -
        x@example.com                   | x@example.com     | x@example.com         | x@example.com    | *@example.com    | x@example.com
        X@EXAMPLE.COM                   | x@example.com     | x@example.com         | x@example.com    | *@example.com    | x@example.com
        ceo@example.com                 | ceo@example.com   | boss@example.com      | boss@example.com | ceo@example.com  | ceo@example.com
        *@example.com                   | -
        @example.com                    | -
        x@y@example.com                 | -
        dom\x@example.com               | x@example.com     | x@example.com         | x@example.com    | *@example.com    | x@example.com
        dom\ceo@example.com             | ceo@example.com   | boss@example.com      | boss@example.com | ceo@example.com  | ceo@example.com
        dom/x@example.com               | -
        \x@example.com                  | -
        a\dom\x@example.com             | -
        x@example.com\y@example.com     | -
        x@sub.example.com               | -
        info@example.org                | Info@example.org  | Info@example.org      | Info@example.org | *@example.org    | info@example.org
        dom\info@example.org            | Info@example.org  | Info@example.org      | Info@example.org | *@example.org    | info@example.org
        sales@example.org               | -
        dom\sales@example.org           | -
        nobody@example.ch               | -
";

#[test]
fn what_is_typed_and_what_that_is() {
    let known = accounts();
    for line in TABLE.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let mut cells = line.split('|').map(str::trim);
        let typed = cells.next().unwrap();
        let expected: Vec<&str> = cells.collect();
        let found = match known.find(typed.as_bytes()) {
            None => vec!["-".to_owned()],
            Some(account) => vec![
                account.login.clone(),
                account.mailbox(Protocol::Imap).to_owned(),
                account.mailbox(Protocol::Smtp).to_owned(),
                account.token_login().into_owned(),
                account.key(),
            ],
        };
        assert_eq!(found, expected, "{typed}");
        // What was found is found again by its own name.
        if let Some(account) = known.find(typed.as_bytes()) {
            let again = known.find(account.name().as_bytes()).unwrap();
            assert_eq!(again.mailbox(Protocol::Imap), account.mailbox(Protocol::Imap), "{typed}");
            assert_eq!(again.key(), account.key());
        }
    }
}

#[test]
fn a_service_account_asks_for_each_mailbox() {
    let mut account = Arc::unwrap_or_clone(account("robot@example.ch"));
    account.oauth.as_mut().unwrap().grant =
        Grant::ServiceAccount { key_file: "k".into(), subject: "robot@example.ch".into() };
    account.identity.shared = vec!["info@example.ch".into()];
    let mut domain = account.clone();
    domain.login = "*@example.com".into();
    domain.identity = Identity {
        domain: Some(crate::config::Domain { name: "example.com".into(), mailboxes: None }),
        ..Identity::default()
    };
    let known = Accounts::new(&[Arc::new(account), Arc::new(domain)]);
    for (typed, subject, key) in [
        ("robot@example.ch", "robot@example.ch", "robot@example.ch"),
        (
            "robot@example.ch/info@example.ch",
            "info@example.ch",
            r"robot@example.ch\info@example.ch",
        ),
        ("x@example.com", "x@example.com", "x@example.com"),
    ] {
        let found = known.find(typed.as_bytes()).unwrap();
        assert_eq!(found.oauth.as_ref().unwrap().grant.user(), Some(subject));
        assert_eq!(found.token_key(), key);
    }
}

#[test]
fn a_password_server_opens_no_shared_mailbox() {
    let text = CONFIG.replace("\"bert\"]", "\"bert\"]\nimap.auth = \"password\"");
    let known =
        Accounts::new(&judge(&text).unwrap_or_else(|error| panic!("{error}")).config.accounts);
    let bert = |typed: &[u8]| known.find(typed).unwrap().upstream(Protocol::Imap).is_some();
    assert!(bert(b"bert"));
    assert!(!bert(b"bert\\info@example.ch"));
}

/// Names as a client may make them up, near to those that are known.
fn typed() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(vec![
            "anna", "robot", "bert", "office", "\\", "/", "@", "*", "example.ch", "example.com",
            "example.org", "info", "Info@example.ch", "x", ".", "CORP\\anna",
        ])
        .prop_map(|it| it.as_bytes().to_vec()),
        2 => select(b"\x01\0\r\n \t,=\x7f\xff\xc3\xa4%{}\"()".to_vec()).prop_map(|it| vec![it]),
        1 => "\\PC".prop_map(String::into_bytes),
        1 => any::<u8>().prop_map(|it| vec![it]),
    ];
    proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Only what is written, or an address of plain characters where that is allowed.
    #[test]
    fn no_name_makes_a_mailbox_that_is_not_allowed(typed in typed()) {
        let known = accounts();
        let Some(account) = known.find(&typed) else { return Ok(()) };
        let written = [
            "anna@example.ch", "Info@example.ch", "odd,name=@example.ch", "bert@example.ch",
            "robot@example.ch", "info@example.ch", "team@example.ch", "Info@example.org",
            "boss@example.com",
        ];
        for protocol in Protocol::ALL {
            let mailbox = account.mailbox(protocol);
            prop_assert!(!mailbox.chars().any(|c| c.is_control() || c.is_whitespace()), "{mailbox:?}");
            if written.contains(&mailbox) {
                continue;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-&'#".contains(c);
            prop_assert!(mailbox.chars().all(plain), "{mailbox:?}");
            prop_assert_eq!(mailbox.matches('@').count(), 1);
            // Whose token it is says what may be opened by it.
            match account.token_login().as_ref() {
                "anna@example.ch" | "bert@example.ch" => {}
                "*@example.com" => prop_assert!(mailbox.ends_with("@example.com"), "{mailbox:?}"),
                other => prop_assert!(false, "{other} opens {mailbox:?}"),
            }
        }
        // Whoever opens something shared is somebody with a password of their own.
        if account.identity.opens.is_some() {
            prop_assert!(known.find(account.login.as_bytes()).is_some());
        }
    }
}
