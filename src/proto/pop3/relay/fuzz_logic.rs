//! What must hold for the relay whatever either side sends. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

pub(in crate::proto) mod guard;
mod reading;

use std::mem;

pub use self::guard::fuzz_guard;
use super::{Pop3Relay, model::Model};
use crate::proto::{Relay, RelayFault, Side, Step, fuzz_logic::pieces};

/// Drives the relay with `data`, a sequence of pieces: one octet whose top bit says whose it is and
/// whose other bits, plus one, are the length; then the piece.
///
/// # Panics
/// If other octets pass, are kept or are counted than in a model that reads octet by octet, if cutting
/// the pieces smaller changes that, or if a step decides on nothing or on more than there is.
pub fn fuzz_relay(data: &[u8]) {
    let pieces = pieces(data);
    for paced in [false, true] {
        let mut model = Model::new(paced);
        pieces.iter().for_each(|(from, piece)| model.send(*from, piece));
        model.assert_only_commands();
        for cut in [usize::MAX, 1, 3] {
            let relay = Pop3Relay::new(&[]);
            let mut wire = Wire::new(if paced { relay.pace(&[]) } else { relay });
            for (from, piece) in &pieces {
                piece.chunks(cut).for_each(|part| wire.send(*from, part));
            }
            model.assert_same(&wire);
        }
    }
}

/// A relay between two peers, moved as a driver would.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) relay: Pop3Relay,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// What reached each side, in order.
    pub(super) passed: Vec<(Side, Vec<u8>)>,
    pub(super) ended: Option<RelayFault>,
    /// Which of `passed` are the guard's answers.
    answers: Vec<usize>,
}

impl Wire {
    pub(super) fn new(relay: Pop3Relay) -> Self {
        Self {
            relay,
            from_client: Vec::new(),
            from_server: Vec::new(),
            passed: Vec::new(),
            ended: None,
            answers: Vec::new(),
        }
    }

    /// One side sends; everything that can pass does.
    pub(super) fn send(&mut self, from: Side, octets: &[u8]) {
        self.queue(from).extend_from_slice(octets);
        loop {
            while self.step(Side::Downstream) {}
            if !self.step(Side::Upstream) {
                return;
            }
        }
    }

    /// Everything that reached `side` so far.
    pub(super) fn reached(&self, side: Side) -> Vec<u8> {
        let here = self.passed.iter().filter(|(to, _)| *to == side);
        here.flat_map(|(_, octets)| octets.iter().copied()).collect()
    }

    /// What reached the client, with `mark` in place of each answer of the guard's.
    pub(super) fn reached_client(&self, mark: &[u8]) -> Vec<u8> {
        let here = self.passed.iter().enumerate().filter(|(_, (to, _))| *to == Side::Downstream);
        let marked = here.map(|(place, (_, octets))| match self.answers.contains(&place) {
            true => mark.to_vec(),
            false => octets.clone(),
        });
        marked.collect::<Vec<_>>().concat()
    }

    fn queue(&mut self, from: Side) -> &mut Vec<u8> {
        match from {
            Side::Downstream => &mut self.from_client,
            Side::Upstream => &mut self.from_server,
        }
    }

    /// Takes one step in the direction from `from`; `false` if it holds or has ended.
    fn step(&mut self, from: Side) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut input = mem::take(self.queue(from));
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
        assert!(taken <= input.len(), "a step beyond the input");
        let (front, _) = input.split_at(taken);
        let sent = sent.unwrap_or(front);
        if matches!(step, Step::Insert(_)) {
            self.answers.push(self.passed.len());
        }
        if !sent.is_empty() {
            self.passed.push((to, sent.to_vec()));
        }
        input.drain(..taken);
        *self.queue(from) = input;
        match step {
            Step::Hold => return false,
            Step::End(fault) => self.ended = Some(fault),
            Step::Insert(with) => {
                let line = with.starts_with(b"-ERR ") && with.ends_with(b"\r\n");
                assert!(line, "an answer that is no line");
            }
            Step::Forward(_) | Step::Discard(_) | Step::Replace { .. } => {
                assert!(taken > 0, "a step that takes nothing");
            }
        }
        true
    }
}
