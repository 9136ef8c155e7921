//! `saslgate run`: the daemon.
