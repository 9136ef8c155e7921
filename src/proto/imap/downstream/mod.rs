//! The leg towards the mail client, up to its login: we are the IMAP server. The hard thing is to
//! know at every octet whether it belongs to a command, a literal, a SASL response, a TLS handshake
//! or the session after login; one octet read under the wrong heading is a password in a reply or
//! a command that nobody sent.
//!
//! ```text
//!              greeting          STARTTLS
//!   Greeting ───────────▶ Command ◀──────▶ Handshake
//!                          │  ▲ ▲
//!             AUTHENTICATE │  │ │ conclude(Err)
//!                          ▼  │ │
//!                     Response│ │
//!                          │  │ │
//!               credentials│  │ │     conclude(Ok)
//!                          ▼  │ │
//!         LOGIN ────────▶ Deciding ───────────────▶ Done: the relay takes over
//!
//!   LOGOUT, close(), an excess: from everywhere ──▶ Closed
//! ```
//! This is the left half of the diagram of RFC 3501 section 3: all states but `Done` and `Closed` are
//! its "not authenticated".
//!
//! Framing stands here, what a command does in `commands`. A command is first gathered, with all
//! its literals, and then parsed as a whole. For a synchronizing literal the client waits for our
//! `+`, so one that we do not want is simply never asked for; a non-synchronizing one is on its way
//! already and must be read, or the connection ends (RFC 7888 section 4).

mod commands;

#[cfg(all(any(test, fuzzing), feature = "demo"))]
pub mod differential;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use crate::{
    proto::{
        Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, Welcome,
        imap::{
            literal::{self, Literal},
            refusal,
            syntax::{self, Verb},
        },
        line::{Intake, Line, strip_line_end},
    },
    sasl::exchange::Exchange,
};

/// LITERAL- (RFC 7888 section 5) lets a client send so many octets without asking. A user name or
/// a password is never longer, so a client that sends more breaks its side of it and is not read.
const MAX_UNASKED_LITERAL: usize = 4096;

/// The IMAP server before login.
pub struct ImapDownstream {
    state: State,
    tls: LocalTls,
    bounds: LoginBounds,
    intake: Intake,
    replies: BytesMut,
    /// Due when the replies have been polled. There is never more than one: each of them stops the
    /// reading until the driver has acted.
    event: Option<DownstreamEvent>,
    /// Octets of commands that are over, since the greeting or the TLS handshake.
    spent: usize,
    faults: usize,
    /// Whether the client has sent an IMAP command at all.
    recognized: bool,
    /// Whether the client asked for the capabilities itself, in the present TLS state.
    asked_capability: bool,
    /// Whether more came while a login was decided on than we keep, so that a session would have a
    /// hole. What is kept is enough to exceed the bounds if the login fails.
    hole: bool,
}

/// What the machine waits for.
enum State {
    /// The driver to fetch the greeting.
    Greeting,
    /// A command.
    Command {
        /// Where the command's present line begins in the intake; behind a literal it is not zero.
        line: usize,
    },
    /// A line of a SASL exchange.
    Response { tag: Vec<u8>, exchange: Exchange },
    /// The TLS handshake.
    Handshake {
        /// Whether bytes came in clear behind the STARTTLS command.
        injected: bool,
    },
    /// The verdict on a login.
    Deciding { tag: Vec<u8> },
    /// Nothing more: what is in the intake belongs to the relay.
    Done,
    /// Nothing more: what is in the intake belongs to nobody.
    Closed,
}

impl ImapDownstream {
    /// A machine for a connection that has just been accepted (or has TLS on, then after the
    /// handshake). Its first output is the greeting.
    pub fn new(tls: LocalTls, bounds: LoginBounds) -> Self {
        Self {
            state: State::Greeting,
            tls,
            bounds,
            intake: Intake::default(),
            replies: BytesMut::new(),
            event: None,
            spent: 0,
            faults: 0,
            recognized: false,
            asked_capability: false,
            hole: false,
        }
    }

    fn greet(&mut self) {
        self.state = State::Command { line: 0 };
        let capabilities = self.capabilities();
        self.reply(format_args!("* OK [CAPABILITY {capabilities}] saslgate ready"));
    }

