//! What is read along after login. The hard thing is to be sure where a command begins: the guard can
//! keep a local password from the provider only if no command can begin where it does not look.
//!
//! # How that is made sure
//! The upstream decides where its commands begin, so the client's side goes on to the next command
//! only where every server agrees, and otherwise waits until this one has said so:
//! - behind a synchronizing literal's announcement and behind IDLE, until its `+`, or until the tagged
//!   response that refuses the command;
//! - behind a line whose end servers may read differently (a bare LF, an open quoted string, braces
//!   that announce nothing), until that command's tagged response;
//! - and where waiting cannot help, the connection ends.
//!
//! A non-synchronizing literal is believed, as RFC 7888 section 4 makes every server that offers them
//! read it to its end; [`ImapRelay::bound_literals`] says whether this one does.
//!
//! Everything passes as it came, but for capability data, which is [filtered](CapabilityFilter), and
//! the commands that the guard keeps and answers.

mod capability;
mod client;
mod guard;
mod head;
mod line;
mod outstanding;
mod server;

#[cfg(all(any(test, fuzzing), feature = "demo"))]
pub mod differential;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::{client::Client, guard::Answers, server::Server};
use super::{capability::CapabilityFilter, refusal::bye};
use crate::proto::{Counts, Refusal, Relay, Step};

/// The relay's eye on an IMAP session.
#[derive(Debug)]
pub struct ImapRelay {
    filter: CapabilityFilter,
    client: Client,
    server: Server,
    answers: Answers,
}

impl ImapRelay {
    /// A relay between a client and an upstream that both are logged in and at rest. It believes in
    /// non-synchronizing literals of any size.
    pub fn new(filter: CapabilityFilter) -> Self {
        Self { filter, client: Client::new(), server: Server::new(), answers: Answers::default() }
    }

    /// Lets non-synchronizing literals pass only as far as `capabilities`, the upstream's own list,
    /// say that it takes them: LITERAL+ any, LITERAL- and IMAP4rev2 up to 4096 octets (RFC 7888
    /// section 5, RFC 9051 section 4.3), otherwise none. A server that does not know them would read
    /// their octets as commands.
    pub fn bound_literals(mut self, capabilities: &[String]) -> Self {
        let offers = |name: &str| capabilities.iter().any(|one| one.eq_ignore_ascii_case(name));
        let bound = match (offers("LITERAL+"), offers("LITERAL-") || offers("IMAP4rev2")) {
            (true, _) => Some(u64::MAX),
            (false, true) => Some(4096),
            (false, false) => None,
        };
        self.client.bound_literals(bound);
        self
    }
}

impl Relay for ImapRelay {
    fn inspect_downstream(&mut self, input: &[u8]) -> Step {
        self.client.inspect(input, &mut self.answers)
    }

    fn inspect_upstream(&mut self, input: &[u8]) -> Step {
        self.server.inspect(input, &mut self.client, &mut self.answers, &self.filter)
    }

    fn awaits_upstream(&self) -> bool {
        self.client.awaits_upstream(&self.answers)
    }

    fn farewell(&mut self, refusal: &Refusal) -> Option<Bytes> {
        self.server.is_between_responses().then(|| bye(refusal).into())
    }

    fn counts(&self) -> Counts {
        self.client.counts()
    }
}
