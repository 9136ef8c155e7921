//! One login, another mailbox: shared mailboxes, a delegate's SMTP, borrowed tokens, whole domains.

use std::sync::Arc;

use saslgate::{
    account::Accounts,
    config::{AccountConfig, Config, Domain, Grant, Identity, Protocol, SharedSmtp},
    sasl::base64,
    secret::Secret,
    token,
};
use tokio::{join, net::TcpStream};

use crate::support::{
    PASSWORD, Peer, Running, account, config,
    endpoint::Endpoint,
    upstream::{Session, Upstream},
};

const ANNA: &str = "anna@example.org";
const INFO: &str = "info@example.org";

struct Stage {
    running: Running,
    upstream: Upstream,
    endpoint: Endpoint,
}

impl Stage {
    /// A gateway with a port for each protocol, and accounts that have all three servers.
    async fn start(
        accounts: impl FnOnce(&dyn Fn(&str) -> AccountConfig) -> Vec<AccountConfig>,
    ) -> Self {
        let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
        let mut config = config(&upstream, &endpoint.url);
        let make = |login: &str| {
            let mut account = account(login, &upstream, &endpoint.url);
            account.pop3 = account.imap.clone();
            account.smtp = account.imap.clone();
            account
        };
        config.accounts = accounts(&make).into_iter().map(Arc::new).collect();
        let running = Running::start(with_all_ports(config)).await;
        for account in &running.gateway.config().accounts {
            if account.oauth.as_ref().unwrap().grant.needs_sign_in() {
                let secret = Secret::new("refresh");
                token::import(running.store.as_ref(), account, secret).await.unwrap();
            }
        }
        Self { running, upstream, endpoint }
    }

    async fn give_password(&self, name: &str, password: &str) {
        let accounts = Accounts::new(&self.running.gateway.config().accounts);
        let account = accounts.find(name.as_bytes()).unwrap();
        let password = Secret::new(password);
        self.running.gateway.passwords.set(&account, "own", &password).await.unwrap();
    }

    async fn client(&self, protocol: Protocol) -> Peer<TcpStream> {
        let port = Protocol::ALL.iter().position(|it| *it == protocol).unwrap();
        let address = self.running.addresses[port];
        let mut client = Peer::new(TcpStream::connect(address).await.unwrap());
        client.line().await;
        client
    }

    /// A client that sends a login; the first line of the answer.
    async fn log_in(
        &self,
        protocol: Protocol,
        login: &str,
        password: &str,
    ) -> (Peer<TcpStream>, String) {
        let mut client = self.client(protocol).await;
        let plain = base64::encode(format!("\0{login}\0{password}").as_bytes());
        let plain = String::from_utf8(plain).unwrap();
        let command = match protocol {
            Protocol::Imap => format!("a AUTHENTICATE PLAIN {plain}\r\n"),
            Protocol::Pop3 => format!("AUTH PLAIN {plain}\r\n"),
            Protocol::Smtp => format!("EHLO c\r\nAUTH PLAIN {plain}\r\n"),
        };
        client.send(&command).await;
        loop {
            let line = client.line().await;
            if !line.starts_with("250") && line != "+ " {
                return (client, line);
            }
        }
    }

    /// Logs in, and expects the mailbox in the exchange with the server.
    async fn opens(
        &self,
        protocol: Protocol,
        login: &str,
        mailbox: &str,
    ) -> (Peer<TcpStream>, Session) {
        let (client, session) =
            join!(self.log_in(protocol, login, PASSWORD), self.let_in(protocol, mailbox));
        let good = match protocol {
            Protocol::Imap => "a OK ",
            Protocol::Pop3 => "+OK",
            Protocol::Smtp => "235 ",
        };
        assert!(client.1.starts_with(good), "{protocol} {login}: {}", client.1);
        (client.0, session)
    }

