//! The announcement of a literal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::imap::literal::fuzz_literal;

fuzz_target!(|data: &[u8]| fuzz_literal(data));
