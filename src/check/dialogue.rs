//! A few words with a server after the login: enough to see that the mailbox is there, to send one mail
//! and to look for it. The hard thing is to do no harm: nothing is changed but by the mail that was asked
//! for, and what a server says is bounded in length and time.

use std::{fmt, io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    proto::{
        Side,
        imap::response::{Condition, Response, response},
        pop3,
        smtp::reply::{Reply, reply_line},
        text::printable,
    },
    stream::Stream,
    tap::Wiretap,
    upstream::OpenUpstream,
};

/// A connection that is logged in.
pub(super) struct Dialogue {
    stream: Stream<TcpStream>,
    input: BytesMut,
    patience: Duration,
    /// When the answer to the last command must be there, to its end.
    until: Instant,
    /// Octets that it may still have.
    left: usize,
    commands: usize,
    tap: Wiretap,
    /// Whether it takes addresses beyond ASCII (RFC 6531).
    takes_utf8: bool,
}

/// Why a server did not do as it was told.
#[derive(Debug)]
pub(super) enum Refused {
    /// It says so.
    Said(String),
    /// It says nothing, nothing of use, or more than is listened to.
    Unclear(String),
    /// The connection has ended.
    Broken(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) | Self::Unclear(text) | Self::Broken(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        if kind == io::ErrorKind::UnexpectedEof {
            Self::Broken("it closed the connection".to_owned())
        } else if kind == io::ErrorKind::TimedOut {
            Self::Unclear("it does not answer".to_owned())
        } else if kind == io::ErrorKind::Other {
            // One of ours, below: then it is we who go.
            Self::Unclear(format!("it sends {error}"))
        } else {
            Self::Broken(format!("the connection broke ({error})"))
        }
    }
}

impl Dialogue {
    /// `patience` bounds each answer.
    pub(super) fn new(mut opened: OpenUpstream, patience: Duration) -> Self {
        let (tap, stream) = (opened.leg.tap(), opened.leg.take_stream());
        let mut offered = opened.welcome.capabilities.iter();
        let takes_utf8 = offered.any(|it| it.eq_ignore_ascii_case("SMTPUTF8"));
        Self { takes_utf8, ..Self::over(stream, opened.machine.into_residue(), patience, tap) }
    }

    /// Whether the server takes addresses beyond ASCII.
    pub(super) fn takes_utf8(&self) -> bool {
        self.takes_utf8
    }

    fn over(stream: Stream<TcpStream>, input: BytesMut, patience: Duration, tap: Wiretap) -> Self {
        let until = Instant::now() + patience;
        let left = LONGEST_ANSWER;
        Self { stream, input, patience, until, left, commands: 0, tap, takes_utf8: false }
    }

    fn note(&self, from_peer: bool, bytes: &[u8]) {
        if let Some((connection, tap)) = &self.tap {
            tap.saw(*connection, Side::Upstream, from_peer, bytes);
        }
    }

    /// Opens the INBOX to read, so that not even `\Recent` changes (RFC 3501 section 6.3.2). Returns how
    /// many messages are in it.
    pub(super) async fn examine(&mut self) -> Result<u64, Refused> {
        let lines = self.imap("EXAMINE INBOX").await?;
        let exists = lines.iter().find_map(|line| {
            let number = line.strip_prefix("* ")?.strip_suffix(" EXISTS")?;
            number.parse().ok()
        });
        Ok(exists.unwrap_or_default())
    }

    /// Whether a message with this id is in the INBOX.
    pub(super) async fn search(&mut self, message_id: &str) -> Result<bool, Refused> {
        // Some servers tell of new mail only between commands.
        self.imap("NOOP").await?;
        let lines = self.imap(&format!("SEARCH HEADER Message-ID \"{message_id}\"")).await?;
        let mut found = lines.iter().filter_map(|line| line.strip_prefix("* SEARCH"));
        Ok(found.any(|numbers| !numbers.trim().is_empty()))
    }

