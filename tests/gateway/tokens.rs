//! What the client hears when tokens or the upstream's opinion of them are at fault.

use tokio::join;

use crate::support::{
    Running, account, config,
    endpoint::{Endpoint, GOOD},
    upstream::Upstream,
};

const STALE: &str = r#"{"access_token":"stale-token","token_type":"Bearer","expires_in":3600}"#;

#[tokio::test]
async fn one_refused_token_is_replaced_without_the_client_noticing() {
    let upstream = Upstream::start().await;
    let endpoint = Endpoint::start(&[(200, STALE), (200, GOOD)]).await;
    let running = Running::eager(config(&upstream, &endpoint.url)).await;
    let server = async {
        let (mut session, tag, _) = upstream.asked().await;
        session.send(&format!("{tag} NO AUTHENTICATE failed.\r\n")).await;
        upstream.let_in("alice@example.org", "good-token").await
    };
    join!(running.logged_in("alice@example.org"), server);
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn an_upstream_that_always_refuses_causes_no_storm() {
    let upstream = Upstream::start().await;
    let endpoint = Endpoint::start(&[(200, STALE), (200, GOOD)]).await;
    let running = Running::eager(config(&upstream, &endpoint.url)).await;
    let client = async {
        for tag in ["a", "b", "c"] {
            let mut client = running.greeted().await;
            client.send(&format!("{tag} LOGIN alice@example.org \"local secret\"\r\n")).await;
            client.expect(&format!("{tag} NO [CONTACTADMIN] ")).await;
        }
    };
    let server = async {
        // The first login: the token and its forced successor. Then one attempt each.
        for _ in 0..4 {
            let (mut session, tag, _) = upstream.asked().await;
            session.send(&format!("{tag} NO AUTHENTICATE failed.\r\n")).await;
        }
    };
    join!(client, server);
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn a_young_token_is_not_replaced() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a NO [CONTACTADMIN] ").await;
    };
    let server = async {
        let (mut session, tag, _) = upstream.asked().await;
        session.send(&format!("{tag} NO AUTHENTICATE failed.\r\n")).await;
    };
    join!(client, server);
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn an_error_challenge_is_answered_by_the_gateway() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a NO [CONTACTADMIN] ").await;
        client.send("b NOOP\r\n").await;
        client.expect("b OK ").await;
    };
    let server = async {
        let (mut session, tag, _) = upstream.asked().await;
        session.send("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n").await;
        assert_eq!(session.line().await, "");
        session.send(&format!("{tag} NO SASL authentication failed\r\n")).await;
    };
    join!(client, server);
}

#[tokio::test]
async fn access_to_the_mailbox_is_checked_before_the_verdict() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a NO [CONTACTADMIN] ").await;
    };
    let server = async {
        let (mut session, tag, _) = upstream.asked().await;
        session.send(&format!("{tag} OK AUTHENTICATE completed.\r\n")).await;
        let tag = session.command("CAPABILITY").await;
        session
            .send(&format!(
                "{tag} BAD User is authenticated but not connected.\r\n* BYE Connection closed. 14\r\n"
            ))
            .await;
    };
    join!(client, server);
}

#[tokio::test]
async fn a_failing_endpoint_never_looks_like_a_wrong_password() {
    let upstream = Upstream::start().await;
    for (code, body, expected) in [
        (503, "down", "a NO [UNAVAILABLE] "),
        (200, "<html>welcome to the hotel</html>", "a NO [UNAVAILABLE] "),
        (400, r#"{"error":"invalid_client","error_codes":[7000222]}"#, "* NO [ALERT] "),
        (400, r#"{"error":"invalid_grant","error_codes":[700082]}"#, "* NO [ALERT] "),
    ] {
        let endpoint = Endpoint::start(&[(code, body)]).await;
        let running = Running::start(config(&upstream, &endpoint.url)).await;
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        let line = client.expect(expected).await;
        if line.starts_with("* ") {
            client.expect("a NO [UNAVAILABLE] ").await;
            // The alert is shown once an hour, the answer always.
            client.send("b LOGIN alice@example.org \"local secret\"\r\n").await;
            client.expect("b NO [UNAVAILABLE] ").await;
        }
    }
}

#[tokio::test]
async fn ten_logins_at_once_make_one_request() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let clients = async {
        let mut tasks = Vec::new();
        for _ in 0..10 {
            tasks.push(running.logged_in("alice@example.org"));
        }
        futures_all(tasks).await
    };
    let servers = async {
        let mut sessions = Vec::new();
        for _ in 0..10 {
            sessions.push(upstream.let_in("alice@example.org", "good-token").await);
        }
        sessions
    };
    join!(clients, servers);
    assert_eq!(endpoint.requests(), 1);
}

/// Runs all of them at once on this task.
async fn futures_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).map(Some).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|context| {
        for slot in &mut waiting {
            if let Some(future) = slot
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                outputs.push(output);
                *slot = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs
}

#[tokio::test]
async fn a_slow_endpoint_holds_up_nobody_else() {
    let upstream = Upstream::start().await;
    let (slow, quick) = (Endpoint::good().await, Endpoint::good().await);
    slow.hold();
    let mut config = config(&upstream, &slow.url);
    config.accounts.push(account("bob@example.org", &upstream, &quick.url).into());
    let running = Running::start(config).await;
    let mut waiting = running.greeted().await;
    waiting.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    join!(running.logged_in("bob@example.org"), upstream.let_in("bob@example.org", "good-token"),);
    slow.release();
    join!(waiting.expect("a OK "), upstream.let_in("alice@example.org", "good-token"));
}
