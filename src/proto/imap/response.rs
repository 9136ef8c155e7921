//! What a server says before and while we log in: [`ResponseReader`] cuts the stream into responses,
//! [`response`] understands one. The hard thing is that a response is not a line: a literal may stand
//! in it, with lines of its own that mean nothing.

use bytes::{Buf, BytesMut};
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_till, take_while, take_while1},
    combinator::{map, opt, rest, value, verify},
    sequence::{delimited, preceded, terminated},
};

use super::literal::announced;
use crate::proto::text::printable;

/// One response, the literals in it left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// `+`: the server waits for us.
    Continuation(&'a [u8]),
    /// A condition, with the tag of the command that it ends, if it ends one.
    Status {
        /// The tag; `None` for `*`.
        tag: Option<&'a [u8]>,
        /// What it says.
        answer: Answer<'a>,
    },
    /// An untagged list of capabilities.
    Capability(Vec<String>),
    /// Any other untagged response.
    Data,
}

/// A condition with its `resp-text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What the server thinks of it.
    pub condition: Condition,
    /// The response code between the brackets, if there is one.
    pub code: Option<&'a [u8]>,
    /// The words for people.
    pub text: &'a [u8],
}

impl Answer<'_> {
    /// Code and words for a log line, cut to [`WORDS`] and made printable.
    pub fn words(&self) -> String {
        match self.code {
            Some(code) => printable(&[b"[", code, b"] ", self.text].concat(), WORDS),
            None => printable(self.text, WORDS),
        }
    }
}

/// The conditions of RFC 3501 section 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Success, or information.
    Ok,
    /// Failure, or a warning.
    No,
    /// The server did not understand.
    Bad,
    /// The server is about to close the connection.
    Bye,
    /// The greeting of a server that has logged us in by other means.
    PreAuth,
}

/// Understands a response, given without its last line end. `None`: it breaks the grammar.
///
/// `response = continue-req / "*" SP resp-data / response-tagged` (RFC 3501 section 9, and with
/// `+` alone for `+ ` as several servers send it).
pub fn response(line: &[u8]) -> Option<Response<'_>> {
    let continuation =
        preceded(tag("+"), preceded(opt(tag(" ")), rest)).map(Response::Continuation);
    let capability = preceded(tag("* "), capability_data).map(Response::Capability);
    let data = preceded(tag("* "), rest).map(|_| Response::Data);
    let mut any = alt((continuation, capability, untagged_status, data, tagged_status));
    any.parse(line).ok().map(|(_, response)| response)
}

/// `capability-data = "CAPABILITY" *(SP capability)`. What is no atom is left out: it is no
/// capability, and could end the response code in which the client is to get it.
pub fn capability_data(input: &[u8]) -> IResult<&[u8], Vec<String>> {
    let (list, _) = tag_no_case("CAPABILITY").parse(input)?;
    let (_, list) = alt((preceded(tag(" "), rest), verify(rest, <[u8]>::is_empty))).parse(list)?;
    let atoms = list.split(|&octet| octet == b' ').filter(|atom| is_atom(atom));
    let names = atoms.take(CAPABILITIES).map(|atom| String::from_utf8_lossy(atom).into_owned());
    Ok((&[], names.collect()))
}

/// `resp-cond-state / resp-cond-bye / resp-cond-auth`, behind `* `.
fn untagged_status(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    let bye = value(Condition::Bye, tag_no_case("BYE"));
    let preauth = value(Condition::PreAuth, tag_no_case("PREAUTH"));
    let status = (alt((state, bye, preauth)), resp_text);
    let answer = status.map(|(condition, (code, text))| Answer { condition, code, text });
    map(preceded(tag("* "), answer), |answer| Response::Status { tag: None, answer }).parse(input)
}

/// `response-tagged = tag SP resp-cond-state CRLF`.
fn tagged_status(input: &[u8]) -> IResult<&[u8], Response<'_>> {
    let a_tag =
        take_while1(|octet: u8| octet.is_ascii_graphic() && !b"(){%*\"\\+".contains(&octet));
    let status = (terminated(a_tag, tag(" ")), state, resp_text);
    map(status, |(tag, condition, (code, text))| Response::Status {
        tag: Some(tag),
        answer: Answer { condition, code, text },
    })
    .parse(input)
}

