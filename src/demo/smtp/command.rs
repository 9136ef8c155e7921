//! A line as a command. smtp-proto reads it. The hard thing is what must not pass unseen: it overlooks
//! a BDAT size that is too large for its numbers, and takes control characters into addresses.

use std::borrow::Cow;

use smtp_proto::{Error, Request};

/// A command of a client.
pub(super) type Command<'a> = Request<Cow<'a, str>>;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// Not a command that is known here.
    Unknown,
    /// A command that is known, in a form that is not.
    Malformed(&'static str),
    /// A parameter of MAIL or RCPT that is known, with a value that is not.
    BadParameter,
    /// A parameter of MAIL or RCPT that is not known.
    UnknownParameter,
    /// An address that is none.
    BadAddress,
    /// A BDAT that does not say how many octets follow: whatever comes next cannot be read.
    NoChunkSize,
}

/// Reads a line with its line end.
pub(super) fn read(line: &[u8]) -> Result<Command<'_>, Misread> {
    let is_bdat = is_bdat(line);
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let sound = !text.iter().any(u8::is_ascii_control) && str::from_utf8(text).is_ok();
    if is_bdat && !(sound && has_chunk_size(text)) {
        return Err(Misread::NoChunkSize);
    }
    if !sound {
        return Err(Misread::Unknown);
    }
    Request::parse(&mut line.iter()).map_err(|error| match error {
        _ if is_bdat => Misread::NoChunkSize,
        Error::SyntaxError { syntax } => Misread::Malformed(syntax),
        Error::InvalidParameter { .. } => Misread::BadParameter,
        Error::UnsupportedParameter { .. } => Misread::UnknownParameter,
        Error::InvalidSenderAddress | Error::InvalidRecipientAddress => Misread::BadAddress,
        Error::UnknownCommand
        | Error::NeedsMoreData { .. }
        | Error::ResponseTooLong
        | Error::InvalidResponse { .. } => Misread::Unknown,
    })
}

/// Whether it may be meant as BDAT; smtp-proto passes over spaces in front.
fn is_bdat(line: &[u8]) -> bool {
    let Some((word, rest)) = line.trim_ascii_start().split_at_checked(4) else { return false };
    let goes_on = rest.first().is_some_and(u8::is_ascii_alphanumeric);
    word.eq_ignore_ascii_case(b"BDAT") && !goes_on
}

/// ```abnf
/// ; RFC 3030 section 2
/// bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CR LF
/// chunk-size = 1*DIGIT
/// end-marker = "LAST"
/// ```
fn has_chunk_size(text: &[u8]) -> bool {
    let words: Vec<&[u8]> = text.split(|octet| *octet == b' ').take(4).collect();
    let is_size =
        |word: &[u8]| (1..=DIGITS).contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
    match words.as_slice() {
        [_, size] => is_size(size),
        [_, size, marker] => is_size(size) && marker.eq_ignore_ascii_case(b"LAST"),
        _ => false,
    }
}

/// Digits of a chunk's size: more octets than anybody sends.
const DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_read_or_the_rest_is_not() {
        for (line, size, last) in [
            ("BDAT 0 LAST\r\n", 0, true),
            ("bdat 86\n", 86, false),
            ("BDAT 010 last\r\n", 10, true),
        ] {
            let expected = Request::Bdat { chunk_size: size, is_last: last };
            assert_eq!(read(line.as_bytes()), Ok(expected), "{line:?}");
        }
        for line in [
            "BDAT\r\n",
            "BDAT \r\n",
            "BDAT x\r\n",
            "BDAT -1\r\n",
            "BDAT 1x\r\n",
            "BDAT 1 LAST x\r\n",
            "BDAT 1 LATE\r\n",
            "BDAT  1\r\n",
            "BDAT\t1\r\n",
            " BDAT 99999999999999999999999\r\n",
            "BDAT 99999999999999999999999\r\n",
            "BDAT 1\0\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Err(Misread::NoChunkSize), "{line:?}");
        }
    }

    #[test]
    fn control_characters_are_no_part_of_a_command() {
        for line in ["RCPT TO:<a\rb@c>\r\n", "EHLO a\0b\r\n", "NOOP \x1b[1m\r\n"] {
            assert_eq!(read(line.as_bytes()), Err(Misread::Unknown), "{line:?}");
        }
        assert_eq!(read(b"VRFY \xff\r\n"), Err(Misread::Unknown));
        for line in ["TURN\r\n", "BDATA 1\r\n", "\r\n"] {
            assert_eq!(read(line.as_bytes()), Err(Misread::Unknown), "{line:?}");
        }
        assert_eq!(read(b"MAIL FROM:<a@b> FOO=1\r\n"), Err(Misread::UnknownParameter));
        assert_eq!(read(b"MAIL FROM:<a@b> SIZE=x\r\n"), Err(Misread::BadParameter));
        assert_eq!(read(b"MAIL FROM:<a b>\r\n"), Err(Misread::BadAddress));
    }
}
