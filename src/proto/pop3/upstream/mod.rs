//! The leg towards the provider until the login is done: we are the client. The hard thing is whom to
//! believe when: nothing before TLS but that it begins, and no go-ahead for a secret that came before it
//! was asked for, since an answer belongs to a command only by its place.
//!
//! ```text
//! Greeting ──► Capability ──► StartTls ──► Handshake ──┐
//!                 │  ▲                                 │
//!                 │  └─────────────────────────────────┘
//!                 └──► Ready ──AUTH──► Challenge ──► Verdict ──► Done
//!                        └─────USER──► Name ────PASS───►┘
//! ```

mod opening;
mod verdict;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem};

use bytes::BytesMut;

use self::verdict::{is_passing, refused};
use super::reply::{Answer, LineReader, Status, WORDS};
use crate::{
    proto::{
        BearerMechanism, Machine, Output, Rejection, Upstream, UpstreamCredential, UpstreamEvent,
        UpstreamOptions, Welcome, line::line_of, text::printable, verdict::protocol,
    },
    secret::Secret,
};

/// The client side of a POP3 login with a bearer token or a password. No `Debug`: a line that waits to
/// be polled may hold one of them.
pub struct Pop3Upstream {
    options: UpstreamOptions,
    state: State,
    reader: LineReader,
    outputs: VecDeque<Output<UpstreamEvent>>,
    /// What the server said it can do, since TLS: the lines of its CAPA response. `None`: it does not
    /// know CAPA.
    capabilities: Option<Vec<String>>,
    /// Whether TLS is on.
    secured: bool,
}

/// Named by what is awaited.
#[derive(Debug)]
enum State {
    /// The server's greeting.
    Greeting,
    /// The answer to CAPA; `lines` are those of its list, once it has begun.
    Capability { lines: Option<Vec<String>> },
    /// The answer to STLS.
    StartTls,
    /// The end of the handshake; `injected` if anything came in clear behind the go-ahead.
    Handshake { injected: bool },
    /// The driver's word to log in.
    Ready,
    /// The server's `+` after the name of the mechanism, which is `None` for PLAIN.
    Challenge { mechanism: Option<BearerMechanism>, response: Secret },
    /// The answer to USER.
    Name { password: Secret },
    /// The end of the login. `challenge` is the error challenge, once there was one; only the
    /// mechanisms that carry a token have it.
    Verdict { mechanism: Option<BearerMechanism>, challenge: Option<Vec<u8>> },
    /// Nothing: logged in, the rest belongs to the relay.
    Done,
    /// Nothing: the driver was told to close.
    Rejected,
}

impl Pop3Upstream {
    /// A machine that awaits the greeting.
    pub fn new(options: UpstreamOptions) -> Self {
        Self {
            secured: !options.starttls,
            options,
            state: State::Greeting,
            reader: LineReader::default(),
            outputs: VecDeque::new(),
            capabilities: None,
        }
    }

    fn read_lines(&mut self) {
        // When it is not our turn to listen, what comes is left for later.
        while !matches!(
            self.state,
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected
        ) {
            match self.reader.next_line() {
                Ok(Some(line)) => self.handle_line(&line),
                Ok(None) => return,
                Err(fault) => self.reject(protocol(fault)),
            }
        }
    }

