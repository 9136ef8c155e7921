//! Login name to account, and the local passwords.
