//! What a client may say, as parsers. The hard thing is that the same line is read twice, by us and
//! by the upstream: where it could be read differently, it is not a command at all.

/// The commands of RFC 5321 section 4.1.1, of RFC 4954, RFC 3207 and RFC 3030, and those that never
/// pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// RFC 5321 section 4.1.1.1.
    Ehlo,
    /// RFC 5321 section 4.1.1.1.
    Helo,
    /// RFC 4954.
    Auth,
    /// RFC 3207.
    StartTls,
    /// RFC 5321 section 4.1.1.2.
    Mail,
    /// RFC 5321 section 4.1.1.3.
    Rcpt,
    /// RFC 5321 section 4.1.1.4.
    Data,
    /// RFC 3030.
    Bdat,
    /// RFC 5321 section 4.1.1.5.
    Rset,
    /// RFC 5321 section 4.1.1.9.
    Noop,
    /// RFC 5321 section 4.1.1.10.
    Quit,
    /// RFC 5321 section 4.1.1.6.
    Vrfy,
    /// RFC 5321 section 4.1.1.8.
    Help,
    /// A command between servers, about lists, or with a payload of its own: never for the upstream.
    Forbidden,
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

const VERBS: [(&str, Verb); 23] = [
    ("EHLO", Verb::Ehlo),
    ("HELO", Verb::Helo),
    ("AUTH", Verb::Auth),
    ("STARTTLS", Verb::StartTls),
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Data),
    ("BDAT", Verb::Bdat),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
    ("VRFY", Verb::Vrfy),
    ("HELP", Verb::Help),
    // RFC 5321 section 4.1.1.7: tells who is on a list.
    ("EXPN", Verb::Forbidden),
    // RFC 1985, RFC 2645, RFC 5321 appendix F.1: they turn client and server round.
    ("ETRN", Verb::Forbidden),
    ("ATRN", Verb::Forbidden),
    ("TURN", Verb::Forbidden),
    // Postfix's own: a client tells who it would like to be.
    ("XCLIENT", Verb::Forbidden),
    ("XFORWARD", Verb::Forbidden),
    // Exchange's own, with payloads that no other reader can delimit.
    ("XEXCH50", Verb::Forbidden),
    ("X-LINK2STATE", Verb::Forbidden),
    // The same, and TLS begins behind it.
    ("X-ANONYMOUSTLS", Verb::Forbidden),
    ("X-EXPS", Verb::Forbidden),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        for (line, expected) in [
            ("EHLO client.example.org", Some((Verb::Ehlo, " client.example.org"))),
            ("mail FROM:<a@b>", Some((Verb::Mail, " FROM:<a@b>"))),
            ("quit", Some((Verb::Quit, ""))),
            ("QUIT ", Some((Verb::Quit, " "))),
            ("XCLIENT ADDR=1.2.3.4", Some((Verb::Forbidden, " ADDR=1.2.3.4"))),
            ("QUIT\t", None),
            ("QUITE", None),
            (" QUIT", None),
            ("", None),
        ] {
            let expected = expected.map(|(verb, rest)| (verb, rest.as_bytes()));
            assert_eq!(verb(line.as_bytes()), expected, "{line}");
        }
    }
}
