//! Peers that break off, stall or flood.

use std::time::Duration;

use tokio::{io::AsyncReadExt, join};

use crate::support::{Running, config, endpoint::Endpoint, in_time, upstream::Upstream};

#[tokio::test]
async fn a_server_that_closes_inside_a_literal_loses_nothing_that_it_sent() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let client = async {
        let mut client = running.logged_in("alice@example.org").await;
        client.send("b FETCH 1 BODY[]\r\n").await;
        assert_eq!(client.rest().await, b"* 1 FETCH (BODY[] {1000}\r\nonly this much");
    };
    let server = async {
        let mut session = upstream.let_in("alice@example.org", "good-token").await;
        session.command("FETCH").await;
        session.send("* 1 FETCH (BODY[] {1000}\r\nonly this much").await;
        session.close().await;
    };
    join!(client, server);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_login_frees_its_place() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.limits.connections_per_listener = 1;
    let running = Running::start(config).await;
    for half in ["", "a LOG", "a LOGIN {5}\r\n", "a LOGIN {5+}\r\nal", "a AUTHENTICATE PLAIN\r\n"] {
        let mut client = running.greeted().await;
        client.send(half).await;
        client.close().await;
        client.rest().await;
    }
    join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte_after_the_server_has_gone() {
    const OCTETS: usize = 8 << 20;
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let message: Vec<u8> = (0..OCTETS).map(|place| (place * 7 / 3) as u8).collect();
    let (gone, server_gone) = tokio::sync::oneshot::channel();
    let client = async {
        let mut client = running.logged_in("alice@example.org").await;
        client.send("b FETCH 1 BODY[]\r\n").await;
        // Not one byte is read before the server has said all and closed, as far as buffers allow.
        let _ = tokio::time::timeout(Duration::from_millis(500), server_gone).await;
        client.expect(&format!("* 1 FETCH (BODY[] {{{OCTETS}}}")).await;
        assert!(client.read(OCTETS).await == message, "the message has changed");
        assert_eq!(client.rest().await, b")\r\nb OK\r\n");
    };
    let server = async {
        let mut session = upstream.let_in("alice@example.org", "good-token").await;
        session.command("FETCH").await;
        session.send(&format!("* 1 FETCH (BODY[] {{{OCTETS}}}\r\n")).await;
        session.send_bytes(&message).await;
        session.send(")\r\nb OK\r\n").await;
        session.close().await;
        let _ = gone.send(());
    };
    join!(client, server);
}

#[tokio::test]
async fn a_reader_that_stops_is_felt_by_no_other() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let (mut stalled, mut flooding) = join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
    let (mut other, mut serving) = join!(
        running.logged_in("alice@example.org"),
        upstream.let_in("alice@example.org", "good-token")
    );
    stalled.send("b FETCH 1:* BODY[]\r\n").await;
    flooding.command("FETCH").await;
    let flood = async {
        use tokio::io::AsyncWriteExt;
        let chunk = vec![b'x'; 1 << 16];
        flooding.send(&format!("* 1 FETCH (BODY[] {{{}}}\r\n", 100 << 20)).await;
        // Ends when the gateway takes no more.
        while tokio::time::timeout(Duration::from_millis(300), flooding.stream.write_all(&chunk))
            .await
            .is_ok()
        {}
    };
    in_time(flood).await;
    for _ in 0..20 {
        other.send("c NOOP\r\n").await;
        assert_eq!(serving.line().await, "c NOOP");
        serving.send("c OK\r\n").await;
        assert_eq!(other.line().await, "c OK");
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_off() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(config(&upstream, &endpoint.url)).await;
    let mut client = running.greeted().await;
    client.send(&format!("a LOGIN {}", "x".repeat(20_000))).await;
    let last = String::from_utf8(client.rest().await).unwrap();
    assert!(last.starts_with("* BYE ") || last.starts_with("* BAD "), "{last:?}");
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_given_up() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let mut config = config(&upstream, &endpoint.url);
    config.deadlines.upstream_answer = Duration::from_millis(200);
    let running = Running::start(config).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
        client.expect("a NO [UNAVAILABLE] ").await;
    };
    let (_silent, ()) = join!(upstream.accept(), client);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_passing_fault() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let config = config(&upstream, &endpoint.url);
    drop(upstream);
    let running = Running::start(config).await;
    let mut client = running.greeted().await;
    client.send("a LOGIN alice@example.org \"local secret\"\r\n").await;
    client.expect("a NO [UNAVAILABLE] ").await;
}

/// Deadlines longer than a test may take, so that nothing but the client can end the attempt.
fn patient(upstream: &Upstream, endpoint: &Endpoint) -> saslgate::config::Config {
    let mut config = config(upstream, &endpoint.url);
    config.deadlines.upstream_answer = Duration::from_secs(3600);
    config.deadlines.verdict = Duration::from_secs(3600);
    config
}

#[tokio::test]
async fn a_client_that_hangs_up_during_its_login_ends_the_attempt() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(patient(&upstream, &endpoint)).await;
    for reset in [true, false] {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org \"local secret\"\r\nb NOOP\r\n").await;
        let (mut session, _, _) = upstream.asked().await;
        if reset {
            client.stream.get_ref().set_zero_linger().unwrap();
        }
        drop(client);
        let mut rest = Vec::new();
        // The gateway has no reason for a goodbye here.
        let _ = in_time(session.stream.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_client_that_pipes_its_commands_and_says_that_this_is_all_gets_its_answers() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(patient(&upstream, &endpoint)).await;
    let client = async {
        let mut client = running.greeted().await;
        client.send("a LOGIN alice@example.org wrong\r\n").await;
        client.send("b LOGIN alice@example.org \"local secret\"\r\nc NOOP\r\n").await;
        client.close().await;
        client.expect("a NO [AUTHENTICATIONFAILED] ").await;
        client.expect("b OK ").await;
        assert_eq!(client.rest().await, b"c OK nothing\r\n");
    };
    let server = async {
        let mut session = upstream.let_in("alice@example.org", "good-token").await;
        assert_eq!(session.line().await, "c NOOP");
        session.send("c OK nothing\r\n").await;
        assert_eq!(session.rest().await, b"");
        session.close().await;
    };
    join!(client, server);
}

#[tokio::test]
async fn what_is_sent_during_a_login_arrives_once_and_in_order() {
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let running = Running::start(patient(&upstream, &endpoint)).await;
    let mut client = running.greeted().await;
    client.send("a LOGIN alice@example.org \"local secret\"\r\nb LOG").await;
    let (session, _, _) = upstream.asked().await;
    client.send("IN alice@example.org \"local sec").await;
    drop(session);
    client.expect("a NO [UNAVAILABLE] ").await;
    client.send("ret\"\r\nc NO").await;
    let (mut session, tag, _) = upstream.asked().await;
    client.send("OP\r\nd NO").await;
    session.send(&format!("{tag} OK done\r\n")).await;
    let tag = session.command("CAPABILITY").await;
    client.send("OP\r\ne N").await;
    session.send(&format!("* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n")).await;
    client.expect("b OK ").await;
    client.send("OOP\r\n").await;
    for expected in ["c NOOP", "d NOOP", "e NOOP"] {
        assert_eq!(session.line().await, expected);
    }
}
