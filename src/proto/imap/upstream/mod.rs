//! The leg towards the provider until the login is done: we are the client. The hard thing is whom to
//! believe when: nothing before TLS, nothing that the server says unasked or before it was asked, and a
//! login only when the mailbox answers a command after it.
//!
//! ```text
//! Greeting ──► Capability ──► StartTls ──► Handshake ──┐
//!    │             │  ▲                                │
//!    │             │  └────────────────────────────────┘
//!    └─────────────┴──► Ready ──► Challenge ──► Verdict ──► Welcome ──► Done
//!                         └──── in one line ────►┘
//! ```
//!
//! A login is in one line with SASL-IR (RFC 4959), and where LOGIN needs no literal.

mod opening;
mod verdict;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem, vec};

use bytes::BytesMut;

use self::verdict::{no_access, refused, sent_away};
use super::response::{
    Answer, Condition, Response, ResponseReader, WORDS, capability_data, response,
};
use crate::{
    proto::{
        BearerMechanism, Machine, Output, Rejection, Upstream, UpstreamCredential, UpstreamEvent,
        UpstreamOptions, Welcome,
        line::line_of,
        text::printable,
        verdict::{OFFERED, protocol},
    },
    secret::Secret,
};

/// The client side of an IMAP login with a bearer token or a password.
pub struct ImapUpstream {
    options: UpstreamOptions,
    state: State,
    reader: ResponseReader,
    outputs: VecDeque<Output<UpstreamEvent>>,
    /// What the server said it can do, since TLS.
    capabilities: Option<Vec<String>>,
    /// Whether TLS is on.
    secured: bool,
    commands: u32,
    untagged: usize,
    /// When the last line was sent.
    asked: u64,
}

/// Named by what is awaited.
#[derive(Debug)]
enum State {
    /// The server's greeting.
    Greeting,
    /// The answer to CAPABILITY before the login.
    Capability { tag: String },
    /// The answer to STARTTLS.
    StartTls { tag: String },
    /// The end of the handshake; `injected` if anything came in clear behind the go-ahead.
    Handshake { injected: bool },
    /// The driver's word to log in.
    Ready,
    /// The server's `+` for the next of the lines that are left, of which there is at least one.
    Challenge { tag: String, mechanism: Option<BearerMechanism>, lines: vec::IntoIter<Secret> },
    /// The end of the login. `challenge` is the error challenge, once there was one: only the mechanisms
    /// that carry a token have it.
    Verdict { tag: String, mechanism: Option<BearerMechanism>, challenge: Option<Vec<u8>> },
    /// The answer to CAPABILITY after the login.
    Welcome { tag: String },
    /// Nothing: logged in, the rest belongs to the relay.
    Done,
    /// Nothing: the driver was told to close.
    Rejected,
}

impl ImapUpstream {
    /// A machine that awaits the greeting.
    pub fn new(options: UpstreamOptions) -> Self {
        Self {
            secured: !options.starttls,
            options,
            state: State::Greeting,
            reader: ResponseReader::default(),
            outputs: VecDeque::new(),
            capabilities: None,
            commands: 0,
            untagged: 0,
            asked: 0,
        }
    }

    fn read_responses(&mut self) {
        // When it is not our turn to listen, what comes is left for later.
        while !matches!(
            self.state,
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected
        ) {
            match self.reader.next_response() {
                Ok(Some(line)) => self.handle_response(&line),
                Ok(None) => return,
                Err(fault) => self.reject(Rejection::Protocol { fault }),
            }
        }
    }

