//! The files of email-oauth2-proxy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::import::emailproxy::fuzz_logic::{fuzz_import, fuzz_token};

fuzz_target!(|data: &[u8]| {
    fuzz_import(data);
    fuzz_token(data);
});
