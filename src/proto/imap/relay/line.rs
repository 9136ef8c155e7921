//! How a line ends that passes in pieces. The hard thing is that its end decides what comes next, when
//! most of the line may be gone already: so the last octets are kept.

use crate::proto::imap::literal::{Literal, announced};

/// The last octets of a line that is passing; a CR before its LF may be among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Takes the next piece of the line, which must not hold its end.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        let piece = last(piece);
        let keep = KEPT.saturating_sub(piece.len());
        self.0.drain(..self.0.len().saturating_sub(keep));
        self.0.extend_from_slice(piece);
    }

    /// What the line announces, now that it is over.
    pub(super) fn ending(&self) -> Ending {
        let line = self.0.strip_suffix(b"\r").unwrap_or(&self.0);
        match (announced(line), line.trim_ascii_end()) {
            (Some(literal), _) => Ending::Literal { literal, placed: is_placed(line) },
            // A brace alone may end an atom (RFC 3501 section 9: only `{` is special).
            (None, [before @ .., b'+', b'}']) if is_measure(before) => {
                Ending::Braces { plus: true }
            }
            (None, [.., b'}']) => Ending::Braces { plus: false },
            (None, _) => Ending::Plain,
        }
    }
}

/// Whether the announcement stands where an argument may begin.
fn is_placed(line: &[u8]) -> bool {
    let brace = line.iter().rposition(|&octet| octet == b'{').unwrap_or_default();
    let (before, _) = line.split_at(brace);
    let before = before.strip_suffix(b"~").unwrap_or(before);
    matches!(before, [.., b' ' | b'('])
}

/// Whether this, before a `+}`, can be meant as a literal's measure.
fn is_measure(before: &[u8]) -> bool {
    before.contains(&b'{') || before.last().is_some_and(u8::is_ascii_digit)
}

/// A line of a command that is passing.
#[derive(Debug, Default)]
pub(super) struct CommandLine {
    tail: Tail,
    quoting: Quoting,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quoting {
    #[default]
    Outside,
    Inside,
    Escape,
}

impl CommandLine {
    /// Takes the next piece of the line, which must not hold its end.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        self.tail.extend(piece);
        for octet in piece {
            self.quoting = match (self.quoting, octet) {
                (Quoting::Outside, b'"') | (Quoting::Escape, _) => Quoting::Inside,
                (Quoting::Inside, b'"') => Quoting::Outside,
                (Quoting::Inside, b'\\') => Quoting::Escape,
                (quoting, _) => quoting,
            };
        }
    }

    /// Whether a quoted string is open.
    pub(super) fn is_in_quotes(&self) -> bool {
        self.quoting != Quoting::Outside
    }

    /// What the line announces, now that it is over.
    pub(super) fn ending(&self) -> Ending {
        self.tail.ending()
    }
}

/// What stands behind the content of a line.
pub(super) enum LineEnd {
    /// Not known yet.
    Open,
    /// CRLF.
    Crlf,
    /// LF alone: no line end by RFC 3501, but one to many servers.
    Lf,
    /// CR alone: nothing that a command may hold.
    BareCr,
}

impl LineEnd {
    pub(super) fn of(behind: &[u8]) -> Self {
        match behind {
            [] | [b'\r'] => Self::Open,
            [b'\n', ..] => Self::Lf,
            [b'\r', b'\n', ..] => Self::Crlf,
            [_, ..] => Self::BareCr,
        }
    }
}

/// The front of the input up to the first CR or LF.
pub(super) fn content(input: &[u8]) -> &[u8] {
    let end = input.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
    input.get(..end.unwrap_or(input.len())).unwrap_or_default()
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In nothing special.
    Plain,
    /// In a literal's announcement; `placed` where an argument may begin.
    Literal {
        /// The literal.
        literal: Literal,
        /// Whether the grammar has a literal there.
        placed: bool,
    },
    /// In a brace that closes nothing which we know, but somebody else may.
    Braces {
        /// Whether it looks like a non-synchronizing literal.
        plus: bool,
    },
}

fn last(piece: &[u8]) -> &[u8] {
    piece.get(piece.len().saturating_sub(KEPT)..).unwrap_or_default()
}

/// The longest announcement has 26 octets, ` ~{18446744073709551615+}` with the SP before it and a CR.
const KEPT: usize = 32;

/// Reads a line in pieces of several lengths.
///
/// # Panics
/// If the cuts change how it ends, or if it ends otherwise than the whole line says.
#[cfg(any(test, fuzzing))]
pub(in crate::proto) fn fuzz_line(stream: &[u8]) {
    let line = content(stream);
    let (mut quoted, mut escaped) = (false, false);
    for &octet in line {
        let quote = octet == b'"' && !escaped;
        escaped = quoted && octet == b'\\' && !escaped;
        quoted ^= quote;
    }
    let announced = crate::proto::imap::literal::read_from_right(line);
    for cut in [1, 2, 31, 32, 33, usize::MAX] {
        let mut read = CommandLine::default();
        line.chunks(cut).for_each(|piece| read.extend(piece));
        assert_eq!(read.is_in_quotes(), quoted || escaped, "cut every {cut} octets");
        match read.ending() {
            Ending::Literal { literal, .. } => assert_eq!(Some(literal), announced),
            Ending::Braces { .. } => assert!(announced.is_none() && line.contains(&b'}')),
            Ending::Plain => assert!(!line.trim_ascii_end().ends_with(b"}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(pieces: &[&str]) -> Ending {
        let mut tail = Tail::default();
        pieces.iter().for_each(|piece| tail.extend(piece.as_bytes()));
        tail.ending()
    }

    fn literal(octets: u64, synchronizing: bool, binary: bool, placed: bool) -> Ending {
        Ending::Literal { literal: Literal { octets, synchronizing, binary }, placed }
    }

    #[test]
    fn endings() {
        for (line, expected) in [
            ("", Ending::Plain),
            ("A NOOP", Ending::Plain),
            ("A LOGIN {5}", literal(5, true, false, true)),
            ("A FETCH 1 BODY[HEADER.FIELDS ({5+}", literal(5, false, false, true)),
            ("A APPEND x ~{5+}", literal(5, false, true, true)),
            ("A APPEND x ~{18446744073709551615+}", literal(u64::MAX, false, true, true)),
            ("A LOGIN a{5+}", literal(5, false, false, false)),
            ("A LOGIN {5}\r", literal(5, true, false, true)),
            ("{5}", literal(5, true, false, false)),
            ("A LOGIN {5-}", Ending::Braces { plus: false }),
            ("A SELECT c+}", Ending::Braces { plus: false }),
            ("A LOGIN {5} ", Ending::Braces { plus: false }),
            ("A LOGIN {5+}\t", Ending::Braces { plus: true }),
            ("A LOGIN {00000000000000000000000000000000000000005}", Ending::Braces { plus: false }),
            ("A LOGIN {00000000000000000000000000000000000000005+}", Ending::Braces { plus: true }),
        ] {
            assert_eq!(ending(&[line]), expected, "{line}");
            for cut in 0..line.len() {
                let (before, behind) = line.split_at(cut);
                assert_eq!(ending(&[before, behind]), expected, "{line} cut at {cut}");
            }
        }
    }

    #[test]
    fn only_the_end_of_a_long_line_is_kept() {
        let long = "x".repeat(100_000);
        assert_eq!(ending(&[&long, " {1", "2}"]), literal(12, true, false, true));
        let mut tail = Tail::default();
        tail.extend(long.as_bytes());
        assert!(tail.0.len() <= KEPT && tail.0.capacity() < 1024);
    }
}
