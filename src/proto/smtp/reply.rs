//! What a server says. The hard thing is where a reply ends: its last line is the one with a space
//! behind the code, or with nothing at all (RFC 5321 section 4.2.1).

/// One line of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    /// 200 to 599.
    pub code: u16,
    /// Whether the reply ends here.
    pub last: bool,
    /// What stands behind the code.
    pub text: &'a [u8],
}

/// Reads a line without its line end.
///
/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`,
/// `Reply-code = %x32-35 %x30-35 %x30-39`; servers use more second digits than the grammar has.
pub fn reply_line(line: &[u8]) -> Option<ReplyLine<'_>> {
    let (code, rest) = line.split_at_checked(3)?;
    let code =
        std::str::from_utf8(code).ok().filter(|code| code.bytes().all(|c| c.is_ascii_digit()));
    let code = code?.parse().ok().filter(|code| (200..600).contains(code))?;
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    Some(ReplyLine { code, last, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (line, expected) in [
            ("250 OK", Some((250, true, "OK"))),
            ("250-SIZE", Some((250, false, "SIZE"))),
            ("334 ", Some((334, true, ""))),
            ("334", Some((334, true, ""))),
            ("250-", Some((250, false, ""))),
            ("299 x", Some((299, true, "x"))),
            ("199 x", None),
            ("600 x", None),
            ("25 x", None),
            ("+50 x", None),
            ("2500 x", None),
            ("", None),
        ] {
            let expected =
                expected.map(|(code, last, text)| ReplyLine { code, last, text: text.as_bytes() });
            assert_eq!(reply_line(line.as_bytes()), expected, "{line}");
        }
    }
}
