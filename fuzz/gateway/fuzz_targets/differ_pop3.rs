//! POP3 commands, read a second time by a plain reading of the RFCs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::pop3::downstream::differential::fuzz_commands;

fuzz_target!(|data: &[u8]| fuzz_commands(data));
