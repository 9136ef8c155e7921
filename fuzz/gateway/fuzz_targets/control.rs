//! Messages on the control socket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::control::fuzz_logic::fuzz_message;

fuzz_target!(|data: &[u8]| fuzz_message(data));
