//! Conversations in tests, written as they look on the wire, and how each machine plays them. Every one
//! is also played in pieces, which must change nothing.

pub(super) mod downstream;
pub(super) mod relay;
pub(super) mod upstream;
