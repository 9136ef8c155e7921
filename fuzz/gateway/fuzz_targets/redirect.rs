//! A browser that comes back, or what a person pastes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::token::signin::fuzz_logic::{fuzz_paste, fuzz_redirect};

fuzz_target!(|data: &[u8]| {
    fuzz_redirect(data);
    fuzz_paste(data);
});
