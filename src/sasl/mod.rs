//! SASL mechanisms as pure functions from and to octets; base64 (RFC 4648 section 4), which all
//! three mail protocols wrap them in, is here too, since the core stands on nom and bytes alone.

pub mod base64;
pub mod bearer;
pub mod oauthbearer;
pub mod xoauth2;
