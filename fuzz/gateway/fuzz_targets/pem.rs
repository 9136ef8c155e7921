//! Files with certificates and keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saslgate::tls::fuzz_logic::fuzz_pem;

fuzz_target!(|data: &[u8]| fuzz_pem(data));
