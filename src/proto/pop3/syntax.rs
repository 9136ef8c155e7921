//! What a client may say, as parsers. The hard thing is the password: everything behind `PASS ` is
//! one, spaces included (RFC 1939 section 7).

use nom::{
    IResult, Parser,
    bytes::complete::{take_while, take_while1},
    character::complete::char,
    combinator::{all_consuming, opt},
    sequence::{preceded, terminated},
};

/// The commands of RFC 1939, RFC 2449, RFC 2595, RFC 5034 and RFC 6856.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// RFC 2449 section 5.
    Capa,
    /// RFC 1939 section 7.
    User,
    /// RFC 1939 section 7.
    Pass,
    /// RFC 1939 section 7.
    Apop,
    /// RFC 5034.
    Auth,
    /// RFC 2595 section 4.
    Stls,
    /// RFC 1939 section 5.
    Stat,
    /// RFC 1939 section 5.
    List,
    /// RFC 1939 section 5.
    Retr,
    /// RFC 1939 section 5.
    Dele,
    /// RFC 1939 section 5.
    Noop,
    /// RFC 1939 section 5.
    Rset,
    /// RFC 1939 section 4.
    Quit,
    /// RFC 1939 section 7.
    Top,
    /// RFC 1939 section 7.
    Uidl,
    /// RFC 1460: the last message that was accessed.
    Last,
    /// RFC 6856 section 2.
    Utf8,
    /// RFC 6856 section 3.
    Lang,
}

/// The verb that a line without its line end begins with, and what follows it: empty, or a space and
/// the arguments. `None`: no command that we know.
pub fn verb(line: &[u8]) -> Option<(Verb, &[u8])> {
    let end = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end)?;
    let named = |(name, verb): &(&str, Verb)| {
        word.eq_ignore_ascii_case(name.as_bytes()).then_some((*verb, rest))
    };
    VERBS.iter().find_map(named)
}

/// The one argument of USER and of PASS, from what follows the verb: the rest of the line as it is. A
/// missing one counts as empty, since some clients cut the space behind which nothing stands, and the
/// person who left the field empty must hear "wrong login", and not a complaint about syntax.
pub fn argument(rest: &[u8]) -> &[u8] {
    rest.strip_prefix(b" ").unwrap_or(rest)
}

/// Whether a command without arguments really has none. Spaces at a line's end do no harm.
pub fn no_arguments(rest: &[u8]) -> bool {
    rest.iter().all(|&octet| octet == b' ')
}

/// What stands behind AUTH: the mechanism and the initial response, still encoded.
///
/// `"AUTH" SP auth-type [SP (base64 / "=")]` (RFC 5034, formal syntax).
pub fn auth(rest: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    // Whether it is good base64 is decided when it is decoded: the answer differs.
    let word = || preceded(char(' '), take_while1(|octet: u8| octet.is_ascii_graphic()));
    let spaces = take_while(|octet| octet == b' ');
    let parsed: IResult<_, _> =
        all_consuming(terminated((word(), opt(word())), spaces)).parse(rest);
    parsed.ok().map(|(_, parsed)| parsed)
}

const VERBS: [(&str, Verb); 18] = [
    ("CAPA", Verb::Capa),
    ("USER", Verb::User),
    ("PASS", Verb::Pass),
    ("APOP", Verb::Apop),
    ("AUTH", Verb::Auth),
    ("STLS", Verb::Stls),
    ("STAT", Verb::Stat),
    ("LIST", Verb::List),
    ("RETR", Verb::Retr),
    ("DELE", Verb::Dele),
    ("NOOP", Verb::Noop),
    ("RSET", Verb::Rset),
    ("QUIT", Verb::Quit),
    ("TOP", Verb::Top),
    ("UIDL", Verb::Uidl),
    ("LAST", Verb::Last),
    ("UTF8", Verb::Utf8),
    ("LANG", Verb::Lang),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        for (line, expected) in [
            ("USER alice", Some((Verb::User, " alice"))),
            ("pass a  b ", Some((Verb::Pass, " a  b "))),
            ("top 1 0", Some((Verb::Top, " 1 0"))),
            ("QUIT", Some((Verb::Quit, ""))),
            ("QUIT\t", None),
            ("XTND XMIT", None),
            (" QUIT", None),
            ("", None),
        ] {
            let expected = expected.map(|(verb, rest)| (verb, rest.as_bytes()));
            assert_eq!(verb(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn arguments() {
        for (rest, expected) in
            [(" alice", "alice"), ("  a  b ", " a  b "), (" ", ""), ("", ""), (" \0", "\0")]
        {
            assert_eq!(argument(rest.as_bytes()), expected.as_bytes(), "{rest:?}");
        }
        assert!(no_arguments(b"") && no_arguments(b"  "));
        assert!(!no_arguments(b" x") && !no_arguments(b" \0"));
    }

    #[test]
    fn mechanisms() {
        for (rest, expected) in [
            (" PLAIN", Some(("PLAIN", None))),
            (" PLAIN =", Some(("PLAIN", Some("=")))),
            (" plain AHRpbQB4", Some(("plain", Some("AHRpbQB4")))),
            (" PLAIN ", Some(("PLAIN", None))),
            (" PLAIN a ", Some(("PLAIN", Some("a")))),
            (" PLAIN a\t", None),
            (" PLAIN  a", None),
            (" PLAIN a b", None),
            ("  PLAIN", None),
            (" ", None),
            ("", None),
            (" PL\0AIN", None),
        ] {
            let expected: Option<(&str, Option<&str>)> = expected;
            let expected = expected.map(|(name, ir)| (name.as_bytes(), ir.map(str::as_bytes)));
            assert_eq!(auth(rest.as_bytes()), expected, "{rest:?}");
        }
    }
}
