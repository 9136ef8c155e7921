//! The in-memory provider behind `saslgate demo`.
