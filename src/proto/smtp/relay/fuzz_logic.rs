//! What must hold for the relay whatever either side sends. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

pub(in crate::proto) mod guard;
mod reader;
mod reading;

use std::mem;

pub use self::guard::fuzz_guard;
use self::reader::Reader;
use super::SmtpRelay;
use crate::proto::{
    Delivery, Relay, RelayFault, Side, Step, fuzz_logic::pieces, smtp::extension::Extensions,
};

/// Drives the relay with `data`, a sequence of pieces: one octet whose top bit says whose it is and
/// whose other bits, plus one, are the length; then the piece. Once with an upstream that has every
/// extension, and once with one that has none.
///
/// # Panics
/// If cutting the pieces smaller changes what passes, if a step decides on nothing or on more than
/// there is, if octets change on their way without a reason, or if somebody who reads along on the
/// upstream's side finds a command there that the guard should have kept.
pub fn fuzz_relay(data: &[u8]) {
    let pieces = pieces(data);
    for extensions in [EVERYTHING, NOTHING] {
        let whole = run(extensions, &pieces, usize::MAX);
        whole.assert_faithful(&pieces);
        for cut in [1, 3] {
            let cut = run(extensions, &pieces, cut);
            cut.assert_faithful(&pieces);
            whole.assert_same(&cut);
        }
    }
}

/// An upstream that has all of them.
pub(super) const EVERYTHING: Extensions = Extensions {
    size: Some(Some(100_000)),
    pipelining: true,
    eight_bit_mime: true,
    dsn: true,
    smtputf8: true,
    enhanced_status_codes: true,
    chunking: true,
    binary_mime: true,
};

/// An upstream that has none of them.
pub(super) const NOTHING: Extensions = Extensions { pipelining: false, ..Extensions::UNKNOWN };

/// A relay between two peers, moved as a driver would.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) relay: SmtpRelay,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// What reached each side, in order.
    pub(super) passed: Vec<(Side, Vec<u8>)>,
    /// What the log is told.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) ended: Option<RelayFault>,
    /// Octets that were dropped or put in place of others, by whose they were.
    altered: [bool; 2],
    /// Reads along behind the relay.
    reader: Reader,
}

impl Wire {
    pub(super) fn new(relay: SmtpRelay) -> Self {
        Self {
            relay,
            from_client: Vec::new(),
            from_server: Vec::new(),
            passed: Vec::new(),
            deliveries: Vec::new(),
            ended: None,
            altered: [false; 2],
            reader: Reader::default(),
        }
    }

    /// One side sends; everything that can pass does.
    pub(super) fn send(&mut self, from: Side, octets: &[u8]) {
        self.queue(from).extend_from_slice(octets);
        loop {
            // Only what the client has sent can be answered.
            while self.ended.is_none()
                && !self.from_client.is_empty()
                && self.step(Side::Downstream)
            {}
            if self.ended.is_some() || !self.step(Side::Upstream) {
                return;
            }
        }
    }

    /// Everything that reached `side` so far.
    pub(super) fn reached(&self, side: Side) -> Vec<u8> {
        let here = self.passed.iter().filter(|(to, _)| *to == side);
        here.flat_map(|(_, octets)| octets.iter().copied()).collect()
    }

    /// Octets that are held.
    pub(super) fn held(&self) -> [usize; 2] {
        [self.from_client.len(), self.from_server.len()]
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
        assert!(taken <= input.len(), "a step beyond the input");
        let (front, rest) = input.split_at(taken);
        let altered = sent.is_some_and(|sent| sent != front);
        if let Some(flag) = self.altered.get_mut(usize::from(from == Side::Upstream)) {
            *flag |= altered;
        }
        let sent = sent.unwrap_or(front);
        match (to, &step) {
            (Side::Upstream, _) => self.reader.read_commands(sent),
            (Side::Downstream, Step::Insert(_)) => {}
            (Side::Downstream, _) => self.reader.read_replies(sent),
        }
        if !sent.is_empty() {
            self.passed.push((to, sent.to_vec()));
        }
        *self.queue(from) = rest.to_vec();
        self.deliveries.extend(self.relay.poll_delivery());
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
        let sides = [(Side::Downstream, Side::Upstream), (Side::Upstream, Side::Downstream)];
        for ((from, to), altered) in sides.into_iter().zip(self.altered) {
            let own = pieces.iter().filter(|(side, _)| *side == from);
            let sent: Vec<u8> = own.flat_map(|(_, piece)| piece.iter().copied()).collect();
            assert!(altered || sent.starts_with(&self.reached(to)), "octets changed on their way");
        }
        let counts = self.relay.counts();
        assert!(counts.guarded <= counts.commands, "{counts:?}");
        assert!(counts.guarded == 0 || self.altered.contains(&true));
    }

    /// A fault may show before or after what stands in front of it has passed; all else is the same.
    pub(super) fn assert_same(&self, other: &Self) {
        assert_eq!(self.ended, other.ended);
        for side in [Side::Downstream, Side::Upstream] {
            let [a, b] = [self.reached(side), other.reached(side)];
            if self.ended.is_none() {
                assert_eq!(a, b);
            } else {
                assert!(a.starts_with(&b) || b.starts_with(&a));
            }
        }
        assert_eq!(self.deliveries, other.deliveries);
        if self.ended.is_none() {
            assert_eq!(self.relay.counts(), other.relay.counts());
        }
    }
}

fn run(extensions: Extensions, pieces: &[(Side, &[u8])], cut: usize) -> Wire {
    let mut wire = Wire::new(SmtpRelay::new(extensions, &[]));
    for (from, piece) in pieces {
        piece.chunks(cut).for_each(|part| wire.send(*from, part));
    }
    wire
}
