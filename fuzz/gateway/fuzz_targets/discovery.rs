//! What a provider says of itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::discovery::fuzz_logic::fuzz_metadata;

fuzz_target!(|data: &[u8]| fuzz_metadata(data));
