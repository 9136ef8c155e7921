//! SMTP: from a local login to a message that is sent once, or not sent and never said to be.

use std::{sync::Arc, time::Duration};

use saslgate::{
    config::{Authentication, Config, Protocol},
    secret::Secret,
    token::ForcedRefresh,
};
use tokio::{join, net::TcpStream};

use crate::support::{
    Peer, Running, config,
    endpoint::Endpoint,
    upstream::{Session, Upstream},
};

const ALICE: &str = "alice@example.org";
/// `\0alice@example.org\0local secret`.
const PLAIN: &str = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAGxvY2FsIHNlY3JldA==\r\n";

/// The account sends through `upstream`.
fn submission(upstream: &Upstream, token_url: &str) -> Config {
    let mut config = config(upstream, token_url);
    config.listeners[0].protocol = Protocol::Smtp;
    let mut account = Arc::unwrap_or_clone(config.accounts.remove(0));
    account.smtp = account.imap.take();
    config.accounts = vec![Arc::new(account)];
    config
}

fn with_limit(mut config: Config, limit: usize, turn: Duration) -> Config {
    let mut account = Arc::unwrap_or_clone(config.accounts.remove(0));
    account.smtp.as_mut().unwrap().connection_limit = limit;
    config.accounts = vec![Arc::new(account)];
    config.deadlines.connection_turn = turn;
    config
}

fn with_password(mut config: Config) -> Config {
    let mut account = Arc::unwrap_or_clone(config.accounts.remove(0));
    account.smtp.as_mut().unwrap().authentication =
        Authentication::Password { user: "alice".into() };
    config.accounts = vec![Arc::new(account)];
    config
}

impl Running {
    /// An SMTP client that has said EHLO; the keywords.
    async fn hello(&self) -> (Peer<TcpStream>, Vec<String>) {
        let mut client = self.connect().await;
        client.expect("220 ").await;
        client.send("EHLO client.example.org\r\n").await;
        let mut keywords = Vec::new();
        loop {
            let line = client.expect("250").await;
            keywords.push(line.get(4..).unwrap().to_owned());
            if line.as_bytes()[3] == b' ' {
                keywords.remove(0);
                return (client, keywords);
            }
        }
    }

    /// One that asks to log in; the answer is not read.
    async fn authenticating(&self) -> Peer<TcpStream> {
        let (mut client, _) = self.hello().await;
        client.send(PLAIN).await;
        client
    }
}

impl Upstream {
    /// The next connection, greeted and asked to log in; what it is asked with.
    async fn asked_to_send(&self, keywords: &[&str]) -> (Session, String) {
        let mut session = self.accept().await;
        session.send("220 smtp.test ready\r\n").await;
        assert_eq!(session.line().await, "EHLO [127.0.0.1]");
        let lines: String = keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
        session.send(&format!("250-smtp.test\r\n{lines}250 AUTH XOAUTH2 PLAIN\r\n")).await;
        let mechanism = session.expect("AUTH ").await;
        session.send("334 \r\n").await;
        let response = session.line().await;
        let response = saslgate::sasl::base64::decode(response.as_bytes()).unwrap();
        (session, format!("{mechanism} {}", String::from_utf8(response).unwrap()))
    }

    /// The next connection, let in.
    async fn sending(&self, keywords: &[&str]) -> Session {
        let (mut session, login) = self.asked_to_send(keywords).await;
        assert_eq!(login, format!("AUTH XOAUTH2 user={ALICE}\x01auth=Bearer good-token\x01\x01"));
        session.send("235 2.7.0 in\r\n").await;
        session
    }
}

