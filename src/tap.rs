//! A place to listen in on both legs, for `saslgate demo`. What passes here holds secrets: whoever
//! implements [`Tap`] answers for hiding them.

use std::sync::Arc;

use crate::proto::Side;

/// Sees the bytes of every connection as they are read and written.
pub trait Tap: Send + Sync {
    /// `bytes` passed on the leg towards `side`; `from_peer` tells whether that leg's peer sent them
    /// or we did.
    fn saw(&self, connection: u64, side: Side, from_peer: bool, bytes: &[u8]);

    /// The connection is over: nothing more will be seen of it.
    fn ended(&self, _connection: u64) {}
}

/// Who listens in on one connection, and the number under which he knows it.
pub type Wiretap = Option<(u64, Arc<dyn Tap>)>;
