//! SASL LOGIN (draft-murchison-sasl-login), the server's side: two prompts, two bare answers. The
//! hard thing is the prompts: the draft says that clients ignore them, but old ones compare the
//! text, so it must be exactly this one.

/// Asks for the login name.
pub const NAME_CHALLENGE: &[u8] = b"Username:";

/// Asks for the password.
pub const PASSWORD_CHALLENGE: &[u8] = b"Password:";
