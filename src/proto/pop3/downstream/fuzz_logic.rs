//! What must hold for the downstream machine whatever a client sends. Runs over seeds in the tests,
//! and over everything else in the fuzzer.

use super::Pop3Downstream;
use crate::proto::fuzz_logic;

/// Drives the machine with `data`: the first octet chooses TLS, bounds and verdict, the rest is the
/// client's.
///
/// # Panics
/// As `proto::fuzz_logic` does, and if a reply is no line of printable ASCII.
pub fn fuzz_downstream(data: &[u8]) {
    let make = |_, tls, bounds| Pop3Downstream::new(tls, bounds);
    fuzz_logic::fuzz_downstream(data, make, assert_lines);
}

/// Everything that we say is lines of printable ASCII, and short ones: nothing of the client's comes
/// back.
fn assert_lines(replies: &[u8]) {
    for line in replies.split_inclusive(|&octet| octet == b'\n') {
        let content = line.strip_suffix(b"\r\n");
        let printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
        let good = content.is_some_and(|content| content.iter().all(printable));
        assert!(good, "no line: {}", line.escape_ascii());
        assert!(line.len() <= 512, "longer than RFC 2449 section 4 allows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "CAPA\r\nUSER a\r\nPASS b\r\nSTAT\r\nUSER c\r\nPASS  d \r\n",
            "AUTH PLAIN\r\nAGEAYg==\r\nNOOP\r\n",
            "AUTH LOGIN YQ==\r\n*\r\nauth\r\nQUIT\r\nNOOP\r\n",
            "USER a\r\nSTLS\r\nPASS b\r\n",
            "STLS\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "PASS\r\nX\r\nNOOP x\r\nAUTH X\r\nAPOP a b\r\n",
            "USER \u{0}\u{ff}\nPASS \u{0}\r\r\n",
            "\r\n\u{16}\u{3}",
            "",
        ] {
            for choice in 0..16 {
                fuzz_downstream(&[&[choice], client.as_bytes()].concat());
            }
        }
    }
}
