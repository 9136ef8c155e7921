//! Access tokens: kept, refreshed once for all who wait, never lost.

use std::{fmt, time::SystemTime};

use crate::secret::Secret;

/// An access token as the gateway holds it.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What goes into the SASL exchange.
    pub secret: Secret,
    /// When it was obtained, by the wall clock.
    pub obtained: SystemTime,
    /// When it ends, by the wall clock.
    pub expires: SystemTime,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// Chooses what the client hears.
    pub kind: TokenErrorKind,
    /// What happened and what to do, for people: no secrets, one or two sentences.
    pub text: String,
}

/// The four kinds of answer that a provider can give, and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenErrorKind {
    /// A person must sign in (again).
    SignIn,
    /// The administrator's policy forbids it.
    Policy,
    /// The operator must correct the configuration.
    Configuration,
    /// It may work later: endpoint, network or store down, throttled, too slow.
    Unavailable,
    /// The upstream refused this token, and another forced refresh so soon would be a storm.
    TooSoon,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TokenError {}
