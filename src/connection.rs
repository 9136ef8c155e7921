//! THE file to read: one connection from accept to end.
