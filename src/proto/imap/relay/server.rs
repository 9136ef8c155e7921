//! The upstream's side. The hard thing is to be quick and exact at once: bytes pass as soon as it is
//! clear that they are no capability data, and yet the relay always knows whether the client's stream
//! stands between two responses.

use std::mem;

use super::{
    capability::rewrite,
    client::Client,
    guard::Answers,
    head::{Code, HEAD, ResponseHead, response_head},
    line::{Ending, Tail},
};
use crate::proto::{
    RelayFault, Side, Step,
    imap::{capability::CapabilityFilter, response::Condition},
};

/// Follows what the upstream sends.
#[derive(Debug)]
pub(super) struct Server {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between two responses.
    Start,
    /// In a line of a response.
    Line(Line),
    /// In a literal, of which so many octets are left, and behind which the line goes on.
    Literal(u64, Line),
}

/// A line that is passing.
#[derive(Debug, Default)]
struct Line {
    tail: Tail,
    /// Whether a literal may follow.
    literals: Literals,
    effect: Effect,
}

/// Whether a line can announce a literal. Words for people cannot, even if they end in `{5}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Literals {
    #[default]
    Allow,
    /// Only in the response code, which is open until its bracket.
    InCode,
    Forbid,
}

/// What a response means for the client's side, once it has passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Effect {
    #[default]
    None,
    Continuation,
    Completion(Box<[u8]>),
    UntaggedBad,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { state: State::Start }
    }

    /// Whether a response of ours may be put in here.
    pub(super) fn is_between_responses(&self) -> bool {
        matches!(self.state, State::Start)
    }

    /// Decides on the front of what the upstream sent. Responses that mean nothing to the relay pass
    /// together; each other one passes alone, so that the client's side is asked behind it.
    pub(super) fn inspect(
        &mut self,
        input: &[u8],
        client: &mut Client,
        answers: &mut Answers,
        filter: &CapabilityFilter,
    ) -> Step {
        let mut passed = 0;
        loop {
            let (_, rest) = input.split_at(passed);
            let moved = match &self.state {
                State::Start if passed > 0 && !answers.is_empty() => Err(Step::Hold),
                State::Start => match answers.pop() {
                    Some(answer) => Err(Step::Insert(answer)),
                    None => self.begin(rest, passed > 0, client, filter).map(|()| (0, false)),
                },
                State::Line(_) | State::Literal(..) => self.pass(rest, client),
            };
            match moved {
                Ok((octets, false)) => passed += octets,
                Ok((octets, true)) => return Step::Forward(passed + octets),
                Err(Step::Hold) if passed > 0 => return Step::Forward(passed),
                Err(step) => return step,
            }
        }
    }

    /// Decides by its first words what becomes of a response: `Ok` if it passes in a line.
    fn begin(
        &mut self,
        input: &[u8],
        others_pass: bool,
        client: &mut Client,
        filter: &CapabilityFilter,
    ) -> Result<(), Step> {
        let near = input.get(..HEAD).unwrap_or(input);
        let head = match response_head(near) {
            Ok((_, head)) => head,
            Err(_) if near.len() < HEAD => return Err(Step::Hold),
            Err(_) => ResponseHead::Data,
        };
        let line = Line::of(&head);
        // What means something goes alone.
        if others_pass && (line.effect != Effect::None || has_capabilities(&head)) {
            return Err(Step::Hold);
        }
        if has_capabilities(&head) {
            return Err(capability_line(input, line.effect, client, filter));
        }
        self.state = State::Line(line);
        Ok(())
    }

    /// Lets the rest of a response pass. Tells how many octets pass, and whether the client's side must
    /// be asked behind them.
    fn pass(&mut self, input: &[u8], client: &mut Client) -> Result<(usize, bool), Step> {
        if input.is_empty() {
            return Err(Step::Hold);
        }
        match mem::replace(&mut self.state, State::Start) {
            State::Start => Ok((0, false)),
            State::Literal(left, line) => {
                let here = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.state = match left - here as u64 {
                    0 => State::Line(line),
                    left => State::Literal(left, line),
                };
                Ok((here, false))
            }
            State::Line(mut line) => {
                let Some(lf) = input.iter().position(|&octet| octet == b'\n') else {
                    line.extend(input);
                    self.state = State::Line(line);
                    return Ok((input.len(), false));
                };
                let (piece, _) = input.split_at(lf);
                line.extend(piece);
                match line.announced() {
                    Some(octets) => {
                        line.tail = Tail::default();
                        self.state = State::Literal(octets, line);
                        Ok((lf + 1, false))
                    }
                    None => Ok((lf + 1, line.effect.apply(client).map_err(Step::End)?)),
                }
            }
        }
    }
}

