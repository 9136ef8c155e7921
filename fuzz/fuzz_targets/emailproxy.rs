//! A configuration file of email-oauth2-proxy, whatever is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| saslgate::import::emailproxy::fuzz_emailproxy(data));