    fn handle_response(&mut self, line: &[u8]) {
        let state = mem::replace(&mut self.state, State::Rejected);
        let next = match response(line) {
            None => Err(protocol("a response outside the grammar")),
            // A refusal that comes early is one all the same: nobody gains by it.
            Some(ref early) if lets_on(early) && self.reader.had_begun(self.asked) => {
                Err(protocol("an answer that came before the question"))
            }
            Some(Response::Continuation(challenge)) => self.handle_continuation(state, challenge),
            Some(Response::Capability(names)) => self.handle_capability(state, names),
            Some(Response::Data) => self.swallow(state),
            Some(Response::Status { tag: None, answer }) => self.handle_untagged(state, answer),
            Some(Response::Status { tag: Some(tag), answer }) => {
                self.handle_tagged(state, tag, answer)
            }
        };
        match next {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    fn handle_continuation(&mut self, state: State, challenge: &[u8]) -> Result<State, Rejection> {
        match state {
            State::Challenge { tag, mechanism, lines } => Ok(self.next_line(tag, mechanism, lines)),
            // The server's error, which it wants acknowledged before it says NO.
            State::Verdict { tag, mechanism: Some(mechanism), challenge: None } => {
                self.transmit(&[&mechanism.error_answer()]);
                let challenge = Some(challenge.to_vec());
                Ok(State::Verdict { tag, mechanism: Some(mechanism), challenge })
            }
            State::StartTls { .. } => {
                Err(Rejection::StartTls { text: printable(challenge, WORDS) })
            }
            State::Greeting
            | State::Capability { .. }
            | State::Handshake { .. }
            | State::Ready
            | State::Verdict { .. }
            | State::Welcome { .. }
            | State::Done
            | State::Rejected => Err(protocol("a continuation request that nothing asked for")),
        }
    }

    fn handle_capability(&mut self, state: State, names: Vec<String>) -> Result<State, Rejection> {
        // Unasked lists are swallowed as other data is: Gmail sends one with its verdict.
        if matches!(state, State::Capability { .. } | State::Welcome { .. }) {
            self.capabilities = Some(names);
        }
        self.swallow(state)
    }

    /// Untagged data before the login is none of the client's business, and may be an attacker's.
    fn swallow(&mut self, state: State) -> Result<State, Rejection> {
        if matches!(state, State::Greeting) {
            return Err(protocol("it does not greet"));
        }
        self.untagged += 1;
        if self.untagged > UNTAGGED {
            return Err(protocol("too many responses before the login"));
        }
        Ok(state)
    }

    fn handle_untagged(&mut self, state: State, answer: Answer<'_>) -> Result<State, Rejection> {
        let text = answer.words();
        match (&state, answer.condition) {
            (_, Condition::PreAuth) => {
                Err(protocol("a PREAUTH greeting, which would skip the login"))
            }
            (State::Welcome { .. }, Condition::Bye) => Err(sent_away(answer)),
            (_, Condition::Bye) => Err(Rejection::Busy { text }),
            (State::Greeting, Condition::Ok) => self.greeted(answer.code),
            (State::Greeting, Condition::No | Condition::Bad) => Err(Rejection::Busy { text }),
            (_, Condition::Ok | Condition::No | Condition::Bad) => self.swallow(state),
        }
    }

    fn greeted(&mut self, code: Option<&[u8]>) -> Result<State, Rejection> {
        self.capabilities = code.and_then(|code| Some(capability_data(code).ok()?.1));
        match self.capabilities {
            Some(_) => self.informed(),
            None => Ok(State::Capability { tag: self.command("CAPABILITY") }),
        }
    }

    /// What comes once the capabilities are known.
    fn informed(&mut self) -> Result<State, Rejection> {
        if self.secured {
            self.outputs.push_back(Output::Event(UpstreamEvent::Ready));
            return Ok(State::Ready);
        }
        if !self.offers("STARTTLS") {
            return Err(Rejection::StartTls { text: self.offered() });
        }
        Ok(State::StartTls { tag: self.command("STARTTLS") })
    }

    fn handle_tagged(
        &mut self,
        state: State,
        tag: &[u8],
        answer: Answer<'_>,
    ) -> Result<State, Rejection> {
        match (state, answer.condition) {
            (
                State::Capability { tag: ours }
                | State::StartTls { tag: ours }
                | State::Challenge { tag: ours, .. }
                | State::Verdict { tag: ours, .. }
                | State::Welcome { tag: ours },
                _,
            ) if ours.as_bytes() != tag => {
                Err(protocol("an answer to a command that was not sent"))
            }
            (State::Capability { .. }, Condition::Ok) if self.capabilities.is_some() => {
                self.informed()
            }
            (State::Capability { .. }, Condition::Ok) => Err(protocol("no list of capabilities")),
            (State::Capability { .. }, _) => Err(Rejection::Busy { text: answer.words() }),
            (State::StartTls { .. }, Condition::Ok) => {
                self.outputs.push_back(Output::Event(UpstreamEvent::StartTls));
                Ok(State::Handshake { injected: !self.reader.is_empty() })
            }
            (State::StartTls { .. }, _) => Err(Rejection::StartTls { text: answer.words() }),
            (State::Challenge { .. }, Condition::Ok) => {
                Err(protocol("a login without a credential"))
            }
            // The credential has not been sent, so this cannot be about it.
            (State::Challenge { .. }, _) => Err(Rejection::Busy { text: answer.words() }),
            (State::Verdict { .. }, Condition::Ok) => {
                self.capabilities = None;
                Ok(State::Welcome { tag: self.command("CAPABILITY") })
            }
            (State::Verdict { challenge, .. }, _) => Err(refused(answer, challenge.as_deref())),
            (State::Welcome { .. }, Condition::Ok) => self.welcome(),
            (State::Welcome { .. }, _) => Err(no_access(answer)),
            (
                State::Greeting
                | State::Handshake { .. }
                | State::Ready
                | State::Done
                | State::Rejected,
                _,
            ) => Err(protocol("a tagged response where none can be")),
        }
    }

    fn welcome(&mut self) -> Result<State, Rejection> {
        let capabilities = self.capabilities.take();
        let capabilities = capabilities.ok_or_else(|| protocol("no list of capabilities"))?;
        let welcome = Welcome { capabilities };
        self.outputs.push_back(Output::Event(UpstreamEvent::Authenticated(welcome)));
        Ok(State::Done)
    }

    /// Sends one more line of a login; the last one is followed by the verdict.
    fn next_line(
        &mut self,
        tag: String,
        mechanism: Option<BearerMechanism>,
        mut lines: vec::IntoIter<Secret>,
    ) -> State {
        if let Some(line) = lines.next() {
            self.transmit(&[line.expose()]);
        }
        if lines.len() > 0 {
            return State::Challenge { tag, mechanism, lines };
        }
        State::Verdict { tag, mechanism, challenge: None }
    }

    fn no_mechanism(&self) -> Rejection {
        Rejection::NoMechanism { offered: self.offered() }
    }

    fn offers(&self, capability: &str) -> bool {
        let mut listed = self.capabilities.iter().flatten();
        listed.any(|name| name.eq_ignore_ascii_case(capability))
    }

    fn offered(&self) -> String {
        let list = self.capabilities.as_deref().unwrap_or_default().join(" ");
        printable(list.as_bytes(), OFFERED)
    }

    fn next_tag(&mut self) -> String {
        self.commands += 1;
        format!("G{}", self.commands)
    }

    fn command(&mut self, command: &str) -> String {
        let tag = self.next_tag();
        self.transmit(&[tag.as_bytes(), b" ", command.as_bytes()]);
        tag
    }

    fn transmit(&mut self, parts: &[&[u8]]) {
        self.asked = self.reader.moment();
        self.outputs.push_back(Output::Transmit(line_of(parts)));
    }

    fn reject(&mut self, rejection: Rejection) {
        self.state = State::Rejected;
        self.reader = ResponseReader::default();
        self.outputs.push_back(Output::Event(UpstreamEvent::Reject(rejection)));
    }
}

impl Machine for ImapUpstream {
    type Event = UpstreamEvent;

    fn handle_input(&mut self, input: &[u8]) {
        match &mut self.state {
            State::Handshake { injected } => *injected |= !input.is_empty(),
            State::Rejected => {}
            State::Ready if self.reader.unread() + input.len() > UNASKED => {
                self.reject(protocol("too much data before the login"));
            }
            State::Greeting
            | State::Capability { .. }
            | State::StartTls { .. }
            | State::Ready
            | State::Challenge { .. }
            | State::Verdict { .. }
            | State::Welcome { .. }
            | State::Done => {
                self.reader.push(input);
                self.read_responses();
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<UpstreamEvent>> {
        self.outputs.pop_front()
    }
}

impl Upstream for ImapUpstream {
    fn handle_tls_established(&mut self) {
        if !matches!(self.state, State::Handshake { injected: false }) {
            return self.reject(protocol("data in clear behind the go-ahead for STARTTLS"));
        }
        self.secured = true;
        self.capabilities = None;
        self.state = State::Capability { tag: self.command("CAPABILITY") };
    }

    fn authenticate(&mut self, user: &str, credential: UpstreamCredential) {
        match self.state {
            State::Ready => {}
            // The driver has yet to read why it must close.
            State::Rejected => return,
            State::Greeting
            | State::Capability { .. }
            | State::StartTls { .. }
            | State::Handshake { .. }
            | State::Challenge { .. }
            | State::Verdict { .. }
            | State::Welcome { .. }
            | State::Done => return self.reject(protocol("a login before the server was ready")),
        }
        match self.begin(user, &credential) {
            Ok(state) => self.state = state,
            Err(rejection) => return self.reject(rejection),
        }
        self.read_responses();
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.reader.into_residue()
    }
}

/// Whether it would have us go on.
fn lets_on(response: &Response<'_>) -> bool {
    match response {
        Response::Continuation(_) => true,
        Response::Status { tag: Some(_), answer } => answer.condition == Condition::Ok,
        Response::Status { tag: None, .. } | Response::Capability(_) | Response::Data => false,
    }
}

/// Octets that may come before the driver says to log in.
const UNASKED: usize = 64 * 1024;

/// Untagged responses that are swallowed before the login is done.
const UNTAGGED: usize = 100;
