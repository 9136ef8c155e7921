//! A list of capabilities on its way to the client. The hard thing is to change nothing but the list,
//! and not even that if there is nothing to hide.

use bytes::Bytes;
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, tag_no_case, take_till, take_till1},
    character::complete::not_line_ending,
    combinator::recognize,
};

use crate::proto::imap::capability::CapabilityFilter;

/// The line with its list filtered; `None` if it stays as it is, since nothing in it is hidden or it is
/// no list after all.
pub(super) fn rewrite(line: &[u8], filter: &CapabilityFilter) -> Option<Bytes> {
    let (behind, (before, list)) = alt((untagged, in_code)).parse(line).ok()?;
    let entries = list.split(|&octet| octet == b' ').filter(|entry| !entry.is_empty());
    let entries: Vec<_> =
        entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect();
    let shown = filter.apply(entries.clone());
    if shown == entries {
        return None;
    }
    Some([before, b" ", shown.join(" ").as_bytes(), behind].concat().into())
}

/// `"* CAPABILITY" *(SP capability) CRLF`.
fn untagged(line: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    (recognize((tag("* "), tag_no_case("CAPABILITY"))), not_line_ending).parse(line)
}

/// `("*" / tag) SP "OK" SP "[CAPABILITY" *(SP capability) "]"`.
fn in_code(line: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let start = (take_till1(|octet| octet == b' '), tag_no_case(" OK [CAPABILITY"));
    let list = take_till(|octet| matches!(octet, b']' | b'\r' | b'\n'));
    let (behind, parts) = (recognize(start), list).parse(line)?;
    let (_, _) = tag("]").parse(behind)?;
    Ok((behind, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&str>) {
        let filter = CapabilityFilter::new(&[]);
        let rewritten = rewrite(line.as_bytes(), &filter);
        assert_eq!(rewritten.as_deref(), expected.map(str::as_bytes), "{line}");
    }

    #[test]
    fn lists() {
        check(
            "* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE\r\n",
            Some("* CAPABILITY IMAP4rev1 IDLE\r\n"),
        );
        check("* capability  XYZZY IMAP4rev1 \n", Some("* capability IMAP4rev1\n"));
        check("* CAPABILITY IDLE\r\n", Some("* CAPABILITY IMAP4rev1 IDLE\r\n"));
        check("* CAPABILITY  IMAP4rev1 IDLE \r\n", None);
        check(
            "* ok [capability STARTTLS IMAP4rev1] AUTH=X\r\n",
            Some("* ok [capability IMAP4rev1] AUTH=X\r\n"),
        );
        check("A] OK [CAPABILITY AUTH=X IMAP4rev1]\r\n", Some("A] OK [CAPABILITY IMAP4rev1]\r\n"));
        check("A1 OK [CAPABILITY IMAP4rev1 IDLE] AUTH=X\r\n", None);
        check("A1 OK [CAPABILITY AUTH=X IMAP4rev1\r\n", None);
    }
}
