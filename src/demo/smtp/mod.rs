//! The demo's submission server (RFC 6409): TLS only, tokens only, nothing leaves this machine. The
//! reading of commands is smtp-proto's, Stalwart's parser. The hard thing is never to take content for
//! commands or commands for content, whatever a client sends: see `content` and `command`.

mod command;
mod content;
mod delivery;
mod receive;
mod report;
mod session;
#[cfg(test)]
mod tests;
mod transaction;

pub(super) use content::Dots;

use std::{io, net::IpAddr, time::Duration};

use super::{
    lines::Lines,
    server::{Connection, Server},
};

/// Serves a client until it leaves.
pub(super) async fn run(server: &Server, stream: Connection, client: IpAddr) -> io::Result<()> {
    session::Session::new(server, Lines::new(stream, IDLE_LIMIT), client).run().await
}

/// What EHLO says of the server, but for AUTH: it is in no list of what a gateway passes on.
pub const EXTENSIONS: [&str; 7] = [
    "PIPELINING",
    "SIZE 31457280",
    "8BITMIME",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
    "SMTPUTF8",
    "DSN",
];

/// Octets of a message: what SIZE says. The mailbox takes more, for the trace fields.
const SIZE_LIMIT: usize = 30 * 1024 * 1024;

/// RFC 5321 section 4.5.3.2.7.
const IDLE_LIMIT: Duration = Duration::from_secs(5 * 60);
