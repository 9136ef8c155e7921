//! The first words of a command and of a response, told as early as they can be. The hard thing is a
//! word that is not all there yet: a parser that says [`Incomplete`](nom::Err::Incomplete) makes the
//! relay wait, so each says so only while the answer is open.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::streaming::{tag, tag_no_case, take_while, take_while1},
    character::streaming::one_of,
    combinator::{map, opt, peek, success, value},
    sequence::{preceded, terminated},
};

use crate::proto::imap::response::Condition;

/// Octets in which a head must be told; a tag has a few, and blanks have no business there.
pub(super) const HEAD: usize = 4096;

/// How a line of the client's begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandHead<'a> {
    /// Everything up to the first blank, legal or not; empty if the line is.
    pub(super) tag: &'a [u8],
    /// The letters and digits behind; empty if there are none.
    pub(super) word: &'a [u8],
}

/// `command = tag SP (command-any / ...)`, read as widely as any server might: blanks and controls in
/// any number stand for the SP, a quote may stand before the word, and it ends at the first octet that no
/// command has.
pub(super) fn command_head(input: &[u8]) -> IResult<&[u8], CommandHead<'_>> {
    let word = |octet: u8| octet.is_ascii_alphanumeric();
    let before_word = |octet: u8| is_blank(octet) || octet == b'"';
    let parts =
        (take_while(is_blank), take_while(is_visible), take_while(before_word), take_while(word));
    map(parts, |(_, tag, _, word)| CommandHead { tag, word }).parse(input)
}

/// `tag = 1*<any ASTRING-CHAR except "+">`.
pub(super) fn is_tag(octets: &[u8]) -> bool {
    let barred = |octet: &u8| b"(){%*\"\\+".contains(octet);
    !octets.is_empty() && octets.iter().all(|octet| octet.is_ascii_graphic() && !barred(octet))
}

fn is_blank(octet: u8) -> bool {
    octet <= b' ' && octet != b'\r' && octet != b'\n'
}

fn is_visible(octet: u8) -> bool {
    octet > b' '
}

/// What a response is, as far as the relay cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResponseHead<'a> {
    /// `+`.
    Continuation,
    /// `* CAPABILITY`.
    Capability,
    /// Another untagged response with data in it, where literals may stand.
    Data,
    /// A condition.
    Status {
        /// The tag; `None` for `*`.
        tag: Option<&'a [u8]>,
        /// What the server thinks.
        condition: Condition,
        /// What its response code is.
        code: Code,
    },
}

/// A condition's response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// There is none.
    None,
    /// A list of capabilities in an OK.
    Capability,
    /// Another one.
    Other,
}

/// `continue-req / response-data / response-tagged`; what is none of them counts as data.
pub(super) fn response_head(input: &[u8]) -> IResult<&[u8], ResponseHead<'_>> {
    let continuation = value(ResponseHead::Continuation, tag("+"));
    let capability = value(ResponseHead::Capability, word("CAPABILITY"));
    let untagged = preceded(tag("* "), alt((capability, |input| status(None, input))));
    alt((continuation, untagged, tagged, value(ResponseHead::Data, success(())))).parse(input)
}

/// `response-tagged = tag SP resp-cond-state CRLF`.
fn tagged(input: &[u8]) -> IResult<&[u8], ResponseHead<'_>> {
    let (input, tag) = terminated(take_while1(is_visible), tag(" ")).parse(input)?;
    status(Some(tag).filter(|&tag| tag != b"*"), input)
}

/// `("OK" / "NO" / "BAD" / "BYE" / "PREAUTH") SP ["[" resp-text-code]`.
fn status<'a>(tag: Option<&'a [u8]>, input: &'a [u8]) -> IResult<&'a [u8], ResponseHead<'a>> {
    let condition = alt((
        value(Condition::Ok, word("OK")),
        value(Condition::No, word("NO")),
        value(Condition::Bad, word("BAD")),
        value(Condition::Bye, word("BYE")),
        value(Condition::PreAuth, word("PREAUTH")),
    ));
    let (input, condition) = { condition }.parse(input)?;
    let (input, code) = code(condition, input)?;
    Ok((input, ResponseHead::Status { tag, condition, code }))
}

