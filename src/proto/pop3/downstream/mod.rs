//! The leg towards the mail client, up to its login: we are the POP3 server. The hard thing is to know
//! of every line whether it is a command, a password, a SASL response, part of a TLS handshake or of
//! the session after login; POP3 has no tags, so an answer too many or too few shifts all that follow.
//!
//! ```text
//!              greeting          STLS
//!   Greeting ───────────▶ Command ◀──────▶ Handshake
//!                          │  ▲ ▲
//!                     AUTH │  │ │ conclude(Err)
//!                          ▼  │ │
//!                     Response│ │
//!                          │  │ │
//!               credentials│  │ │     conclude(Ok)
//!                          ▼  │ │
//!    USER, PASS ───────▶ Deciding ───────────────▶ Done: the relay takes over
//!
//!   QUIT, close(), an excess: from everywhere ──▶ Closed
//! ```
//! All states but `Done` and `Closed` are the AUTHORIZATION state of RFC 1939 section 4; `Done` is its
//! TRANSACTION state. Framing stands here, what a command does in `commands`.

mod commands;

#[cfg(all(any(test, fuzzing), feature = "gateway"))]
pub mod differential;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use crate::{
    proto::{
        Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, Welcome,
        line::{Intake, Line, strip_line_end},
        pop3::{refusal, syntax},
    },
    sasl::exchange::Exchange,
};

/// The POP3 server before login.
pub struct Pop3Downstream {
    state: State,
    tls: LocalTls,
    bounds: LoginBounds,
    intake: Intake,
    replies: BytesMut,
    /// Due when the replies have been polled. There is never more than one: each of them stops the
    /// reading until the driver has acted.
    event: Option<DownstreamEvent>,
    /// Octets of lines that are over, since the greeting or the TLS handshake.
    spent: usize,
    faults: usize,
    /// Whether the client has sent a POP3 command at all.
    recognized: bool,
    /// The name of the last USER, until a login takes it.
    user: Option<Vec<u8>>,
    /// Whether more came while a login was decided on than we keep, so that a session would have a
    /// hole. What is kept is enough to exceed the bounds if the login fails.
    hole: bool,
}

/// What the machine waits for.
enum State {
    /// The driver to fetch the greeting.
    Greeting,
    /// A command.
    Command,
    /// A line of a SASL exchange.
    Response { exchange: Exchange },
    /// The TLS handshake.
    Handshake {
        /// Whether bytes came in clear behind the STLS command.
        injected: bool,
    },
    /// The verdict on a login.
    Deciding,
    /// Nothing more: what is in the intake belongs to the relay.
    Done,
    /// Nothing more: what is in the intake belongs to nobody.
    Closed,
}

impl Pop3Downstream {
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
            user: None,
            hole: false,
        }
    }

    /// No `<…@…>`: that would offer APOP (RFC 1939 section 7).
    fn greet(&mut self) {
        self.state = State::Command;
        self.reply("+OK saslgate ready");
    }

    /// Reads as far as the state allows.
    fn advance(&mut self) {
        while let State::Command | State::Response { .. } = self.state {
            if self.is_foreign() {
                return self.hang_up(NOT_POP3);
            }
            let left = self.bounds.total.saturating_sub(self.spent);
            let limit = left.min(self.bounds.line);
            match self.intake.line(0, limit) {
                Line::Partial => return,
                Line::TooLong if limit == left => return self.hang_up(TOO_MUCH),
                Line::TooLong => return self.hang_up(LINE_TOO_LONG),
                Line::Complete(end) => self.handle_line(end),
            }
        }
    }

    /// Whether the first octet of all cannot begin a command: a TLS handshake in a place without TLS,
    /// for example, which has no line end to wait for. An empty line is a fault, but of nobody else's
    /// protocol.
    fn is_foreign(&self) -> bool {
        let begins = |octet: u8| octet.is_ascii_alphabetic() || octet == b'\r' || octet == b'\n';
        !self.recognized && self.intake.pending().first().is_some_and(|&octet| !begins(octet))
    }

    /// Runs the line that ends before octet `end` of the intake.
    fn handle_line(&mut self, end: usize) {
        self.spent += end;
        let line = self.intake.take(end);
        let line = strip_line_end(line.expose());
        if let State::Response { exchange } = std::mem::replace(&mut self.state, State::Command) {
            return self.progress(exchange.respond(line));
        }
        let command = syntax::verb(line);
        if command.is_none() && !self.recognized && !line.is_empty() {
            // A browser, or a client of another protocol, that was led here: an answer to each of
            // its lines would let somebody speak POP3 through it, or read our words as its own.
            return self.hang_up(NOT_POP3);
        }
        match command {
            Some((verb, rest)) => {
                self.recognized = true;
                self.handle_command(verb, rest);
            }
            None => self.fault("-ERR Unknown command"),
        }
    }

    /// One line of ours.
    fn reply(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// A multi-line response (RFC 1939 section 3). None of our lines begins with a dot.
    fn reply_lines<'a>(&mut self, first: &str, lines: impl IntoIterator<Item = &'a str>) {
        self.reply(first);
        lines.into_iter().for_each(|line| self.reply(line));
        self.reply(".");
    }

    /// Ends the connection with these words.
    fn hang_up(&mut self, words: &str) {
        self.reply(&format!("-ERR {words}"));
        self.end();
    }

    fn end(&mut self) {
        self.intake.clear();
        self.state = State::Closed;
        self.event = Some(DownstreamEvent::Close);
    }
}

