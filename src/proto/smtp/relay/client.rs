//! The client's side. The hard thing is to know at each octet what the upstream takes it for: a
//! command, a message, or a chunk. Where only a reply can tell, the client waits for it.
//!
//! ```text
//!          ┌───────────── all replies have passed ───────────── Await ◄─┐
//!          ▼                                                     │      │ DATA, EHLO, QUIT,
//! ──► Command ── a command ──► Command                          354     │ unknown, kept
//!      ▲ │  └────────────────────────────────────────────────────┼──────┘
//!      │ ├─ BDAT n ──► Chunk, or RefusedChunk ── n octets ─┐      ▼
//!      │ ├─ no CRLF ──► BadLine ────────── its LF ─────────┤    Data ── CRLF.CRLF ─┐
//!      │ └─ BDAT ? ──► Lost                                │                       │
//!      └───────────────────────────────────────────────────┴───────────────────────┘
//! ```

use memchr::{memchr, memchr3};

use super::{
    answer::Answer,
    guard::{Ruling, rule},
    outstanding::{Expected, Outstanding},
};
use crate::proto::{
    RelayFault, Side, Step,
    dot::{DotEnd, NOT_MESSAGE},
    smtp::{extension::Extensions, syntax::Chunk},
};

/// Follows what the client sends.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    /// What the upstream can do.
    pub(super) extensions: Extensions,
    pub(super) outstanding: Outstanding,
    /// Since the login, or since a command was kept or a line dropped, nothing beyond doubt has come:
    /// a client that does not wait may send its password once more, in base64.
    wary: bool,
    /// Command lines.
    pub(super) commands: u64,
    /// Those that were answered here.
    pub(super) guarded: u64,
}

#[derive(Debug)]
enum State {
    /// A command begins here.
    Command,
    /// Every reply that is owed has to pass first.
    Await,
    /// In the octets behind a 354.
    Data(DotEnd),
    /// In a chunk; so many octets are left.
    Chunk(u64),
    /// In a chunk that does not pass.
    RefusedChunk(u64),
    /// In a line that does not pass; so many octets of it are gone.
    BadLine(Answer, usize),
    /// Nobody knows where the next command begins.
    Lost,
}

/// The front of the input, where a command begins.
enum Front {
    /// Its end has not come yet.
    Open,
    /// A line, its CRLF included.
    Line(usize),
    /// A line that must not pass.
    Bad(Answer),
}

impl Client {
    pub(super) fn new(extensions: Extensions) -> Self {
        Self {
            state: State::Command,
            extensions,
            outstanding: Outstanding::default(),
            wary: true,
            commands: 0,
            guarded: 0,
        }
    }

    /// Whether the upstream can free what is held.
    pub(super) fn awaits_upstream(&self) -> bool {
        match self.state {
            State::Command => self.must_wait(),
            State::Await => !self.outstanding.is_empty(),
            State::Lost => true,
            State::Data(_) | State::Chunk(_) | State::RefusedChunk(_) | State::BadLine(..) => false,
        }
    }

    /// Whether the client waits for a reply.
    pub(super) fn is_owed(&self) -> bool {
        !self.outstanding.is_empty() || matches!(self.state, State::RefusedChunk(_))
    }

    /// Whether a message, or QUIT, has passed whole and has no reply yet.
    pub(super) fn awaits_verdict(&self) -> bool {
        self.outstanding.has_verdict(self.is_in_message())
    }

    /// Whether the next reply is one to a message, or a chunk, that has not passed to its end.
    pub(super) fn is_reply_early(&self) -> bool {
        self.is_in_message() && self.outstanding.is_one()
    }

