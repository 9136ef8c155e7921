//! Transcripts: conversations written as the RFCs write them, run against the machines.
//!
//! Nothing in here does I/O or knows a file: texts come in, and a [`Mismatch`] or a reading comes
//! out. `format` reads a transcript, `text` one line of it, `run` plays both peers against the pure
//! machines, `show` prints what differs. The format is described in tests/README.md.

pub(crate) mod format;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod text;

pub(crate) use format::{Act, Transcript};
pub(crate) use run::{Cut, run};
