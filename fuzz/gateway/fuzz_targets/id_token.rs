//! What a provider says of who has signed in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::token::signin::fuzz_logic::fuzz_id_token;

fuzz_target!(|data: &[u8]| fuzz_id_token(data));
