//! TLS on both sides.
