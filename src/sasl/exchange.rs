//! The server's side of a password mechanism, from the command that names it to a login name and a
//! password. The framing is the protocol's, the rest (base64, `=`, `*`) is the same in RFC 3501 with
//! RFC 4959, RFC 4954 and RFC 5034. The hard thing is to let no copy of a password outlive its use.

use crate::{
    sasl::{
        base64, login,
        plain::{self, PlainError},
    },
    secret::Secret,
};

/// The mechanisms a client may log in with. CRAM-MD5 and its kind are missing on purpose: they need
/// the password in clear on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
}

impl Mechanism {
    /// The mechanism of this name, in any case (RFC 4422 section 3.1 wants upper case; clients do not
    /// all keep to it, and IMAP's own grammar makes no difference).
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"PLAIN") {
            Some(Self::Plain)
        } else if name.eq_ignore_ascii_case(b"LOGIN") {
            Some(Self::Login)
        } else {
            None
        }
    }
}

/// An exchange under way, named by the response it waits for.
#[derive(Debug)]
pub enum Exchange {
    /// The one message of PLAIN.
    PlainMessage,
    /// The login name of LOGIN.
    LoginName,
    /// The password of LOGIN.
    LoginPassword {
        /// The login name, received before.
        login: Vec<u8>,
    },
}

/// Where an exchange stands after one more thing from the client.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// Send this, in base64, and wait for a line.
    Challenge {
        /// The challenge, not yet encoded.
        text: &'static [u8],
        /// What to hand the line to.
        exchange: Exchange,
    },
    /// The client has said who it is.
    Complete {
        /// How it said so.
        mechanism: Mechanism,
        /// The login name, not necessarily UTF-8.
        login: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// The exchange is over without a login.
    Failed(SaslFault),
}

/// What was wrong with a client's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslFault {
    /// The client sent `*`.
    Cancelled,
    /// Not base64.
    Base64,
    /// Not a message of this mechanism.
    Malformed,
    /// An authorization identity of somebody else.
    Authzid,
}

/// Starts an exchange; `initial` is the initial response as sent: base64, or `=` for an empty one.
pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> Progress {
    let (exchange, text): (_, &[u8]) = match mechanism {
        Mechanism::Plain => (Exchange::PlainMessage, b""),
        Mechanism::Login => (Exchange::LoginName, login::NAME_CHALLENGE),
    };
    match initial {
        None => Progress::Challenge { text, exchange },
        Some(b"=") => exchange.accept(b""),
        Some(encoded) => exchange.decode(encoded),
    }
}

impl Exchange {
    /// Takes the client's next line, without its line end.
    pub fn respond(self, line: &[u8]) -> Progress {
        if line == b"*" {
            return Progress::Failed(SaslFault::Cancelled);
        }
        self.decode(line)
    }

    fn decode(self, encoded: &[u8]) -> Progress {
        match base64::decode(encoded) {
            Some(message) => self.accept(Secret::new(message).expose()),
            None => Progress::Failed(SaslFault::Base64),
        }
    }

    fn accept(self, message: &[u8]) -> Progress {
        match self {
            Self::PlainMessage => match plain::decode(message) {
                Ok(plain) => Progress::Complete {
                    mechanism: Mechanism::Plain,
                    login: plain.authcid,
                    password: plain.password,
                },
                Err(PlainError::Malformed) => Progress::Failed(SaslFault::Malformed),
                Err(PlainError::Authzid) => Progress::Failed(SaslFault::Authzid),
            },
            Self::LoginName => Progress::Challenge {
                text: login::PASSWORD_CHALLENGE,
                exchange: Self::LoginPassword { login: message.to_vec() },
            },
            Self::LoginPassword { login } => Progress::Complete {
                mechanism: Mechanism::Login,
                login,
                password: Secret::new(message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `lines` to the end; what came out, as text.
    fn play(mechanism: Mechanism, initial: Option<&str>, lines: &[&str]) -> String {
        let mut progress = begin(mechanism, initial.map(str::as_bytes));
        let mut seen = String::new();
        for line in lines {
            let Progress::Challenge { text, exchange } = progress else { break };
            seen += &format!("<{}> ", String::from_utf8_lossy(text));
            progress = exchange.respond(line.as_bytes());
        }
        seen + &match progress {
            Progress::Challenge { text, .. } => format!("<{}>", String::from_utf8_lossy(text)),
            Progress::Complete { mechanism, login, password } => format!(
                "{mechanism:?} {} {}",
                String::from_utf8_lossy(&login),
                String::from_utf8_lossy(password.expose())
            ),
            Progress::Failed(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn plain() {
        let check = |initial, lines: &[_], expected: &str| {
            assert_eq!(play(Mechanism::Plain, initial, lines), expected);
        };
        // "\0tim\0tanstaaf"
        check(Some("AHRpbQB0YW5zdGFhZg=="), &[], "Plain tim tanstaaf");
        check(None, &["AHRpbQB0YW5zdGFhZg=="], "<> Plain tim tanstaaf");
        check(None, &[], "<>");
        check(None, &["*"], "<> Cancelled");
        check(None, &[""], "<> Malformed");
        check(None, &["="], "<> Base64");
        check(None, &["AHRpbQB0YW5zdGFhZg"], "<> Base64");
        check(Some("="), &[], "Malformed");
        check(Some("*"), &[], "Base64");
        // "Ursel\0Kurt\0x"
        check(Some("VXJzZWwAS3VydAB4"), &[], "Authzid");
    }

    #[test]
    fn login() {
        let check = |initial, lines: &[_], expected: &str| {
            assert_eq!(play(Mechanism::Login, initial, lines), expected);
        };
        check(None, &["dGlt", "c2VjcmV0"], "<Username:> <Password:> Login tim secret");
        check(Some("dGlt"), &["c2VjcmV0"], "<Password:> Login tim secret");
        check(Some("="), &["c2VjcmV0"], "<Password:> Login  secret");
        check(None, &["", ""], "<Username:> <Password:> Login  ");
        check(None, &["dGlt", "*"], "<Username:> <Password:> Cancelled");
        check(None, &["*"], "<Username:> Cancelled");
        check(None, &["tim"], "<Username:> Base64");
    }

    #[test]
    fn names_in_any_case() {
        assert_eq!(Mechanism::from_name(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::from_name(b"Login"), Some(Mechanism::Login));
        assert_eq!(Mechanism::from_name(b"PLAIN-CLIENTTOKEN"), None);
        assert_eq!(Mechanism::from_name(b"XOAUTH2"), None);
    }
}
