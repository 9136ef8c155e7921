//! Lines that the upstream never sees, and what the client hears instead. The hard thing is to keep
//! even what is sent behind such a line without waiting, base64 and passwords; so what is no known
//! command is kept as well, and each line gets its own answer, as from any server.

use super::super::syntax::{Verb, verb};

/// A line that is kept from the upstream, by the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// USER, PASS, APOP: hold a local password, or announce one.
    Login,
    /// AUTH: holds a local password, now or in the next lines.
    Auth,
    /// STLS: each leg has its own TLS.
    Stls,
    /// No command whose reply we know.
    Unknown,
    /// It holds what servers may take for a line's end, or for a blank.
    Malformed,
    /// It is longer than any command.
    TooLong,
}

impl Kept {
    /// The answer, a line of its own. None has a response code: `[AUTH]` would look like a wrong
    /// password (RFC 3206 section 5).
    pub(super) fn answer(self) -> &'static str {
        match self {
            Self::Login => "-ERR refused: you are logged in already (RFC 1939 section 7)\r\n",
            Self::Auth => "-ERR refused: you are logged in already (RFC 5034 section 4)\r\n",
            Self::Stls => "-ERR refused: it must come before the login (RFC 2595 section 4)\r\n",
            Self::Unknown => "-ERR unknown command\r\n",
            Self::Malformed => {
                "-ERR refused: a command is printable ASCII (RFC 1939 section 3)\r\n"
            }
            Self::TooLong => "-ERR refused: the line is too long (RFC 2449 section 4)\r\n",
        }
    }
}

/// Sorts a line without its line end: the command and what follows it, or why it is kept.
pub(super) fn sort(line: &[u8]) -> Result<(Verb, &[u8]), Kept> {
    // RFC 6856 section 2 lets UTF-8 in, but only into the commands of a login.
    if !line.iter().all(|octet| (b' '..=b'~').contains(octet)) {
        return Err(Kept::Malformed);
    }
    let (verb, rest) = verb(line).ok_or(Kept::Unknown)?;
    match verb {
        Verb::User | Verb::Pass | Verb::Apop => Err(Kept::Login),
        Verb::Auth => Err(Kept::Auth),
        Verb::Stls => Err(Kept::Stls),
        Verb::Capa
        | Verb::Stat
        | Verb::List
        | Verb::Retr
        | Verb::Dele
        | Verb::Noop
        | Verb::Rset
        | Verb::Quit
        | Verb::Top
        | Verb::Uidl
        | Verb::Last
        | Verb::Utf8
        | Verb::Lang => Ok((verb, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept() {
        for (line, expected) in [
            ("USER alice", Err(Kept::Login)),
            ("pass a b", Err(Kept::Login)),
            ("APOP alice 0123", Err(Kept::Login)),
            ("aUtH", Err(Kept::Auth)),
            ("AUTH PLAIN AGEAYg==", Err(Kept::Auth)),
            ("STLS", Err(Kept::Stls)),
            ("XTND XMIT", Err(Kept::Unknown)),
            ("RPOP alice", Err(Kept::Unknown)),
            (" PASS secret", Err(Kept::Unknown)),
            ("PASS\tsecret", Err(Kept::Malformed)),
            ("AGEAYg==", Err(Kept::Unknown)),
            ("*", Err(Kept::Unknown)),
            ("", Err(Kept::Unknown)),
            ("NOOP\r", Err(Kept::Malformed)),
            ("NOOP\rPASS secret", Err(Kept::Malformed)),
            ("NOOP\0", Err(Kept::Malformed)),
            ("LIST \u{b}", Err(Kept::Malformed)),
            ("LANG \u{85}", Err(Kept::Malformed)),
            ("NOOP", Ok(Verb::Noop)),
            ("noop PASS", Ok(Verb::Noop)),
        ] {
            assert_eq!(sort(line.as_bytes()).map(|(verb, _)| verb), expected, "{line:?}");
        }
    }

    #[test]
    fn answers_are_single_lines_that_look_like_no_wrong_password() {
        let all =
            [Kept::Login, Kept::Auth, Kept::Stls, Kept::Unknown, Kept::Malformed, Kept::TooLong];
        for answer in all.map(Kept::answer) {
            let line = answer.strip_prefix("-ERR ").and_then(|rest| rest.strip_suffix("\r\n"));
            let line = line.unwrap_or_default();
            assert!(!line.is_empty() && answer.len() <= 512, "{answer}");
            assert!(line.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic()));
            assert!(!line.starts_with('['), "{answer}");
        }
    }
}
