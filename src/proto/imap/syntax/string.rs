//! The strings of IMAP (RFC 3501 section 4.3). The hard thing is that one value has three spellings,
//! atom, quoted and literal, and that a password must come out the same from each.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{is_not, tag, take, take_while_m_n, take_while1},
    character::complete::char,
    combinator::{opt, recognize, verify},
    multi::many0_count,
    sequence::delimited,
};

/// A string as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    /// An atom or a literal: the octets stand for themselves.
    Bare(&'a [u8]),
    /// What is between the quotes.
    Quoted(&'a [u8]),
}

impl Text<'_> {
    /// How many octets are meant.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bare(raw) => raw.len(),
            Self::Quoted(_) => self.to_vec().len(),
        }
    }

    /// The octets that are meant. The vector is allocated once, so that no copy stays behind.
    pub(super) fn to_vec(self) -> Vec<u8> {
        let raw = match self {
            Self::Bare(raw) => return raw.to_vec(),
            Self::Quoted(raw) => raw,
        };
        let mut meant = Vec::with_capacity(raw.len());
        let mut octets = raw.iter();
        while let Some(&octet) = octets.next() {
            let escaped = octets.as_slice().first().filter(|next| matches!(next, b'"' | b'\\'));
            match escaped {
                Some(&escaped) if octet == b'\\' => {
                    octets.next();
                    meant.push(escaped);
                }
                // A backslash before anything else is meant as one.
                Some(_) | None => meant.push(octet),
            }
        }
        meant
    }
}

/// `astring = 1*ASTRING-CHAR / string`. NIL is an atom here, not a nil (RFC 3501 section 4.5). A backslash may
/// stand in either: not every client knows that the one in `user\shared` wants quotes and another one.
pub(super) fn astring(input: &[u8]) -> IResult<&[u8], Text<'_>> {
    alt((string, take_while1(is_login_char).map(Text::Bare))).parse(input)
}

/// `string = quoted / literal`
pub(super) fn string(input: &[u8]) -> IResult<&[u8], Text<'_>> {
    alt((quoted.map(Text::Quoted), literal.map(Text::Bare))).parse(input)
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, `QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> /
/// "\" quoted-specials`. Octets above 127 are let through, as in RFC 9051, and a backslash before anything
/// else: old clients send them.
fn quoted(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let plain = is_not("\"\\\r\n\0");
    let escaped = recognize((char('\\'), opt(alt((char('"'), char('\\'))))));
    delimited(char('"'), recognize(many0_count(alt((plain, escaped)))), char('"')).parse(input)
}

