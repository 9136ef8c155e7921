//! One connection as lines, for SMTP and POP3. It is the demo's own, and shares nothing with the
//! gateway's readers. The hard thing is a line that is too long: it must be passed over up to its end,
//! since its rest would otherwise be taken for a command.

use std::{io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// A stream of lines in and replies out. Replies go out before it waits for input, so those to
/// commands that came together go together (RFC 2920 section 3.2).
pub(super) struct Lines<S> {
    stream: S,
    /// What was read and not used yet.
    pub(super) input: BytesMut,
    output: BytesMut,
    patience: Duration,
}

/// What came before a line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line with its CRLF, or its LF where a client sends no more.
    Whole(Bytes),
    /// A line beyond the limit; nothing of it is kept.
    TooLong,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    /// `patience`: how long a client may send nothing, or read nothing, before the stream fails with
    /// [`io::ErrorKind::TimedOut`].
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, input: BytesMut::new(), output: BytesMut::new(), patience }
    }

    /// The next line, which may have `limit` octets with its end; `None`: the client has gone.
    pub(super) async fn next(&mut self, limit: usize) -> io::Result<Option<Line>> {
        let (mut searched, mut too_long) = (0, false);
        loop {
            let found = self.input.iter().skip(searched).position(|&octet| octet == b'\n');
            if let Some(more) = found {
                let line = self.input.split_to(searched + more + 1).freeze();
                let fits = !too_long && line.len() <= limit;
                return Ok(Some(if fits { Line::Whole(line) } else { Line::TooLong }));
            }
            searched = self.input.len();
            if searched > limit {
                too_long = true;
                self.input.clear();
                searched = 0;
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Waits until there is input. False: the client has gone.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        if self.input.has_remaining() { Ok(true) } else { self.read().await }
    }

    /// Writes a line of a reply.
    pub(super) fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Writes a part of what may be long.
    pub(super) async fn send(&mut self, part: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(part);
        if self.output.len() >= WRITE_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Says goodbye to TLS too, so that the client can tell an end from a cut.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        timeout(GOODBYE, self.stream.shutdown()).await?
    }

    async fn read(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.input.reserve(READ_SIZE);
        let read = self.stream.read_buf(&mut self.input);
        Ok(timeout(self.patience, read).await?? > 0)
    }

    async fn flush(&mut self) -> io::Result<()> {
        while self.output.has_remaining() {
            let write = self.stream.write_buf(&mut self.output);
            if timeout(self.patience, write).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }
}

const READ_SIZE: usize = 16 * 1024;

const WRITE_SIZE: usize = 64 * 1024;

const GOODBYE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `wire`, which comes in pieces of `size`.
    async fn read(wire: &[u8], size: usize, limit: usize) -> Vec<Line> {
        let (here, mut there) = tokio::io::duplex(size);
        let wire = wire.to_vec();
        let sent = tokio::spawn(async move { there.write_all(&wire).await });
        let mut lines = Lines::new(here, Duration::from_secs(5));
        let mut all = Vec::new();
        while let Some(line) = lines.next(limit).await.unwrap() {
            all.push(line);
        }
        sent.await.unwrap().unwrap();
        all
    }

    #[tokio::test]
    async fn lines_end_with_lf_and_what_is_too_long_is_passed_over_whole() {
        let whole = |line: &'static str| Line::Whole(line.into());
        let wire = b"a\r\n\nbcd\nfghijk\r\n0123456789 QUIT\r\nm\r\nno end";
        let expected = [
            whole("a\r\n"),
            whole("\n"),
            whole("bcd\n"),
            whole("fghijk\r\n"),
            Line::TooLong,
            whole("m\r\n"),
        ];
        for size in [1, 2, 3, 100] {
            assert_eq!(read(wire, size, 8).await, expected, "in pieces of {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_times_out() {
        let (here, _there) = tokio::io::duplex(10);
        let mut lines = Lines::new(here, Duration::from_secs(300));
        assert_eq!(lines.next(10).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