impl Line {
    fn of(head: &ResponseHead<'_>) -> Self {
        let (literals, effect) = match head {
            ResponseHead::Continuation => (Literals::Forbid, Effect::Continuation),
            ResponseHead::Capability | ResponseHead::Data => (Literals::Allow, Effect::None),
            ResponseHead::Status { tag, condition, code } => {
                let literals = match code {
                    Code::Other => Literals::InCode,
                    Code::None | Code::Capability => Literals::Forbid,
                };
                (literals, Effect::of_status(*tag, *condition))
            }
        };
        Self { tail: Tail::default(), literals, effect }
    }

    fn extend(&mut self, piece: &[u8]) {
        self.tail.extend(piece);
        if self.literals == Literals::InCode && piece.contains(&b']') {
            self.literals = Literals::Forbid;
        }
    }

    /// The octets of the literal that follows this line, now that it is over.
    fn announced(&self) -> Option<u64> {
        match self.tail.ending() {
            Ending::Literal { literal, .. } if self.literals != Literals::Forbid => {
                Some(literal.octets)
            }
            Ending::Literal { .. } | Ending::Plain | Ending::Braces { .. } => None,
        }
    }
}

impl Effect {
    fn of_status(tag: Option<&[u8]>, condition: Condition) -> Self {
        match (tag, condition) {
            (Some(tag), Condition::Ok | Condition::No | Condition::Bad) => {
                Self::Completion(tag.into())
            }
            (None, Condition::Bad) => Self::UntaggedBad,
            (Some(_), Condition::Bye | Condition::PreAuth)
            | (None, Condition::Ok | Condition::No | Condition::Bye | Condition::PreAuth) => {
                Self::None
            }
        }
    }

    /// Tells the client's side; `true` if there was anything to tell.
    fn apply(self, client: &mut Client) -> Result<bool, RelayFault> {
        match self {
            Self::None => return Ok(false),
            Self::Continuation => client.handle_continuation()?,
            Self::Completion(tag) => client.handle_completion(&tag),
            Self::UntaggedBad => client.handle_untagged_bad(),
        }
        Ok(true)
    }
}

fn has_capabilities(head: &ResponseHead<'_>) -> bool {
    match head {
        ResponseHead::Capability => true,
        ResponseHead::Status { code, .. } => *code == Code::Capability,
        ResponseHead::Continuation | ResponseHead::Data => false,
    }
}

/// Waits for the whole of a line with capabilities, and filters it.
fn capability_line(
    input: &[u8],
    effect: Effect,
    client: &mut Client,
    filter: &CapabilityFilter,
) -> Step {
    let near = input.get(..CAPABILITIES).unwrap_or(input);
    let Some(lf) = near.iter().position(|&octet| octet == b'\n') else {
        let what = "an endless list of capabilities";
        let endless = Step::End(RelayFault { side: Side::Upstream, what });
        return if near.len() < CAPABILITIES { Step::Hold } else { endless };
    };
    let (line, _) = input.split_at(lf + 1);
    if let Err(fault) = effect.apply(client) {
        return Step::End(fault);
    }
    match rewrite(line, filter) {
        Some(with) => Step::Replace { length: line.len(), with },
        None => Step::Forward(line.len()),
    }
}

/// Octets of a line with capabilities; the longest known have about 1000.
const CAPABILITIES: usize = 16 * 1024;
