//! SASL messages, read by rsasl as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::sasl::differential::fuzz_messages;

fuzz_target!(|data: &[u8]| fuzz_messages(data));