#[tokio::test]
async fn a_message_is_sent_as_it_is() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(submission(&upstream, &endpoint.url)).await;
    const MESSAGE: &str = "Subject: hello\r\n\r\n..dots\r\nbare \r and \n\r\n.\r\n";
    let client = async {
        let mut client = running.authenticating().await;
        client.expect("235 2.7.0 ").await;
        client.send("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n").await;
        assert_eq!(client.line().await, "250 2.1.0 ok");
        assert_eq!(client.line().await, "250 2.1.5 ok");
        assert_eq!(client.line().await, "354 go on");
        client.send(MESSAGE).await;
        assert_eq!(client.line().await, "250 2.0.0 queued as 4A2");
        client.send("QUIT\r\n").await;
        assert_eq!(client.line().await, "221 bye");
        assert_eq!(client.rest().await, b"");
    };
    let server = async {
        let mut session = upstream.sending(&["PIPELINING"]).await;
        assert_eq!(session.line().await, "MAIL FROM:<alice@example.org>");
        assert_eq!(session.line().await, "RCPT TO:<bob@example.org>");
        assert_eq!(session.line().await, "DATA");
        session.send("250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n").await;
        assert_eq!(session.read(MESSAGE.len()).await, MESSAGE.as_bytes());
        session.send("250 2.0.0 queued as 4A2\r\n").await;
        assert_eq!(session.line().await, "QUIT");
        session.send("221 bye\r\n").await;
        session.close().await;
    };
    join!(client, server);
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_reaches_nobody_and_mail_without_a_login_neither() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(submission(&upstream, &endpoint.url)).await;
    let (mut client, keywords) = running.hello().await;
    assert!(keywords.contains(&"AUTH PLAIN LOGIN".to_owned()), "{keywords:?}");
    client.send("MAIL FROM:<alice@example.org>\r\n").await;
    client.expect("530 5.7.0 ").await;
    // "\0alice@example.org\0wrong"
    client.send("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\r\n").await;
    client.expect("535 5.7.8 ").await;
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn senders_wait_for_their_turn() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let config = with_limit(submission(&upstream, &endpoint.url), 1, Duration::from_secs(50));
    let running = Running::start(config).await;
    let (mut first, mut session) = join!(
        async {
            let mut client = running.authenticating().await;
            client.expect("235 ").await;
            client
        },
        upstream.sending(&[])
    );
    let mut second = running.authenticating().await;
    // Whoever waits for his turn has not dialled.
    let dialled = tokio::time::timeout(Duration::from_millis(300), upstream.accept_in_clear());
    assert!(dialled.await.is_err());
    first.send("QUIT\r\n").await;
    assert_eq!(session.line().await, "QUIT");
    session.send("221 bye\r\n").await;
    session.close().await;
    assert_eq!(first.line().await, "221 bye");
    first.close().await;
    join!(second.expect("235 "), upstream.sending(&[]));
}

#[tokio::test]
async fn who_has_waited_long_enough_is_told_to_come_again() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let config = with_limit(submission(&upstream, &endpoint.url), 1, Duration::from_millis(50));
    let running = Running::start(config).await;
    let mut first = running.authenticating().await;
    let (_, _session) = join!(first.expect("235 "), upstream.sending(&[]));
    let mut second = running.authenticating().await;
    second.expect("454 4.7.0 ").await;
}

#[tokio::test]
async fn what_an_upstream_says_of_itself_is_promised_from_then_on() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(submission(&upstream, &endpoint.url)).await;
    let (mut client, keywords) = running.hello().await;
    assert_eq!(keywords, ["PIPELINING", "AUTH PLAIN LOGIN"]);
    client.send(PLAIN).await;
    join!(client.expect("235 "), upstream.sending(&["SIZE 1000", "8BITMIME", "XCLIENT NAME"]));
    let (_, keywords) = running.hello().await;
    assert_eq!(keywords, ["SIZE 1000", "PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN"]);
}

#[tokio::test]
async fn an_upstream_that_goes_in_the_middle_of_a_message_has_not_accepted_it() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(submission(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.authenticating().await;
        client.expect("235 ").await;
        client.send("DATA\r\n").await;
        client.expect("354 ").await;
        client.send("Subject: half\r\n\r\n").await;
        client.expect("421 4.4.2 ").await;
        assert_eq!(client.rest().await, b"");
    };
    let server = async {
        let mut session = upstream.sending(&[]).await;
        assert_eq!(session.line().await, "DATA");
        session.send("354 go on\r\n").await;
        assert_eq!(session.line().await, "Subject: half");
        // Dropped.
    };
    join!(client, server);
}

#[tokio::test]
async fn passing_faults_of_the_upstream_stay_passing() {
    for answer in [
        "432 4.3.2 Concurrent connections limit exceeded\r\n",
        "454 4.7.0 Temporary authentication failure\r\n",
        "421 4.7.66 TLS 1.0 and 1.1 are not supported\r\n",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled\r\n",
        "535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 For more information\r\n",
    ] {
        let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
        let running = Running::start(submission(&upstream, &endpoint.url)).await;
        let mut client = running.authenticating().await;
        let server = async {
            let (mut session, _) = upstream.asked_to_send(&[]).await;
            session.send(answer).await;
        };
        let (heard, ()) = join!(client.expect("454 4.7.0 "), server);
        let first = answer.split("\r\n").next().unwrap();
        let words = first.get(first.len() - 20..).unwrap();
        assert!(heard.contains(words), "{heard}");
    }
}

