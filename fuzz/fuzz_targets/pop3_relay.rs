//! Both sides of a session.
//! Room: src/proto/pop3/relay
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::pop3::relay::fuzz_logic::fuzz_relay;

fuzz_target!(|data: &[u8]| fuzz_relay(data));