/// The condition of `resp-cond-state = ("OK" / "NO" / "BAD") SP resp-text`.
fn state(input: &[u8]) -> IResult<&[u8], Condition> {
    alt((
        value(Condition::Ok, tag_no_case("OK")),
        value(Condition::No, tag_no_case("NO")),
        value(Condition::Bad, tag_no_case("BAD")),
    ))
    .parse(input)
}

/// Response code and words.
type RespText<'a> = (Option<&'a [u8]>, &'a [u8]);

/// `SP resp-text`, where `resp-text = ["[" resp-text-code "]" SP] text`. The text may be missing, as
/// some servers have it.
fn resp_text(input: &[u8]) -> IResult<&[u8], RespText<'_>> {
    let bracketed = delimited(tag("["), take_till(|octet| octet == b']'), tag("]"));
    let text = preceded(take_while(|octet| octet == b' '), rest);
    let spoken = preceded(tag(" "), (opt(bracketed), text));
    let silent = verify(rest, <[u8]>::is_empty).map(|nothing| (None, nothing));
    alt((spoken, silent)).parse(input)
}

fn is_atom(octets: &[u8]) -> bool {
    let special = |octet: &u8| b"(){%*\"\\]".contains(octet);
    !octets.is_empty() && octets.iter().all(|octet| octet.is_ascii_graphic() && !special(octet))
}

/// Cuts what a server sends into responses, skipping literals by count.
#[derive(Default)]
pub struct ResponseReader {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    /// The lines of the present response so far.
    gathered: Vec<u8>,
    /// What is left of a literal that is being skipped.
    skip: u64,
    /// Octets of all literals skipped so far.
    skipped: u64,
    /// Octets of all that came.
    came: u64,
    /// So many octets came before the response that was read last.
    before: u64,
}

impl ResponseReader {
    /// Takes what the server sent.
    pub fn push(&mut self, input: &[u8]) {
        self.came += input.len() as u64;
        self.buffer.extend_from_slice(input);
    }

    /// Octets received and not read.
    pub fn unread(&self) -> usize {
        self.buffer.len()
    }

    /// How much has come up to now.
    pub fn moment(&self) -> u64 {
        self.came
    }

    /// Whether the response that was read last had begun to come by that [moment](Self::moment).
    pub fn had_begun(&self, moment: u64) -> bool {
        self.before < moment
    }

    /// Whether everything received has been read.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.gathered.is_empty() && self.skip == 0
    }

    /// What was received and not read.
    pub fn into_residue(self) -> BytesMut {
        self.buffer
    }

    /// The next complete response, without its line end; `Err` says what was wrong with it.
    pub fn next_response(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        loop {
            self.skip_literal();
            if self.skip > 0 {
                return Ok(None);
            }
            if self.gathered.is_empty() {
                self.before = self.came - self.buffer.len() as u64;
            }
            let room = LINE.saturating_sub(self.gathered.len());
            let mut unknown = self.buffer.iter().take(room).skip(self.scanned);
            let Some(end) = unknown.position(|&octet| octet == b'\n') else {
                self.scanned = self.buffer.len();
                return if self.scanned >= room { Err("an endless response") } else { Ok(None) };
            };
            let line = self.buffer.split_to(self.scanned + end + 1);
            self.scanned = 0;
            let Some(line) = line.strip_suffix(b"\r\n") else {
                return Err("a line that does not end in CRLF");
            };
            self.gathered.extend_from_slice(line);
            match announced(line) {
                Some(literal) if self.may_hold_literals() => self.begin_literal(literal.octets)?,
                Some(_) | None => return Ok(Some(std::mem::take(&mut self.gathered))),
            }
        }
    }

    fn begin_literal(&mut self, octets: u64) -> Result<(), &'static str> {
        self.skip = octets;
        self.skipped = self.skipped.saturating_add(octets);
        if self.skipped > LITERALS { Err("too much data before the login") } else { Ok(()) }
    }

    fn skip_literal(&mut self) {
        let here = self.buffer.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.buffer.advance(here);
        self.skip -= here as u64;
    }

    /// Only data can: what a status says to people may end in `{5}` and mean nothing by it.
    fn may_hold_literals(&self) -> bool {
        matches!(response(&self.gathered), Some(Response::Data))
    }
}

