//! The tests that need the real program or a network, in one binary.
fn main() {}
