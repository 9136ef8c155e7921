//! The leg towards the mail client, up to its login: we are the SMTP server. The hard thing is that
//! clients are printers, scripts and cron jobs as well as mail programs: they say nonsense, and send
//! their mail without waiting. Each line must have its one answer in order, and not an octet of
//! a password, a message or a TLS handshake may be read as a command.
//!
//! ```text
//!              greeting          STARTTLS
//!   Greeting ───────────▶ Command ◀──────▶ Handshake
//!                          │ ▲ ▲ ▲
//!     AUTH without all that│ │ │ │ the octets are over
//!        it takes          │ │ │ └─────────────────── Chunk ◀── BDAT, refused
//!                          ▼ │ │ the line's end
//!                    Response│ └─────────────────── Overlong ◀── a line that is too long
//!                          │ │
//!               credentials│ │ conclude(Err)
//!                          ▼ │
//!     AUTH with all ──▶ Deciding ───────────────▶ Done: the relay takes over
//!                                  conclude(Ok)
//!
//!   QUIT, close(), an excess: from everywhere ──▶ Closed
//! ```
//! RFC 5321 section 4.1.4 has more states (a client says EHLO or HELO before it does anything); all of
//! them are `Command` here, since old devices send AUTH without any greeting of theirs, and nothing
//! depends on it.
//!
//! Framing stands here, what a command does in `commands`. A line that is too long is read to its end
//! and then refused (RFC 5321 section 4.5.3.1.9), since its end is the beginning of the next command.

mod commands;

#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use crate::{
    proto::{
        Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, Welcome,
        line::{Intake, Line},
        smtp::{extension::Extensions, refusal},
    },
    sasl::exchange::Exchange,
};

/// RFC 4954 section 4: 12288 octets are enough for a line of an exchange. Here with its CRLF.
const MAX_RESPONSE: usize = 12288 + 2;

/// The first octet of a TLS handshake (RFC 8446 section 5.1), which has no line end to wait for.
const TLS_HANDSHAKE: u8 = 0x16;

/// What an SMTP listener says of itself.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// Its name in the greeting and in the answer to EHLO: a domain (RFC 5321 section 4.2).
    pub name: String,
    /// What EHLO promises before login.
    pub promise: Extensions,
    /// Whether EHLO also shows `AUTH=LOGIN PLAIN`, as the drafts before RFC 2554 had it.
    pub obsolete_auth_line: bool,
}

/// The SMTP server before login.
pub struct SmtpDownstream {
    state: State,
    tls: LocalTls,
    bounds: LoginBounds,
    options: SmtpOptions,
    intake: Intake,
    replies: BytesMut,
    /// Due when the replies have been polled. There is never more than one: each of them stops the
    /// reading until the driver has acted.
    event: Option<DownstreamEvent>,
    /// Octets that have been taken, since the greeting or the TLS handshake.
    spent: usize,
    faults: usize,
    opening: Opening,
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
    /// The end of a line that is too long, to answer it so.
    Overlong { answer: &'static str },
    /// So many octets of a message that nobody takes (RFC 3030 section 2: they come in any case).
    Chunk { left: usize },
    /// The TLS handshake.
    Handshake {
        /// Whether bytes came in clear behind the STARTTLS command.
        injected: bool,
    },
    /// The verdict on a login.
    Deciding,
    /// Nothing more: what is in the intake belongs to the relay.
    Done,
    /// Nothing more: what is in the intake belongs to nobody.
    Closed,
}

/// Whether the peer speaks SMTP at all. A printer may begin with noise, so the first line is forgiven;
/// but whoever goes on like this speaks something else, and an answer to each of its lines would let
/// somebody speak SMTP through it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Nothing has been said.
    FirstLine,
    /// The first line was no command.
    SecondLine,
    /// A command of SMTP has been said.
    Recognized,
}

impl SmtpDownstream {
    /// A machine for a connection that has just been accepted (or has TLS on, then after the
    /// handshake). Its first output is the greeting.
    pub fn new(tls: LocalTls, bounds: LoginBounds, options: SmtpOptions) -> Self {
        Self {
            state: State::Greeting,
            tls,
            bounds,
            options,
            intake: Intake::default(),
            replies: BytesMut::new(),
            event: None,
            spent: 0,
            faults: 0,
            opening: Opening::FirstLine,
            hole: false,
        }
    }

    fn greet(&mut self) {
        self.state = State::Command;
        let greeting = format!("220 {} ESMTP saslgate", self.options.name);
        self.reply(&greeting);
    }

    /// Reads as far as the state allows.
    fn advance(&mut self) {
        while self.advance_once() {}
    }

    /// Reads one line or chunk; whether it was there.
    fn advance_once(&mut self) -> bool {
        let bound = match self.state {
            State::Command => self.bounds.line,
            State::Response { .. } => self.bounds.line.min(MAX_RESPONSE),
            State::Overlong { .. } => usize::MAX,
            State::Chunk { left } => return self.discard(left),
            State::Greeting
            | State::Handshake { .. }
            | State::Deciding
            | State::Done
            | State::Closed => return false,
        };
        if self.begins_with_tls() {
            self.hang_up(NOT_SMTP);
            return false;
        }
        let left = self.octets_left();
        let limit = left.min(bound);
        match self.intake.line(0, limit) {
            Line::Complete(end) => self.handle_line(end),
            Line::TooLong if limit == left => self.hang_up(TOO_MUCH),
            Line::TooLong => self.begin_overlong(limit),
            Line::Partial => {
                if let State::Overlong { .. } = self.state {
                    self.skip(self.intake.pending().len());
                }
                return false;
            }
        }
        true
    }

