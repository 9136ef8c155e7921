//! One leg of a connection before the relay: the one loop that moves bytes between a stream and a
//! machine. The hard thing is the order: everything a machine transmits is on the wire before its
//! event is acted on, so a go-ahead for STARTTLS precedes the handshake and a refusal the close.

use std::{io, time::Duration};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tracing::trace;

use crate::{
    proto::{Machine, Output, Side},
    stream::Stream,
    tap::Wiretap,
};

/// A stream with its side and whoever listens in on it.
pub struct Leg<S> {
    stream: Stream<S>,
    side: Side,
    /// The connection's number in log lines.
    number: u64,
    tap: Wiretap,
    /// What came while nothing was asked for; the machine or the relay gets it first.
    read_ahead: BytesMut,
    /// The first octets that the peer sent, too few to hold a secret.
    opening: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Leg<S> {
    /// A leg of the connection `number`, over a stream that is still in clear.
    pub fn new(stream: S, side: Side, number: u64, tap: Wiretap) -> Self {
        let read_ahead = BytesMut::new();
        Self { stream: Stream::Clear(stream), side, number, tap, read_ahead, opening: Vec::new() }
    }

    /// Moves bytes until the machine has an event. The caller bounds the time.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closes, or the stream's own error.
    pub async fn next_event<M: Machine + ?Sized>(
        &mut self,
        machine: &mut M,
    ) -> io::Result<M::Event> {
        let mut input = BytesMut::new();
        // Before anything else, so that what came in clear behind a STARTTLS is seen as such.
        if !self.read_ahead.is_empty() {
            machine.handle_input(&self.read_ahead);
            crate::secret::wipe(&mut self.read_ahead);
            self.read_ahead.clear();
        }
        loop {
            while let Some(output) = machine.poll_output() {
                match output {
                    Output::Transmit(bytes) => self.transmit(&bytes).await?,
                    Output::Event(event) => {
                        self.stream.flush().await?;
                        return Ok(event);
                    }
                }
            }
            self.stream.flush().await?;
            input.clear();
            input.reserve(READ_SIZE);
            if self.stream.read_buf(&mut input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let missing = OPENING.saturating_sub(self.opening.len());
            self.opening.extend(input.iter().take(missing));
            self.note(true, &input);
            machine.handle_input(&input);
            // Before login the input may hold a password.
            crate::secret::wipe(&mut input);
        }
    }

    /// Resolves when the peer is gone, and until then takes a little of what it sends, unread.
    ///
    /// An end of its input alone is not yet a peer that is gone: one that pipes its commands closes
    /// its half behind the last of them and still waits for the answers, and on the wire this looks
    /// like a peer that has closed altogether. So such a peer gets five seconds more, under TLS
    /// as in clear; under TLS one that ends without a close_notify (RFC 8446 section 6.1) is gone at
    /// once. A peer that sends more than the little is no longer watched.
    pub async fn peer_gone(&mut self) -> io::Error {
        loop {
            let room = READ_SIZE.saturating_sub(self.read_ahead.len());
            if room == 0 {
                return std::future::pending().await;
            }
            // In full at once: a buffer that grows leaves copies behind.
            self.read_ahead.reserve(room);
            let read = self.stream.read_buf(&mut (&mut self.read_ahead).limit(room)).await;
            match read {
                Ok(0) => {
                    tokio::time::sleep(HALF_CLOSED).await;
                    return io::ErrorKind::UnexpectedEof.into();
                }
                Ok(count) => {
                    let kept = self.read_ahead.len().saturating_sub(count);
                    self.note(true, self.read_ahead.get(kept..).unwrap_or_default());
                }
                Err(error) => return error,
            }
        }
    }

    /// What was read and given to no machine.
    pub fn take_read_ahead(&mut self) -> BytesMut {
        std::mem::take(&mut self.read_ahead)
    }

    /// Sends what the machine has left to say, when no event is expected any more.
    pub async fn drain<M: Machine + ?Sized>(&mut self, machine: &mut M) -> io::Result<()> {
        while let Some(output) = machine.poll_output() {
            if let Output::Transmit(bytes) = output {
                self.transmit(&bytes).await?;
            }
        }
        self.stream.flush().await
    }

    /// Reads what has arrived already, for nobody. A socket that is closed with unread input is reset,
    /// and some systems then drop what their program has not read yet: our last words.
    pub async fn discard_received(&mut self) {
        let mut input = BytesMut::with_capacity(READ_SIZE);
        for _ in 0..DISCARDED / READ_SIZE {
            let read = self.stream.read_buf(&mut input);
            let read = tokio::time::timeout(Duration::ZERO, read).await;
            crate::secret::wipe(&mut input);
            input.clear();
            if !matches!(read, Ok(Ok(1..))) {
                return;
            }
        }
    }

    /// How the peer began, a few octets of it.
    pub fn opening(&self) -> &[u8] {
        &self.opening
    }

    /// The transport, for a handshake.
    pub fn stream_mut(&mut self) -> &mut Stream<S> {
        &mut self.stream
    }

    /// Who listens in.
    pub fn tap(&self) -> Wiretap {
        self.tap.clone()
    }

    /// Whether TLS is established.
    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Gives the transport to the relay; nothing can be said on this leg any more.
    pub fn take_stream(&mut self) -> Stream<S> {
        std::mem::replace(&mut self.stream, Stream::Broken)
    }

    async fn transmit(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.note(false, bytes);
        self.stream.write_all(bytes).await
    }

    /// The log gets the count alone: what is said before the relay is mostly secret.
    fn note(&self, from_peer: bool, bytes: &[u8]) {
        let action = if from_peer { "read" } else { "written" };
        trace!(connection = self.number, leg = ?self.side, octets = bytes.len(), "{action}");
        if let Some((connection, tap)) = &self.tap {
            tap.saw(*connection, self.side, from_peer, bytes);
        }
    }
}

impl<S> Drop for Leg<S> {
    fn drop(&mut self) {
        crate::secret::wipe(&mut self.read_ahead);
    }
}

/// Login dialogues are short lines; a token answer may be some kilobytes.
const READ_SIZE: usize = 4096;
/// Octets that are read for nobody before a close.
const DISCARDED: usize = 256 * 1024;
/// Octets that tell one protocol from another.
const OPENING: usize = 8;
/// How long a peer that sends nothing more is waited for.
const HALF_CLOSED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::proto::{DownstreamEvent, LocalTls, LoginBounds, imap::downstream::ImapDownstream};

    fn leg() -> (Leg<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        (Leg::new(ours, Side::Downstream, 1, None), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_watched_peer_sends_is_read_by_the_machine_later() {
        let (mut leg, mut peer) = leg();
        peer.write_all(b"A1 LOGIN a ").await.unwrap();
        let watched = timeout(Duration::from_secs(3600), leg.peer_gone()).await;
        assert!(watched.is_err(), "it is still there");
        peer.write_all(b"b\r\n").await.unwrap();
        let mut machine = ImapDownstream::new(LocalTls::Unavailable, LoginBounds::default());
        let event = leg.next_event(&mut machine).await.unwrap();
        assert!(matches!(event, DownstreamEvent::Login(login) if login.login == b"a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_ends_its_input_has_a_moment_left() {
        let (mut leg, mut peer) = leg();
        peer.write_all(b"A1 NOOP\r\n").await.unwrap();
        peer.shutdown().await.unwrap();
        let began = Instant::now();
        assert_eq!(leg.peer_gone().await.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(began.elapsed(), HALF_CLOSED);
        assert_eq!(leg.take_read_ahead(), &b"A1 NOOP\r\n"[..]);
    }

    #[tokio::test]
    async fn a_peer_is_remembered_by_its_first_octets() {
        let (mut leg, mut peer) = leg();
        peer.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03").await.unwrap();
        let mut machine = ImapDownstream::new(LocalTls::Unavailable, LoginBounds::default());
        let event = leg.next_event(&mut machine).await.unwrap();
        assert!(matches!(event, DownstreamEvent::Close));
        assert_eq!(leg.opening(), b"\x16\x03\x01\x02\x00\x01\x00\x01");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_left_where_it_is() {
        let (mut leg, mut peer) = leg();
        peer.write_all(&[b'x'; 1 << 16]).await.unwrap();
        drop(peer);
        assert!(timeout(Duration::from_secs(3600), leg.peer_gone()).await.is_err());
        assert_eq!(leg.take_read_ahead().len(), READ_SIZE);
    }
}
