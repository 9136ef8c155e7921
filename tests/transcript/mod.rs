//! Transcripts: conversations written as the RFCs write them, run against the machines.
//!
//! Nothing in here does I/O or knows a file: texts come in, and a mismatch or a reading comes out.
//! `format` reads a transcript, `text` one line of it; `run` plays both peers against the pure
//! machines of `machines` and keeps what is said on each `leg`, `show` prints what differs; `sent` tells what the
//! peers send. The format is described in tests/README.md.

pub(crate) mod format;
mod leg;
pub(crate) mod machines;
pub(crate) mod run;
pub(crate) mod sent;
pub(crate) mod show;
pub(crate) mod text;