    /// Whether the first octet of all is that of a TLS handshake.
    fn begins_with_tls(&self) -> bool {
        matches!(self.state, State::Command)
            && self.opening == Opening::FirstLine
            && self.intake.pending().first() == Some(&TLS_HANDSHAKE)
    }

    fn octets_left(&self) -> usize {
        self.bounds.total.saturating_sub(self.spent)
    }

    fn handle_line(&mut self, end: usize) {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Response { exchange } => self.handle_response(end, exchange),
            State::Overlong { answer } => {
                self.skip(end);
                self.not_understood(answer);
            }
            State::Command
            | State::Greeting
            | State::Chunk { .. }
            | State::Handshake { .. }
            | State::Deciding
            | State::Done
            | State::Closed => self.handle_command(end),
        }
    }

    /// Lets go of the front of a line that goes on beyond the bound. An exchange that it belongs to is
    /// over (RFC 4954 section 4).
    fn begin_overlong(&mut self, length: usize) {
        let answer = if let State::Response { .. } = self.state {
            "500 5.5.6 The response is too long"
        } else {
            "500 5.5.2 The line is too long"
        };
        self.state = State::Overlong { answer };
        self.skip(length);
    }

    /// Takes what has come of a chunk that nobody wants; whether that was all of it.
    fn discard(&mut self, left: usize) -> bool {
        let here = left.min(self.intake.pending().len());
        self.skip(here);
        if here < left {
            self.state = State::Chunk { left: left - here };
            return false;
        }
        self.state = State::Command;
        self.demand_login();
        true
    }

    fn skip(&mut self, octets: usize) {
        self.spent += octets;
        self.intake.take(octets);
    }

    /// One line of ours.
    fn reply(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    /// Ends the connection with a 421 of these words.
    fn hang_up(&mut self, words: &str) {
        self.reply(&format!("421 4.7.0 {words}"));
        self.end();
    }

    fn end(&mut self) {
        self.intake.clear();
        self.state = State::Closed;
        self.event = Some(DownstreamEvent::Close);
    }
}

impl Machine for SmtpDownstream {
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
            State::Deciding => {
                self.hole |= !self.intake.extend_within(input, self.bounds.total);
                return;
            }
            State::Done if self.intake.pending().len() + input.len() > self.bounds.total => {
                return self.hang_up(TOO_MUCH);
            }
            State::Greeting => self.greet(),
            State::Command
            | State::Response { .. }
            | State::Overlong { .. }
            | State::Chunk { .. }
            | State::Done => {}
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

impl Downstream for SmtpDownstream {
    /// RFC 3207 section 4.2: nothing that was said before it counts any more.
    fn handle_tls_established(&mut self) {
        self.tls = LocalTls::Established;
        self.spent = 0;
        self.opening = Opening::FirstLine;
        match self.state {
            State::Handshake { injected: true } => self.hang_up(INJECTED),
            State::Handshake { injected: false } => self.state = State::Command,
            State::Greeting
            | State::Command
            | State::Response { .. }
            | State::Overlong { .. }
            | State::Chunk { .. }
            | State::Deciding
            | State::Done
            | State::Closed => {}
        }
    }

    /// Without a login to decide on, nothing happens.
    fn conclude(&mut self, verdict: Result<Welcome, Refusal>) {
        let State::Deciding = self.state else { return };
        match verdict {
            Ok(_) if self.hole => self.hang_up(TOO_MUCH),
            // What the upstream can do is told by the relay, should the client send EHLO again.
            Ok(_) => {
                self.reply("235 2.7.0 Authentication successful");
                self.state = State::Done;
            }
            Err(refusal) => {
                self.replies.extend_from_slice(&refusal::login_refused(&refusal));
                self.state = State::Command;
                self.advance();
            }
        }
    }

    /// The 421 is also the answer to a login that is being decided on, but to one that must not be
    /// tried again as it is: this one has its own first. During a TLS handshake nothing can be said.
    fn close(&mut self, refusal: Refusal) {
        match self.state {
            State::Closed => return,
            State::Handshake { .. } => return self.end(),
            State::Deciding if refusal::is_permanent(refusal.reason) => {
                self.replies.extend_from_slice(&refusal::login_refused(&refusal));
            }
            State::Greeting
            | State::Command
            | State::Response { .. }
            | State::Overlong { .. }
            | State::Chunk { .. }
            | State::Deciding
            | State::Done => {}
        }
        self.replies.extend_from_slice(&refusal::goodbye(&refusal));
        self.end();
    }

    fn into_residue(self: Box<Self>) -> BytesMut {
        self.intake.to_bytes()
    }
}

// None of these repeats what the client sent: a browser that was led here would run it.
const NOT_SMTP: &str = "This is an SMTP server, and that was no SMTP command";
const TOO_MUCH: &str = "Too much was sent before the login was complete";
const INJECTED: &str = "Data was sent in clear behind STARTTLS; the session is not safe";
const TOO_MANY_FAULTS: &str = "Too many commands that are wrong or not allowed before login";
