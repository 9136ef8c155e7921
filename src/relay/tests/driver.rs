//! Through pipes in memory, with a paused clock: it moves on only when nobody has anything to do, so
//! a relay that span would never let it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, split},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Marks, followed, strewn};
use crate::{
    proto::{
        Refusal, RefusalReason, Relay, Side,
        smtp::{extension::Extensions, relay::SmtpRelay},
    },
    relay::{Early, EndCause, Ended, Options, buffer::CAPACITY, run},
    stream::Stream,
    tap::Tap,
};

pub(super) const LINGER: Duration = Duration::from_secs(60);

const IDLE: Duration = Duration::from_secs(900);

const VERDICT: Duration = Duration::from_secs(5);

pub(super) fn options(stop: &CancellationToken) -> Options {
    Options {
        on_delivery: Box::new(|_| ()),
        linger: LINGER,
        idle: IDLE,
        verdict: VERDICT,
        stop: stop.clone(),
        farewell: Refusal::new(RefusalReason::ShuttingDown, "see you"),
        tap: None,
    }
}

struct Rig {
    client: DuplexStream,
    server: DuplexStream,
    stop: CancellationToken,
    relay: JoinHandle<Ended>,
}

/// A relay between two pipes that take `pipe` octets each way.
fn rig(pipe: usize) -> Rig {
    rig_with(Box::new(Marks::default()), pipe)
}

fn rig_with(eye: Box<dyn Relay>, pipe: usize) -> Rig {
    let (client, downstream) = tokio::io::duplex(pipe);
    let (server, upstream) = tokio::io::duplex(pipe);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(run(
        Stream::Clear(downstream),
        Stream::Clear(upstream),
        eye,
        Early::default(),
        options(&stop),
    ));
    Rig { client, server, stop, relay }
}

async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    String::from_utf8(all).unwrap()
}

