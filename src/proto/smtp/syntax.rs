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

/// Whether nothing but spaces follows a verb.
pub fn no_arguments(arguments: &[u8]) -> bool {
    words(arguments).next().is_none()
}

/// Whether what follows EHLO or HELO can be a name. Devices send all kinds of nonsense here, and some
/// send nothing at all. Postfix and Exim refuse the latter, but Exchange accepts it, and devices that
/// work there must work here: nobody reads the name.
///
/// `ehlo = "EHLO" SP ( Domain / address-literal ) CRLF`
pub fn client_name(arguments: &[u8]) -> bool {
    !arguments.iter().any(u8::is_ascii_control)
}

/// The arguments of AUTH: a mechanism, and perhaps an initial response as sent.
///
/// `"AUTH" SP sasl-mech [SP initial-response]`; `initial-response = base64 / "="`. A space too many
/// is common in scripts and does no harm.
pub fn auth(arguments: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut words = words(arguments);
    let mechanism = words.next()?;
    let initial = words.next();
    words.next().is_none().then_some((mechanism, initial))
}

/// What BDAT announces: so many octets follow, without any line end of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How many octets follow the command's line end.
    pub octets: u64,
    /// Whether the message ends with them.
    pub last: bool,
}

/// The arguments of BDAT; `None` where it is not certain how many octets follow. Servers count in signed
/// numbers; beyond these nobody knows what they would count.
///
/// `bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF`, `chunk-size = 1*DIGIT`,
/// `end-marker = "LAST"` (RFC 3030 section 2)
pub fn chunk(arguments: &[u8]) -> Option<Chunk> {
    let arguments = arguments.strip_prefix(b" ")?;
    let end = arguments.iter().position(|&octet| octet == b' ').unwrap_or(arguments.len());
    let (size, marker) = arguments.split_at_checked(end)?;
    let last = match marker {
        b"" => false,
        [b' ', marker @ ..] if marker.eq_ignore_ascii_case(b"LAST") => true,
        _ => return None,
    };
    let digits = size.iter().all(u8::is_ascii_digit).then_some(size)?;
    let octets: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (octets <= i64::MAX as u64).then_some(Chunk { octets, last })
}

/// The line without what stands in front of its first letter: some printers send a few octets of
/// noise when they connect.
pub fn without_noise(line: &[u8]) -> &[u8] {
    let letter = line.iter().position(u8::is_ascii_alphabetic).unwrap_or(line.len());
    line.get(letter..).unwrap_or_default()
}

/// Whether this is how an HTTP request begins (RFC 9112 section 3), or one of HTTP/0.9.
pub fn is_http(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let version =
        line.len().checked_sub(b"HTTP/1.1".len()).and_then(|at| line.split_at_checked(at));
    if let Some((_, [name @ .., b'/', major, b'.', minor])) = version
        && name.eq_ignore_ascii_case(b"HTTP")
        && [major, minor].into_iter().all(u8::is_ascii_digit)
    {
        return true;
    }
    let mut words = words(line);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    METHODS.iter().any(|known| method.eq_ignore_ascii_case(known.as_bytes()))
        && (target.starts_with(b"/") || target.to_ascii_lowercase().starts_with(b"http"))
}

/// Those that a web page can make a browser send to a port of its choice (RFC 9110 section 9).
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "PATCH"];

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&octet| octet == b' ').filter(|word| !word.is_empty())
}

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

    #[test]
    fn arguments_of_auth() {
        for (arguments, expected) in [
            (" PLAIN", Some(("PLAIN", None))),
            (" PLAIN ", Some(("PLAIN", None))),
            (" LOGIN dGlt", Some(("LOGIN", Some("dGlt")))),
            ("  LOGIN  = ", Some(("LOGIN", Some("=")))),
            (" PLAIN a b", None),
            (" ", None),
            ("", None),
        ] {
            let expected = expected
                .map(|(mechanism, initial)| (mechanism.as_bytes(), initial.map(str::as_bytes)));
            assert_eq!(auth(arguments.as_bytes()), expected, "{arguments:?}");
        }
    }

    #[test]
    fn chunks() {
        for (arguments, expected) in [
            (" 0", Some((0, false))),
            (" 86 LAST", Some((86, true))),
            (" 86 last", Some((86, true))),
            (" 9223372036854775807", Some((9_223_372_036_854_775_807, false))),
            (" 9223372036854775808", None),
            (" 99999999999999999999", None),
            (" +5", None),
            (" 5 LAST ", None),
            (" 5 ", None),
            ("  5", None),
            (" 5 FIRST", None),
            (" LAST", None),
            (" ", None),
            ("", None),
        ] {
            let expected = expected.map(|(octets, last)| Chunk { octets, last });
            assert_eq!(chunk(arguments.as_bytes()), expected, "{arguments:?}");
        }
    }

    #[test]
    fn names_and_nothing() {
        for (arguments, nothing, name) in [
            ("", true, true),
            ("  ", true, true),
            (" client.example.org", false, true),
            (" [192.0.2.1]", false, true),
            (" Büro_2. OG (Kopierer)", false, true),
            (" a\tb", false, false),
            (" a\0", false, false),
            (" a\x7f", false, false),
        ] {
            assert_eq!(no_arguments(arguments.as_bytes()), nothing, "{arguments:?}");
            assert_eq!(client_name(arguments.as_bytes()), name, "{arguments:?}");
        }
    }

    #[test]
    fn noise() {
        for (line, expected) in [
            (&b"\0\xff\xfb\x01EHLO a"[..], &b"EHLO a"[..]),
            (b"EHLO a", b"EHLO a"),
            (b" 12 ", b""),
            (b"", b""),
        ] {
            assert_eq!(without_noise(line), expected, "{line:?}");
        }
    }

    #[test]
    fn http() {
        for line in [
            "GET / HTTP/1.1",
            "get /",
            "POST http://127.0.0.1:2525/",
            "POST /EHLO%20x HTTP/1.0 ",
            "CONNECT mail.example.org:25 HTTP/1.1",
            "PRI * HTTP/2.0",
            "EHLO / http/1.1",
        ] {
            assert!(is_http(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "GET",
            "GET x",
            "HTTP/1.1x",
            "EHLO /",
            "HELO http",
            "HTTP/1-1",
            "HTTP/a.b",
            "TTP/1.1",
        ] {
            assert!(!is_http(line.as_bytes()), "{line}");
        }
    }
}
