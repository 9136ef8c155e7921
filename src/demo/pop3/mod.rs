//! The demo's POP3 server (RFC 1939 and 2449): TLS only, tokens only. Its few words are read here and
//! by nothing of the gateway's. The hard thing is that POP3 shows a mailbox that holds still: see
//! `maildrop`.

mod maildrop;
mod session;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use super::{
    lines::Lines,
    server::{Connection, Server},
};

/// Serves a client until it leaves.
pub(super) async fn run(server: &Server, stream: Connection) -> io::Result<()> {
    session::Session::new(server, Lines::new(stream, IDLE_LIMIT)).run().await
}

/// RFC 1939 section 3: at least ten minutes.
const IDLE_LIMIT: Duration = Duration::from_secs(10 * 60);
