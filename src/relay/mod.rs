//! After login: both directions are passed on until one side ends. The hard thing is the end: what
//! was read is written before a socket is closed, however slowly the other side reads, and yet no
//! wait is without a bound.
//!
//! `duplex` decides (a state machine over byte buffers that knows neither runtime nor TLS engine),
//! `lane` is one of its directions and `buffer` that direction's memory; `driver` moves bytes
//! between two streams and the state machine.

mod buffer;
mod driver;
mod duplex;
mod lane;
#[cfg(test)]
mod tests;

use std::{fmt, io, time::Duration};

use tokio_util::sync::CancellationToken;

pub use self::{
    driver::run,
    duplex::{Duplex, Early, Patience},
};
use crate::{
    proto::{Counts, Delivery, Refusal, RelayFault, Side},
    tap::Wiretap,
};

/// What a relay needs to know beside its two streams.
pub struct Options {
    /// Once one side has ended: how long the other may go on without a byte passing. The operating
    /// system tells of a slow reader's progress in steps of up to a megabyte, so some minutes are
    /// right, not some seconds. The end that a [stop](Options::stop) makes takes no longer than this
    /// in all.
    pub linger: Duration,
    /// How long both may be silent. Also, once the client has sent its last word: how long what became
    /// of its message is waited for (RFC 5321 section 4.5.3.2.6: servers may take ten minutes).
    pub idle: Duration,
    /// How long a stop waits for what became of a message that the upstream has whole.
    pub verdict: Duration,
    /// Ends the relay, with the farewell where one may be said.
    pub stop: CancellationToken,
    /// What a client hears when the relay is stopped.
    pub farewell: Refusal,
    /// Who listens in, and under which number.
    pub tap: Wiretap,
    /// Hears of each message whose fate the upstream has told.
    pub on_delivery: Box<dyn FnMut(Delivery) + Send>,
}

/// How a relay went, for the closing log line.
#[derive(Debug)]
pub struct Ended {
    /// What made it end.
    pub cause: EndCause,
    /// Octets received from the client.
    pub from_client: u64,
    /// Octets handed to the client's connection.
    pub to_client: u64,
    /// Commands that passed.
    pub counts: Counts,
}

/// What made a relay end: the first thing that went, not what followed from it. `Display` is one
/// clause in plain words.
#[derive(Debug)]
pub enum EndCause {
    /// The client closed its connection.
    ClientClosed,
    /// The upstream closed its connection.
    UpstreamClosed,
    /// The gateway is stopping, or the session was ended by an operator.
    Stopped,
    /// Not a byte has passed for too long.
    Idle,
    /// One side broke the protocol.
    Fault(RelayFault),
    /// The client's connection broke, or was closed without ending TLS (`UnexpectedEof`).
    ClientError(io::Error),
    /// The upstream's connection broke, or was closed without ending TLS (`UnexpectedEof`).
    UpstreamError(io::Error),
    /// The other side had closed, and this one did not take what was left for it.
    Stalled(Side),
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientClosed => f.write_str("the client closed the connection"),
            Self::UpstreamClosed => f.write_str("the mail server closed the connection"),
            Self::Stopped => f.write_str("the gateway ended the session"),
            Self::Idle => f.write_str("nothing has passed for too long"),
            Self::Fault(fault) => {
                write!(f, "{} broke the protocol: {}", party(fault.side), fault.what)
            }
            Self::ClientError(error) => broken(f, Side::Downstream, error),
            Self::UpstreamError(error) => broken(f, Side::Upstream, error),
            Self::Stalled(side) => {
                write!(f, "{} stopped reading, and the rest was dropped", party(*side))
            }
        }
    }
}

fn broken(f: &mut fmt::Formatter<'_>, side: Side, error: &io::Error) -> fmt::Result {
    let party = party(side);
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return write!(f, "{party} closed the connection without ending TLS");
    }
    write!(f, "the connection to {party} broke: {error}")
}

fn party(side: Side) -> &'static str {
    match side {
        Side::Downstream => "the client",
        Side::Upstream => "the mail server",
    }
}