    /// Reads as far as the state allows.
    fn advance(&mut self) {
        loop {
            let from = match self.state {
                State::Command { line } => line,
                State::Response { .. } => 0,
                State::Greeting
                | State::Handshake { .. }
                | State::Deciding { .. }
                | State::Done
                | State::Closed => return,
            };
            if self.is_foreign() {
                return self.hang_up(NOT_IMAP);
            }
            let left = self.octets_left();
            let limit = left.min(from.saturating_add(self.bounds.line));
            match self.intake.line(from, limit) {
                Line::Partial => return,
                Line::TooLong if limit == left => return self.hang_up(TOO_MUCH),
                Line::TooLong => return self.hang_up(LINE_TOO_LONG),
                Line::Complete(end) => self.handle_line(from, end),
            }
        }
    }

    /// Whether the first octet of all cannot begin a command: a TLS handshake in a place without TLS,
    /// for example, which has no line end to wait for. An empty line is a fault, but of nobody else's
    /// protocol.
    fn is_foreign(&self) -> bool {
        let begins = |octet| syntax::is_tag_char(octet) || octet == b'\r' || octet == b'\n';
        !self.recognized && self.intake.pending().first().is_some_and(|&octet| !begins(octet))
    }

    fn octets_left(&self) -> usize {
        self.bounds.total.saturating_sub(self.spent)
    }

    fn handle_line(&mut self, from: usize, end: usize) {
        if let State::Response { .. } = self.state {
            return self.handle_response(end);
        }
        let command = self.intake.pending().get(..end).unwrap_or_default();
        let line = strip_line_end(command.get(from..).unwrap_or_default());
        let announced = literal::announced(line);
        let verb = syntax::command_tag(command)
            .and_then(|(_, rest)| syntax::verb(rest))
            .map(|(verb, _)| verb);
        if verb.is_none() && !self.recognized && !line.is_empty() {
            // A browser, or a client of another protocol, that was led here: an answer to each of
            // its lines would let somebody speak IMAP through it, or read our words as its own.
            return self.hang_up(NOT_IMAP);
        }
        self.recognized |= verb.is_some();
        match announced {
            None if announces_without_measure(line) => self.hang_up(LITERAL_TOO_LONG),
            None => self.handle_command(end),
            Some(literal) if literal.synchronizing => self.admit_asked(verb, literal, end),
            Some(literal) => self.admit_unasked(literal, end),
        }
    }

    /// A literal that the client sends only if we ask.
    fn admit_asked(&mut self, verb: Option<Verb>, literal: Literal, end: usize) {
        let wanted = match verb {
            Some(Verb::Login) => self.tls.allows_login(),
            Some(Verb::Id) => true,
            // None of these takes a string: parsed without the literal, they are refused.
            Some(
                Verb::Capability
                | Verb::Noop
                | Verb::Logout
                | Verb::StartTls
                | Verb::Authenticate
                | Verb::AfterLogin,
            )
            | None => false,
        };
        if !wanted || literal.binary {
            return self.handle_command(end);
        }
        match self.literal_end(literal, end, self.bounds.literal) {
            Some(line) => {
                self.state = State::Command { line };
                self.reply(format_args!("+ Ready for literal data"));
            }
            None => self.refuse_literal(end),
        }
    }

    /// A literal that is on its way, whether we want it or not.
    fn admit_unasked(&mut self, literal: Literal, end: usize) {
        let bound = self.bounds.literal.min(MAX_UNASKED_LITERAL);
        match self.literal_end(literal, end, bound) {
            Some(line) => self.state = State::Command { line },
            None => self.hang_up(LITERAL_TOO_LONG),
        }
    }

    /// Where a literal ends that begins at `begin`, if it is within the bounds.
    fn literal_end(&self, literal: Literal, begin: usize, bound: usize) -> Option<usize> {
        let octets = usize::try_from(literal.octets).ok().filter(|&octets| octets <= bound)?;
        begin.checked_add(octets).filter(|&end| end < self.octets_left())
    }

