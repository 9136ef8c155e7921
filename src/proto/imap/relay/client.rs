//! The client's side. The hard thing is to know at each octet whether a command may begin there for
//! the upstream; see the [relay](super) for how doubts are settled.
//!
//! ```text
//!           ┌─────────── tagged response ──────────── Await ◄── doubtful end, {n}, IDLE
//!           ▼                                          │ +             ▲
//! ──► Start ──► Line ──────────────────────────────────┼───────────────┘
//!       ▲ │      │ ▲ └───── {n+} ──► Literal ◄─────────┤
//!       │ │      │ └───── its octets ───┘              └──► Idle ── DONE ──► Start
//!       │ │      └─ end ──► Start
//!       │ └─ kept by the guard ──► KeptLine ◄──► KeptLiteral
//!       └──────────── answered ───────┘
//! ```

use std::mem;

use super::{
    guard::{Answers, Kept, is_well_known},
    head::{CommandHead, HEAD, command_head, is_tag},
    line::{CommandLine, Ending, LineEnd, Tail, content},
    outstanding::Outstanding,
};
use crate::proto::{Counts, RelayFault, Side, Step};

/// Follows what the client sends.
#[derive(Debug)]
pub(super) struct Client {
    state: State,
    /// The command that was last passed on.
    command: Command,
    outstanding: Outstanding,
    /// Since the last kept command nothing beyond doubt has come.
    suspicious: bool,
    /// The largest non-synchronizing literal that the upstream takes.
    largest: Option<u64>,
    counts: Counts,
}

#[derive(Debug)]
enum State {
    /// A command may begin here.
    Start,
    /// In a line of a command.
    Line(CommandLine),
    /// In a literal of a command; so many octets are left.
    Literal(u64),
    /// The upstream has to say something first.
    Await(Await),
    /// The upstream idles: DONE must come.
    Idle,
    /// In a line that is kept.
    KeptLine(Kept, Tail),
    /// In a literal that is kept.
    KeptLiteral(Kept, u64),
}

/// What the upstream's `+` means; its tagged response always means that the command is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Await {
    /// So many octets of a literal may come.
    Literal(u64),
    /// It idles.
    Idle,
    /// It sees a literal where we see none.
    Nothing,
}

