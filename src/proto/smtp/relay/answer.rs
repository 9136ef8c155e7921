//! What the client hears in place of the upstream. The hard thing is to find words that help, since
//! with a device they are all that its owner gets to see.

use bytes::Bytes;

/// An answer of ours to one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To AUTH: RFC 4954 section 4 has 503 for it.
    LoggedIn,
    /// To STARTTLS: each leg has its own TLS, and it has begun long ago, or never will.
    StartTls,
    /// To a command that never passes.
    Forbidden,
    /// To a line that can be read as a command in more than one way, or in none.
    NotACommand,
    /// To a line with a CR, LF or NUL where none may be.
    BareLineEnd,
    /// To a line that is longer than any command.
    LongLine,
    /// To a BDAT that announces no octets or cannot be read.
    ChunkSyntax,
    /// To a BDAT where the upstream has no CHUNKING.
    NoChunking,
    /// To a parameter of an extension that the upstream does not have.
    Lacks(&'static str),
    /// To a SIZE beyond what the upstream takes.
    TooLarge {
        /// Octets that it takes.
        most: u64,
    },
}

impl Answer {
    /// The reply. Codes: RFC 5321 section 4.2.3, enhanced codes: RFC 3463 section 3.
    pub(super) fn line(self) -> Bytes {
        let words = match self {
            Self::LoggedIn => "503 5.5.1 You are logged in already (RFC 4954 section 4)",
            Self::StartTls => "503 5.5.1 STARTTLS must come before the login",
            Self::Forbidden => "502 5.5.1 This command is not available here",
            Self::NotACommand => "500 5.5.2 This is no command",
            Self::BareLineEnd => {
                "500 5.5.2 A command must end in CRLF and hold no other CR, LF or NUL (RFC 5321 section 2.3.8)"
            }
            Self::LongLine => "500 5.5.2 The line is too long",
            Self::ChunkSyntax => {
                "501 5.5.4 BDAT needs a number of octets, and nothing but LAST behind it (RFC 3030 section 2)"
            }
            Self::NoChunking => "502 5.5.1 The mail server has no CHUNKING; use DATA",
            Self::Lacks(extension) => {
                return format!(
                    "555 5.5.4 The mail server has no {extension}; send without this parameter\r\n"
                )
                .into();
            }
            Self::TooLarge { most } => {
                return format!(
                    "552 5.3.4 The message is too large; the mail server takes {most} octets\r\n"
                )
                .into();
            }
        };
        format!("{words}\r\n").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::smtp::reply::reply_line;

    #[test]
    fn every_answer_is_a_reply_that_refuses() {
        for answer in [
            Answer::LoggedIn,
            Answer::StartTls,
            Answer::Forbidden,
            Answer::NotACommand,
            Answer::BareLineEnd,
            Answer::LongLine,
            Answer::ChunkSyntax,
            Answer::NoChunking,
            Answer::Lacks("8BITMIME"),
            Answer::TooLarge { most: u64::MAX },
        ] {
            let line = answer.line();
            assert!(line.len() <= 512, "RFC 5321 section 4.5.3.1.5");
            let text = line.strip_suffix(b"\r\n").unwrap();
            assert!(text.iter().all(|octet| (b' '..=b'~').contains(octet)), "{answer:?}");
            let reply = reply_line(text).unwrap();
            assert!(reply.last && reply.code >= 500, "{answer:?}");
            assert!(reply.text.starts_with(b"5."), "{answer:?}");
        }
    }
}