    /// One line of ours.
    fn reply(&mut self, line: std::fmt::Arguments<'_>) {
        self.replies.extend_from_slice(line.to_string().as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// One line of ours that answers a command.
    fn reply_tagged(&mut self, tag: &[u8], line: &str) {
        self.replies.extend_from_slice(tag);
        self.replies.extend_from_slice(b" ");
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// Ends the connection with an untagged BYE of these words.
    fn hang_up(&mut self, words: &str) {
        self.reply(format_args!("* BYE {words}"));
        self.end();
    }

    fn end(&mut self) {
        self.intake.clear();
        self.state = State::Closed;
        self.event = Some(DownstreamEvent::Close);
    }
}

impl Machine for ImapDownstream {
    type Event = DownstreamEvent;

    fn handle_input(&mut self, input: &[u8]) {
        match &mut self.state {
            State::Closed => return,
            State::Handshake { injected } => {
                *injected |= !input.is_empty();
                return;
            }
            // A client may send its next commands before it has our answer, but a driver stops
            // reading at a login, so this bound is a safety net and not a window.
            State::Deciding { .. } => {
                self.hole |= !self.intake.extend_within(input, self.bounds.total);
                return;
            }
            State::Done if self.intake.pending().len() + input.len() > self.bounds.total => {
                return self.hang_up(TOO_MUCH);
            }
            State::Greeting => self.greet(),
            State::Command { .. } | State::Response { .. } | State::Done => {}
        }
        self.intake.extend(input);
        self.advance();
    }

    fn poll_output(&mut self) -> Option<Output<DownstreamEvent>> {
        if let State::Greeting = self.state {
            self.greet();
        }
        if !self.replies.is_empty() {
            return Some(Output::Transmit(self.replies.split().freeze()));
        }
        self.event.take().map(Output::Event)
    }
}

impl Downstream for ImapDownstream {
    fn handle_tls_established(&mut self) {
        self.tls = LocalTls::Established;
        self.spent = 0;
        self.recognized = false;
        self.asked_capability = false;
        match self.state {
            State::Handshake { injected: true } => self.hang_up(INJECTED),
            State::Handshake { injected: false } => self.state = State::Command { line: 0 },
            State::Greeting
            | State::Command { .. }
            | State::Response { .. }
            | State::Deciding { .. }
            | State::Done
            | State::Closed => {}
        }
    }

    /// Without a login to decide on, nothing happens.
    fn conclude(&mut self, verdict: Result<Welcome, Refusal>) {
        let State::Deciding { tag } = &mut self.state else { return };
        let tag = std::mem::take(tag);
        match verdict {
            Ok(_) if self.hole => self.hang_up(TOO_MUCH),
            Ok(welcome) => {
                self.welcome(&tag, &welcome);
                self.state = State::Done;
            }
            Err(refusal) => {
                self.replies.extend_from_slice(&refusal::login_refused(&tag, &refusal));
                self.state = State::Command { line: 0 };
                self.advance();
            }
        }
    }

    /// A login that is being decided on gets its own answer first, so that no client waits for it.
    /// During a TLS handshake nothing can be said.
    fn close(&mut self, refusal: Refusal) {
        match &self.state {
            State::Closed => return,
            State::Handshake { .. } => return self.end(),
            State::Deciding { tag } => {
                let answer = refusal::login_refused(tag, &refusal);
                self.replies.extend_from_slice(&answer);
            }
            State::Greeting | State::Command { .. } | State::Response { .. } | State::Done => {}
        }
        self.replies.extend_from_slice(&refusal::bye(&refusal));
        self.end();
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.intake.to_bytes()
    }
}

/// Whether a line ends like the announcement of a non-synchronizing literal whose number does not
/// fit. By the grammar that is no literal, but what follows may be meant as one, and must not be run.
fn announces_without_measure(line: &[u8]) -> bool {
    let number = line.strip_suffix(b"+}").and_then(|line| {
        let brace = line.iter().rposition(|&octet| octet == b'{')?;
        line.get(brace + 1..)
    });
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

// None of these repeats what the client sent: a browser that was led here would run it.
const NOT_IMAP: &str = "This is an IMAP server, and that was no IMAP command";
const TOO_MUCH: &str = "Too much was sent before the login was complete";
const LINE_TOO_LONG: &str = "The line is too long";
const LITERAL_TOO_LONG: &str =
    "[TOOBIG] The literal is too long to be sent without waiting (LITERAL-, RFC 7888)";
const INJECTED: &str = "Data was sent in clear behind STARTTLS; the session is not safe";
const TOO_MANY_FAULTS: &str = "Too many commands that are wrong or not allowed before login";
