//! Where the octets behind a 354 end, and POP3's replies of many lines: at the first CRLF.CRLF and at
//! nothing else (RFC 5321 sections 2.3.8 and 4.1.1.4, RFC 1939 section 3), so that no two readers
//! disagree about it. The hard thing is to be quick: almost all that a relay ever sees is message, so
//! the end is searched for in whole reads, and only what stands across two of them is looked at octet
//! by octet.

use memchr::memmem;

/// Looks for the end of a message as it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DotEnd {
    /// What passed last; an end may have begun in it.
    tail: [u8; TAIL],
}

impl DotEnd {
    /// Begins behind the CRLF of the line before, which may be the first half of the end: `.` CRLF at
    /// once is an empty message.
    pub(crate) fn new() -> Self {
        Self { tail: *b"\0\0\r\n" }
    }

    /// How many octets of `input` belong to the message and its end, if it ends here. Otherwise all of
    /// them do, and the next input goes on from there.
    pub(crate) fn find(&mut self, input: &[u8]) -> Option<usize> {
        let near = input.get(..TAIL).unwrap_or(input);
        let seam = [self.tail.as_slice(), near].concat();
        if let Some(at) = memmem::find(&seam, END) {
            return Some(at + END.len() - TAIL);
        }
        if let Some(at) = memmem::find(input, END) {
            return Some(at + END.len());
        }
        if let Some(last) = input.last_chunk().or_else(|| seam.last_chunk()) {
            self.tail = *last;
        }
        None
    }
}

/// Octets of the end that are none of an SMTP message (RFC 5321 section 4.1.1.4: the first CRLF ends its
/// last line).
pub(crate) const NOT_MESSAGE: u64 = 3;

const END: &[u8] = b"\r\n.\r\n";

/// So many octets of the end may have passed.
const TAIL: usize = END.len() - 1;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    #[test]
    fn only_one_thing_ends_it() {
        for (data, end) in [
            (".\r\n", Some(3)),
            (".\r\nQUIT\r\n", Some(3)),
            ("a\r\n.\r\n", Some(6)),
            ("a\r\n.\r\n.\r\n", Some(6)),
            ("a\r\n..\r\n.\r\n", Some(10)),
            ("a\r\n.\r\r\n.\r\n", Some(10)),
            ("\r\r\n.\r\n", Some(6)),
            ("\r\n\r\n.\r\n", Some(7)),
            ("\n.\r\n", None),
            ("a\n.\n", None),
            ("a\r.\r", None),
            ("a\n.\r\n", None),
            ("a\r\n.\n", None),
            ("a\r\n.\r", None),
            ("a\r\0\n.\r\n", None),
            ("a\r\n.\0\r\n", None),
            ("a\r\n. \r\n", None),
            ("a.\r\n", None),
            ("..\r\n", None),
            ("", None),
        ] {
            assert_eq!(DotEnd::new().find(data.as_bytes()), end, "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            octets in vec(select(b"\r\n.\r\n.\r\n.a".to_vec()), 0..40),
            cuts in vec(1..9usize, 1..6),
        ) {
            let whole = [b"\r\n", octets.as_slice()].concat();
            let expected = whole.windows(END.len()).position(|five| five == END).map(|at| at + END.len() - 2);
            let (mut finder, mut passed, mut found) = (DotEnd::new(), 0, None);
            for cut in cuts.iter().cycle() {
                let piece = &octets[passed..octets.len().min(passed + cut)];
                found = finder.find(piece).map(|here| passed + here);
                passed += piece.len();
                if found.is_some() || passed == octets.len() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