    /// One command; the lines before its answer.
    async fn imap(&mut self, command: &str) -> Result<Vec<String>, Refused> {
        self.commands += 1;
        let tag = format!("C{}", self.commands);
        self.send(format!("{tag} {command}\r\n").as_bytes()).await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if let Some(Response::Status { tag: its, answer }) = response(&line) {
                let ours = its == Some(tag.as_bytes());
                if ours && answer.condition == Condition::Ok {
                    return Ok(lines);
                }
                if ours || answer.condition == Condition::Bye {
                    return Err(Refused::Said(answer.words()));
                }
            }
            lines.push(String::from_utf8_lossy(&line).into_owned());
            if lines.len() > LINES {
                return Err(Refused::Unclear("it talks without an end".to_owned()));
            }
        }
    }

    /// How many messages the maildrop has.
    pub(super) async fn stat(&mut self) -> Result<u64, Refused> {
        let words = self.pop3("STAT").await?;
        Ok(words.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    /// Whether a message with this id is among the last of `messages`.
    pub(super) async fn top(&mut self, messages: u64, message_id: &str) -> Result<bool, Refused> {
        for number in (1..=messages).rev().take(LOOKED_AT) {
            self.pop3(&format!("TOP {number} 0")).await?;
            let mut found = false;
            loop {
                let line = self.line().await?;
                if line == b"." {
                    break;
                }
                found |= String::from_utf8_lossy(&line).contains(message_id);
            }
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn pop3(&mut self, command: &str) -> Result<String, Refused> {
        self.send(format!("{command}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        match pop3::reply::Answer::read(&line) {
            Some(answer) if answer.status == pop3::reply::Status::Ok => Ok(answer.words()),
            Some(answer) => Err(Refused::Said(answer.words())),
            None => Err(Refused::Unclear(printable(&line, WORDS))),
        }
    }

    /// One SMTP command; its reply, which must begin with `wanted`.
    pub(super) async fn smtp(&mut self, command: &[u8], wanted: u16) -> Result<String, Refused> {
        self.send(command).await?;
        let mut reply = Reply::default();
        loop {
            let line = self.line().await?;
            let Some(read) = reply_line(&line) else {
                return Err(Refused::Unclear(printable(&line, WORDS)));
            };
            reply.code = read.code;
            reply.lines.push(read.text.to_vec());
            if read.last {
                break;
            }
            if reply.lines.len() > LINES {
                return Err(Refused::Unclear("it talks without an end".to_owned()));
            }
        }
        if reply.code / 100 == wanted / 100 {
            Ok(reply.words())
        } else {
            Err(Refused::Said(reply.words()))
        }
    }

    /// Says goodbye, and does not wait for it long.
    pub(super) async fn leave(mut self, goodbye: &str) {
        let _ = timeout(FAREWELL, async {
            self.send(goodbye.as_bytes()).await?;
            self.line().await?;
            self.stream.shutdown().await
        })
        .await;
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.until = Instant::now() + self.patience;
        self.left = LONGEST_ANSWER;
        self.note(false, bytes);
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout_at(self.until, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The next line, without its end.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let read = async {
            loop {
                if let Some(end) = self.input.iter().position(|octet| *octet == b'\n') {
                    let mut line = self.input.split_to(end + 1).to_vec();
                    let Some(left) = self.left.checked_sub(line.len()) else {
                        return Err(io::Error::other("an answer without an end"));
                    };
                    self.left = left;
                    line.pop();
                    line.pop_if(|last| *last == b'\r');
                    return Ok(line);
                }
                if self.input.len() > LONGEST_LINE {
                    return Err(io::Error::other("a line without an end"));
                }
                if self.stream.read_buf(&mut self.input).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        let line = timeout_at(self.until, read)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.note(true, &line);
        Ok(line)
    }
}

const LONGEST_LINE: usize = 64 * 1024;
/// Octets of one answer.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Of one answer.
const LINES: usize = 2000;
/// Messages of a maildrop, from the newest.
const LOOKED_AT: usize = 5;
const WORDS: usize = 500;
const FAREWELL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A dialogue with a server that says this as soon as it is asked, and then nothing more.
    async fn with(says: Vec<u8>, patience: Duration) -> Dialogue {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut asked = [0; 1];
            server.read_exact(&mut asked).await.unwrap();
            // Whoever has heard enough goes away.
            let _ = server.write_all(&says).await;
            std::future::pending::<()>().await;
        });
        Dialogue::over(Stream::Clear(client), BytesMut::new(), patience, None)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_answer_without_an_end_is_not_kept() {
        let long = format!("* {}\r\n", "x".repeat(LONGEST_LINE / 2)).repeat(1000);
        let mut imap = with(long.clone().into_bytes(), LONG).await;
        assert!(
            matches!(imap.examine().await, Err(Refused::Unclear(text)) if text.contains("without an end"))
        );
        let mut pop3 = with(format!("+OK\r\n{long}").into_bytes(), LONG).await;
        assert!(
            matches!(pop3.top(1, "id").await, Err(Refused::Unclear(text)) if text.contains("without an end"))
        );
    }

    #[tokio::test]
    async fn an_answer_has_one_deadline() {
        let mut imap = with(b"* 3 EXISTS\r\n".to_vec(), Duration::from_millis(50)).await;
        let refused = imap.examine().await.unwrap_err();
        assert_eq!(refused.to_string(), "it does not answer");
    }

    #[tokio::test]
    async fn the_number_of_messages_is_read() {
        let mut imap = with(b"* 3 EXISTS\r\nC1 OK [READ-ONLY] done\r\n".to_vec(), LONG).await;
        assert_eq!(imap.examine().await.unwrap(), 3);
    }
}