impl Machine for Pop3Downstream {
    type Event = DownstreamEvent;

    fn handle_input(&mut self, input: &[u8]) {
        match &mut self.state {
            State::Closed => return,
            State::Handshake { injected } => {
                *injected |= !input.is_empty();
                return;
            }
            // A client may send its next commands before it has our answer (PIPELINING, RFC 2449
            // section 6.6), but a driver stops reading at a login, so this bound is a safety net and
            // not a window.
            State::Deciding => {
                self.hole |= !self.intake.extend_within(input, self.bounds.total);
                return;
            }
            State::Done if self.intake.pending().len() + input.len() > self.bounds.total => {
                return self.hang_up(TOO_MUCH);
            }
            State::Greeting => self.greet(),
            State::Command | State::Response { .. } | State::Done => {}
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

impl Downstream for Pop3Downstream {
    /// RFC 2595 section 4 has both sides forget what they knew.
    fn handle_tls_established(&mut self) {
        self.tls = LocalTls::Established;
        self.spent = 0;
        self.recognized = false;
        self.user = None;
        match self.state {
            State::Handshake { injected: true } => self.hang_up(INJECTED),
            State::Handshake { injected: false } => self.state = State::Command,
            State::Greeting
            | State::Command
            | State::Response { .. }
            | State::Deciding
            | State::Done
            | State::Closed => {}
        }
    }

    /// Without a login to decide on, nothing happens. The upstream's capabilities are told when the
    /// client asks for them, by the relay.
    fn conclude(&mut self, verdict: Result<Welcome, Refusal>) {
        let State::Deciding = self.state else { return };
        match verdict {
            Ok(_) if self.hole => self.hang_up(TOO_MUCH),
            Ok(_) => {
                self.reply("+OK Logged in");
                self.state = State::Done;
            }
            Err(refusal) => {
                self.replies.extend_from_slice(&refusal::login_refused(&refusal));
                self.state = State::Command;
                self.advance();
            }
        }
    }

    /// A login that is being decided on gets its answer and nothing else: a second one would be taken
    /// for the answer to the next command. During a TLS handshake nothing can be said.
    fn close(&mut self, refusal: Refusal) {
        let last = match &self.state {
            State::Closed => return,
            State::Handshake { .. } => return self.end(),
            State::Deciding => refusal::login_refused(&refusal),
            State::Greeting | State::Command | State::Response { .. } | State::Done => {
                refusal::bye(&refusal)
            }
        };
        self.replies.extend_from_slice(&last);
        self.end();
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.intake.to_bytes()
    }
}

// None of these repeats what the client sent: a browser that was led here would run it.
const NOT_POP3: &str = "This is a POP3 server, and that was no POP3 command";
const TOO_MUCH: &str = "Too much was sent before the login was complete";
const LINE_TOO_LONG: &str = "The line is too long";
const INJECTED: &str = "Data was sent in clear behind STLS; the session is not safe";
const TOO_MANY_FAULTS: &str = "Too many commands that are wrong or not allowed before login";
