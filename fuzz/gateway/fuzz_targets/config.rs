//! The configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::config::fuzz_logic::fuzz_text;

fuzz_target!(|data: &[u8]| fuzz_text(data));
