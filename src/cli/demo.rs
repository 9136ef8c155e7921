//! `saslgate demo`: the gateway in front of the in-memory provider.
