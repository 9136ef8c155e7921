//! The transcripts, run against the pure machines.
fn main() {}
