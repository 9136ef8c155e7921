//! The relay under test reads along in a language of marks that no protocol knows: what must come
//! out follows from the content alone, however it is cut and delayed.

mod driver;
mod duplex;
mod imap;
mod smtp;
mod tls;

use bytes::Bytes;

use crate::proto::{Counts, Delivery, Refusal, Relay, RelayFault, Side, Step};

/// Follows the marks in what passes.
///
/// | mark | from | what is done |
/// |---|---|---|
/// | `%` | both | replaced with `<percent>` |
/// | `^` | both | `(caret)` is inserted before it |
/// | `#` | both | the sender is at fault |
/// | `!` | client | dropped, and answered with `(no)` between two lines of the server's |
/// | `?` | client | held until the server has sent a `.` for it, then dropped |
/// | `&` | client | held until its line is there |
/// | `[` | server | held until its `]` is there |
#[derive(Default)]
pub(super) struct Marks {
    caret_done: [bool; 2],
    within_line: bool,
    awaits_dot: bool,
    answers_due: usize,
    dots: usize,
    counts: Counts,
    /// Tells the client when the server has gone.
    mourns: bool,
    deliveries: Vec<Delivery>,
}

impl Marks {
    fn inspect(&mut self, from: Side, input: &[u8]) -> Step {
        let caret_done = &mut self.caret_done[usize::from(from == Side::Upstream)];
        match input.first() {
            None => Step::Hold,
            Some(b'%') => Step::Replace { length: 1, with: Bytes::from_static(b"<percent>") },
            Some(b'^') if !*caret_done => {
                *caret_done = true;
                Step::Insert(Bytes::from_static(b"(caret)"))
            }
            Some(b'#') => Step::End(RelayFault { side: from, what: "it sent a hash sign" }),
            Some(_) => {
                *caret_done = false;
                let marks: &[u8] = if from == Side::Upstream { b"%^#[" } else { b"%^#!?&" };
                let rest = input[1..].iter().position(|octet| marks.contains(octet));
                Step::Forward(rest.map_or(input.len(), |rest| rest + 1))
            }
        }
    }
}

impl Relay for Marks {
    fn inspect_downstream(&mut self, input: &[u8]) -> Step {
        assert!(!input.is_empty());
        if input[0] == b'!' {
            self.answers_due += 1;
            self.counts.guarded += 1;
            return Step::Discard(1);
        }
        self.awaits_dot = input[0] == b'?' && self.dots == 0;
        if input[0] == b'&' && !input.contains(&b'\n') {
            return Step::Hold;
        }
        if input[0] == b'?' {
            if self.dots == 0 {
                return Step::Hold;
            }
            self.dots -= 1;
            return Step::Discard(1);
        }
        let step = self.inspect(Side::Downstream, input);
        if let Step::Forward(count) = step {
            let lines = input[..count].iter().filter(|&&octet| octet == b'\n').count();
            self.counts.commands += lines as u64;
        }
        step
    }

    fn inspect_upstream(&mut self, input: &[u8]) -> Step {
        if self.answers_due > 0 && !self.within_line {
            self.answers_due -= 1;
            return Step::Insert(Bytes::from_static(b"(no)\n"));
        }
        let step = match input.iter().position(|&octet| octet == b']') {
            Some(end) if input[0] == b'[' => Step::Forward(end + 1),
            None if input.first() == Some(&b'[') => Step::Hold,
            Some(_) | None => self.inspect(Side::Upstream, input),
        };
        if let Step::Forward(count) = step {
            let passed = &input[..count];
            self.within_line = passed.last() != Some(&b'\n');
            self.dots += passed.iter().filter(|&&octet| octet == b'.').count();
        }
        step
    }

    fn awaits_upstream(&self) -> bool {
        self.awaits_dot
    }

    fn farewell(&mut self, refusal: &Refusal) -> Option<Bytes> {
        (!self.within_line).then(|| Bytes::from(format!("BYE {}\n", refusal.text)))
    }

    fn upstream_lost(&mut self) -> Option<Bytes> {
        self.mourns.then(|| Bytes::from_static(b"(lost)\n"))
    }

    fn poll_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.pop()
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}

/// What comes out for `content` on its own.
pub(super) fn followed(content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(content.to_vec()).unwrap();
    text.replace('%', "<percent>").replace('^', "(caret)^").into_bytes()
}

/// `length` octets in which `marks` are strewn; the same for the same seed.
pub(super) fn strewn(length: usize, marks: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let octet = |_| match dice.roll(1000) {
        0 if !marks.is_empty() => marks[dice.roll(marks.len())],
        1..20 => b'\n',
        face => b'a' + (face % 26) as u8,
    };
    (0..length).map(octet).collect()
}

/// A small generator of chances (xorshift), so that a failure can be seen again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, faces: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % faces as u64) as usize
    }
}
