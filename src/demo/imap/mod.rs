//! The demo's IMAP server (RFC 3501 with a few extensions): TLS only, tokens only. The parsing of
//! commands and the writing of responses are imap-codec's. The hard thing is that several sessions
//! share one mailbox while each client counts messages by its own numbers: see `selected`.

mod command;
mod fetch;
mod listing;
mod search;
mod section;
mod selected;
mod session;
mod structure;
#[cfg(test)]
mod tests;
mod wire;

use std::io;

use super::server::{Connection, Server};

/// Serves a client until it leaves.
pub(super) async fn run(server: &Server, stream: Connection) -> io::Result<()> {
    session::Session::new(server, stream).run().await
}
