//! saslgate
#![forbid(unsafe_code)]

pub mod proto;
pub mod sasl;
pub mod secret;

#[cfg(feature = "gateway")]
pub mod config;
#[cfg(feature = "gateway")]
pub mod token;
