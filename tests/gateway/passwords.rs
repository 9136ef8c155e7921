//! Local passwords with limits, in every protocol.

use std::sync::Arc;

use saslgate::{
    config::{AccountConfig, Config, Protocol},
    secret::Secret,
    store::limits::{LimitChange, PasswordLimits, network},
};
use tokio::{join, net::TcpStream};

use crate::support::{Peer, Running, config, endpoint::Endpoint, in_time, upstream::Upstream};

const ALICE: &str = "alice@example.org";
const PRINTER: &str = "the printer's own";

/// One account on three ports, with a password `printer` beside the one that all have.
struct Stage {
    running: Running,
    upstream: Upstream,
    endpoint: Endpoint,
}

impl Stage {
    async fn start(protocols: &[&str], networks: &[&str]) -> Self {
        let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
        let running = Running::start(in_all_protocols(config(&upstream, &endpoint.url))).await;
        let stage = Self { running, upstream, endpoint };
        let (secret, change) = (Secret::new(PRINTER), change(protocols, networks));
        let passwords = &stage.running.gateway.passwords;
        passwords.set_limited(&stage.account(), "printer", &secret, &change).await.unwrap();
        stage
    }

    fn account(&self) -> Arc<AccountConfig> {
        self.running.gateway.config().accounts[0].clone()
    }

    async fn limit(&self, protocols: &[&str], networks: &[&str]) -> PasswordLimits {
        let change = change(protocols, networks);
        let store = &self.running.store;
        store
            .limit_local_password(&self.account().key(), "printer", &change)
            .await
            .unwrap()
            .unwrap()
    }

    /// What a login hears, in the protocol's own words.
    async fn answer(&self, protocol: Protocol, password: &str) -> String {
        let port = Protocol::ALL.iter().position(|known| *known == protocol).unwrap();
        let stream = TcpStream::connect(self.running.addresses[port]).await.unwrap();
        let mut client = Peer::new(stream);
        client.line().await;
        match protocol {
            Protocol::Imap => client.send(&format!("a LOGIN {ALICE} \"{password}\"\r\n")).await,
            Protocol::Pop3 => {
                client.send(&format!("USER {ALICE}\r\n")).await;
                client.expect("+OK").await;
                client.send(&format!("PASS {password}\r\n")).await;
            }
            Protocol::Smtp => {
                client.send("HELO client.example.org\r\n").await;
                client.expect("250 ").await;
                let plain = format!("\0{ALICE}\0{password}");
                let plain = saslgate::sasl::base64::encode(plain.as_bytes());
                client.send(&format!("AUTH PLAIN {}\r\n", String::from_utf8_lossy(&plain))).await;
            }
        }
        client.line().await
    }

    async fn last_use(&self) -> Option<(String, String)> {
        let stored = self.running.store.local_passwords(&self.account().key()).await.unwrap();
        let printer = stored.unwrap().passwords.into_iter().find(|it| it.name == "printer");
        printer.unwrap().last_used.map(|used| (used.protocol, used.address.to_string()))
    }
}

fn change(protocols: &[&str], networks: &[&str]) -> LimitChange {
    LimitChange {
        protocols: Some(protocols.iter().map(|&it| it.to_owned()).collect()),
        networks: Some(networks.iter().map(|it| network(it).unwrap()).collect()),
    }
}

fn in_all_protocols(mut config: Config) -> Config {
    let listener = config.listeners.remove(0);
    config.listeners = Protocol::ALL
        .into_iter()
        .map(|protocol| saslgate::config::ListenConfig { protocol, ..listener.clone() })
        .collect();
    let mut account = Arc::unwrap_or_clone(config.accounts.remove(0));
    account.pop3 = account.imap.clone();
    account.smtp = account.imap.clone();
    config.accounts = vec![Arc::new(account)];
    config
}

#[tokio::test]
async fn outside_its_limits_a_password_is_answered_as_a_wrong_one_and_reaches_nobody() {
    for (protocols, networks, outside) in [
        (&["imap"][..], &[][..], &[Protocol::Pop3, Protocol::Smtp][..]),
        (&["smtp"], &["127.0.0.0/8"], &[Protocol::Imap, Protocol::Pop3]),
        (&[], &["192.0.2.0/24", "::/0"], &Protocol::ALL),
    ] {
        let stage = Stage::start(protocols, networks).await;
        for &protocol in outside {
            let wrong = stage.answer(protocol, "wrong").await;
            // Twice: what a first login leaves behind must not change the second one.
            for _ in 0..2 {
                assert_eq!(stage.answer(protocol, PRINTER).await, wrong, "{protocol}");
            }
        }
        assert_eq!(stage.endpoint.requests(), 0);
        assert_eq!(stage.last_use().await, None);
    }
}

#[tokio::test]
async fn a_login_within_the_limits_opens_nothing_outside_them() {
    let stage = Stage::start(&["imap"], &["127.0.0.0/8"]).await;
    let (inside, _session) =
        join!(stage.answer(Protocol::Imap, PRINTER), stage.upstream.let_in(ALICE, "good-token"),);
    assert!(inside.starts_with("a OK "), "{inside}");
    let wrong = stage.answer(Protocol::Smtp, "wrong").await;
    assert_eq!(stage.answer(Protocol::Smtp, PRINTER).await, wrong);
    in_time(async {
        while stage.last_use().await.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let expected = ("imap".to_owned(), "127.0.0.1".to_owned());
    assert_eq!(stage.last_use().await, Some(expected));
}

#[tokio::test]
async fn new_limits_end_the_sessions_outside_them_and_no_others() {
    let stage = Stage::start(&[], &[]).await;
    let client = async {
        let mut printer = stage.running.greeted().await;
        printer.send(&format!("a LOGIN {ALICE} \"{PRINTER}\"\r\n")).await;
        printer.expect("a OK ").await;
        let mut other = stage.running.logged_in(ALICE).await;
        // Within these it stays.
        stage.limit(&["imap", "smtp"], &["127.0.0.1"]).await;
        stage.running.gateway.look_at_store().await;
        printer.send("b NOOP\r\n").await;
        assert_eq!(printer.line().await, "b OK still here");
        stage.limit(&["smtp"], &[]).await;
        stage.running.gateway.look_at_store().await;
        let last = String::from_utf8(printer.rest().await).unwrap();
        assert!(last.starts_with("* BYE "), "{last:?}");
        other.send("c NOOP\r\n").await;
        assert_eq!(other.line().await, "c OK still here");
    };
    let server = async {
        let mut first = stage.upstream.let_in(ALICE, "good-token").await;
        let mut second = stage.upstream.let_in(ALICE, "good-token").await;
        assert_eq!(first.line().await, "b NOOP");
        first.send("b OK still here\r\n").await;
        assert_eq!(first.rest().await, b"");
        assert_eq!(second.line().await, "c NOOP");
        second.send("c OK still here\r\n").await;
    };
    join!(client, server);
}
