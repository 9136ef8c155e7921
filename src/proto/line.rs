//! What a client has sent before its login and nobody has read yet, found line by line. The hard
//! thing is that passwords pass through here: a buffer that grows leaves its old memory behind, so
//! this one wipes what it leaves and what it hands out.
//!
//! A line ends in LF, with or without a CR before it: the RFCs demand CRLF, but people and scripts
//! that type at a port send a bare LF, and before login the only reader is this gateway, so that no
//! second party can see other lines than we do. After login there is one, and the relay keeps to
//! CRLF.

use bytes::{Bytes, BytesMut};

use crate::secret::{Secret, wipe};

/// Received octets in order, wiped as they go.
#[derive(Default)]
pub(crate) struct Intake {
    bytes: Vec<u8>,
    /// Octets before this one have been taken.
    start: usize,
    /// So many octets behind `start` are known to hold no line end that is still looked for.
    searched: usize,
}

/// A look for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The line ends before this octet, counted from the front of what is pending.
    Complete(usize),
    /// Its end has not come yet.
    Partial,
    /// It does not end within the limit.
    TooLong,
}

impl Intake {
    /// What has been received and not taken.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Appends what came in.
    pub(crate) fn extend(&mut self, input: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < input.len() {
            let pending = self.pending();
            let needed = pending.len() + input.len();
            let mut grown = Vec::with_capacity(needed.max(2 * pending.len()));
            grown.extend_from_slice(pending);
            wipe(&mut self.bytes);
            self.bytes = grown;
            self.start = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// Appends what fits within `bound` pending octets; whether that is all.
    pub(crate) fn extend_within(&mut self, input: &[u8], bound: usize) -> bool {
        let room = bound.saturating_sub(self.pending().len());
        self.extend(input.get(..room).unwrap_or(input));
        input.len() <= room
    }

    /// Looks for the end of the line that begins `from` octets behind the front and must end within
    /// `limit` octets of the front. Octets that were searched once are not searched again.
    pub(crate) fn line(&mut self, from: usize, limit: usize) -> Line {
        let resume = self.searched.max(from);
        let pending = self.pending();
        let window = pending.get(resume..pending.len().min(limit)).unwrap_or_default();
        if let Some(at) = window.iter().position(|&octet| octet == b'\n') {
            return Line::Complete(resume + at + 1);
        }
        self.searched = pending.len().min(limit);
        if self.searched == limit { Line::TooLong } else { Line::Partial }
    }

    /// Takes the first `octets`, or all there are.
    pub(crate) fn take(&mut self, octets: usize) -> Secret {
        let end = self.bytes.len().min(self.start.saturating_add(octets));
        let Some(front) = self.bytes.get_mut(self.start..end) else { return Secret::default() };
        let taken = Secret::new(&*front);
        wipe(front);
        self.start = end;
        self.searched = 0;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
        taken
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        wipe(&mut self.bytes);
        self.bytes.clear();
        self.start = 0;
        self.searched = 0;
    }

    /// What is pending, for another reader.
    pub(crate) fn to_bytes(&self) -> BytesMut {
        BytesMut::from(self.pending())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

/// A line of ours, with its CRLF. It may hold a secret, so it is made in one allocation that no growth
/// copies.
pub(crate) fn line_of(parts: &[&[u8]]) -> Bytes {
    let octets: usize = parts.iter().map(|part| part.len()).sum();
    let mut line = Vec::with_capacity(octets + 2);
    parts.iter().for_each(|part| line.extend_from_slice(part));
    line.extend_from_slice(b"\r\n");
    Bytes::from(line)
}

/// The line without its line end.
pub(crate) fn strip_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Fills and empties an [`Intake`] as `data` says, beside a plain list of octets: each step is an octet
/// that says what is done, one that says how much, and for what comes in the octets.
///
/// # Panics
/// If it is no queue, or finds another line end, or holds a bound elsewhere than at its octet.
#[cfg(any(test, fuzzing))]
pub(in crate::proto) fn fuzz_intake(mut data: &[u8]) {
    let (mut intake, mut queue) = (Intake::default(), Vec::new());
    let mut asked = (0, 0);
    while let [step, much, rest @ ..] = data {
        let octets = usize::from(*much);
        let (input, behind) = rest.split_at(octets.min(rest.len()));
        data = rest;
        match step % 5 {
            0 => {
                data = behind;
                intake.extend(input);
                queue.extend_from_slice(input);
            }
            1 => {
                data = behind;
                let bound = usize::from(step / 5) * 8;
                let room = bound.saturating_sub(queue.len());
                assert_eq!(intake.extend_within(input, bound), input.len() <= room);
                queue.extend_from_slice(input.get(..room).unwrap_or(input));
            }
            2 => {
                let taken: Vec<u8> = queue.drain(..octets.min(queue.len())).collect();
                assert_eq!(intake.take(octets).expose(), taken);
                asked = (0, 0);
            }
            // Who looks for a line does so from one place on, and its bound does not shrink.
            3 => {
                let from = asked.0.max(usize::from(step / 5) % 8);
                asked = (from, asked.1.max(octets));
                let end = queue.iter().skip(from).position(|&octet| octet == b'\n');
                let end = end.map(|at| from + at + 1).filter(|end| *end <= asked.1);
                let expected = match end {
                    Some(end) => Line::Complete(end),
                    None if queue.len() >= asked.1 => Line::TooLong,
                    None => Line::Partial,
                };
                assert_eq!(intake.line(from, asked.1), expected);
            }
            _ => {
                intake.clear();
                queue.clear();
                asked = (0, 0);
            }
        }
        assert_eq!(intake.pending(), queue);
        assert_eq!(intake.to_bytes(), queue);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_and_limits() {
        let mut intake = Intake::default();
        intake.extend(b"ab");
        assert_eq!(intake.line(0, 5), Line::Partial);
        intake.extend(b"\r\ncd\nef");
        assert_eq!(intake.line(0, 5), Line::Complete(4));
        assert_eq!(intake.line(0, 4), Line::Complete(4));
        assert_eq!(intake.line(0, 3), Line::TooLong);
        assert_eq!(intake.line(4, 100), Line::Complete(7));
        assert_eq!(intake.take(4).expose(), b"ab\r\n");
        assert_eq!(intake.line(0, 100), Line::Complete(3));
        assert_eq!(intake.take(3).expose(), b"cd\n");
        assert_eq!(intake.line(0, 3), Line::Partial);
        assert_eq!(intake.line(0, 2), Line::TooLong);
        assert_eq!(intake.line(50, 100), Line::Partial, "in the middle of a literal");
        assert_eq!(intake.to_bytes(), "ef");
    }

    #[test]
    fn taken_octets_leave_nothing_behind() {
        let mut intake = Intake::default();
        intake.extend(b"secret\nrest");
        assert_eq!(intake.take(7).expose(), b"secret\n");
        assert_eq!(intake.bytes, b"\0\0\0\0\0\0\0rest");
    }

    #[test]
    fn line_ends() {
        for (line, stripped) in [("a\r\n", "a"), ("a\n", "a"), ("a\r\r\n", "a\r"), ("a", "a")] {
            assert_eq!(strip_line_end(line.as_bytes()), stripped.as_bytes());
        }
    }

    proptest! {
        /// However it is filled and emptied, it is a queue.
        #[test]
        fn keeps_order(steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0usize..60), 0..30)) {
            let mut intake = Intake::default();
            let mut queue: Vec<u8> = Vec::new();
            for (input, octets) in steps {
                intake.extend(&input);
                queue.extend(&input);
                let taken = intake.take(octets);
                let expected: Vec<u8> = queue.drain(..octets.min(queue.len())).collect();
                prop_assert_eq!(taken.expose(), expected);
                prop_assert_eq!(intake.pending(), queue.as_slice());
            }
        }
    }
}