/// `literal = "{" number ["+"] "}" CRLF *CHAR8`, `CHAR8 = %x01-ff` (with RFC 7888's `+`).
fn literal(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let digits = take_while_m_n(1, 20, |octet: u8| octet.is_ascii_digit());
    let number =
        digits.map_opt(|digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
    let (input, octets) =
        delimited(char('{'), number, (opt(char('+')), char('}'), line_end)).parse(input)?;
    verify(take(octets), |content: &[u8]| !content.contains(&0)).parse(input)
}

/// `SP`
pub(super) fn space(input: &[u8]) -> IResult<&[u8], char> {
    char(' ').parse(input)
}

/// CRLF, or LF alone: [`crate::proto::line`] says why.
pub(super) fn line_end(input: &[u8]) -> IResult<&[u8], &[u8]> {
    alt((tag("\r\n"), tag("\n"))).parse(input)
}

/// Whether a tag may hold this octet: an ASTRING-CHAR, and not `+`.
pub fn is_tag_char(octet: u8) -> bool {
    is_astring_char(octet) && octet != b'+'
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`
fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

fn is_login_char(octet: u8) -> bool {
    is_astring_char(octet) || octet == b'\\'
}

/// `ATOM-CHAR = <any CHAR except atom-specials>`, `atom-specials = "(" / ")" / "{" / SP / CTL /
/// list-wildcards / quoted-specials / resp-specials`
pub(crate) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::login;

    fn check_login(arguments: &[u8], expected: Option<(&[u8], &[u8])>) {
        let parsed = login(arguments);
        let seen = parsed.as_ref().map(|(user, password)| (user.as_slice(), password.expose()));
        assert_eq!(seen, expected, "{}", arguments.escape_ascii());
    }

    #[test]
    fn logins() {
        check_login(b" tim secret\r\n", Some((b"tim", b"secret")));
        check_login(b" tim secret\n", Some((b"tim", b"secret")));
        check_login(b" tim@example.ch p]ss\r\n", Some((b"tim@example.ch", b"p]ss")));
        check_login(br#" "tim" "a \"b\" \\c""#, None);
        check_login(b" \"tim\" \"a \\\"b\\\" \\\\c\"\r\n", Some((b"tim", b"a \"b\" \\c")));
        check_login(b" \"j\xfcrg\" \"\xc3\xa4\"\r\n", Some((b"j\xfcrg", b"\xc3\xa4")));
        check_login(b" \"\" \"\"\r\n", Some((b"", b"")));
        check_login(b" {0}\r\n {0+}\r\n\r\n", Some((b"", b"")));
        check_login(b" NIL nil\r\n", Some((b"NIL", b"nil")));
        check_login(b" {3}\r\ntim {8+}\r\na\r\n{3}\r\n\r\n", Some((b"tim", b"a\r\n{3}\r\n")));
        check_login(b" \"tim\" {3}\r\n \"\xff\r\n", Some((b"tim", b" \"\xff")));
        check_login(b" {3}\ntim secret\n", Some((b"tim", b"secret")));
    }

    #[test]
    fn backslashes_that_nobody_escaped() {
        for user in [
            &br"dom\anna\info"[..],
            br#""dom\anna\info""#,
            br#""dom\\anna\info""#,
            br#""dom\\anna\\info""#,
            b"{13}\r\ndom\\anna\\info",
        ] {
            let arguments = [b" ", user, b" sec\\ret\r\n"].concat();
            check_login(&arguments, Some((br"dom\anna\info", br"sec\ret")));
        }
        check_login(b" tim \"\\a\\\\\"\r\n", Some((b"tim", br"\a\")));
    }

    #[test]
    fn no_logins() {
        for wrong in [
            &b"\r\n"[..],
            b" tim\r\n",
            b" tim \r\n",
            b" tim secret more\r\n",
            b" tim secret \r\n",
            b"  tim secret\r\n",
            b" tim  secret\r\n",
            b" tim secret\r\r\n",
            b" tim sec\"ret\r\n",
            b" tim sec*ret\r\n",
            b" tim s\xc3\xa4\r\n",
            b" tim \"secret\\\"\r\n",
            b" tim \"secret\r\n",
            b" tim \"sec\0ret\"\r\n",
            b" tim \"sec\rret\"\r\n",
            b" tim sec\0ret\r\n",
            b" tim {3}\r\na\0b\r\n",
            b" tim {5}\r\nabc\r\n",
            b" tim {2}\r\nabc\r\n",
            b" tim ~{3}\r\nabc\r\n",
            b" tim {99999999999999999999}\r\nabc\r\n",
            b" {10}\r\ntim secret\r\n",
            b" (tim) secret\r\n",
        ] {
            check_login(wrong, None);
        }
    }

    proptest! {
        /// Each spelling of a value gives the value back.
        #[test]
        fn spellings(user in prop::collection::vec(1u8.., 0..50), password in prop::collection::vec(1u8.., 0..50)) {
            let literal = |text: &[u8], plus| {
                [format!(" {{{}{plus}}}\r\n", text.len()).as_bytes(), text].concat()
            };
            let quoted = |text: &[u8]| {
                let escaped = text.iter().flat_map(|&octet| match octet {
                    b'"' | b'\\' => vec![b'\\', octet],
                    _ => vec![octet],
                });
                [b" \"".to_vec(), escaped.collect(), b"\"".to_vec()].concat()
            };
            let quotable = |text: &[u8]| !text.contains(&b'\r') && !text.contains(&b'\n');
            let spell = |text: &[u8]| {
                let mut all = vec![literal(text, ""), literal(text, "+")];
                if quotable(text) { all.push(quoted(text)); }
                all
            };
            for user_spelt in spell(&user) {
                for password_spelt in spell(&password) {
                    let arguments = [&user_spelt[..], &password_spelt, b"\r\n"].concat();
                    let (seen_user, seen_password) = login(&arguments).unwrap();
                    prop_assert_eq!(&seen_user, &user);
                    prop_assert_eq!(seen_password.expose(), &password[..]);
                }
            }
        }
    }
}
