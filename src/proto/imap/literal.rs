//! The announcement of a literal at a line's end: `{n}`, `{n+}` (RFC 7888) and `~{n}` (RFC 3516). The
//! hard thing is that framing hangs on it: whoever misses an announcement reads message text as
//! commands.

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_while_m_n},
    character::complete::char,
    combinator::{all_consuming, opt},
};

/// An announced literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// How many octets follow the announcing line's CRLF.
    pub octets: u64,
    /// Whether the sender waits for a `+` first (only clients ever do).
    pub synchronizing: bool,
    /// `literal8` of RFC 3516: may hold NUL.
    pub binary: bool,
}

/// The literal that a line, given without its CRLF, announces at its end.
///
/// `literal = "{" number ["+"] "}" CRLF *CHAR8`, `literal8 = "~{" number ["+"] "}" CRLF *OCTET`.
/// (RFC 9051 section 9 has number64.)
pub fn announced(line: &[u8]) -> Option<Literal> {
    let brace = line.iter().rposition(|&octet| octet == b'{')?;
    let (before, from_brace) = line.split_at(brace);
    let (_, (octets, plus)) = announcement(from_brace).ok()?;
    Some(Literal { octets, synchronizing: !plus, binary: before.ends_with(b"~") })
}

fn announcement(input: &[u8]) -> IResult<&[u8], (u64, bool)> {
    let digits = take_while_m_n(1, 20, |octet: u8| octet.is_ascii_digit());
    let number = digits.map_opt(|digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok());
    let body = (tag("{"), number, opt(char('+')), tag("}"));
    all_consuming(body).map(|(_, octets, plus, _)| (octets, plus.is_some())).parse(input)
}

/// Compares [`announced`] with a reading of the grammar from right to left, without a parser.
///
/// # Panics
/// If the two see different literals.
#[cfg(any(test, fuzzing))]
pub fn fuzz_literal(line: &[u8]) {
    assert_eq!(announced(line), read_from_right(line));
}

/// The same once more, octet by octet from the end.
#[cfg(any(test, fuzzing))]
pub(in crate::proto) fn read_from_right(line: &[u8]) -> Option<Literal> {
    let digit = |octet: &&u8| octet.is_ascii_digit();
    let mut octets = line.iter().rev().peekable();
    let braced = octets.next() == Some(&b'}');
    let plus = octets.next_if_eq(&&b'+').is_some();
    let mut digits: Vec<u8> = std::iter::from_fn(|| octets.next_if(digit)).copied().collect();
    digits.reverse();
    let number = String::from_utf8_lossy(&digits).parse::<u64>();
    let opened = octets.next() == Some(&b'{');
    let binary = octets.next() == Some(&b'~');
    let sound = braced && opened && digits.len() <= 20;
    let octets = number.ok().filter(|_| sound)?;
    Some(Literal { octets, synchronizing: !plus, binary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements() {
        let literal =
            |octets, synchronizing, binary| Some(Literal { octets, synchronizing, binary });
        for (line, expected) in [
            ("A LOGIN {5}", literal(5, true, false)),
            ("A LOGIN {5+}", literal(5, false, false)),
            ("* 1 FETCH (BINARY[1] ~{3}", literal(3, true, true)),
            ("A APPEND x ~{3+}", literal(3, false, true)),
            ("{18446744073709551615}", literal(u64::MAX, true, false)),
            ("{18446744073709551616}", None),
            ("A LOGIN {}", None),
            ("A LOGIN {5} ", None),
            ("A LOGIN {5-}", None),
            ("A LOGIN 5}", None),
            ("A LOGIN {+5}", None),
            ("A LOGIN \"{5}\"", None),
            ("", None),
        ] {
            assert_eq!(announced(line.as_bytes()), expected, "{line}");
            fuzz_literal(line.as_bytes());
        }
    }
}