    async fn let_in(&self, protocol: Protocol, mailbox: &str) -> Session {
        if protocol == Protocol::Imap {
            return self.upstream.let_in(mailbox, "good-token").await;
        }
        let mut session = self.upstream.accept().await;
        let (greeting, capabilities, challenge, welcome) = match protocol {
            Protocol::Pop3 => {
                ("+OK ready\r\n", "+OK\r\nSASL XOAUTH2\r\n.\r\n", "+ \r\n", "+OK in\r\n")
            }
            Protocol::Imap | Protocol::Smtp => {
                ("220 ready\r\n", "250-smtp.test\r\n250 AUTH XOAUTH2\r\n", "334 \r\n", "235 in\r\n")
            }
        };
        session.send(greeting).await;
        session.line().await;
        session.send(capabilities).await;
        session.expect("AUTH XOAUTH2").await;
        session.send(challenge).await;
        let response = base64::decode(session.line().await.as_bytes()).unwrap();
        let response = String::from_utf8(response).unwrap();
        assert_eq!(response, format!("user={mailbox}\x01auth=Bearer good-token\x01\x01"));
        session.send(welcome).await;
        session
    }

    async fn refusal(&self, protocol: Protocol, login: &str) -> String {
        self.log_in(protocol, login, PASSWORD).await.1
    }
}

fn with_all_ports(mut config: Config) -> Config {
    let port = config.listeners.remove(0);
    for protocol in Protocol::ALL {
        let mut port = port.clone();
        port.protocol = protocol;
        config.listeners.push(port);
    }
    config
}

fn person(mut account: AccountConfig) -> AccountConfig {
    account.oauth.as_mut().unwrap().grant = Grant::RefreshToken;
    account.identity.aliases = vec!["anna".into()];
    account.identity.shared = vec![INFO.into()];
    account
}

fn domain(mut account: AccountConfig) -> AccountConfig {
    let name = "example.org".to_owned();
    account.identity.domain = Some(Domain { name, mailboxes: None });
    account
}

#[tokio::test]
async fn a_person_opens_a_shared_mailbox_in_every_protocol() {
    let stage = Stage::start(|make| vec![person(make(ANNA))]).await;
    for (protocol, login) in [
        (Protocol::Imap, "anna@example.org\\info@example.org"),
        (Protocol::Pop3, "anna/info@example.org"),
        (Protocol::Smtp, "DOM\\anna\\INFO@example.org"),
        // Not listed: the provider decides.
        (Protocol::Imap, "anna\\sales@example.org"),
    ] {
        let mailbox = if login.contains("sales") { "sales@example.org" } else { INFO };
        stage.opens(protocol, login, mailbox).await;
    }
    stage.opens(Protocol::Smtp, "anna", ANNA).await;
    assert_eq!(stage.endpoint.requests(), 1, "one token for all of it");
}

#[tokio::test]
async fn a_delegate_sends_as_itself() {
    let delegate = |mut account: AccountConfig| {
        account.identity.shared_smtp = SharedSmtp::Delegate;
        account
    };
    let stage = Stage::start(|make| vec![delegate(person(make(ANNA)))]).await;
    let login = "anna\\info@example.org";
    stage.opens(Protocol::Imap, login, INFO).await;
    stage.opens(Protocol::Pop3, login, INFO).await;
    stage.opens(Protocol::Smtp, login, ANNA).await;
}

#[tokio::test]
async fn a_shared_mailbox_has_a_login_of_its_own_and_the_token_of_another() {
    let stage = Stage::start(|make| {
        let anna = person(make(ANNA));
        let identity = Identity { token_from: Some(ANNA.into()), ..Identity::default() };
        let info =
            AccountConfig { login: INFO.into(), mailbox: INFO.into(), identity, ..anna.clone() };
        vec![anna, info]
    })
    .await;
    stage.opens(Protocol::Imap, INFO, INFO).await;
    stage.opens(Protocol::Imap, ANNA, ANNA).await;
    assert_eq!(stage.endpoint.requests(), 1, "one token for both");
}

#[tokio::test]
async fn what_an_application_may_not_open_is_an_unknown_name() {
    let robot = |mut account: AccountConfig| {
        account.identity.shared = vec![INFO.into()];
        account
    };
    let stage = Stage::start(|make| vec![robot(make("robot"))]).await;
    stage.opens(Protocol::Imap, "robot\\info@example.org", INFO).await;
    for protocol in Protocol::ALL {
        let unknown = stage.refusal(protocol, "nobody").await;
        for login in ["robot\\sales@example.org", "robot/", "x\\robot\\sales@example.org"] {
            assert_eq!(stage.refusal(protocol, login).await, unknown, "{login}");
        }
    }
}