async fn expect(stream: &mut DuplexStream, text: &str) {
    let mut got = vec![0; text.len()];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn both_directions_at_once_through_pipes_of_any_width() {
    for pipe in [1, 37, 1000, 200_000] {
        let length = 300.max(pipe * 2);
        let (from_client, from_server) = (strewn(length, b"%^", 11), strewn(length, b"%^", 12));
        let Rig { client, server, relay, .. } = rig(pipe);
        let ((mut client_read, mut client_write), (mut server_read, mut server_write)) =
            (split(client), split(server));
        let (said, answer) = (from_client.clone(), from_server.clone());
        let talking = tokio::spawn(async move {
            client_write.write_all(&said).await.unwrap();
            client_write.shutdown().await.unwrap();
        });
        let answering = tokio::spawn(async move {
            server_write.write_all(&answer).await.unwrap();
            server_write
        });
        let heard = rest(&mut server_read).await;
        assert!(heard.as_bytes() == followed(&from_client), "pipe of {pipe}");
        // The client has closed its half; the server has not.
        answering.await.unwrap().shutdown().await.unwrap();
        assert!(rest(&mut client_read).await.as_bytes() == followed(&from_server), "{pipe}");
        talking.await.unwrap();
        let ended = relay.await.unwrap();
        assert!(matches!(ended.cause, EndCause::ClientClosed), "{}", ended.cause);
        assert_eq!(ended.from_client, length as u64);
        assert_eq!(ended.to_client, followed(&from_server).len() as u64);
    }
}

/// The older proxy lost half of these.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_all_of_it_after_the_server_has_gone() {
    let mail = strewn(8 * 1024 * 1024, b"", 21);
    let Rig { mut client, mut server, relay, .. } = rig(16 * 1024);
    let sent = mail.clone();
    let sending = tokio::spawn(async move { server.write_all(&sent).await.unwrap() });
    let mut got = Vec::new();
    // Slower in all than any deadline.
    while client.read_buf(&mut got).await.unwrap() > 0 {
        sleep(LINGER / 2).await;
    }
    assert!(got == mail);
    sending.await.unwrap();
    drop(client);
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::UpstreamClosed), "{}", ended.cause);
    assert_eq!(ended.to_client, mail.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_stops_the_server_and_costs_nothing() {
    let pipe = 8 * 1024;
    let Rig { client, mut server, relay, .. } = rig(pipe);
    let mail = strewn(1024 * 1024, b"", 22);
    let mut sent = 0;
    let stalled = async {
        while sent < mail.len() {
            sent += server.write(&mail[sent..]).await.unwrap();
        }
    };
    // The clock would stand still while the relay is busy.
    tokio::select! {
        () = stalled => panic!("everything was taken in"),
        () = sleep(IDLE - Duration::from_secs(1)) => {}
    }
    assert!((CAPACITY / 2..=pipe + CAPACITY + pipe).contains(&sent), "{sent} taken in");
    drop((client, server));
    relay.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sent_before_it_went_arrives() {
    let message = strewn(3 * CAPACITY, b"", 23);
    let Rig { mut client, mut server, relay, .. } = rig(1024);
    // Something is on its way to the client, which it will never read.
    server.write_all(&strewn(CAPACITY / 2, b"", 24)).await.unwrap();
    let sent = message.clone();
    let sending = tokio::spawn(async move { client.write_all(&sent).await.unwrap() });
    assert!(rest(&mut server).await.as_bytes() == message);
    sending.await.unwrap();
    drop(server);
    assert!(!matches!(relay.await.unwrap().cause, EndCause::Stalled(_)));
}

#[tokio::test(start_paused = true)]
async fn what_a_server_sent_before_it_went_arrives() {
    let Rig { mut client, mut server, relay, .. } = rig(512);
    let upload = strewn(2 * CAPACITY, b"", 25);
    server.write_all(b"* BYE too large\n").await.unwrap();
    drop(server);
    // Nobody takes it any more, but a client must not be stopped before it has seen the answer.
    client.write_all(&upload).await.unwrap();
    assert_eq!(rest(&mut client).await, "* BYE too large\n");
    drop(client);
    assert_eq!(relay.await.unwrap().from_client, upload.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_may_linger_after_the_client_has_closed() {
    let Rig { mut client, mut server, relay, .. } = rig(512);
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, "");
    for _ in 0..3 {
        sleep(LINGER - Duration::from_secs(1)).await;
        server.write_all(b"x").await.unwrap();
    }
    let silent_from = Instant::now();
    let ended = relay.await.unwrap();
    assert_eq!(silent_from.elapsed().as_secs(), LINGER.as_secs());
    assert!(matches!(ended.cause, EndCause::ClientClosed), "{}", ended.cause);
    assert_eq!(rest(&mut client).await, "xxx");
}

#[tokio::test(start_paused = true)]
async fn a_session_in_which_nothing_passes_ends() {
    let Rig { mut client, mut server, relay, .. } = rig(512);
    for _ in 0..3 {
        sleep(IDLE - Duration::from_secs(1)).await;
        client.write_all(b"x").await.unwrap();
    }
    let silent_from = Instant::now();
    assert_eq!(
        rest(&mut client).await,
        "BYE Nothing has passed for too long; please log in again\n"
    );
    assert_eq!(silent_from.elapsed().as_secs(), IDLE.as_secs());
    assert_eq!(rest(&mut server).await, "xxx");
    drop((client, server));
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::Idle), "{}", ended.cause);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_not_there_for_ever() {
    let Rig { client, mut server, relay, .. } = rig(512);
    let sending = tokio::spawn(async move {
        let _ = server.write_all(&[b'x'; 10 * CAPACITY]).await;
    });
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::Idle), "{}", ended.cause);
    sending.await.unwrap();
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_takes_the_rest_is_left() {
    let Rig { client, mut server, relay, .. } = rig(512);
    server.write_all(&[b'x'; 2000]).await.unwrap();
    drop(server);
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::Stalled(Side::Downstream)), "{}", ended.cause);
    assert_eq!(ended.to_client, 512);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_to_nobody_is_left() {
    let Rig { mut client, server, relay, .. } = rig(512);
    drop(server);
    let sending = tokio::spawn(async move {
        while client.write_all(b"NOOP\n").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert!(matches!(relay.await.unwrap().cause, EndCause::UpstreamClosed));
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_says_goodbye_between_two_responses() {
    let Rig { mut client, mut server, stop, relay } = rig(512);
    client.write_all(b"c").await.unwrap();
    server.write_all(b"ok\n").await.unwrap();
    expect(&mut client, "ok\n").await;
    let stopped_at = Instant::now();
    stop.cancel();
    assert_eq!(rest(&mut client).await, "BYE see you\n");
    assert_eq!(rest(&mut server).await, "c");
    assert!(matches!(relay.await.unwrap().cause, EndCause::Stopped));
    assert_eq!(stopped_at.elapsed(), Duration::ZERO, "a quiet client was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_stop_says_nothing_within_a_response_and_waits_for_a_slow_client_only_so_long() {
    let Rig { client, mut server, stop, relay } = rig(512);
    server.write_all(&[b'x'; 2000]).await.unwrap();
    stop.cancel();
    let stopped_at = Instant::now();
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::Stopped), "{}", ended.cause);
    assert_eq!(stopped_at.elapsed().as_secs(), LINGER.as_secs());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_became_of_a_message_only_so_long() {
    let Rig { mut client, mut server, stop, relay } =
        rig_with(Box::new(SmtpRelay::new(Extensions::UNKNOWN, &[])), 512);
    for (said, reply) in [("DATA\r\n", "354 go\r\n"), (".\r\n", "")] {
        client.write_all(said.as_bytes()).await.unwrap();
        expect(&mut server, said).await;
        server.write_all(reply.as_bytes()).await.unwrap();
        expect(&mut client, reply).await;
    }
    let stopped_at = Instant::now();
    stop.cancel();
    assert_eq!(rest(&mut client).await, "421 4.3.2 see you\r\n");
    assert_eq!(stopped_at.elapsed(), VERDICT);
    assert!(matches!(relay.await.unwrap().cause, EndCause::Stopped));
    assert_eq!(stopped_at.elapsed(), VERDICT);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_fills_up_waits_for_the_server_and_then_ends() {
    let Rig { mut client, mut server, relay, .. } = rig(512);
    let held = [&b"?"[..], &strewn(2 * CAPACITY, b"", 26)].concat();
    let sending = tokio::spawn(async move {
        let _ = client.write_all(&held).await;
        client
    });
    sleep(LINGER / 2).await;
    server.write_all(b".").await.unwrap();
    let mut got = vec![0; 2 * CAPACITY];
    server.read_exact(&mut got).await.unwrap();
    let mut client = sending.await.unwrap();
    client.write_all(&[b'?'; CAPACITY + 512]).await.unwrap();
    let ended = relay.await.unwrap();
    assert!(matches!(ended.cause, EndCause::Fault(_)), "{}", ended.cause);
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_is_read_and_what_is_written() {
    #[derive(Default)]
    struct Ear(Mutex<Vec<String>>);
    impl Tap for Ear {
        fn saw(&self, connection: u64, side: Side, from_peer: bool, bytes: &[u8]) {
            let text = std::str::from_utf8(bytes).unwrap();
            self.0.lock().unwrap().push(format!("{connection} {side:?} {from_peer} {text}"));
        }
    }
    let ear = Arc::new(Ear::default());
    let (mut client, downstream) = tokio::io::duplex(512);
    let (mut server, upstream) = tokio::io::duplex(512);
    let relay = tokio::spawn(run(
        Stream::Clear(downstream),
        Stream::Clear(upstream),
        Box::new(Marks::default()),
        Early::default(),
        Options { tap: Some((9, ear.clone())), ..options(&CancellationToken::new()) },
    ));
    client.write_all(b"a%").await.unwrap();
    expect(&mut server, "a<percent>").await;
    drop((client, server));
    relay.await.unwrap();
    let heard = ear.0.lock().unwrap().join("; ");
    assert_eq!(heard, "9 Downstream true a%; 9 Upstream false a; 9 Upstream false <percent>");
}

/// Takes writes at once but lets go of them only when flushed, as TLS may.
struct Hoarder {
    pipe: DuplexStream,
    hoard: Vec<u8>,
}

impl AsyncRead for Hoarder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hoarder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.hoard.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.hoard.is_empty() {
            let Self { pipe, hoard } = &mut *self;
            let count = ready!(Pin::new(pipe).poll_write(cx, hoard))?;
            hoard.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(self.hoard.is_empty(), "shut down before the flush");
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_written_is_flushed() {
    let (mut client, pipe) = tokio::io::duplex(16);
    let (mut server, upstream) = tokio::io::duplex(512);
    let relay = tokio::spawn(run(
        Stream::Clear(Hoarder { pipe, hoard: Vec::new() }),
        Stream::Clear(upstream),
        Box::new(Marks::default()),
        Early::default(),
        options(&CancellationToken::new()),
    ));
    let long = "a line that is longer than the pipe is wide\n";
    server.write_all(long.as_bytes()).await.unwrap();
    expect(&mut client, long).await;
    server.write_all(long.as_bytes()).await.unwrap();
    drop(server);
    assert_eq!(rest(&mut client).await, long);
    drop(client);
    relay.await.unwrap();
}

#[tokio::test]
async fn a_relay_at_rest_is_small() {
    let (_client, downstream) = tokio::io::duplex(16);
    let (_server, upstream) = tokio::io::duplex(16);
    let future = run(
        Stream::Clear(downstream),
        Stream::Clear(upstream),
        Box::new(Marks::default()),
        Early::default(),
        options(&CancellationToken::new()),
    );
    let size = size_of_val(&future);
    assert!(size <= 1024, "{size} octets");
}
