//! The end of a multi-line reply: CRLF.CRLF (RFC 1939 section 3). The hard thing is speed: a message
//! has megabytes and one end, so octets are skipped by a search, and only its last four are kept in
//! mind between two reads.

use memchr::memmem::find;

/// How much of [`END`] stands at the end of what has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body(usize);

impl Body {
    /// Behind the first line of a reply, whose CRLF is the first half of the end of an empty body.
    pub(super) fn new() -> Self {
        Self(2)
    }

    /// How many octets of `input` belong to the body, if it ends in there. If not, all of them do.
    pub(super) fn end(&mut self, input: &[u8]) -> Option<usize> {
        let Self(seen) = *self;
        // The end may lie across what has passed and what is here.
        let (before, _) = END.split_at(seen);
        let near = input.get(..END.len() - 1).unwrap_or(input);
        let seam = [before, near].concat();
        if let Some(at) = seam.windows(END.len()).position(|five| five == END) {
            return Some(at + END.len() - seen);
        }
        if let Some(at) = find(input, END) {
            return Some(at + END.len());
        }
        let last = match input.len() < END.len() {
            true => seam.as_slice(),
            false => input,
        };
        let overlaps = |length: &usize| last.ends_with(END.split_at(*length).0);
        *self = Self((0..END.len()).rev().find(overlaps).unwrap_or_default());
        None
    }
}

const END: &[u8] = b"\r\n.\r\n";

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Where the body of a reply ends that comes in such pieces.
    fn end(pieces: &[&[u8]]) -> Option<usize> {
        let (mut body, mut passed) = (Body::new(), 0);
        for piece in pieces {
            if let Some(end) = body.end(piece) {
                return Some(passed + end);
            }
            passed += piece.len();
        }
        None
    }

    #[test]
    fn ends() {
        for (body, expected) in [
            (".\r\n", Some(3)),
            ("x\r\n.\r\n", Some(6)),
            ("x\r\n.\r\n.\r\n", Some(6)),
            ("..\r\n.\r\n", Some(7)),
            ("\r\r\n.\r\n", Some(6)),
            ("\r\n\r\n.\r\n", Some(7)),
            ("x.\r\n", None),
            ("x\n.\n", None),
            ("x\n.\r\n", None),
            ("x\r.\r\n", None),
            ("x\r\n.\n", None),
            ("x\r\n. \r\n", None),
            ("..\r\n", None),
            ("", None),
        ] {
            assert_eq!(end(&[body.as_bytes()]), expected, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn is_found_however_it_is_cut(
            octets in vec(select(b"\r\n.x".to_vec()), 0..40),
            cuts in vec(0..6usize, 1..10),
        ) {
            let whole = [b"\r\n", octets.as_slice()].concat();
            let expected = whole.windows(5).position(|five| five == END).map(|at| at + 3);
            let mut pieces = Vec::new();
            let mut rest = octets.as_slice();
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            prop_assert_eq!(end(&pieces), expected);
        }
    }
}
