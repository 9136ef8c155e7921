//! An upstream until it has let us in.
//! Room: src/proto/imap/(upstream|response|reply)
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::imap::upstream::fuzz_logic::fuzz_upstream;

fuzz_target!(|data: &[u8]| fuzz_upstream(data));
