//! The `saslgate` program.
fn main() {}
