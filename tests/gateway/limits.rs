//! Bounds on numbers and on waiting before the relay.

use saslgate::config::SigninRefusal;
use std::{sync::Arc, time::Duration};
use tokio::join;

use crate::support::{Running, account, config, endpoint::Endpoint, upstream::Upstream};

#[tokio::test]
async fn under_pressure_the_oldest_without_a_login_goes_first() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 2;
    let running = Running::start(config).await;
    let mut oldest = running.greeted().await;
    let mut second = running.greeted().await;
    let mut third = running.greeted().await;
    let last = String::from_utf8(oldest.rest().await).unwrap();
    assert!(last.starts_with("* BYE [UNAVAILABLE] "), "{last:?}");
    for client in [&mut second, &mut third] {
        client.send("a NOOP\r\n").await;
        client.expect("a OK ").await;
    }
}

#[tokio::test]
async fn whoever_knows_the_password_is_not_pushed_out_while_the_server_thinks() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 2;
    let running = Running::start(config).await;
    let mut owner = running.greeted().await;
    owner.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    let (mut session, tag, _) = upstream.asked().await;
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(running.greeted().await);
    }
    for stranger in &mut crowd[..4] {
        stranger.expect("* BYE [UNAVAILABLE] ").await;
    }
    session.send(&format!("{tag} OK done\r\n")).await;
    let tag = session.command("CAPABILITY").await;
    session.send(&format!("* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n")).await;
    owner.expect("a OK ").await;
}

#[tokio::test]
async fn whoever_was_refused_by_the_server_can_be_pushed_out_again() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 1;
    let running = Running::start(config).await;
    let mut owner = running.greeted().await;
    owner.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    let (mut session, _, _) = upstream.asked().await;
    session.close().await;
    owner.expect("a NO [UNAVAILABLE] ").await;
    let _late = running.greeted().await;
    owner.expect("* BYE [UNAVAILABLE] ").await;
}

#[tokio::test]
async fn when_everybody_is_logged_in_a_new_connection_is_sent_away() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 1;
    let running = Running::start(config).await;
    let (mut inside, mut session) = join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
    let mut late = running.connect().await;
    late.expect("* BYE [UNAVAILABLE] ").await;
    assert_eq!(late.rest().await, b"");
    inside.send("b NOOP\r\n").await;
    session.command("NOOP").await;
    session.send("b OK\r\n").await;
    assert_eq!(inside.line().await, "b OK");
}

#[tokio::test]
async fn an_account_has_a_limit_of_its_own() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    let mut limited = account("bob@example.org", &upstream, &endpoint.url);
    limited.imap.as_mut().unwrap().connection_limit = 1;
    config.accounts.push(Arc::new(limited));
    let running = Running::start(config).await;
    let (mut first, mut session) = join!(
        running.logged_in("bob@example.org"),
        upstream.let_in("bob@example.org", "good-token")
    );
    let mut second = running.greeted().await;
    second.send("a LOGIN bob@example.org \"local secret\"\r\n").await;
    second.expect("a NO [LIMIT] ").await;
    // The other account is not concerned.
    join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
    first.close().await;
    join!(first.rest(), async {
        session.rest().await;
        session.close().await;
    });
    // The place is free again.
    join!(
        async {
            second.send("b LOGIN bob@example.org \"local secret\"\r\n").await;
            second.expect("b OK ").await;
        },
        upstream.let_in("bob@example.org", "good-token"),
    );
}

#[tokio::test]
async fn too_many_wrong_logins_end_the_connection() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let mut client = running.greeted().await;
    for _ in 0..3 {
        client.send("a LOGIN alice@example.org wrong\r\n").await;
        client.expect("a NO [AUTHENTICATIONFAILED] ").await;
    }
    let last = String::from_utf8(client.rest().await).unwrap();
    assert!(last.starts_with("* BYE "), "{last:?}");
}

#[tokio::test]
async fn a_login_behind_the_last_wrong_one_is_not_called_wrong() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.login_failures_per_connection = 1;
    let running = Running::start(config).await;
    let mut client = running.greeted().await;
    let wrong = "a LOGIN alice@example.org wrong\r\n";
    client.send(&format!("{wrong}b LOGIN alice@example.org \"local secret\"\r\n")).await;
    client.expect("a NO [AUTHENTICATIONFAILED] ").await;
    client.expect("* BYE ").await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn whoever_never_logs_in_is_sent_away() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.deadlines.login = Duration::from_millis(100);
    let running = Running::start(config).await;
    let mut client = running.greeted().await;
    let last = String::from_utf8(client.rest().await).unwrap();
    assert!(last.starts_with("* BYE "), "{last:?}");
}

#[tokio::test]
async fn a_burst_is_greeted_to_the_last() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 600;
    let running = Running::start(config).await;
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(running.connect().await);
    }
    for client in &mut clients {
        client.expect("* OK ").await;
    }
}

#[tokio::test]
async fn a_right_password_is_no_wrong_login_whatever_the_refusal_looks_like() {
    let upstream = Upstream::start().await;
    let endpoint = Endpoint::start(&[(400, r#"{"error":"invalid_client"}"#)]).await;
    let mut config = config(&upstream, &endpoint.url);
    config.signin_refusal = SigninRefusal::Credentials;
    // Longer than this test may take.
    config.deadlines.failed_login_delay = Duration::from_secs(3600);
    let running = Running::start(config).await;
    let mut client = running.greeted().await;
    for attempt in 0..4 {
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        if attempt == 0 {
            client.expect("* NO [ALERT] ").await;
        }
        client.expect("a NO [AUTHENTICATIONFAILED] ").await;
    }
    client.send("b NOOP\r\n").await;
    client.expect("b OK ").await;
}
