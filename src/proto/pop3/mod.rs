//! POP3 (RFC 1939, RFC 2449, RFC 5034) as far as a gateway must speak it.
//!
//! `syntax`: parsers for what a client says. `downstream`: we are the server, until login. `upstream`:
//! we are the client, until login. `capability`: what the client is shown of the upstream's
//! capabilities. `relay`: what is read along after login. `reply`: parsers for what a server says.
//! `refusal`: the table from a reason to the words on the wire.

pub mod capability;
pub mod downstream;
pub mod refusal;
pub mod relay;
pub mod reply;
pub mod syntax;
pub mod upstream;
