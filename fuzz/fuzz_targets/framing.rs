//! Lines, literals and messages in pieces.
//! Room: src/proto/(line|dot|imap/literal|imap/response|imap/relay/line|smtp/reply|pop3/reply).rs
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::fuzz_logic::fuzz_framing;

fuzz_target!(|data: &[u8]| fuzz_framing(data));
