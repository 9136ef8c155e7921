//! A whole connection: both peers, TLS, verdict and ends.
//! Room: src/proto/(imap|smtp|pop3)/(downstream|upstream|relay)
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::fuzz_logic::fuzz_connection;

fuzz_target!(|data: &[u8]| fuzz_connection(data));
