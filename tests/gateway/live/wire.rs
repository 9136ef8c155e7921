//! One leg's socket, held by a peer of the gateway. The hard thing is to tell an answer that is not
//! there yet from a wrong one: a pattern that ends a line is wrong once that line is complete.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::transcript::text::{Piece, Tags, matches};

/// A socket, or TLS on one.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// Read and not yet compared.
    read: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// The bare stream, for a handshake. Whatever was said in clear must have been compared.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, String> {
        if self.read.is_empty() { Ok(self.stream) } else { Err(self.more_than_written()) }
    }

    /// Sends in one segment. Whoever does not want it any more shows that by its end.
    pub(super) async fn send(&mut self, octets: &[u8]) {
        let sent = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        let _ = timeout(PATIENCE, sent).await;
    }

    /// Reads what fits the pattern.
    pub(super) async fn expect(
        &mut self,
        pattern: &[Piece],
        tags: &mut Tags,
    ) -> Result<(), String> {
        loop {
            let mut known = tags.clone();
            if let Some(length) = matches(pattern, &self.read, false, &mut known) {
                *tags = known;
                self.read.drain(..length);
                return Ok(());
            }
            if self.is_complete(pattern) {
                return Err(format!("the gateway says {}", shown(&self.read)));
            }
            if !self.fill().await? {
                return Err(format!("the gateway closes after {}", shown(&self.read)));
            }
        }
    }

    /// Reads one line.
    pub(super) async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.read.iter().position(|&octet| octet == b'\n') {
                let line = self.read.drain(..=end).collect::<Vec<_>>();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.fill().await? {
                return Err(format!("the gateway closes after {}", shown(&self.read)));
            }
        }
    }

    /// Sends nothing more.
    pub(super) async fn close(&mut self) {
        let _ = timeout(PATIENCE, self.stream.shutdown()).await;
    }

    /// The gateway says nothing more, and closes.
    pub(super) async fn ends(&mut self) -> Result<(), String> {
        while self.read.is_empty() && self.fill().await? {}
        if self.read.is_empty() { Ok(()) } else { Err(self.more_than_written()) }
    }

    /// Whether there was more to read. A connection that is reset has ended, too.
    async fn fill(&mut self) -> Result<bool, String> {
        let mut some = vec![0; 16_384];
        match timeout(PATIENCE, self.stream.read(&mut some)).await {
            Ok(Ok(count @ 1..)) => {
                self.read.extend(some.into_iter().take(count));
                Ok(true)
            }
            Ok(Ok(0) | Err(_)) => Ok(false),
            Err(_) => Err(format!("the gateway is silent after {}", shown(&self.read))),
        }
    }

    fn is_complete(&self, pattern: &[Piece]) -> bool {
        let count = |octets: &[u8]| octets.iter().filter(|&&octet| octet == b'\n').count();
        let wanted = pattern.iter().map(|piece| match piece {
            Piece::Octets(octets) => count(octets),
            Piece::Any | Piece::Tag(_) | Piece::Set(_) => 0,
        });
        let ends_a_line =
            matches!(pattern.last(), Some(Piece::Octets(end)) if end.ends_with(b"\n"));
        let wanted = wanted.sum::<usize>() + usize::from(!ends_a_line);
        count(&self.read) >= wanted
    }

    fn more_than_written(&self) -> String {
        format!("the gateway says more than is written: {}", shown(&self.read))
    }
}

fn shown(octets: &[u8]) -> String {
    let clipped = octets.get(..200).unwrap_or(octets);
    format!("{:?} ({} octets)", clipped.escape_ascii().to_string(), octets.len())
}

/// Until silence counts as one.
const PATIENCE: Duration = Duration::from_secs(30);