/// Characters of a server's words that are kept.
pub const WORDS: usize = 300;

/// Octets of one response, literals aside.
const LINE: usize = 64 * 1024;

/// Octets of all literals before the login is done; no server is known to send any.
const LITERALS: u64 = 64 * 1024;

/// Capabilities that are kept of one list; the longest lists have about 60.
const CAPABILITIES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn status<'a>(
        tag: Option<&'a str>,
        condition: Condition,
        code: Option<&'a str>,
        text: &'a str,
    ) -> Option<Response<'a>> {
        let (tag, code) = (tag.map(str::as_bytes), code.map(str::as_bytes));
        Some(Response::Status { tag, answer: Answer { condition, code, text: text.as_bytes() } })
    }

    #[test]
    fn responses() {
        use Condition::{Bad, Bye, No, Ok, PreAuth};
        for (line, expected) in [
            ("* OK ready. [UgBv]", status(None, Ok, None, "ready. [UgBv]")),
            (
                "* ok [CAPABILITY IMAP4rev1] hi",
                status(None, Ok, Some("CAPABILITY IMAP4rev1"), "hi"),
            ),
            ("* PREAUTH hello", status(None, PreAuth, None, "hello")),
            ("* BYE", status(None, Bye, None, "")),
            ("A1 NO [UNAVAILABLE] later", status(Some("A1"), No, Some("UNAVAILABLE"), "later")),
            ("A] BAD ", status(Some("A]"), Bad, None, "")),
            ("+ ", Some(Response::Continuation(b""))),
            ("+", Some(Response::Continuation(b""))),
            ("+ eyJ9", Some(Response::Continuation(b"eyJ9"))),
            ("* 3 EXISTS", Some(Response::Data)),
            ("* OKAY", Some(Response::Data)),
            ("* CAPABILITYX", Some(Response::Data)),
            ("A1 3 EXISTS", None),
            ("A1 OKAY", None),
            ("A+ OK", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(response(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn capability_lists() {
        for (line, expected) in [
            ("CAPABILITY IMAP4rev1 AUTH=XOAUTH2", "IMAP4rev1|AUTH=XOAUTH2"),
            ("capability  IMAP4rev1  IDLE ", "IMAP4rev1|IDLE"),
            ("CAPABILITY a]b \"x\" \u{e9} IDLE", "IDLE"),
            ("CAPABILITY", ""),
        ] {
            let (_, names) = capability_data(line.as_bytes()).unwrap();
            assert_eq!(names.join("|"), expected, "{line}");
        }
    }

    fn read(input: &[u8]) -> Result<Vec<String>, &'static str> {
        let mut reader = ResponseReader::default();
        let mut responses = Vec::new();
        for octet in input {
            reader.push(std::slice::from_ref(octet));
            while let Some(line) = reader.next_response()? {
                responses.push(String::from_utf8(line).unwrap());
            }
        }
        Ok(responses)
    }

    #[test]
    fn a_literal_belongs_to_its_response() {
        let input = b"* LIST () \"/\" {7}\r\nA OK\r\n\n x {0}\r\n\r\nA OK done {3}\r\n* OK {3}\r\n";
        let expected = ["* LIST () \"/\" {7} x {0}", "A OK done {3}", "* OK {3}"];
        assert_eq!(read(input).unwrap(), expected);
    }

    #[test]
    fn bounds() {
        let endless = [b"* OK ".to_vec(), vec![b'x'; LINE]].concat();
        assert_eq!(read(&endless), Err("an endless response"));
        let pieces = b"* X {0}\r\n".iter().copied().chain(b"y {0}\r\n".repeat(LINE));
        assert_eq!(read(&pieces.collect::<Vec<_>>()), Err("an endless response"));
        assert_eq!(read(b"* X {65537}\r\n"), Err("too much data before the login"));
        assert_eq!(read(b"* OK\n"), Err("a line that does not end in CRLF"));
    }
}
