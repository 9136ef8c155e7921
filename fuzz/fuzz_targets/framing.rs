//! Lines, literals and messages in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::fuzz_logic::fuzz_framing;

fuzz_target!(|data: &[u8]| fuzz_framing(data));
