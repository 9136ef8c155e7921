//! IMAP commands, read by imap-codec as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::imap::{downstream, relay};

fuzz_target!(|data: &[u8]| {
    downstream::differential::fuzz_commands(data);
    relay::differential::fuzz_session(data);
});
