//! The announcement of a literal.
//! Room: src/proto/imap/literal.rs
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::proto::imap::literal::fuzz_literal;

fuzz_target!(|data: &[u8]| fuzz_literal(data));
