//! A client that hides a login, and servers of every habit.
//! Room: src/proto/pop3/relay
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::pop3::relay::fuzz_logic::fuzz_guard;

fuzz_target!(|data: &[u8]| fuzz_guard(data));