    fn handle_line(&mut self, line: &[u8]) {
        let state = mem::replace(&mut self.state, State::Rejected);
        let next = if let State::Capability { lines: Some(lines) } = state {
            self.handle_capability(lines, line)
        } else if let Some(answer) = Answer::read(line) {
            match answer.status {
                Status::Ok => self.handle_ok(state),
                Status::Err => self.handle_err(state, answer),
                Status::Continue => self.handle_continuation(state, answer.text),
            }
        } else {
            Err(outside(&state, line))
        };
        match next {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    /// One line of the list, or its end.
    fn handle_capability(
        &mut self,
        mut lines: Vec<String>,
        line: &[u8],
    ) -> Result<State, Rejection> {
        if line == b"." {
            lines.retain(|line| !line.is_empty());
            self.capabilities = Some(lines);
            return self.informed();
        }
        if lines.len() >= CAPABILITIES {
            return Err(protocol("too many capabilities"));
        }
        // RFC 1939 section 3: a dot in front hides one that belongs there.
        let line = line.strip_prefix(b".").unwrap_or(line);
        lines.push(printable(line, CAPABILITY));
        Ok(State::Capability { lines: Some(lines) })
    }

    fn handle_ok(&mut self, state: State) -> Result<State, Rejection> {
        match state {
            State::Greeting => self.ask_capabilities(),
            State::Capability { .. } => Ok(State::Capability { lines: Some(Vec::new()) }),
            State::StartTls => {
                self.outputs.push_back(Output::Event(UpstreamEvent::StartTls));
                Ok(State::Handshake { injected: self.reader.unread() > 0 })
            }
            State::Name { password } => {
                self.command(&[b"PASS ", password.expose()])?;
                Ok(State::Verdict { mechanism: None, challenge: None })
            }
            State::Verdict { .. } => {
                let welcome =
                    Welcome { capabilities: self.capabilities.take().unwrap_or_default() };
                self.outputs.push_back(Output::Event(UpstreamEvent::Authenticated(welcome)));
                Ok(State::Done)
            }
            State::Challenge { .. } => Err(protocol("a login without a credential")),
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected => {
                Err(protocol(UNASKED_FOR))
            }
        }
    }

    fn handle_err(&mut self, state: State, answer: Answer<'_>) -> Result<State, Rejection> {
        let text = answer.words();
        match state {
            State::Greeting => Err(Rejection::Busy { text }),
            State::Capability { .. } if is_passing(answer) => Err(Rejection::Busy { text }),
            State::Capability { .. } => {
                self.capabilities = None;
                self.informed()
            }
            State::StartTls => Err(Rejection::StartTls { text }),
            // It was never asked whether it knows the mechanism.
            State::Challenge { .. } if self.capabilities.is_none() && !is_passing(answer) => {
                Err(Rejection::NoMechanism { offered: text })
            }
            // The credential has not been sent, so this cannot be about it.
            State::Challenge { .. } => Err(Rejection::Busy { text }),
            State::Name { .. } => Err(refused(answer, None)),
            State::Verdict { challenge, .. } => Err(refused(answer, challenge.as_deref())),
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected => {
                Err(protocol(UNASKED_FOR))
            }
        }
    }

    fn handle_continuation(&mut self, state: State, challenge: &[u8]) -> Result<State, Rejection> {
        match state {
            State::Challenge { mechanism, response } => {
                self.command(&[response.expose()])?;
                Ok(State::Verdict { mechanism, challenge: None })
            }
            // The server's error, which it wants acknowledged before it says -ERR. That holds no secret,
            // and a server may not wait for it.
            State::Verdict { mechanism: Some(mechanism), challenge: None } => {
                self.transmit(&[&mechanism.error_answer()]);
                let challenge = Some(challenge.to_vec());
                Ok(State::Verdict { mechanism: Some(mechanism), challenge })
            }
            State::StartTls => Err(Rejection::StartTls { text: printable(challenge, WORDS) }),
            State::Greeting => Err(protocol(NO_GREETING)),
            State::Capability { .. }
            | State::Handshake { .. }
            | State::Ready
            | State::Name { .. }
            | State::Verdict { .. }
            | State::Done
            | State::Rejected => Err(protocol(UNASKED_FOR)),
        }
    }

    fn ask_capabilities(&mut self) -> Result<State, Rejection> {
        self.command(&[b"CAPA"])?;
        Ok(State::Capability { lines: None })
    }

    /// What comes once the capabilities are known, or known to stay unknown.
    fn informed(&mut self) -> Result<State, Rejection> {
        if self.secured {
            self.outputs.push_back(Output::Event(UpstreamEvent::Ready));
            return Ok(State::Ready);
        }
        if self.capabilities.is_some() && !self.lists("STLS") {
            return Err(Rejection::StartTls { text: self.offered() });
        }
        self.command(&[b"STLS"])?;
        Ok(State::StartTls)
    }

    /// A line that the server must answer, and cannot have answered yet.
    fn command(&mut self, parts: &[&[u8]]) -> Result<(), Rejection> {
        if self.reader.unread() > 0 {
            return Err(self.unasked().unwrap_or_else(|| protocol(UNASKED_FOR)));
        }
        self.transmit(parts);
        Ok(())
    }

    /// What came early is a goodbye, or would be taken for another answer.
    fn unasked(&mut self) -> Option<Rejection> {
        let line = match self.reader.next_line() {
            Ok(line) => line?,
            Err(fault) => return Some(protocol(fault)),
        };
        match Answer::read(&line) {
            Some(answer) if answer.status == Status::Err => {
                Some(Rejection::Busy { text: answer.words() })
            }
            _ => Some(protocol(UNASKED_FOR)),
        }
    }

    fn transmit(&mut self, parts: &[&[u8]]) {
        self.outputs.push_back(Output::Transmit(line_of(parts)));
    }

    fn reject(&mut self, rejection: Rejection) {
        self.state = State::Rejected;
        self.reader = LineReader::default();
        self.outputs.push_back(Output::Event(UpstreamEvent::Reject(rejection)));
    }
}

impl Machine for Pop3Upstream {
    type Event = UpstreamEvent;

    fn handle_input(&mut self, input: &[u8]) {
        match &mut self.state {
            State::Handshake { injected } => *injected |= !input.is_empty(),
            State::Rejected => {}
            State::Ready => {
                self.reader.push(input);
                if let Some(rejection) = self.unasked() {
                    self.reject(rejection);
                }
            }
            State::Greeting
            | State::Capability { .. }
            | State::StartTls
            | State::Challenge { .. }
            | State::Name { .. }
            | State::Verdict { .. }
            | State::Done => {
                self.reader.push(input);
                self.read_lines();
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<UpstreamEvent>> {
        self.outputs.pop_front()
    }
}

impl Upstream for Pop3Upstream {
    fn handle_tls_established(&mut self) {
        if !matches!(self.state, State::Handshake { injected: false }) {
            return self.reject(protocol("data in clear behind the go-ahead for STLS"));
        }
        self.secured = true;
        self.capabilities = None;
        match self.ask_capabilities() {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    fn authenticate(&mut self, user: &str, credential: UpstreamCredential) {
        match self.state {
            State::Ready => {}
            // The driver has yet to read why it must close.
            State::Rejected => return,
            State::Greeting
            | State::Capability { .. }
            | State::StartTls
            | State::Handshake { .. }
            | State::Challenge { .. }
            | State::Name { .. }
            | State::Verdict { .. }
            | State::Done => return self.reject(protocol("a login before the server was ready")),
        }
        let begun = match credential {
            UpstreamCredential::Bearer(token) => self.begin_bearer(user, &token),
            UpstreamCredential::Password(password) => self.begin_password(user, password),
        };
        match begun {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.reader.into_residue()
    }
}

/// What a line that is no answer means.
fn outside(state: &State, line: &[u8]) -> Rejection {
    match state {
        State::Greeting => protocol(NO_GREETING),
        State::StartTls => Rejection::StartTls { text: printable(line, WORDS) },
        State::Capability { .. }
        | State::Handshake { .. }
        | State::Ready
        | State::Challenge { .. }
        | State::Name { .. }
        | State::Verdict { .. }
        | State::Done
        | State::Rejected => protocol("a response outside the grammar"),
    }
}

const NO_GREETING: &str = "it does not greet";
const UNASKED_FOR: &str = "a response that nothing asked for";

/// Lines of the list of capabilities; the longest lists have about 15.
const CAPABILITIES: usize = 100;

/// Characters of one of them (RFC 2449 section 3: a response's line has 512 octets).
const CAPABILITY: usize = 510;
