//! The gateway as a whole, in process, between a client and an upstream that the tests play: two sides
//! of a conversation, joined. What the protocol's machines say is the transcripts' business; here it
//! is about sockets, TLS, tokens and bad days.
#![cfg(feature = "gateway")]

mod gateway;
mod support;
