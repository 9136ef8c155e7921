//! SMTP commands and messages, read by smtp-proto as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::smtp::relay::differential::fuzz_commands;

fuzz_target!(|data: &[u8]| fuzz_commands(data));
