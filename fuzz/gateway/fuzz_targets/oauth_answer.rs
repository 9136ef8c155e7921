//! What a token endpoint or a token program says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::token::fuzz_logic::{fuzz_answer, fuzz_printed};

fuzz_target!(|data: &[u8]| {
    fuzz_answer(data);
    fuzz_printed(data);
});
