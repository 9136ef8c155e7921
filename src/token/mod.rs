//! Access tokens: kept, refreshed once for all who wait, never lost.

use std::time::SystemTime;

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
