//! What a client may say, as parsers. The hard thing is the password: everything behind `PASS ` is
//! one, spaces included (RFC 1939 section 7).

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
}
