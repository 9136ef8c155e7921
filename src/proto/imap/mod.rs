//! IMAP4rev1 (RFC 3501) as far as a gateway must speak it.
//!
//! `syntax`: parsers. `downstream`: we are the server, until login. `upstream`: we are the client,
//! until login. `capability`: what the client is shown of the upstream's capabilities. `relay`: what
//! is read along after login. `response`: parsers for what a server says. `refusal`: the table from a reason to the words on the wire.

pub mod capability;
pub mod downstream;
pub mod literal;
pub mod refusal;
pub mod relay;
pub mod response;
pub mod syntax;
pub mod upstream;