#[tokio::test]
async fn a_domain_has_a_password_for_each_mailbox_and_one_token() {
    let stage = Stage::start(|make| vec![domain(make("*@example.org"))]).await;
    stage.give_password(INFO, PASSWORD).await;
    stage.give_password("sales@example.org", "another").await;
    for protocol in Protocol::ALL {
        stage.opens(protocol, INFO, INFO).await;
        stage.opens(protocol, "Info@Example.ORG", INFO).await;
        let unknown = stage.refusal(protocol, "nobody@example.com").await;
        for login in ["sales@example.org", "nobody@example.org", "*@example.org", "a=b@example.org"]
        {
            assert_eq!(stage.refusal(protocol, login).await, unknown, "{login}");
        }
    }
    assert_eq!(stage.endpoint.requests(), 1, "one token for the whole domain");
}

#[tokio::test]
async fn an_authzid_is_nobodys_way_to_another_mailbox() {
    let stage = Stage::start(|make| vec![domain(make("*@example.org"))]).await;
    stage.give_password(INFO, PASSWORD).await;
    let mut client = stage.client(Protocol::Imap).await;
    let plain = base64::encode(format!("sales@example.org\0{INFO}\0{PASSWORD}").as_bytes());
    let plain = String::from_utf8(plain).unwrap();
    client.send(&format!("a AUTHENTICATE PLAIN {plain}\r\n")).await;
    let answer = client.line().await;
    assert!(answer.starts_with("a NO ") || answer.starts_with("a BAD "), "{answer}");
    assert_eq!(stage.endpoint.requests(), 0);
}

#[tokio::test]
async fn a_mailbox_has_one_limit_whoever_opens_it() {
    let limited = |mut account: AccountConfig| {
        account.imap.as_mut().unwrap().connection_limit = 1;
        account
    };
    let stage = Stage::start(|make| {
        let anna = limited(person(make(ANNA)));
        let mut bert = limited(person(make("bert@example.org")));
        bert.identity.aliases = Vec::new();
        vec![anna, bert]
    })
    .await;
    let _anna = stage.opens(Protocol::Imap, "anna\\info@example.org", INFO).await;
    let refusal = stage.refusal(Protocol::Imap, "bert@example.org\\info@example.org").await;
    assert!(refusal.starts_with("a NO [LIMIT] "), "{refusal}");
    stage.opens(Protocol::Imap, ANNA, ANNA).await;
}

#[tokio::test]
async fn who_only_names_a_mailbox_takes_no_turn_of_it() {
    let stage = Stage::start(|make| {
        let [mut anna, mut info] = [ANNA, INFO].map(|login| person(make(login)));
        (anna.identity.shared, info.identity) = (Vec::new(), Identity::default());
        info.imap.as_mut().unwrap().connection_limit = 1;
        vec![anna, info]
    })
    .await;
    let _named = stage.opens(Protocol::Imap, "anna\\info@example.org", INFO).await;
    stage.opens(Protocol::Imap, INFO, INFO).await;
}

#[tokio::test]
async fn a_revoked_password_ends_what_it_has_opened() {
    let stage = Stage::start(|make| vec![person(make(ANNA)), domain(make("*@example.org"))]).await;
    stage.give_password(INFO, PASSWORD).await;
    let (mut shared, _one) = stage.opens(Protocol::Imap, "anna\\info@example.org", INFO).await;
    let (mut own, _two) = stage.opens(Protocol::Imap, INFO, INFO).await;
    let store = &stage.running.store;
    store.remove_local_password(ANNA, "test").await.unwrap();
    stage.running.gateway.look_at_store().await;
    shared.expect("* BYE ").await;
    store.remove_local_password(INFO, "own").await.unwrap();
    stage.running.gateway.look_at_store().await;
    own.expect("* BYE ").await;
}
