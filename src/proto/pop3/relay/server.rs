//! The upstream's side. The hard thing is to know at each octet whose it is: the reply to which
//! command, and whether the client's stream stands between two replies.
//!
//! ```text
//!             ┌───── one line, or -ERR ─────┐
//!             ▼                             │
//! ─────► Between ── the reply's first line ─┴─► Body ─────────┬─► Between
//!          │  ▲                             └─► Capabilities ─┘ its end
//!          └──┘ an answer of ours
//! ```

use bytes::Bytes;

use super::owed::{Owed, Queue, Shape};
use crate::proto::{
    RelayFault, Side, Step,
    dot::DotEnd,
    line::strip_line_end,
    pop3::{
        capability::shown,
        reply::{Status, status},
    },
};

/// Follows what the upstream sends.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
    /// It has taken its leave: QUIT has been answered, or an `-ERR` came that nobody asked for.
    left: bool,
    messages: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two replies.
    Between,
    /// In the lines of a reply.
    Body(DotEnd),
    /// In the lines of a reply to CAPA.
    Capabilities,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { state: State::Between, left: false, messages: 0 }
    }

    /// Whether a line of ours may be put in here. Behind a last word nobody expects one.
    pub(super) fn is_between_replies(&self) -> bool {
        self.state == State::Between && !self.left
    }

    /// Messages that were sent whole.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Decides on the front of what the upstream sent.
    pub(super) fn inspect(&mut self, input: &[u8], owed: &mut Queue, hide: &[String]) -> Step {
        match (self.state, owed.next()) {
            (State::Between, Some(Owed::Answer(answer))) => {
                owed.pop();
                Step::Insert(Bytes::from_static(answer.as_bytes()))
            }
            (_, _) if input.is_empty() => Step::Hold,
            (State::Between, _) if self.left => fault("it says more after its last word"),
            (State::Between, Some(Owed::Reply(shape))) => self.first_line(shape, input, owed),
            (State::Between, None) => self.unasked(input),
            (State::Body(body), _) => self.body(body, input, owed),
            (State::Capabilities, _) => self.capability(input, owed, hide),
        }
    }

    fn first_line(&mut self, shape: Shape, input: &[u8], owed: &mut Queue) -> Step {
        let line = match line(input) {
            Ok(line) => line,
            Err(step) => return step,
        };
        let ok = match status(strip_line_end(line)) {
            Some((Status::Ok, _)) => true,
            Some((Status::Err, _)) => false,
            // No command that passes asks for more of the client's.
            Some((Status::Continue, _)) | None => return fault("a reply without +OK or -ERR"),
        };
        match shape {
            Shape::Lines | Shape::Message if ok => self.state = State::Body(DotEnd::new()),
            Shape::Capabilities if ok => self.state = State::Capabilities,
            Shape::Lines | Shape::Message | Shape::Capabilities | Shape::Line => owed.pop(),
            Shape::Farewell => {
                self.left = true;
                owed.pop();
            }
        }
        Step::Forward(line.len())
    }

    /// A server that goes says so even if it is not asked, by a single `-ERR`. The client takes that for
    /// the answer to its next command, so a real answer behind it would be taken for the one after that.
    fn unasked(&mut self, input: &[u8]) -> Step {
        let line = match line(input) {
            Ok(line) => line,
            Err(step) => return step,
        };
        let err = matches!(status(strip_line_end(line)), Some((Status::Err, _)));
        if !err {
            return fault("it replies to no command");
        }
        self.left = true;
        Step::Forward(line.len())
    }

    fn body(&mut self, mut body: DotEnd, input: &[u8], owed: &mut Queue) -> Step {
        let Some(end) = body.find(input) else {
            self.state = State::Body(body);
            return Step::Forward(input.len());
        };
        self.messages += u64::from(owed.next() == Some(Owed::Reply(Shape::Message)));
        self.state = State::Between;
        owed.pop();
        Step::Forward(end)
    }

    fn capability(&mut self, input: &[u8], owed: &mut Queue, hide: &[String]) -> Step {
        let line = match line(input) {
            Ok(line) => line,
            Err(step) => return step,
        };
        let content = strip_line_end(line);
        if content == b"." {
            self.state = State::Between;
            owed.pop();
            return Step::Forward(line.len());
        }
        match shown(content, hide) {
            true => Step::Forward(line.len()),
            false => Step::Discard(line.len()),
        }
    }
}

/// The first line with its end.
fn line(input: &[u8]) -> Result<&[u8], Step> {
    let near = input.get(..LINE).unwrap_or(input);
    match near.iter().position(|&octet| octet == b'\n') {
        Some(lf) => Ok(input.split_at(lf + 1).0),
        None if near.len() < LINE => Err(Step::Hold),
        None => Err(fault("a line of a reply that does not end")),
    }
}

fn fault(what: &'static str) -> Step {
    Step::End(RelayFault { side: Side::Upstream, what })
}

/// Octets of a reply's first line, or of a capability, with its end. RFC 2449 section 4 has 512.
const LINE: usize = 8 * 1024;
