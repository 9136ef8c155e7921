//! What must hold for the upstream machine whatever a server sends. Runs over seeds in the tests, and
//! over everything else in the fuzzer.

use super::ImapUpstream;
use crate::proto::fuzz_logic;

/// Drives the machine with `data`: the first octet chooses options and credential, the rest is the
/// server's. What stands before the first octet 0x16, a TLS record's, comes before the handshake.
///
/// # Panics
/// As `proto::fuzz_logic` does.
pub fn fuzz_upstream(data: &[u8]) {
    let may_say = |line: &[u8], early: bool| {
        !early || line.ends_with(b" CAPABILITY") || line.ends_with(b" STARTTLS")
    };
    fuzz_logic::fuzz_upstream(data, ImapUpstream::new, may_say);
}
