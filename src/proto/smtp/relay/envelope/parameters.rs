//! The arguments of MAIL and RCPT. The hard thing is where the path ends: a quoted local part may hold
//! spaces, `>` and what looks like parameters (RFC 5321 section 4.1.2).

use crate::proto::{
    smtp::{extension::Extensions, relay::answer::Answer, syntax::Verb},
    text::printable,
};

/// The path without its angle brackets, for the log.
pub(in super::super) fn path_text(arguments: &[u8]) -> String {
    let (path, _) = split(arguments);
    let bare = path.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">"));
    printable(bare.unwrap_or(path), PATH)
}

/// The answer where a parameter belongs to an extension that the upstream does not have, or asks more
/// of it than it takes.
pub(in super::super) fn lacking(
    verb: Verb,
    arguments: &[u8],
    extensions: &Extensions,
) -> Option<Answer> {
    let (_, parameters) = split(arguments);
    let words = parameters.split(|octet| octet.is_ascii_whitespace());
    words.filter(|word| !word.is_empty()).find_map(|word| lacks(verb, word, extensions))
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`.
fn lacks(verb: Verb, parameter: &[u8], extensions: &Extensions) -> Option<Answer> {
    let end = parameter.iter().position(|&octet| octet == b'=').unwrap_or(parameter.len());
    let (keyword, value) = parameter.split_at(end);
    let value = value.strip_prefix(b"=").unwrap_or(value);
    let needs = |has: bool, extension| (!has).then_some(Answer::Lacks(extension));
    match (verb, keyword.to_ascii_uppercase().as_slice()) {
        (Verb::Mail, b"SIZE") => match extensions.size {
            None => Some(Answer::Lacks("SIZE")),
            Some(most) => {
                let most = most?;
                let octets: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
                (octets > most).then_some(Answer::TooLarge { most })
            }
        },
        // RFC 3030 section 3 adds a value to RFC 6152's parameter.
        (Verb::Mail, b"BODY") if value.eq_ignore_ascii_case(b"BINARYMIME") => {
            needs(extensions.binary_mime, "BINARYMIME")
        }
        (Verb::Mail, b"BODY") => needs(extensions.eight_bit_mime, "8BITMIME"),
        (Verb::Mail, b"SMTPUTF8") => needs(extensions.smtputf8, "SMTPUTF8"),
        (Verb::Mail, b"RET" | b"ENVID") | (Verb::Rcpt, b"NOTIFY" | b"ORCPT") => {
            needs(extensions.dsn, "DSN")
        }
        _ => None,
    }
}

/// The path, and what stands behind it.
///
/// `"MAIL FROM:" Reverse-path [SP Mail-parameters]`, `"RCPT TO:" Forward-path [SP Rcpt-parameters]`;
/// blanks behind the colon and a path without brackets are wrong and common.
fn split(arguments: &[u8]) -> (&[u8], &[u8]) {
    let colon = arguments.iter().position(|&octet| octet == b':');
    let (_, behind) = arguments.split_at(colon.map_or(0, |colon| colon + 1));
    let path = behind.trim_ascii_start();
    path.split_at(path_end(path))
}

fn path_end(path: &[u8]) -> usize {
    if !path.starts_with(b"<") {
        return path.iter().position(u8::is_ascii_whitespace).unwrap_or(path.len());
    }
    let (mut quoted, mut escaped) = (false, false);
    let end = path.iter().position(|&octet| {
        let plain = !std::mem::take(&mut escaped);
        quoted ^= plain && octet == b'"';
        escaped = plain && quoted && octet == b'\\';
        octet == b'>' && !quoted
    });
    end.map_or(path.len(), |end| end + 1)
}

/// Characters of a path in a log line: 256 octets are the most that it may have (RFC 5321 section
/// 4.5.3.1.3).
const PATH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (arguments, expected) in [
            (" FROM:<alice@example.org>", "alice@example.org"),
            (" from:<>", ""),
            (" FROM: <alice@example.org> SIZE=5", "alice@example.org"),
            (" FROM:alice@example.org SIZE=5", "alice@example.org"),
            (" TO:<@a.example,@b.example:bob@c.example>", "@a.example,@b.example:bob@c.example"),
            (r#" TO:<"a b> SIZE=1"@example.org> NOTIFY=NEVER"#, r#""a b> SIZE=1"@example.org"#),
            (r#" TO:<"a\"> "@example.org> X"#, r#""a\"> "@example.org"#),
            (r#" TO:<a\>b> X"#, r#"a\"#),
            (" TO:<J\u{fc}rg@example.org>", "J\u{fc}rg@example.org"),
            (" TO:<a\u{1b}[31m@example.org>", "a [31m@example.org"),
            (" TO:<never closed", "<never closed"),
            (" FROM", "FROM"),
            ("", ""),
        ] {
            assert_eq!(path_text(arguments.as_bytes()), expected, "{arguments}");
        }
        let long = format!(" TO:<{}@example.org>", "x".repeat(4000));
        assert_eq!(path_text(long.as_bytes()).len(), PATH);
    }

    #[test]
    fn what_the_upstream_lacks() {
        let nothing = Extensions { pipelining: false, ..Extensions::UNKNOWN };
        let everything = Extensions {
            size: Some(Some(1000)),
            pipelining: true,
            eight_bit_mime: true,
            dsn: true,
            smtputf8: true,
            enhanced_status_codes: true,
            chunking: true,
            binary_mime: true,
        };
        let unlimited = Extensions { size: Some(None), ..nothing };
        for (verb, arguments, lacks) in [
            (Verb::Mail, " FROM:<a@b> SIZE=1000", Some("SIZE")),
            (Verb::Mail, " FROM:<a@b> size=1", Some("SIZE")),
            (Verb::Mail, " FROM:<a@b> BODY=8BITMIME", Some("8BITMIME")),
            (Verb::Mail, " FROM:<a@b> BODY=7BIT", Some("8BITMIME")),
            (Verb::Mail, " FROM:<a@b> body=binarymime", Some("BINARYMIME")),
            (Verb::Mail, " FROM:<a@b> SMTPUTF8", Some("SMTPUTF8")),
            (Verb::Mail, " FROM:<a@b>  AUTH=<>  RET=HDRS", Some("DSN")),
            (Verb::Mail, " FROM:<a@b> ENVID=QQ314159", Some("DSN")),
            (Verb::Rcpt, " TO:<a@b> NOTIFY=SUCCESS,FAILURE", Some("DSN")),
            (Verb::Rcpt, " TO:<a@b> ORCPT=rfc822;a@b", Some("DSN")),
            (Verb::Rcpt, " TO:<a@b> SIZE=5", None),
            (Verb::Mail, " FROM:<a@b> AUTH=<> MT-PRIORITY=3", None),
            (Verb::Mail, r#" FROM:<"> SIZE=5 "@b>"#, None),
            (Verb::Mail, " FROM:<SIZE=5>", None),
            (Verb::Mail, " FROM:<a@b>", None),
            (Verb::Mail, "", None),
        ] {
            let answer = lacking(verb, arguments.as_bytes(), &nothing);
            assert_eq!(answer, lacks.map(Answer::Lacks), "{arguments}");
            assert_eq!(lacking(verb, arguments.as_bytes(), &everything), None, "{arguments}");
        }
        for (size, answer) in [
            ("1001", Some(Answer::TooLarge { most: 1000 })),
            ("0001001", Some(Answer::TooLarge { most: 1000 })),
            ("18446744073709551616", None),
            ("many", None),
            ("", None),
        ] {
            let arguments = format!(" FROM:<a@b> SIZE={size}");
            assert_eq!(lacking(Verb::Mail, arguments.as_bytes(), &everything), answer, "{size}");
            assert_eq!(lacking(Verb::Mail, arguments.as_bytes(), &unlimited), None, "{size}");
        }
    }
}