#[derive(Debug, Default)]
struct Command {
    tag: Vec<u8>,
    word: Word,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Missing,
    Idle,
    Other,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            command: Command::default(),
            outstanding: Outstanding::default(),
            suspicious: false,
            largest: Some(u64::MAX),
            counts: Counts::default(),
        }
    }

    /// Sets the largest non-synchronizing literal that the upstream takes; `None`: it takes none.
    pub(super) fn bound_literals(&mut self, largest: Option<u64>) {
        self.largest = largest;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the upstream can free what is held.
    pub(super) fn awaits_upstream(&self, answers: &Answers) -> bool {
        matches!(self.state, State::Await(_)) || answers.is_full() || self.outstanding.is_full()
    }

    /// Decides on the front of what the client sent.
    pub(super) fn inspect(&mut self, input: &[u8], answers: &mut Answers) -> Step {
        if input.is_empty() {
            return Step::Hold;
        }
        if matches!(self.state, State::Start)
            && let Err(step) = self.start(input, answers)
        {
            return step;
        }
        match mem::replace(&mut self.state, State::Start) {
            State::Line(line) => self.line(line, input),
            State::Literal(left) => {
                let here = within(input, left);
                self.state = match left - here as u64 {
                    0 => State::Line(CommandLine::default()),
                    left => State::Literal(left),
                };
                Step::Forward(here)
            }
            State::Await(what) => {
                self.state = State::Await(what);
                Step::Hold
            }
            State::Idle => self.idle(input),
            State::KeptLine(kept, tail) => self.kept_line(kept, tail, input, answers),
            State::KeptLiteral(kept, left) => {
                let here = within(input, left);
                self.state = match left - here as u64 {
                    0 => State::KeptLine(kept, Tail::default()),
                    left => State::KeptLiteral(kept, left),
                };
                Step::Discard(here)
            }
            // `start` has left this state, or returned.
            State::Start => Step::Hold,
        }
    }

    /// Decides by its first words what becomes of a command.
    fn start(&mut self, input: &[u8], answers: &Answers) -> Result<(), Step> {
        let near = input.get(..HEAD).unwrap_or(input);
        let CommandHead { tag, word } = match command_head(near) {
            Ok((_, head)) => head,
            Err(_) if near.len() < HEAD => return Err(Step::Hold),
            Err(_) => return Err(end("a line that does not begin with a command")),
        };
        let kept = Kept::from_words(tag, word);
        if self.outstanding.is_lost() {
            let what = "it answers commands without their tags";
            return Err(Step::End(RelayFault { side: Side::Upstream, what }));
        }
        if answers.is_full() && kept.is_some() || self.outstanding.is_full() {
            return Err(Step::Hold);
        }
        let blank = tag.is_empty();
        if self.suspicious && !blank && kept.is_none() && !(is_tag(tag) && is_well_known(word)) {
            return Err(end("it goes on with a login that was not asked for"));
        }
        self.counts.commands += u64::from(kept.is_some() || !word.is_empty());
        self.command = Command { tag: tag.to_vec(), word: Word::of(word) };
        self.suspicious = kept.is_some() || self.suspicious && blank;
        self.state = match kept {
            Some(kept) => {
                self.counts.guarded += 1;
                State::KeptLine(kept, Tail::default())
            }
            None => {
                // A tag alone is answered by it, too.
                if is_tag(tag) {
                    self.outstanding.add(tag);
                }
                State::Line(CommandLine::default())
            }
        };
        Ok(())
    }

    fn line(&mut self, mut line: CommandLine, input: &[u8]) -> Step {
        let content = content(input);
        line.extend(content);
        let (_, behind) = input.split_at(content.len());
        let over = match LineEnd::of(behind) {
            LineEnd::Open => None,
            LineEnd::Crlf => Some(self.after(&line, false).map(|next| (next, 2))),
            LineEnd::Lf => Some(self.after(&line, true).map(|next| (next, 1))),
            LineEnd::BareCr => Some(Err("a CR without LF in a command")),
        };
        match over {
            Some(Ok((next, octets))) => {
                self.state = next;
                Step::Forward(content.len() + octets)
            }
            // What comes before the fault passes first, however the input was cut.
            Some(Err(_)) | None if !content.is_empty() => {
                self.state = State::Line(line);
                Step::Forward(content.len())
            }
            Some(Err(fault)) => end(fault),
            None => {
                self.state = State::Line(line);
                Step::Hold
            }
        }
    }

    /// What comes after a line that passed.
    fn after(&self, line: &CommandLine, bare_lf: bool) -> Result<State, &'static str> {
        // Only such a command is sure to be answered by its own tag, and never by `+ BAD`.
        let command = is_tag(&self.command.tag) && self.command.word != Word::Missing;
        let doubtful = bare_lf || line.is_in_quotes();
        let blank = self.command.tag.is_empty();
        let idle = self.command.word == Word::Idle;
        let plain = line.ending() == Ending::Plain && !doubtful && !idle;
        if !blank && !is_tag(&self.command.tag) && !plain {
            // Its answer has no tag, so nobody can tell it from another line's.
            return Err("a line without a tag that may go on");
        }
        match line.ending() {
            Ending::Plain if blank => match bare_lf {
                // Where it counts as a line it is not answered, so there is nothing to wait for.
                true => Err("an empty line that does not end in CRLF"),
                false => Ok(State::Start),
            },
            Ending::Plain if doubtful => Ok(State::Await(Await::Nothing)),
            Ending::Plain if idle => {
                Ok(State::Await(if command { Await::Idle } else { Await::Nothing }))
            }
            Ending::Plain => Ok(State::Start),
            Ending::Literal { literal, .. } if literal.synchronizing => {
                let octets = literal.octets;
                // IDLE has no arguments, so a `+` could mean that it idles.
                let certain = command && !idle;
                Ok(State::Await(if certain { Await::Literal(octets) } else { Await::Nothing }))
            }
            Ending::Literal { literal, placed } => {
                if !placed || doubtful || !command || idle {
                    return Err("a non-synchronizing literal where none can be");
                }
                if self.largest.is_none_or(|largest| literal.octets > largest) {
                    return Err("a non-synchronizing literal that the upstream does not take");
                }
                Ok(State::after_announcement(literal.octets))
            }
            Ending::Braces { plus: true } => Err("a literal announced in no known form"),
            Ending::Braces { plus: false } => Ok(State::Await(Await::Nothing)),
        }
    }

    /// `idle = "IDLE" CRLF "DONE"` (RFC 2177): nothing else may come before the end.
    fn idle(&mut self, input: &[u8]) -> Step {
        let (expected, line) = (b"DONE".as_slice(), content(input));
        let (_, behind) = input.split_at(line.len());
        let begun = expected.get(..line.len()).is_some_and(|part| line.eq_ignore_ascii_case(part));
        let (next, octets) = match LineEnd::of(behind) {
            LineEnd::Crlf if begun && line.len() == 4 => (State::Start, 6),
            LineEnd::Lf if begun && line.len() == 4 => (State::Await(Await::Nothing), 5),
            LineEnd::Open if begun && (behind.is_empty() || line.len() == 4) => (State::Idle, 0),
            LineEnd::Crlf | LineEnd::Lf | LineEnd::Open | LineEnd::BareCr => {
                return end("something other than DONE inside IDLE");
            }
        };
        self.state = next;
        if octets == 0 { Step::Hold } else { Step::Forward(octets) }
    }

    fn kept_line(
        &mut self,
        kept: Kept,
        mut tail: Tail,
        input: &[u8],
        answers: &mut Answers,
    ) -> Step {
        let Some(lf) = input.iter().position(|&octet| octet == b'\n') else {
            // A CR at the end is left until it is clear whether it ends the line.
            let here = input.strip_suffix(b"\r").unwrap_or(input);
            tail.extend(here);
            self.state = State::KeptLine(kept, tail);
            return if here.is_empty() { Step::Hold } else { Step::Discard(here.len()) };
        };
        let (line, _) = input.split_at(lf);
        tail.extend(line.strip_suffix(b"\r").unwrap_or(line));
        self.state = match tail.ending() {
            Ending::Literal { literal, .. } if !literal.synchronizing => match literal.octets {
                0 => State::KeptLine(kept, Tail::default()),
                octets => State::KeptLiteral(kept, octets),
            },
            // A synchronizing literal is refused by an answer in place of the `+`.
            Ending::Literal { .. } | Ending::Plain | Ending::Braces { .. } => {
                answers.push(kept.answer(&self.command.tag));
                State::Start
            }
        };
        Step::Discard(lf + 1)
    }

    /// The upstream's `+` has passed.
    pub(super) fn handle_continuation(&mut self) -> Result<(), RelayFault> {
        match self.state {
            State::Await(Await::Literal(octets)) => {
                self.state = State::after_announcement(octets);
            }
            State::Await(Await::Idle) => self.state = State::Idle,
            State::Await(Await::Nothing) => {
                let what = "it asks for a literal that was not announced";
                return Err(RelayFault { side: Side::Upstream, what });
            }
            // Nobody waits, so it opens nothing.
            State::Start
            | State::Line(_)
            | State::Literal(_)
            | State::Idle
            | State::KeptLine(..)
            | State::KeptLiteral(..) => {}
        }
        Ok(())
    }

    /// A tagged response of the upstream's has passed.
    pub(super) fn handle_completion(&mut self, tag: &[u8]) {
        self.outstanding.remove(tag);
        // An earlier command may have had the same tag; then it is not known which one this was.
        if tag == self.command.tag && !self.outstanding.contains(tag) {
            self.release();
        }
    }

    /// An untagged BAD of the upstream's has passed: the answer to a line without a tag, or, from a
    /// server that lost its place, to one with a tag. It frees nothing.
    pub(super) fn handle_untagged_bad(&mut self) {
        if is_tag(&self.command.tag) {
            self.outstanding.handle_untagged_bad();
        }
    }

    fn release(&mut self) {
        if matches!(self.state, State::Await(_) | State::Idle) {
            self.state = State::Start;
        }
    }
}

impl State {
    fn after_announcement(octets: u64) -> Self {
        match octets {
            0 => Self::Line(CommandLine::default()),
            octets => Self::Literal(octets),
        }
    }
}

impl Word {
    fn of(word: &[u8]) -> Self {
        match word {
            [] => Self::Missing,
            word if word.eq_ignore_ascii_case(b"IDLE") => Self::Idle,
            _ => Self::Other,
        }
    }
}

/// How many of `left` octets are here.
fn within(input: &[u8], left: u64) -> usize {
    input.len().min(usize::try_from(left).unwrap_or(usize::MAX))
}

fn end(what: &'static str) -> Step {
    Step::End(RelayFault { side: Side::Downstream, what })
}
