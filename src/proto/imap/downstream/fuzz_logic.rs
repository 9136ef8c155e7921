//! What must hold for the downstream machine whatever a client sends. Runs over seeds in the tests,
//! and over everything else in the fuzzer.

use super::ImapDownstream;
use crate::proto::fuzz_logic;

/// Drives the machine with `data`: the first octet chooses TLS, bounds and verdict, the rest is the
/// client's.
///
/// # Panics
/// As `proto::fuzz_logic` does, and if a reply is no line of printable ASCII.
pub fn fuzz_downstream(data: &[u8]) {
    let make = |_, tls, bounds| ImapDownstream::new(tls, bounds);
    fuzz_logic::fuzz_downstream(data, make, assert_lines);
}

/// Everything that we say is lines of printable ASCII: nothing of the client's comes back but its tag.
fn assert_lines(replies: &[u8]) {
    for line in replies.split_inclusive(|&octet| octet == b'\n') {
        let content = line.strip_suffix(b"\r\n");
        let printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
        let good = content.is_some_and(|content| content.iter().all(printable));
        assert!(good, "no line: {}", line.escape_ascii());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "A1 CAPABILITY\r\nA2 LOGIN a b\r\nA3 NOOP\r\nA4 LOGIN c d\r\n",
            "A1 LOGIN {1}\r\na {1+}\r\nb\r\nA2 SELECT x\r\n",
            "A1 AUTHENTICATE PLAIN\r\nAGEAYg==\r\nA2 NOOP\r\n",
            "A1 AUTHENTICATE LOGIN YQ==\r\n*\r\nA2 LOGOUT\r\nA3 NOOP\r\n",
            "A1 STARTTLS\r\nA2 LOGIN a b\r\n",
            "A1 STARTTLS\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "A1 X\r\nA1 NOOP\r\nA2 Y\r\nA3 Z\r\n\r\nA4 {99999+}\r\n",
            "\u{0}\u{ff}\r\n",
            "",
        ] {
            for choice in 0..16 {
                fuzz_downstream(&[&[choice], client.as_bytes()].concat());
            }
        }
    }
}