    /// Octets of a message pass. Nothing else can be asked for behind it, so its reply is the last one.
    fn is_in_message(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk(_))
    }

    /// Why nothing more can be read, once everything is answered.
    pub(super) fn is_lost(&self) -> Option<RelayFault> {
        let over = matches!(self.state, State::Lost) && self.outstanding.is_empty();
        over.then_some(fault("a BDAT that does not say how many octets follow"))
    }

    /// The upstream has said 354: the message may come.
    pub(super) fn begin_data(&mut self) {
        self.outstanding.push(Expected::Message { octets: 0 });
        self.state = State::Data(DotEnd::new());
    }

    /// Decides on the front of what the client sent.
    pub(super) fn inspect(&mut self, input: &[u8]) -> Step {
        if input.is_empty() {
            return Step::Hold;
        }
        if matches!(self.state, State::Await) && self.outstanding.is_empty() {
            self.state = State::Command;
        }
        let must_wait = self.must_wait();
        match &mut self.state {
            State::Command if must_wait => Step::Hold,
            State::Command => self.command(input),
            State::Await | State::Lost => Step::Hold,
            State::Data(end) => {
                let end = end.find(input);
                let octets = end.unwrap_or(input.len());
                self.outstanding.count(octets as u64);
                if end.is_some() {
                    self.outstanding.discount(NOT_MESSAGE);
                    self.state = State::Command;
                }
                Step::Forward(octets)
            }
            &mut State::Chunk(left) => {
                let here = within(input, left);
                self.outstanding.count(here as u64);
                self.chunk(left - here as u64);
                Step::Forward(here)
            }
            &mut State::RefusedChunk(left) => {
                let here = within(input, left);
                self.refused_chunk(left - here as u64);
                Step::Discard(here)
            }
            &mut State::BadLine(answer, gone) => self.bad_line(answer, gone, input),
        }
    }

    /// RFC 2920 section 3.1: without PIPELINING one command at a time.
    fn must_wait(&self) -> bool {
        let one_at_a_time = !self.extensions.pipelining && !self.outstanding.is_empty();
        one_at_a_time || self.outstanding.is_full()
    }

    fn command(&mut self, input: &[u8]) -> Step {
        let length = match front(input) {
            Front::Open => return Step::Hold,
            Front::Bad(answer) => return self.bad_line(answer, 0, input),
            Front::Line(length) => length,
        };
        let line = input.get(..length).and_then(|line| line.strip_suffix(b"\r\n"));
        let ruling = rule(line.unwrap_or_default(), &self.extensions, self.wary);
        self.commands += 1;
        match ruling {
            Ruling::Pass(expected) => {
                self.wary = false;
                if expected.decides() {
                    self.state = State::Await;
                }
                self.outstanding.push(expected);
                return Step::Forward(length);
            }
            Ruling::PassChunk(Chunk { octets, last }) => {
                self.wary = false;
                self.outstanding.push(Expected::Chunk { octets: 0, last });
                self.chunk(octets);
                return Step::Forward(length);
            }
            Ruling::RefuseChunk(octets) => self.refused_chunk(octets),
            Ruling::Refuse(answer) => self.answer(answer),
            Ruling::Keep(answer) => {
                self.wary = true;
                self.answer(answer);
                // Who does not wait for our answer is read only after it, line by line.
                self.state = State::Await;
            }
            Ruling::Lose(answer) => {
                self.answer(answer);
                self.state = State::Lost;
            }
        }
        Step::Discard(length)
    }

    fn chunk(&mut self, left: u64) {
        self.state = if left == 0 { State::Command } else { State::Chunk(left) };
    }

    fn refused_chunk(&mut self, left: u64) {
        if left > 0 {
            self.state = State::RefusedChunk(left);
            return;
        }
        self.answer(Answer::NoChunking);
        self.state = State::Command;
    }

    /// Drops a line up to its LF, so that devices which send nothing but LF hear why.
    fn bad_line(&mut self, answer: Answer, gone: usize, input: &[u8]) -> Step {
        let near = input.get(..BAD_LINE.saturating_sub(gone)).unwrap_or(input);
        match memchr(b'\n', near) {
            Some(lf) => {
                self.commands += 1;
                self.answer(answer);
                // It may have been a login.
                self.wary = true;
                self.state = State::Command;
                Step::Discard(lf + 1)
            }
            None if near.len() < input.len() || near.is_empty() => {
                Step::End(fault("a line without an end"))
            }
            None => {
                self.state = State::BadLine(answer, gone + near.len());
                Step::Discard(near.len())
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.guarded += 1;
        self.outstanding.push(Expected::Local(answer));
    }
}

/// RFC 5321 section 2.3.8: lines end in CRLF, and neither CR nor LF may stand alone. A line that other
/// readers might see as two, or as another one, must not pass.
fn front(input: &[u8]) -> Front {
    let near = input.get(..LINE).unwrap_or(input);
    let Some(at) = memchr3(b'\r', b'\n', b'\0', near) else {
        return if near.len() < LINE { Front::Open } else { Front::Bad(Answer::LongLine) };
    };
    match near.get(at..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Front::Line(at + 2),
        [b'\r'] if near.len() < LINE => Front::Open,
        [b'\r'] => Front::Bad(Answer::LongLine),
        _ => Front::Bad(Answer::BareLineEnd),
    }
}

/// How many of `left` octets are here.
fn within(input: &[u8], left: u64) -> usize {
    input.len().min(usize::try_from(left).unwrap_or(usize::MAX))
}

fn fault(what: &'static str) -> RelayFault {
    RelayFault { side: Side::Downstream, what }
}

/// Octets of a command line, its CRLF included. RFC 5321 section 4.5.3.1.4 has 512; extensions add up to
/// some 1500 (RFC 4954, RFC 3461, RFC 6531).
const LINE: usize = 4096;

/// Octets in which a line that is dropped must end.
const BAD_LINE: usize = 64 * 1024;
