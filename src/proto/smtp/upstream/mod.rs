//! The leg towards the provider until the login is done: we are the client. The hard thing is that a
//! reply belongs to a command only by its place: nothing is believed before TLS, and nothing that comes
//! before it was asked for.
//!
//! ```text
//! Greeting ──► Ehlo ──► StartTls ──► Handshake ──┐
//!               │  ▲                             │
//!               │  └─────────────────────────────┘
//!               └──► Ready ──► Challenge ───────────────► Verdict ──► Done
//!                                  └─LOGIN─► Password ───────┘
//! ```
//!
//! AUTH always goes in two lines: a token would break the 512 octets of a command line (RFC 4954
//! section 4), and so a password is not sent either before the server has agreed to the mechanism.

mod opening;
mod verdict;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem};

use bytes::BytesMut;

use self::{
    opening::{Dialogue, Mechanism},
    verdict::{no_extensions, not_begun, not_gone_on, not_greeted, refused},
};
use super::reply::{Reply, ReplyReader};
use crate::{
    proto::{
        Machine, Output, Rejection, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions,
        Welcome, line::line_of, verdict::protocol,
    },
    secret::Secret,
};

/// The client side of an SMTP login with a bearer token or a password.
pub struct SmtpUpstream {
    options: UpstreamOptions,
    state: State,
    reader: ReplyReader,
    outputs: VecDeque<Output<UpstreamEvent>>,
    /// The lines of the server's answer to EHLO behind the first, since TLS.
    keywords: Vec<String>,
    /// Whether TLS is on.
    secured: bool,
}

/// Named by what is awaited.
#[derive(Debug)]
enum State {
    /// The server's greeting.
    Greeting,
    /// The answer to EHLO.
    Ehlo,
    /// The answer to STARTTLS.
    StartTls,
    /// The end of the handshake; `injected` if anything came in clear behind the go-ahead.
    Handshake { injected: bool },
    /// The driver's word to log in.
    Ready,
    /// The server's 334 behind the name of the mechanism.
    Challenge(Dialogue),
    /// The second prompt of LOGIN.
    Password { password: Secret },
    /// The end of AUTH. `challenge` is the error challenge, once there was one.
    Verdict { mechanism: Mechanism, challenge: Option<Vec<u8>> },
    /// Nothing: logged in, the rest belongs to the relay.
    Done,
    /// Nothing: the driver was told to close.
    Rejected,
}

impl SmtpUpstream {
    /// A machine that awaits the greeting.
    pub fn new(options: UpstreamOptions) -> Self {
        Self {
            secured: !options.starttls,
            options,
            state: State::Greeting,
            reader: ReplyReader::default(),
            outputs: VecDeque::new(),
            keywords: Vec::new(),
        }
    }

    fn read_replies(&mut self) {
        // When it is not our turn to listen, what comes is not ours, or comes too early.
        while !matches!(
            self.state,
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected
        ) {
            match self.reader.next_reply() {
                Ok(Some(reply)) => self.handle_reply(&reply),
                Ok(None) => return,
                Err(fault) => self.reject(protocol(fault)),
            }
        }
    }

    fn handle_reply(&mut self, reply: &Reply) {
        let next = match mem::replace(&mut self.state, State::Rejected) {
            _ if reply.code == CLOSING => Err(Rejection::Busy { text: reply.words() }),
            State::Greeting if reply.code == READY => self.introduce(),
            State::Greeting => Err(not_greeted(reply)),
            State::Ehlo if reply.code == DONE => self.informed(reply),
            State::Ehlo => Err(no_extensions(reply)),
            State::StartTls if reply.code == READY => {
                self.outputs.push_back(Output::Event(UpstreamEvent::StartTls));
                Ok(State::Handshake { injected: !self.reader.is_empty() })
            }
            State::StartTls => Err(Rejection::StartTls { text: reply.words() }),
            State::Challenge(dialogue) => self.handle_challenge(reply, dialogue),
            State::Password { password } if reply.code == CHALLENGE => self.respond(
                &password,
                State::Verdict { mechanism: Mechanism::Login, challenge: None },
            ),
            State::Password { .. } => Err(not_gone_on(reply, &self.offered())),
            State::Verdict { mechanism, challenge } => {
                self.handle_verdict(reply, mechanism, challenge)
            }
            State::Handshake { .. } | State::Ready | State::Done | State::Rejected => {
                Err(protocol(UNASKED))
            }
        };
        match next {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    fn introduce(&mut self) -> Result<State, Rejection> {
        let name = self.options.client_name.as_str();
        // It stands in a command: what could end that, or add an argument, is no name.
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(protocol("our own name cannot be sent"));
        }
        let command = format!("EHLO {name}");
        self.command(&[command.as_bytes()])?;
        Ok(State::Ehlo)
    }

    /// What comes once the extensions are known.
    fn informed(&mut self, reply: &Reply) -> Result<State, Rejection> {
        self.keywords = keywords(reply);
        if self.secured {
            self.outputs.push_back(Output::Event(UpstreamEvent::Ready));
            return Ok(State::Ready);
        }
        if !self.keywords.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
            return Err(Rejection::StartTls { text: self.offered() });
        }
        self.command(&[b"STARTTLS"])?;
        Ok(State::StartTls)
    }

