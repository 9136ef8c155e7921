//! Moves bytes between two streams and a [`Duplex`], in one task and without a lock. The hard thing
//! is to be polled for four reasons at once and to forget none: whatever could go on has either
//! just answered "not now", and will wake the task, or is not wanted.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{Duplex, Early, Ended, Options, Patience};
use crate::{
    proto::{Delivery, Relay, Side},
    stream::Stream,
    tap::Wiretap,
};

/// Passes both directions on until both sides have ended, or one has and the other stands still.
///
/// Not an `async fn`: that would keep the streams twice in the future, and most futures are idle.
pub fn run<D, U>(
    downstream: Stream<D>,
    upstream: Stream<U>,
    relay: Box<dyn Relay>,
    early: Early,
    options: Options,
) -> impl Future<Output = Ended>
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let Options { linger, idle, verdict, stop, farewell, tap, on_delivery } = options;
    let waits = Waits { linger, idle, verdict };
    // Every poll locks its own token's state: a token that all sessions share would be contended.
    let stop = stop.child_token();
    let mut driver = Driver {
        downstream: End { stream: downstream, side: Side::Downstream, unflushed: false },
        upstream: End { stream: upstream, side: Side::Upstream, unflushed: false },
        duplex: Duplex::new(relay, early),
        tap,
        on_delivery,
        deadline: Deadline { waits, patience: Patience::Idle, seen: 0, sleep: None },
    };
    async move {
        let mut stopped = pin!(stop.cancelled());
        let mut stopping = false;
        std::future::poll_fn(|cx| {
            if !stopping && stopped.as_mut().poll(cx).is_ready() {
                stopping = true;
                driver.duplex.stop(&farewell);
            }
            driver.poll(cx)
        })
        .await;
        driver.duplex.into_ended()
    }
}

struct Driver<D, U> {
    downstream: End<D>,
    upstream: End<U>,
    duplex: Duplex,
    tap: Wiretap,
    on_delivery: Box<dyn FnMut(Delivery) + Send>,
    deadline: Deadline,
}

impl<D, U> Driver<D, U>
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { downstream, upstream, duplex, tap, on_delivery, deadline } = self;
        // First, since a busy stream may use up the task's share before the end.
        deadline.poll(cx, duplex);
        for _ in 0..TURNS {
            let mut moved = downstream.poll_read(cx, duplex, tap);
            moved |= upstream.poll_read(cx, duplex, tap);
            moved |= upstream.poll_write(cx, duplex, tap);
            moved |= downstream.poll_write(cx, duplex, tap);
            while let Some(delivery) = duplex.poll_delivery() {
                on_delivery(delivery);
            }
            if duplex.is_finished() {
                return Poll::Ready(());
            }
            if !moved && !deadline.poll(cx, duplex) {
                duplex.settle();
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One of the two streams.
struct End<S> {
    stream: Stream<S>,
    side: Side,
    /// Something was written since the last flush.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> End<S> {
    /// Reads while there is something to read and room for it; tells whether anything came of it.
    /// TLS gives a record at a time, so several reads together make a worthwhile write.
    fn poll_read(&mut self, cx: &mut Context<'_>, duplex: &mut Duplex, tap: &Wiretap) -> bool {
        for reads in 0..READS {
            let Some(space) = duplex.space(self.side) else { return reads > 0 };
            let mut space = ReadBuf::new(space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut space) {
                Poll::Pending => {
                    duplex.handle_quiet(self.side);
                    return reads > 0;
                }
                Poll::Ready(Err(error)) => {
                    duplex.handle_read_error(self.side, error);
                    return true;
                }
                Poll::Ready(Ok(())) => {}
            }
            let count = space.filled().len();
            if count == 0 {
                duplex.handle_eof(self.side);
                return true;
            }
            tell(tap, self.side, true, space.filled());
            duplex.filled(self.side, count);
        }
        true
    }

    /// Writes while there is something to write and the peer takes it, then flushes, then shuts
    /// down if it is time to; tells whether anything came of it.
    fn poll_write(&mut self, cx: &mut Context<'_>, duplex: &mut Duplex, tap: &Wiretap) -> bool {
        let mut moved = false;
        while !duplex.pending(self.side).is_empty() {
            let pending = duplex.pending(self.side);
            match Pin::new(&mut self.stream).poll_write(cx, pending) {
                Poll::Pending => return moved,
                Poll::Ready(Ok(0)) => return self.give_up(duplex, io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return self.give_up(duplex, error),
                Poll::Ready(Ok(count)) => {
                    tell(tap, self.side, false, pending.get(..count).unwrap_or_default());
                    duplex.written(self.side, count);
                    self.unflushed = true;
                    moved = true;
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => return moved,
                Poll::Ready(Err(error)) => return self.give_up(duplex, error),
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    duplex.handle_flushed();
                }
            }
        }
        if duplex.wants_shutdown(self.side) {
            // A peer that is gone already cannot be told goodbye: that is no fault.
            let Poll::Ready(_) = Pin::new(&mut self.stream).poll_shutdown(cx) else { return moved };
            duplex.handle_shutdown(self.side);
            moved = true;
        }
        moved
    }

    fn give_up(&mut self, duplex: &mut Duplex, error: io::Error) -> bool {
        self.unflushed = false;
        duplex.handle_write_error(self.side, error);
        true
    }
}

fn tell(tap: &Wiretap, side: Side, from_peer: bool, bytes: &[u8]) {
    if let Some((connection, tap)) = tap {
        tap.saw(*connection, side, from_peer, bytes);
    }
}

/// See [`Options`].
struct Waits {
    linger: Duration,
    idle: Duration,
    verdict: Duration,
}

/// The one clock.
struct Deadline {
    waits: Waits,
    patience: Patience,
    /// The progress at the time that the deadline counts from.
    seen: u64,
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Deadline {
    /// Tells whether the time was up, in which case the duplex has been told.
    fn poll(&mut self, cx: &mut Context<'_>, duplex: &mut Duplex) -> bool {
        let patience = duplex.patience();
        let restarts = self.patience != patience;
        let extends = matches!(patience, Patience::Idle | Patience::WhileBytesPass);
        let passed = extends && self.seen != duplex.progress();
        (self.patience, self.seen) = (patience, duplex.progress());
        if restarts {
            // The new wait may be the shorter one.
            self.sleep = None;
        }
        let wait = match patience {
            Patience::Idle => self.waits.idle,
            Patience::Verdict => self.waits.verdict,
            Patience::WhileBytesPass | Patience::Fixed => self.waits.linger,
        };
        let deadline = || Instant::now() + wait;
        let (until, sleep) = self.sleep.get_or_insert_with(|| {
            let until = deadline();
            (until, Box::pin(sleep_until(until)))
        });
        if passed {
            *until = deadline();
        }
        // The timer itself is moved only when it fires, not with every byte.
        while sleep.as_mut().poll(cx).is_ready() {
            if *until <= Instant::now() {
                self.sleep = None;
                duplex.handle_deadline();
                return true;
            }
            sleep.as_mut().reset(*until);
        }
        false
    }
}

/// Rounds in one poll, before other tasks get their turn.
const TURNS: usize = 16;

/// Reads in one round, before it is the other direction's turn.
const READS: usize = 16;
