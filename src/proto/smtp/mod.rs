//! SMTP submission (RFC 6409, RFC 5321, RFC 4954) as far as a gateway must speak it.
//!
//! `syntax`: parsers for what a client says. `downstream`: we are the server, until login. `upstream`:
//! we are the client, until login. `extension`: what is promised before the upstream is known, and
//! what it turns out to have. `relay`: what is read along after login. `reply`: parsers for what a
//! server says. `refusal`: the table from a reason to the words on the wire.

pub mod downstream;
pub mod extension;
pub mod refusal;
pub mod relay;
pub mod reply;
pub mod syntax;
pub mod upstream;
