//! From a local login to a relay that changes nothing.

use tokio::join;

use crate::support::{Running, config, endpoint::Endpoint, upstream::Upstream};

#[tokio::test]
async fn a_password_becomes_a_token() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.logged_in("alice@example.org").await;
        client.send("b NOOP\r\n").await;
        assert_eq!(client.line().await, "b OK from upstream");
        client.close().await;
        assert_eq!(client.rest().await, b"");
    };
    let server = async {
        let mut session = upstream.let_in("alice@example.org", "good-token").await;
        assert_eq!(session.line().await, "b NOOP");
        session.send("b OK from upstream\r\n").await;
        assert_eq!(session.rest().await, b"");
    };
    join!(client, server);
    let request = endpoint.last_request();
    assert!(request.contains("grant_type=client_credentials"), "{request}");
    running.stop().await;
}

#[tokio::test]
async fn what_was_pipelined_behind_the_login_arrives() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN {17}\r\n").await;
        client.expect("+ ").await;
        client.send("alice@example.org \"local secret\"\r\nb SELECT INBOX\r\nc NOOP\r\n").await;
        client.expect("a OK [CAPABILITY IMAP4rev1 IDLE] ").await;
        assert_eq!(client.line().await, "b OK selected");
        assert_eq!(client.line().await, "c OK nothing");
    };
    let server = async {
        let mut session = upstream.let_in("alice@example.org", "good-token").await;
        assert_eq!(session.line().await, "b SELECT INBOX");
        session.send("b OK selected\r\n").await;
        assert_eq!(session.line().await, "c NOOP");
        session.send("c OK nothing\r\n").await;
    };
    join!(client, server);
}

#[tokio::test]
async fn wrong_password_and_unknown_name_get_the_same_answer_and_reach_nobody() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let mut answers = Vec::new();
    for attempt in ["alice@example.org wrong", "nobody@example.org \"local secret\""] {
        let mut client = running.greeted().await;
        client.send(&format!("a LOGIN {attempt}\r\n")).await;
        answers.push(client.expect("a NO [AUTHENTICATIONFAILED] ").await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn a_second_attempt_on_the_same_connection_works() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org wrong\r\n").await;
        client.expect("a NO [AUTHENTICATIONFAILED] ").await;
        client.send("b LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("b OK ").await;
    };
    join!(client, upstream.let_in("alice@example.org", "good-token"));
}

#[tokio::test]
async fn a_revoked_password_ends_its_sessions_and_no_others() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let account = running.gateway.config().accounts[0].clone();
    let other = saslgate::secret::Secret::new("another one");
    running.gateway.passwords.set(&account, "other", &other).await.unwrap();
    let client = async {
        let mut revoked = running.logged_in("alice@example.org").await;
        let mut stays = running.greeted().await;
        stays.send("a LOGIN alice@example.org \"another one\"\r\n").await;
        stays.expect("a OK ").await;
        running.gateway.passwords.remove(&account, "test").await.unwrap();
        let last = String::from_utf8(revoked.rest().await).unwrap();
        assert!(last.starts_with("* BYE "), "{last:?}");
        stays.send("b NOOP\r\n").await;
        assert_eq!(stays.line().await, "b OK still here");
    };
    let server = async {
        let mut first = upstream.let_in("alice@example.org", "good-token").await;
        let mut second = upstream.let_in("alice@example.org", "good-token").await;
        assert_eq!(first.rest().await, b"");
        assert_eq!(second.line().await, "b NOOP");
        second.send("b OK still here\r\n").await;
    };
    join!(client, server);
}

#[tokio::test]
async fn a_stopping_gateway_says_goodbye() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let (mut inside, _session) = join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
    let mut outside = running.greeted().await;
    running.stop().await;
    for client in [&mut inside, &mut outside] {
        let last = String::from_utf8(client.rest().await).unwrap();
        assert!(last.starts_with("* BYE "), "{last:?}");
    }
}

#[tokio::test]
async fn a_password_that_is_revoked_during_its_login_opens_no_session_that_stays() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let account = running.gateway.config().accounts[0].clone();
    let passwords = &running.gateway.passwords;
    passwords.set(&account, "other", &saslgate::secret::Secret::new("other")).await.unwrap();
    let mut witness = running.greeted().await;
    witness.send("a LOGIN alice@example.org other\r\n").await;
    let _witness_upstream = upstream.let_in("alice@example.org", "good-token").await;
    witness.expect("a OK ").await;
    // The right password, and a provider that takes its time.
    let mut client = running.greeted().await;
    client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    let (mut session, tag, _) = upstream.asked().await;
    passwords.remove(&account, "test").await.unwrap();
    passwords.remove(&account, "other").await.unwrap();
    witness.expect("* BYE ").await;
    session.send(&format!("{tag} OK done\r\n")).await;
    let tag = session.command("CAPABILITY").await;
    session.send(&format!("* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n")).await;
    client.expect("a OK ").await;
    client.expect("* BYE ").await;
}

#[tokio::test]
async fn a_stop_is_felt_in_the_middle_of_a_login() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    // Longer than this test may take.
    config.deadlines.upstream_answer = std::time::Duration::from_secs(3600);
    config.deadlines.verdict = std::time::Duration::from_secs(3600);
    let running = Running::start(config).await;
    let mut client = running.greeted().await;
    client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    let _silent = upstream.asked().await;
    running.stop().await;
    client.expect("a NO [UNAVAILABLE] ").await;
    client.expect("* BYE ").await;
}
