//! Base64 and the SASL mechanisms.
//! Room: src/sasl/
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::sasl::fuzz_logic::fuzz_sasl;

fuzz_target!(|data: &[u8]| fuzz_sasl(data));
