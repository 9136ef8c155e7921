//! What a server says. The hard thing is where a reply ends: its last line is the one with a space
//! behind the code, or with nothing at all (RFC 5321 section 4.2.1). Who acts on an earlier one takes
//! the rest for the answer to the next command.

use std::mem;

use bytes::BytesMut;

use crate::proto::{
    line::{Intake, Line},
    text::printable,
};

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

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// What stands behind the code, line by line; never empty.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// Code and text in one line for people, cut to [`WORDS`] and made printable.
    ///
    /// An enhanced status code stands in each line again (RFC 2034 section 4); once is enough.
    pub fn words(&self) -> String {
        let mut words = self.code.to_string().into_bytes();
        let mut known: &[u8] = b"";
        for line in self.lines.iter().map(|line| line.trim_ascii()) {
            let enhanced = enhanced_code(line);
            let repeated = !enhanced.is_empty() && enhanced == known;
            known = enhanced;
            let new = if repeated { line.get(enhanced.len()..).unwrap_or_default() } else { line };
            if !new.is_empty() {
                words.push(b' ');
                words.extend_from_slice(new.trim_ascii_start());
            }
        }
        printable(&words, WORDS)
    }
}

/// The enhanced status code that a line begins with, or nothing:
/// `class "." subject "." detail`, with one digit, and one to three each (RFC 2034 section 4).
fn enhanced_code(line: &[u8]) -> &[u8] {
    let word = line.split(|&octet| octet == b' ').next().unwrap_or_default();
    let mut numbers = word.split(|&octet| octet == b'.');
    let mut number = |digits: usize| {
        let one = numbers.next().unwrap_or_default();
        (1..=digits).contains(&one.len()) && one.iter().all(u8::is_ascii_digit)
    };
    let whole = number(1) && number(3) && number(3) && numbers.next().is_none();
    if whole { word } else { b"" }
}

/// Cuts what a server sends into replies. What is read is wiped, since a server may repeat what it was
/// sent.
#[derive(Default)]
pub struct ReplyReader {
    intake: Intake,
    /// The lines of the present reply so far.
    reply: Reply,
    /// Their octets.
    octets: usize,
}

impl ReplyReader {
    /// Takes what the server sent.
    pub fn push(&mut self, input: &[u8]) {
        self.intake.extend(input);
    }

    /// Whether everything received has been read, to the end of a reply.
    pub fn is_empty(&self) -> bool {
        self.intake.pending().is_empty() && self.reply.lines.is_empty()
    }

    /// What was received and not read.
    pub fn into_residue(self) -> BytesMut {
        self.intake.to_bytes()
    }

    /// The next complete reply; `Err` says what was wrong with it.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, &'static str> {
        loop {
            let end = match self.intake.line(0, LINE) {
                Line::Complete(end) => end,
                Line::Partial => return Ok(None),
                Line::TooLong => return Err("an endless line"),
            };
            let line = self.intake.take(end);
            let Some(line) = line.expose().strip_suffix(b"\r\n") else {
                return Err("a line that does not end in CRLF");
            };
            let line = reply_line(line).ok_or("a reply outside the grammar")?;
            if self.reply.lines.is_empty() {
                self.reply.code = line.code;
            } else if self.reply.code != line.code {
                return Err("a reply whose lines have different codes");
            }
            self.octets += end;
            if self.octets > REPLY || self.reply.lines.len() >= LINES {
                return Err("an endless reply");
            }
            self.reply.lines.push(line.text.to_vec());
            if line.last {
                self.octets = 0;
                return Ok(Some(mem::take(&mut self.reply)));
            }
        }
    }
}

/// Characters of a server's words that are kept.
pub const WORDS: usize = 300;

/// Octets of one line with its CRLF. RFC 5321 section 4.5.3.1.5 allows 512, but a challenge may be
/// longer (RFC 4954 section 4).
const LINE: usize = 16 * 1024;

/// Octets of all lines of a reply.
pub(in crate::proto) const REPLY: usize = 64 * 1024;

/// Lines of a reply; the longest lists of extensions have about 30.
pub(in crate::proto) const LINES: usize = 256;

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

    fn read(input: &[u8]) -> Result<Vec<String>, &'static str> {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        for octet in input {
            reader.push(std::slice::from_ref(octet));
            while let Some(reply) = reader.next_reply()? {
                assert!(reader.is_empty());
                replies.push(reply.words());
            }
        }
        Ok(replies)
    }

    #[test]
    fn a_reply_ends_with_its_last_line() {
        let input = b"220 a\r\n250-b\r\n250-\r\n250-c d\r\n250 e\r\n334\r\n334 \r\n235-f\r\n";
        assert_eq!(read(input).unwrap(), ["220 a", "250 b c d e", "334", "334"]);
    }

    #[test]
    fn words_are_one_line_with_the_enhanced_code_once() {
        for (input, expected) in [
            (
                "535-5.7.8 Username and Password not accepted. For more information, go to\r\n\
                 535 5.7.8  https://support.google.com/mail/?p=BadCredentials x.12 - gsmtp\r\n",
                "535 5.7.8 Username and Password not accepted. For more information, go to \
                 https://support.google.com/mail/?p=BadCredentials x.12 - gsmtp",
            ),
            ("535-5.7.8 a\r\n535 5.7.9 b\r\n", "535 5.7.8 a 5.7.9 b"),
            ("535-5.7.139\r\n535 5.7.139\r\n", "535 5.7.139"),
            ("550-1.2.3.4 a\r\n550 1.2.3.4 b\r\n", "550 1.2.3.4 a 1.2.3.4 b"),
            ("421 bye\x1b[31m\u{202e}\r\n", "421 bye [31m"),
        ] {
            assert_eq!(read(input.as_bytes()).unwrap(), [expected]);
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(read(b"250-a\r\n235 b\r\n"), Err("a reply whose lines have different codes"));
        assert_eq!(read(b"250 a\n"), Err("a line that does not end in CRLF"));
        assert_eq!(read(b"* OK a\r\n"), Err("a reply outside the grammar"));
        let line = |length: usize| [b"250-".to_vec(), vec![b'x'; length - 6], b"\r\n".to_vec()];
        assert_eq!(read(&line(LINE).concat()), Ok(vec![]));
        assert_eq!(read(&line(LINE + 1).concat()), Err("an endless line"));
        assert_eq!(read(&line(LINE).concat().repeat(REPLY / LINE)), Ok(vec![]));
        assert_eq!(read(&line(LINE).concat().repeat(REPLY / LINE + 1)), Err("an endless reply"));
        assert_eq!(read(&b"250-\r\n".repeat(LINES)), Ok(vec![]));
        assert_eq!(read(&b"250-\r\n".repeat(LINES + 1)), Err("an endless reply"));
        // The bounds are of one reply.
        assert_eq!(read(&b"250 x\r\n".repeat(REPLY)).unwrap().len(), REPLY);
    }
}
