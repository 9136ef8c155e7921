//! What is read along after login. The hard thing is that nothing in POP3 says what it belongs to:
//! only the order of commands and the shape of their replies do (RFC 1939 section 3). So the relay
//! must know each command that passes, and whether its reply has more than one line.
//!
//! # How that is made sure
//! - A command passes as a whole line, and only where its reply's shape is known. Everything else is
//!   answered here: a login, STLS, and commands of other books, which may have payloads (`XTND XMIT`).
//! - What passed stands in a queue until its reply has passed. An answer of ours stands in it at its
//!   own place, so that the client gets its replies in the order of its commands.
//! - Behind a line whose end servers may read differently (a bare LF) the client waits until the
//!   upstream has answered it.
//! - A message is not read, but searched for its end. That is CRLF.CRLF and nothing else.
//!
//! Everything passes as it came, but for the lines of CAPA, which are
//! [filtered](super::capability::shown), and the lines that the guard keeps and answers.

mod client;
mod kept;
mod owed;
mod server;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(any(test, fuzzing))]
mod model;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::{client::Client, owed::Queue, server::Server};
use super::refusal::bye;
use crate::proto::{Counts, Refusal, RefusalReason, Relay, Step};

/// The relay's eye on a POP3 session.
#[derive(Debug)]
pub struct Pop3Relay {
    /// Capabilities that the account hides.
    hide: Vec<String>,
    client: Client,
    server: Server,
    owed: Queue,
}

impl Pop3Relay {
    /// A relay between a client and an upstream that both are logged in and at rest. `hide` are the
    /// account's names of capabilities that the client does not see.
    pub fn new(hide: &[String]) -> Self {
        Self {
            hide: hide.to_vec(),
            client: Client::new(),
            server: Server::new(),
            owed: Queue::default(),
        }
    }

    /// Keeps the promise of PIPELINING that a client was given before its login: where
    /// `capabilities`, the upstream's own list, do not hold it, commands go one by one. A server
    /// without it may lose what comes before its reply is out (RFC 2449 section 6.6).
    pub fn pace(mut self, capabilities: &[String]) -> Self {
        let offered = |line: &String| line.trim().eq_ignore_ascii_case("PIPELINING");
        self.client.pace(!capabilities.iter().any(offered));
        self
    }
}

impl Relay for Pop3Relay {
    fn inspect_downstream(&mut self, input: &[u8]) -> Step {
        self.client.inspect(input, &mut self.owed)
    }

    fn inspect_upstream(&mut self, input: &[u8]) -> Step {
        self.server.inspect(input, &mut self.owed, &self.hide)
    }

    fn awaits_upstream(&self) -> bool {
        self.client.awaits_upstream(&self.owed)
    }

    fn farewell(&mut self, refusal: &Refusal) -> Option<Bytes> {
        // RFC 1939 section 3: "without … sending any response to the client".
        if refusal.reason == RefusalReason::Timeout {
            return None;
        }
        self.server.is_between_replies().then(|| bye(refusal).into())
    }

    fn upstream_lost(&mut self) -> Option<Bytes> {
        if !self.server.is_between_replies() || !self.owed.awaits_reply() {
            return None;
        }
        // `-ERR` answers every command, whatever the shape of its `+OK`. One is enough, since the
        // connection ends behind it.
        let text = "The mail server has closed the connection; please try again";
        Some(bye(&Refusal::new(RefusalReason::UpstreamUnavailable, text)).into())
    }

    fn counts(&self) -> Counts {
        let (commands, guarded) = self.client.counts();
        Counts { commands, guarded, messages: self.server.messages(), ..Counts::default() }
    }
}
