//! One IMAP connection as complete messages: imap-codec cuts what comes in and writes what goes out.
//! The hard thing is literals: a client waits for a go-ahead before it sends one, and one that is too
//! large must be refused, or passed over, without taking its content for commands.

use std::{io, time::Duration};

use bytes::BytesMut;
use imap_codec::{
    GreetingCodec, ResponseCodec,
    encode::Encoder as _,
    fragmentizer::{FragmentInfo, Fragmentizer, LiteralAnnouncement},
    imap_types::{
        core::{LiteralMode, Tag},
        response::{Code, CommandContinuationRequest, Greeting, Response, Status, StatusKind},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// A stream of commands and responses.
pub(super) struct Wire<S> {
    stream: S,
    input: BytesMut,
    pub(super) fragmentizer: Fragmentizer,
    output: BytesMut,
    message_limit: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Commands may have [`BEFORE_LOGIN`] octets until [`Wire::open`].
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            fragmentizer: Fragmentizer::new(AFTER_LOGIN),
            output: BytesMut::new(),
            message_limit: BEFORE_LOGIN,
        }
    }

    /// The client has proved who it is: it may send messages.
    pub(super) fn open(&mut self) {
        self.message_limit = AFTER_LOGIN as usize;
    }

    /// Reads until a message is complete; it is then in the fragmentizer. False: the client has gone.
    /// Safe to drop at any time: nothing is read that is not kept, nothing written that is not gone.
    pub(super) async fn next_message(&mut self) -> io::Result<bool> {
        loop {
            while let Some(fragment) = self.fragmentizer.progress() {
                if let FragmentInfo::Line { announcement: Some(announcement), .. } = fragment {
                    self.answer_announcement(announcement).await?;
                } else if self.fragmentizer.is_message_complete() {
                    return Ok(true);
                }
            }
            if self.fragmentizer.message_bytes().len() > self.message_limit {
                return Err(io::Error::other("a command that is too long"));
            }
            self.flush().await?;
            self.input.clear();
            self.input.reserve(READ_SIZE);
            let read = self.stream.read_buf(&mut self.input);
            if timeout(IDLE_LIMIT, read).await?? == 0 {
                return Ok(false);
            }
            self.fragmentizer.enqueue_bytes(&self.input);
        }
    }

    /// Writes a response; it goes out with the next flush, or earlier if much has gathered.
    pub(super) async fn send(&mut self, response: &Response<'_>) -> io::Result<()> {
        self.enqueue(response);
        if self.output.len() >= WRITE_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Keeps a response for the next flush.
    pub(super) fn enqueue(&mut self, response: &Response<'_>) {
        self.output.extend_from_slice(&ResponseCodec::default().encode(response).dump());
    }

    /// Writes the greeting.
    pub(super) fn greet(&mut self, greeting: &Greeting<'_>) {
        self.output.extend_from_slice(&GreetingCodec::default().encode(greeting).dump());
    }

    /// Ends a command.
    pub(super) async fn conclude(
        &mut self,
        tag: Tag<'static>,
        kind: StatusKind,
        code: Option<Code<'static>>,
        text: &str,
    ) -> io::Result<()> {
        let status = Status::new(Some(tag), kind, code, text).map_err(io::Error::other)?;
        self.send(&Response::Status(status)).await
    }

    /// Asks the client to go on.
    pub(super) async fn ask(&mut self, text: &'static str) -> io::Result<()> {
        let request = CommandContinuationRequest::basic(None, text).map_err(io::Error::other)?;
        self.send(&Response::CommandContinuationRequest(request)).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            // Whoever does not read for so long is treated as gone.
            if timeout(IDLE_LIMIT, self.stream.write_buf(&mut self.output)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }

    /// Says goodbye to TLS too, so that the client can tell an end from a cut.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await
    }

    async fn answer_announcement(&mut self, literal: LiteralAnnouncement) -> io::Result<()> {
        if literal.mode == LiteralMode::NonSync {
            // It comes in any case: one that is too large is cut, and the command then refused.
            return Ok(());
        }
        let length = usize::try_from(literal.length).unwrap_or(usize::MAX);
        let total = self.fragmentizer.message_bytes().len().saturating_add(length);
        if total <= self.message_limit {
            self.ask("go ahead").await?;
            return self.flush().await;
        }
        match self.fragmentizer.decode_tag().map(|tag| tag.as_ref().to_owned()) {
            Some(tag) => {
                let tag = Tag::try_from(tag).map_err(io::Error::other)?;
                let text = "This is larger than the demo takes";
                self.conclude(tag, StatusKind::No, Some(Code::TooBig), text).await?;
                self.fragmentizer.skip_message();
            }
            // Nobody can be told, and the client waits: it may send the literal or something else.
            None => self.fragmentizer.poison_message(),
        }
        Ok(())
    }
}

/// A command before login: an access token may have some kilobytes.
const BEFORE_LOGIN: usize = 64 * 1024;

/// A command after login: APPEND carries a message, with some room for the rest of the command.
const AFTER_LOGIN: u32 = 33 * 1024 * 1024;

const READ_SIZE: usize = 16 * 1024;

const WRITE_SIZE: usize = 64 * 1024;

/// RFC 3501 section 5.4 asks for at least half an hour.
const IDLE_LIMIT: Duration = Duration::from_secs(35 * 60);
