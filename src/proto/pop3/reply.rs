//! What a server says, first line by first line. The hard thing is that only the command tells whether
//! more lines follow (RFC 1939 section 3). [`LineReader`] cuts the stream into lines.

use bytes::BytesMut;
use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_while1},
    character::complete::space0,
    combinator::{opt, rest},
    sequence::{delimited, terminated},
};

use crate::proto::text::printable;

/// How a response begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+ `, in a SASL exchange (RFC 5034 section 4).
    Continue,
}

/// Reads the first line of a response, without its line end: its status and the words behind it.
/// The status is in upper case by RFC 1939 section 3; no server is known to do otherwise, but to read
/// it in any case does no harm.
pub fn status(line: &[u8]) -> Option<(Status, &[u8])> {
    let end = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end)?;
    let status = match word.to_ascii_uppercase().as_slice() {
        b"+OK" => Status::Ok,
        b"-ERR" => Status::Err,
        b"+" => Status::Continue,
        _ => return None,
    };
    Some((status, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// The first line of a response, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What the server thinks of it.
    pub status: Status,
    /// The response code between the brackets (RFC 2449 section 8), if there is one.
    pub code: Option<&'a [u8]>,
    /// The words for people.
    pub text: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Understands a first line, given without its line end. `None`: it is none.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let (status, words) = status(line)?;
        let (code, text) = match status {
            Status::Ok | Status::Err => resp_text(words),
            Status::Continue => (None, words),
        };
        Some(Self { status, code, text })
    }

    /// Whether the code is this one, or one of the details below it (RFC 2449 section 8: levels are
    /// parted by `/`), in any case.
    pub fn has_code(&self, levels: &str) -> bool {
        let code = self.code.unwrap_or_default();
        let front = code.get(..levels.len());
        let below = code.get(levels.len()..).unwrap_or_default();
        front.is_some_and(|front| front.eq_ignore_ascii_case(levels.as_bytes()))
            && (below.is_empty() || below.starts_with(b"/"))
    }

    /// Code and words for a log line, cut to [`WORDS`] and made printable.
    pub fn words(&self) -> String {
        match self.code {
            Some(code) => printable(&[b"[", code, b"] ", self.text].concat(), WORDS),
            None => printable(self.text, WORDS),
        }
    }
}

/// `text = *schar / resp-code *CHAR`, `resp-code = "[" resp-level *("/" resp-level) "]"`, where a level
/// has neither spaces nor brackets (RFC 2449 section 3). Exchange ends its greeting in a bracket, which
/// is no code.
fn resp_text(words: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let level = take_while1(|octet: u8| octet.is_ascii_graphic() && !b"[]".contains(&octet));
    let code = terminated(delimited(tag("["), level, tag("]")), space0);
    let parsed: IResult<_, _> = (opt(code), rest).parse(words);
    parsed.map_or((None, words), |(_, parts)| parts)
}

/// Cuts what a server sends into lines. No `Debug`: a server may repeat what it was sent.
#[derive(Default)]
pub struct LineReader {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
}

impl LineReader {
    /// Takes what the server sent.
    pub fn push(&mut self, input: &[u8]) {
        self.buffer.extend_from_slice(input);
    }

    /// Octets received and not read.
    pub fn unread(&self) -> usize {
        self.buffer.len()
    }

    /// What was received and not read.
    pub fn into_residue(self) -> BytesMut {
        self.buffer
    }

    /// The next complete line, without its line end; `Err` says what was wrong with it.
    pub fn next_line(&mut self) -> Result<Option<BytesMut>, &'static str> {
        let mut unknown = self.buffer.iter().take(LINE).skip(self.scanned);
        let Some(end) = unknown.position(|&octet| octet == b'\n') else {
            self.scanned = self.buffer.len();
            return if self.scanned >= LINE { Err("an endless line") } else { Ok(None) };
        };
        let mut line = self.buffer.split_to(self.scanned + end + 1);
        self.scanned = 0;
        if !line.ends_with(b"\r\n") {
            return Err("a line that does not end in CRLF");
        }
        line.truncate(line.len() - 2);
        Ok(Some(line))
    }
}

/// Characters of a server's words that are kept.
pub const WORDS: usize = 300;

/// Octets of one line with its CRLF. RFC 2449 section 4 allows 512, but a challenge may be longer.
const LINE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        for (line, expected) in [
            ("+OK 2 messages", Some((Status::Ok, "2 messages"))),
            ("+OK", Some((Status::Ok, ""))),
            ("-ERR [AUTH] no", Some((Status::Err, "[AUTH] no"))),
            ("+ ", Some((Status::Continue, ""))),
            ("+", Some((Status::Continue, ""))),
            ("+ dGVzdA==", Some((Status::Continue, "dGVzdA=="))),
            ("+OKAY", None),
            ("OK", None),
            ("", None),
        ] {
            let expected = expected.map(|(status, words)| (status, words.as_bytes()));
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn response_codes() {
        for (line, code, text) in [
            ("-ERR [AUTH] no", Some("AUTH"), "no"),
            ("-ERR [SYS/TEMP/x]later", Some("SYS/TEMP/x"), "later"),
            ("-ERR [IN-USE]", Some("IN-USE"), ""),
            ("+OK ready [RgBS]", None, "ready [RgBS]"),
            ("-ERR [not a code] x", None, "[not a code] x"),
            ("-ERR [x", None, "[x"),
            ("-ERR [] x", None, "[] x"),
            ("-ERR", None, ""),
            ("+ [AUTH] x", None, "[AUTH] x"),
        ] {
            let answer = Answer::read(line.as_bytes()).unwrap();
            assert_eq!((answer.code, answer.text), (code.map(str::as_bytes), text.as_bytes()));
        }
        let has = |line: &str, code| Answer::read(line.as_bytes()).unwrap().has_code(code);
        assert!(has("-ERR [sys/Temp] x", "SYS/TEMP") && has("-ERR [SYS/TEMP/A] x", "SYS/TEMP"));
        assert!(has("-ERR [SYS/TEMP] x", "SYS"));
        assert!(!has("-ERR [SYS] x", "SYS/TEMP") && !has("-ERR [SYSX] x", "SYS"));
        assert!(!has("-ERR x", "SYS"));
    }

    fn read(input: &[u8]) -> Result<Vec<String>, &'static str> {
        let mut reader = LineReader::default();
        let mut lines = Vec::new();
        for octet in input {
            reader.push(std::slice::from_ref(octet));
            while let Some(line) = reader.next_line()? {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        Ok(lines)
    }

    #[test]
    fn lines_and_bounds() {
        assert_eq!(read(b"+OK\r\n\r\n.\r\nx\ry").unwrap(), ["+OK", "", "."]);
        assert_eq!(read(b"+OK\n"), Err("a line that does not end in CRLF"));
        let longest = [vec![b'x'; LINE - 2], b"\r\n".to_vec()].concat();
        assert_eq!(read(&longest).unwrap().len(), 1);
        assert_eq!(read(&vec![b'x'; LINE]), Err("an endless line"));
    }
}
