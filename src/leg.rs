//! One leg of a connection before the relay: the one loop that moves bytes between a stream and a
//! machine. The hard thing is the order: everything a machine transmits is on the wire before its
//! event is acted on, so a go-ahead for STARTTLS precedes the handshake and a refusal the close.

use std::{io, time::Duration};

use bytes::BytesMut;
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
}

impl<S: AsyncRead + AsyncWrite + Unpin> Leg<S> {
    /// A leg of the connection `number`, over a stream that is still in clear.
    pub fn new(stream: S, side: Side, number: u64, tap: Wiretap) -> Self {
        Self { stream: Stream::Clear(stream), side, number, tap }
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
            self.note(true, &input);
            machine.handle_input(&input);
            // Before login the input may hold a password.
            crate::secret::wipe(&mut input);
        }
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

    /// The transport, for a handshake.
    pub fn stream_mut(&mut self) -> &mut Stream<S> {
        &mut self.stream
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

/// Login dialogues are short lines; a token answer may be some kilobytes.
const READ_SIZE: usize = 4096;
/// Octets that are read for nobody before a close.
const DISCARDED: usize = 256 * 1024;
