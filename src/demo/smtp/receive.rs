//! A message's content, by DATA or by BDAT. The hard thing is that it is read to its end even where it
//! is refused: what is left over would be taken for commands.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    SIZE_LIMIT,
    content::Dots,
    delivery,
    session::{LOG_IN, Session},
    transaction::{Chunks, Transaction},
};
use crate::demo::mailbox::MailboxError;

/// A message as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Growing {
    message: BytesMut,
    too_large: bool,
}

impl Growing {
    fn push(&mut self, octets: &[u8]) {
        if self.too_large || self.message.len() + octets.len() > SIZE_LIMIT {
            *self = Self { message: BytesMut::new(), too_large: true };
        } else {
            self.message.extend_from_slice(octets);
        }
    }
}

impl Session<'_> {
    /// DATA, and the message behind it.
    pub(super) async fn data(&mut self) -> io::Result<()> {
        match &self.transaction {
            None => return self.say_fault("503 5.5.1 MAIL and RCPT come first"),
            Some(Transaction { chunks: Chunks::Some(_) | Chunks::Failed, .. }) => {
                return self.say_fault("503 5.5.1 This message has begun with BDAT");
            }
            Some(transaction) if transaction.recipients.is_empty() => {
                return self.say_fault("554 5.5.1 There is no recipient");
            }
            Some(_) => {}
        }
        self.lines.say("354 End the message with a line that holds only a dot");
        let (mut dots, mut growing) = (Dots::default(), Growing::default());
        loop {
            if !self.lines.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = dots.take(&self.lines.input, |octets| growing.push(octets));
            let taken = end.unwrap_or(self.lines.input.len());
            self.lines.input.advance(taken);
            if end.is_some() {
                break;
            }
        }
        self.finish(growing)
    }

    /// BDAT, and the octets behind it. They come in any case, and the reply is for after them (RFC 3030
    /// section 2).
    pub(super) async fn bdat(&mut self, size: usize, last: bool) -> io::Result<()> {
        let (mut growing, refusal) = self.begin_chunk();
        let mut left = size;
        while left > 0 {
            if !self.lines.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = left.min(self.lines.input.len());
            let chunk = self.lines.input.split_to(count);
            if refusal.is_none() {
                growing.push(&chunk);
            }
            left -= count;
        }
        if let Some(refusal) = refusal {
            return self.say_fault(refusal);
        }
        if last {
            return self.finish(growing);
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if growing.too_large {
            self.lines.say(TOO_LARGE);
        } else {
            transaction.chunks = Chunks::Some(growing);
            self.lines.say(&format!("250 2.0.0 {size} octets received"));
        }
        Ok(())
    }

    /// What has come before the chunk, or the reply that refuses it. Until it has been accepted, the
    /// message counts as failed.
    fn begin_chunk(&mut self) -> (Growing, Option<&'static str>) {
        let refuse = |text| (Growing::default(), Some(text));
        if !self.authenticated {
            return refuse(LOG_IN);
        }
        let Some(transaction) = &mut self.transaction else {
            return refuse("503 5.5.1 MAIL and RCPT come first");
        };
        match std::mem::replace(&mut transaction.chunks, Chunks::Failed) {
            Chunks::Failed => refuse("503 5.5.1 An earlier chunk was refused: say RSET"),
            _ if transaction.recipients.is_empty() => refuse("554 5.5.1 There is no recipient"),
            Chunks::None => (Growing::default(), None),
            Chunks::Some(growing) => (growing, None),
        }
    }

    /// Delivers a message that is whole; the transaction is over in any case.
    fn finish(&mut self, growing: Growing) -> io::Result<()> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        let Growing { message, too_large } = growing;
        if too_large {
            self.lines.say(TOO_LARGE);
        } else if message.contains(&0) {
            // IMAP could not hand it out (RFC 3501 section 4.3).
            self.lines.say("554 5.6.0 A message cannot hold NUL octets");
        } else {
            let reply = self.deliver(&transaction, message.freeze())?;
            self.lines.say(&reply);
        }
        Ok(())
    }

    fn deliver(&self, transaction: &Transaction, message: Bytes) -> io::Result<String> {
        let trace = delivery::Trace::new(self.hello.as_ref(), self.client)?;
        Ok(match delivery::deliver(self.server, &trace, transaction, message) {
            Ok(()) => format!("250 2.0.0 Ok: queued as {}", trace.id),
            Err(error @ MailboxError::Full) => format!("452 4.2.2 {error}"),
            Err(error) => format!("451 4.3.0 {error}"),
        })
    }
}

const TOO_LARGE: &str = "552 5.3.4 This is larger than the demo takes";
