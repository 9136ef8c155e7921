//! A client before its login.
//! Room: src/proto/imap/(downstream|syntax|refusal)
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::imap::downstream::fuzz_logic::fuzz_downstream;

fuzz_target!(|data: &[u8]| fuzz_downstream(data));