    fn handle_challenge(
        &mut self,
        reply: &Reply,
        Dialogue { mechanism, response, password }: Dialogue,
    ) -> Result<State, Rejection> {
        let next = match password {
            Some(password) => State::Password { password },
            None => State::Verdict { mechanism, challenge: None },
        };
        match reply.code {
            CHALLENGE => self.respond(&response, next),
            WELCOME => Err(protocol("a login without a credential")),
            _ => Err(not_begun(reply, &self.offered(), mechanism.name())),
        }
    }

    fn handle_verdict(
        &mut self,
        reply: &Reply,
        mechanism: Mechanism,
        challenge: Option<Vec<u8>>,
    ) -> Result<State, Rejection> {
        match (reply.code, mechanism, challenge) {
            (WELCOME, ..) => {
                let welcome = Welcome { capabilities: mem::take(&mut self.keywords) };
                self.outputs.push_back(Output::Event(UpstreamEvent::Authenticated(welcome)));
                Ok(State::Done)
            }
            // The server's error, which it wants acknowledged before it says 535.
            (CHALLENGE, Mechanism::Bearer(bearer), None) => {
                let challenge = reply.lines.first().cloned();
                self.command(&[&bearer.error_answer()])?;
                Ok(State::Verdict { mechanism, challenge })
            }
            (CHALLENGE, ..) => Err(protocol("a challenge too many")),
            (_, _, challenge) => Err(refused(reply, challenge.as_deref())),
        }
    }

    fn respond(&mut self, response: &Secret, next: State) -> Result<State, Rejection> {
        self.command(&[response.expose()])?;
        Ok(next)
    }

    /// One line that the server must answer.
    fn command(&mut self, parts: &[&[u8]]) -> Result<(), Rejection> {
        if !self.reader.is_empty() {
            return Err(self.unasked().unwrap_or_else(|| protocol(UNASKED)));
        }
        self.outputs.push_back(Output::Transmit(line_of(parts)));
        Ok(())
    }

    /// What came early is a goodbye (RFC 5321 section 3.8), or would be taken for another reply.
    fn unasked(&mut self) -> Option<Rejection> {
        match self.reader.next_reply() {
            Ok(Some(reply)) if reply.code == CLOSING => {
                Some(Rejection::Busy { text: reply.words() })
            }
            Ok(Some(_)) => Some(protocol(UNASKED)),
            Ok(None) => None,
            Err(fault) => Some(protocol(fault)),
        }
    }

    fn reject(&mut self, rejection: Rejection) {
        self.state = State::Rejected;
        self.reader = ReplyReader::default();
        self.outputs.push_back(Output::Event(UpstreamEvent::Reject(rejection)));
    }
}

impl Machine for SmtpUpstream {
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
            | State::Ehlo
            | State::StartTls
            | State::Challenge(_)
            | State::Password { .. }
            | State::Verdict { .. }
            | State::Done => {
                self.reader.push(input);
                self.read_replies();
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output<UpstreamEvent>> {
        self.outputs.pop_front()
    }
}

impl Upstream for SmtpUpstream {
    fn handle_tls_established(&mut self) {
        if !matches!(self.state, State::Handshake { injected: false }) {
            return self.reject(protocol("data in clear behind the go-ahead for STARTTLS"));
        }
        self.secured = true;
        self.keywords.clear();
        match self.introduce() {
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
            | State::Ehlo
            | State::StartTls
            | State::Handshake { .. }
            | State::Challenge(_)
            | State::Password { .. }
            | State::Verdict { .. }
            | State::Done => return self.reject(protocol("a login before the server was ready")),
        }
        match self.begin(user, &credential) {
            Ok(state) => self.state = state,
            Err(rejection) => self.reject(rejection),
        }
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.reader.into_residue()
    }
}

/// The lines of an EHLO reply behind the first:
/// `ehlo-line = ehlo-keyword *( SP ehlo-param )` (RFC 5321 section 4.1.1.1). What is not visible ASCII
/// is left out: it is no extension, and could end the line in which the client is to get it.
fn keywords(reply: &Reply) -> Vec<String> {
    let lines = reply.lines.iter().skip(1).map(|line| line.trim_ascii());
    let visible = |line: &&[u8]| {
        !line.is_empty() && line.iter().all(|&octet| octet == b' ' || octet.is_ascii_graphic())
    };
    lines.filter(visible).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// RFC 5321 section 4.2.3.
const READY: u16 = 220;
/// RFC 4954 section 6.
const WELCOME: u16 = 235;
/// RFC 5321 section 4.2.3.
const DONE: u16 = 250;
/// RFC 4954 section 4.
const CHALLENGE: u16 = 334;
/// "May be a reply to any command if the service knows it must shut down" (RFC 5321 section 4.2.3).
const CLOSING: u16 = 421;

const UNASKED: &str = "a reply to a command that was not sent";