fn code(condition: Condition, input: &[u8]) -> IResult<&[u8], Code> {
    let (input, bracket) = opt(streamed(" [")).parse(input)?;
    if bracket.is_none() {
        return Ok((input, Code::None));
    }
    if condition != Condition::Ok {
        return Ok((input, Code::Other));
    }
    alt((value(Code::Capability, streamed("CAPABILITY ")), success(Code::Other))).parse(input)
}

/// `text`, and then a blank or the line's end.
fn word<'a>(text: &'static str) -> impl Parser<&'a [u8], Output = (), Error = Fault<'a>> {
    value((), terminated(streamed(text), peek(one_of(" \r\n"))))
}

fn streamed<'a>(text: &'static str) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Fault<'a>> {
    tag_no_case(text)
}

type Fault<'a> = nom::error::Error<&'a [u8]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_heads() {
        for (line, tag, word) in [
            ("A1 LOGIN a b\r\n", "A1", "LOGIN"),
            (" \t A1 \0\t login\"a\" b\r\n", "A1", "login"),
            ("A1 LOGIN{1}", "A1", "LOGIN"),
            ("A1 \"LOGIN\" u p\r\n", "A1", "LOGIN"),
            ("A1 LOGIN\u{e9}", "A1", "LOGIN"),
            ("DONE\r\n", "DONE", ""),
            ("A1 {5}\r\n", "A1", ""),
            ("\r\n", "", ""),
            ("  \n", "", ""),
        ] {
            let (_, head) = command_head(line.as_bytes()).unwrap();
            let expected = CommandHead { tag: tag.as_bytes(), word: word.as_bytes() };
            assert_eq!(head, expected, "{line}");
        }
        for open in ["", " ", "A1", "A1 ", "A1 LOGIN"] {
            assert!(command_head(open.as_bytes()).unwrap_err().is_incomplete(), "{open}");
        }
    }

    #[test]
    fn response_heads() {
        use Condition::{Bad, No, Ok};
        let status = |tag: Option<&'static str>, condition, code| ResponseHead::Status {
            tag: tag.map(str::as_bytes),
            condition,
            code,
        };
        for (line, expected) in [
            ("+", ResponseHead::Continuation),
            ("* CAPABILITY ", ResponseHead::Capability),
            ("* capability\r", ResponseHead::Capability),
            ("* CAPABILITYX", ResponseHead::Data),
            ("* 1", ResponseHead::Data),
            ("* B1", ResponseHead::Data),
            ("* OKAY ", ResponseHead::Data),
            ("\r", ResponseHead::Data),
            ("*\r", ResponseHead::Data),
            ("A1\r", ResponseHead::Data),
            ("A1 1", ResponseHead::Data),
            ("* OK still", status(None, Ok, Code::None)),
            ("* BAD\r", status(None, Bad, Code::None)),
            ("* OK [capability ", status(None, Ok, Code::Capability)),
            ("A1 ok [CAPABILITY I", status(Some("A1"), Ok, Code::Capability)),
            ("A1 OK [READ-", status(Some("A1"), Ok, Code::Other)),
            ("A1 NO [C", status(Some("A1"), No, Code::Other)),
        ] {
            let (_, head) = response_head(line.as_bytes()).unwrap();
            assert_eq!(head, expected, "{line}");
        }
        for open in
            ["", "*", "* ", "* CAPA", "* CAPABILITY", "* O", "* OK", "* OK [CAP", "A", "A1 "]
        {
            assert!(response_head(open.as_bytes()).unwrap_err().is_incomplete(), "{open}");
        }
    }
}
