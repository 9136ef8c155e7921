//! The gateway as a whole, in process, between a client and an upstream that the tests play: two sides
//! of a conversation, joined. What the protocol's machines say is the transcripts' business; here it
//! is about sockets, TLS, tokens and bad days.
#![cfg(feature = "gateway")]
// A test that unwraps says what it relies on, and fails where it is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod check;
mod cli;
mod gateway;
mod identities;
mod init;
#[cfg(target_os = "linux")]
mod service;
mod status;
mod support;
mod table;
// Its runner for the pure machines is tests/transcripts.rs's.
#[allow(dead_code, unused_imports)]
mod transcript;
