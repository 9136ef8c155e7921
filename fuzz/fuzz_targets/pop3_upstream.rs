//! An upstream until it has let us in.
//! Room: src/proto/pop3/(upstream|response|reply)
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::pop3::upstream::fuzz_logic::fuzz_upstream;

fuzz_target!(|data: &[u8]| fuzz_upstream(data));
