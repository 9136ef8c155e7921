//! What must hold for the relay whatever either side sends. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

pub(in crate::proto) mod guard;
mod reading;

use std::mem;

pub use self::guard::fuzz_guard;
use super::ImapRelay;
pub(in crate::proto) use super::line::fuzz_line;
use crate::proto::{
    Relay, RelayFault, Side, Step, fuzz_logic::pieces, imap::capability::CapabilityFilter,
};

/// Drives the relay with `data`, a sequence of pieces: one octet whose top bit says whose it is and
/// whose other bits, plus one, are the length; then the piece.
///
/// # Panics
/// If cutting the pieces smaller changes what passes, if a step decides on nothing or on more than
/// there is, or if octets change on their way without a reason.
pub fn fuzz_relay(data: &[u8]) {
    let pieces = pieces(data);
    let whole = run(&pieces, usize::MAX);
    whole.assert_faithful(&pieces);
    for cut in [1, 3] {
        let cut = run(&pieces, cut);
        cut.assert_faithful(&pieces);
        whole.assert_same(&cut);
    }
}

/// A relay between two peers, moved as a driver would.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) relay: ImapRelay,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// What reached each side, in order.
    pub(super) passed: Vec<(Side, Vec<u8>)>,
    pub(super) ended: Option<RelayFault>,
    /// Whether anything was put into the client's stream.
    altered: bool,
    /// Which of `passed` are the guard's answers.
    answers: Vec<usize>,
}

impl Wire {
    pub(super) fn new(relay: ImapRelay) -> Self {
        Self {
            relay,
            from_client: Vec::new(),
            from_server: Vec::new(),
            passed: Vec::new(),
            ended: None,
            altered: false,
            answers: Vec::new(),
        }
    }

    /// One side sends; everything that can pass does.
    pub(super) fn send(&mut self, from: Side, octets: &[u8]) {
        self.queue(from).extend_from_slice(octets);
        while self.ended.is_none() {
            let moved = self.step(Side::Downstream);
            if !(self.ended.is_none() && self.step(Side::Upstream) || moved) {
                return;
            }
        }
    }

    /// Everything that reached `side` so far.
    pub(super) fn reached(&self, side: Side) -> Vec<u8> {
        let here = self.passed.iter().filter(|(to, _)| *to == side);
        here.flat_map(|(_, octets)| octets.iter().copied()).collect()
    }

    /// What reached `side` without the guard's answers, and these.
    fn apart(&self, side: Side) -> [Vec<u8>; 2] {
        let here = self.passed.iter().enumerate().filter(|(_, (to, _))| *to == side);
        let (answers, others): (Vec<_>, Vec<_>) =
            here.partition(|(place, _)| self.answers.contains(place));
        [others, answers]
            .map(|some| some.into_iter().flat_map(|(_, (_, octets))| octets.clone()).collect())
    }

    fn queue(&mut self, from: Side) -> &mut Vec<u8> {
        match from {
            Side::Downstream => &mut self.from_client,
            Side::Upstream => &mut self.from_server,
        }
    }

    /// Takes one step in the direction from `from`; `false` if it holds.
    fn step(&mut self, from: Side) -> bool {
        let input = mem::take(self.queue(from));
        let (step, to) = match from {
            Side::Downstream => (self.relay.inspect_downstream(&input), Side::Upstream),
            Side::Upstream => (self.relay.inspect_upstream(&input), Side::Downstream),
        };
        let (taken, sent) = match &step {
            Step::Forward(octets) => (*octets, None),
            Step::Discard(octets) => (*octets, Some([].as_slice())),
            Step::Replace { length, with } => (*length, Some(with.as_ref())),
            Step::Insert(with) => (0, Some(with.as_ref())),
            Step::Hold | Step::End(_) => (0, None),
        };
        self.altered |= matches!(step, Step::Replace { .. } | Step::Insert(_));
        assert!(taken <= input.len(), "a step beyond the input");
        let (front, rest) = input.split_at(taken);
        let sent = sent.unwrap_or(front);
        if matches!(step, Step::Insert(_)) {
            self.answers.push(self.passed.len());
        }
        if !sent.is_empty() {
            self.passed.push((to, sent.to_vec()));
        }
        *self.queue(from) = rest.to_vec();
        match step {
            Step::Hold => return false,
            Step::End(fault) => self.ended = Some(fault),
            Step::Insert(with) => assert!(!with.is_empty(), "an empty insertion"),
            Step::Forward(_) | Step::Discard(_) | Step::Replace { .. } => {
                assert!(taken > 0, "a step that takes nothing");
            }
        }
        true
    }

    fn assert_faithful(&self, pieces: &[(Side, &[u8])]) {
        let sent = |from| -> Vec<u8> {
            let own = pieces.iter().filter(|(side, _)| *side == from);
            own.flat_map(|(_, piece)| piece.iter().copied()).collect()
        };
        if self.relay.counts().guarded == 0 {
            assert!(sent(Side::Downstream).starts_with(&self.reached(Side::Upstream)));
        }
        if !self.altered {
            assert!(sent(Side::Upstream).starts_with(&self.reached(Side::Downstream)));
        }
    }

    /// A fault may show before or after what stands in front of it has passed, and an answer of the
    /// guard may stand between any two responses, or wait for the end of one; all else is the same.
    pub(super) fn assert_same(&self, other: &Self) {
        assert_eq!(self.ended, other.ended);
        let between = |wire: &Self| wire.relay.server.is_between_responses();
        let settled = between(self) && between(other);
        for side in [Side::Downstream, Side::Upstream] {
            let [passed, answers] = self.apart(side);
            let [other_passed, other_answers] = other.apart(side);
            for (a, b, whole) in [(passed, other_passed, true), (answers, other_answers, settled)] {
                if self.ended.is_none() && whole {
                    assert_eq!(a, b);
                } else {
                    assert!(a.starts_with(&b) || b.starts_with(&a));
                }
            }
        }
        if self.ended.is_none() {
            assert_eq!(self.relay.counts(), other.relay.counts());
        }
    }
}

fn run(pieces: &[(Side, &[u8])], cut: usize) -> Wire {
    let mut wire = Wire::new(ImapRelay::new(CapabilityFilter::new(&[])));
    for (from, piece) in pieces {
        piece.chunks(cut).for_each(|part| wire.send(*from, part));
    }
    wire
}
