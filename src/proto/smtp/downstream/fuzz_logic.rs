//! What must hold for the downstream machine whatever a client sends. Runs over seeds in the tests,
//! and over everything else in the fuzzer.

use super::{SmtpDownstream, SmtpOptions};
use crate::proto::{
    fuzz_logic,
    smtp::{extension::Extensions, reply::reply_line},
};

/// Drives the machine with `data`: the first octet chooses TLS, bounds, verdict and EHLO's lines, the
/// rest is the client's.
///
/// # Panics
/// As `proto::fuzz_logic` does, and if what it says is not whole replies of printable ASCII.
pub fn fuzz_downstream(data: &[u8]) {
    let make = |choice, tls, bounds| SmtpDownstream::new(tls, bounds, options(choice));
    fuzz_logic::fuzz_downstream(data, make, assert_replies);
}

/// Everything that we say is whole replies of short printable lines, each line of one with its code
/// (RFC 5321 section 4.2.1).
fn assert_replies(replies: &[u8]) {
    let mut open = None;
    for line in replies.split_inclusive(|&octet| octet == b'\n') {
        let shown = line.escape_ascii();
        let content = line.strip_suffix(b"\r\n").unwrap_or(b"\n");
        let printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
        assert!(content.iter().all(printable) && line.len() <= 512, "no line: {shown}");
        let reply = reply_line(content);
        assert!(reply.is_some(), "no reply: {shown}");
        let (code, last) = reply.map_or((0, true), |reply| (reply.code, reply.last));
        assert!(open.is_none_or(|open| open == code), "another code: {shown}");
        open = (!last).then_some(code);
    }
    assert_eq!(open, None, "a reply without its last line");
}

fn options(choice: u8) -> SmtpOptions {
    let keywords: &[&str] = if choice & 16 == 0 { &[] } else { &["SIZE 1000", "PIPELINING"] };
    SmtpOptions {
        name: "localhost".into(),
        promise: Extensions::from_keywords(keywords),
        obsolete_auth_line: choice & 32 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "EHLO a\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
            "HELO a\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nQUIT\r\n",
            "AUTH LOGIN YQ==\r\n*\r\nAUTH PLAIN\r\nAGEAYg==\r\nAUTH PLAIN =\r\n",
            "MAIL FROM:<a@b>\r\nBDAT 12 LAST\r\nAUTH LOGIN\r\nNOOP\r\nBDAT 999\r\nxxx",
            "EHLO a\r\nSTARTTLS\r\nEHLO b\r\nAUTH PLAIN AGEAYg==\r\n",
            "STARTTLS\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "\u{0}\u{1}EHLO a\r\nX\r\nNOOP 3456789012345678901234567890123456789012345678901234567890\r\n",
            "garbage\r\nmore\r\nEHLO a\r\n",
            "\u{16}\u{3}\u{1}",
            "",
        ] {
            for choice in 0..64 {
                fuzz_downstream(&[&[choice], client.as_bytes()].concat());
            }
        }
    }
}
