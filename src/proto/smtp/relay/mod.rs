//! What is read along after login. The hard thing is that SMTP has no tags: replies belong to commands by
//! their order alone, and whether octets are commands or a message depends on replies that may still
//! be under way. So the relay keeps both sides paired, and the client goes on only where that is
//! certain.
//!
//! # How that is made sure
//! - In commands a line ends at CRLF only. What other readers could see as two lines, or as another
//!   verb, does not pass; it is answered here.
//! - Behind DATA, EHLO, QUIT and commands that nobody here knows, the client waits for the reply.
//! - Behind a 354 everything passes as it is, bare CR and LF included, until CRLF.CRLF, the one end that
//!   RFC 5321 knows; the octets of a BDAT are counted.
//! - An answer of the guard stands in the queue of replies, and enters the stream when its turn has come.
//!
//! Everything passes as it came, but for the answer to EHLO, which is filtered, and the commands
//! that are answered here.

mod answer;
mod client;
mod ehlo;
mod envelope;
mod guard;
mod outstanding;
mod server;

#[cfg(all(any(test, fuzzing), feature = "demo"))]
pub mod differential;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::{
    client::Client, ehlo::EhloFilter, envelope::Transactions, outstanding::Expected, server::Server,
};
use crate::proto::{
    Counts, Delivery, Refusal, RefusalReason, Relay, Step,
    smtp::{extension::Extensions, refusal::goodbye},
};

/// The relay's eye on an SMTP session.
#[derive(Debug)]
pub struct SmtpRelay {
    filter: EhloFilter,
    client: Client,
    server: Server,
    transactions: Transactions,
}

impl SmtpRelay {
    /// A relay between a client and an upstream that both are logged in and at rest. `extensions` are the
    /// upstream's own, `hide` the keywords that its answer to EHLO is not to show.
    pub fn new(extensions: Extensions, hide: &[String]) -> Self {
        Self {
            filter: EhloFilter::new(hide),
            client: Client::new(extensions),
            server: Server::default(),
            transactions: Transactions::default(),
        }
    }

    /// `word`, if something of ours may stand here, and nothing of the kind has.
    fn last_word(&mut self, word: Vec<u8>) -> Option<Bytes> {
        if !self.server.may_say_goodbye() {
            return None;
        }
        self.server.say_goodbye();
        Some(word.into())
    }
}

impl Relay for SmtpRelay {
    fn inspect_downstream(&mut self, input: &[u8]) -> Step {
        self.client.inspect(input)
    }

    fn inspect_upstream(&mut self, input: &[u8]) -> Step {
        self.server.inspect(input, &mut self.client, &mut self.transactions, &self.filter)
    }

    fn awaits_upstream(&self) -> bool {
        self.client.awaits_upstream()
    }

    fn owes_verdict(&self) -> bool {
        self.client.awaits_verdict()
    }

    /// RFC 5321 section 3.8 lets a server say 421 at any time, in a message too.
    fn farewell(&mut self, refusal: &Refusal) -> Option<Bytes> {
        self.last_word(goodbye(refusal))
    }

    /// RFC 5321 section 3.8 has clients treat a lost connection as a 451; those who read a reply first
    /// are told in words, and those who wait for one are not left to their timeout.
    fn upstream_lost(&mut self) -> Option<Bytes> {
        if !self.client.is_owed() {
            return None;
        }
        // Nothing else is owed then, and there are programs that send a message again if the 221 behind
        // it is missing.
        if matches!(self.client.outstanding.front(), Some(Expected::Quit)) {
            return self.last_word(b"221 2.0.0 The mail server closed the connection\r\n".to_vec());
        }
        let words = match self.client.outstanding.has_message() {
            true => "The mail server closed the connection; the message was not confirmed",
            false => "The mail server closed the connection",
        };
        self.farewell(&Refusal::new(RefusalReason::UpstreamUnavailable, words))
    }

    fn poll_delivery(&mut self) -> Option<Delivery> {
        self.transactions.take_told()
    }

    fn counts(&self) -> Counts {
        Counts {
            commands: self.client.commands,
            guarded: self.client.guarded,
            messages: self.transactions.messages,
            recipients: self.transactions.recipients,
        }
    }
}