#[tokio::test]
async fn a_stored_password_sends_and_is_not_tried_again_once_refused() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let config = with_password(submission(&upstream, &endpoint.url));
    let running = Running::start_with(config, ForcedRefresh::default()).await;
    let mut client = running.authenticating().await;
    let heard = client.expect("454 4.7.0 ").await;
    assert!(heard.contains("account upstream-password alice@example.org --protocol smtp"));

    let store = |password: &'static str| {
        let store = Arc::clone(&running.store);
        async move {
            store.write_upstream_password(ALICE, "smtp", "127.0.0.1", &Secret::new(password)).await
        }
    };
    store("old").await.unwrap();
    client.send(PLAIN).await;
    let server = async {
        let (mut session, login) = upstream.asked_to_send(&[]).await;
        assert_eq!(login, "AUTH PLAIN \0alice\0old");
        session.send("535 5.7.8 no\r\n").await;
    };
    join!(client.expect("454 4.7.0 "), server);
    // Nobody dials: the same password would be refused again.
    client.send(PLAIN).await;
    client.expect("454 4.7.0 ").await;

    store("new").await.unwrap();
    client.send(PLAIN).await;
    let server = async {
        let (mut session, login) = upstream.asked_to_send(&[]).await;
        assert_eq!(login, "AUTH PLAIN \0alice\0new");
        session.send("235 2.7.0 in\r\n").await;
        session
    };
    join!(client.expect("235 2.7.0 "), server);
    assert_eq!(endpoint.requests(), 0, "a password needs no token");
}

#[tokio::test]
async fn a_mixed_account_reads_with_a_token_and_sends_with_a_password() {
    let (incoming, outgoing) = (Upstream::start().await, Upstream::start().await);
    let endpoint = Endpoint::good().await;
    let mut mixed = with_password(submission(&outgoing, &endpoint.url));
    let reading = config(&incoming, &endpoint.url);
    let mut account = Arc::unwrap_or_clone(mixed.accounts.remove(0));
    account.imap.clone_from(&reading.accounts[0].imap);
    mixed.accounts = vec![Arc::new(account)];
    mixed.listeners.extend(reading.listeners);
    let running = Running::start(mixed).await;
    running
        .store
        .write_upstream_password(ALICE, "smtp", "127.0.0.1", &Secret::new("out"))
        .await
        .unwrap();

    let mut sender = running.authenticating().await;
    let server = async {
        let (mut session, login) = outgoing.asked_to_send(&[]).await;
        assert_eq!(login, "AUTH PLAIN \0alice\0out");
        session.send("235 2.7.0 in\r\n").await;
        session
    };
    let _ = join!(sender.expect("235 "), server);
    let mut reader = Peer::new(TcpStream::connect(running.addresses[1]).await.unwrap());
    reader.expect("* OK ").await;
    reader.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    let _ = join!(reader.expect("a OK "), incoming.let_in(ALICE, "good-token"));
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn a_wrong_stored_password_is_tried_once_however_many_send() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(with_password(submission(&upstream, &endpoint.url))).await;
    running
        .store
        .write_upstream_password(ALICE, "smtp", "127.0.0.1", &Secret::new("wrong"))
        .await
        .unwrap();
    let (mut one, mut two) = join!(running.authenticating(), running.authenticating());
    let server = async {
        let (mut session, _) = upstream.asked_to_send(&[]).await;
        session.send("535 5.7.8 no\r\n").await;
    };
    join!(one.expect("454 4.7.0 "), two.expect("454 4.7.0 "), server);
    let dialled = tokio::time::timeout(Duration::from_millis(100), upstream.accept_in_clear());
    assert!(dialled.await.is_err(), "it was tried twice");
}

#[tokio::test]
async fn a_policy_is_not_held_against_the_stored_password() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(with_password(submission(&upstream, &endpoint.url))).await;
    running
        .store
        .write_upstream_password(ALICE, "smtp", "127.0.0.1", &Secret::new("right"))
        .await
        .unwrap();
    let mut client = running.authenticating().await;
    let disabled =
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled\r\n";
    for (answer, heard) in [(disabled, "454 4.7.0 "), ("235 2.7.0 in\r\n", "235 2.7.0 ")] {
        let server = async {
            let (mut session, _) = upstream.asked_to_send(&[]).await;
            session.send(answer).await;
            session
        };
        let _ = join!(client.expect(heard), server);
        if answer == disabled {
            client.send(PLAIN).await;
        }
    }
}
