//! SASL mechanisms as pure functions from and to octets; base64 (RFC 4648 section 4), which all
//! three mail protocols wrap them in, is here too, since the core stands on nom, bytes and memchr alone.
//!
//! What a mail client may use towards us: [`plain`] and [`login`], driven by [`exchange`]. What we use
//! towards the provider: [`xoauth2`] and [`oauthbearer`], which share [`bearer`], and the same two where
//! it takes a password.

pub mod base64;
pub mod bearer;
pub mod exchange;
pub mod login;
pub mod oauthbearer;
pub mod plain;
pub mod xoauth2;

#[cfg(all(any(test, all(fuzzing, feature = "rsasl")), feature = "gateway"))]
pub mod differential;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
