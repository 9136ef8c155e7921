//! Copies both directions after login.
