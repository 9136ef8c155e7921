//! Both sides of a session.
//! Room: src/proto/smtp/relay
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::smtp::relay::fuzz_logic::fuzz_relay;

fuzz_target!(|data: &[u8]| fuzz_relay(data));
