//! Commands that are kept from the upstream after login, and what the client hears instead. The hard
//! thing is what follows such a command: a client that does not wait for our answer may send the rest
//! of its password as the next line.

use std::collections::VecDeque;

use bytes::Bytes;

use super::head::is_tag;

/// A command that the upstream never sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// RFC 3501 section 6.2.3: holds a local password.
    Login,
    /// RFC 3501 section 6.2.2: holds a local password, now or in the next line.
    Authenticate,
    /// RFC 3501 section 6.2.1: each leg has its own TLS.
    StartTls,
    /// RFC 4978: what is compressed cannot be read along.
    Compress,
    /// RFC 8437: the upstream would forget the login, and the gateway cannot repeat it here.
    Unauthenticate,
}

impl Kept {
    /// The command that begins with these two words, if it is to be kept.
    ///
    /// A line that *begins* with LOGIN or AUTHENTICATE is kept as well: it is more likely a login
    /// whose tag was forgotten than a command whose tag is called so.
    pub(super) fn from_words(tag: &[u8], word: &[u8]) -> Option<Self> {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        ALL.into_iter().find(|kept| is(word, kept.name())).or_else(|| {
            [Self::Login, Self::Authenticate].into_iter().find(|kept| is(tag, kept.name()))
        })
    }

    /// The answer to the command with this tag.
    pub(super) fn answer(self, tag: &[u8]) -> Bytes {
        // What is no tag must not stand where one belongs.
        let (tag, condition) =
            if is_tag(tag) { (tag, self.condition()) } else { (b"*".as_slice(), "BAD") };
        let name = self.name();
        let words = self.words();
        [tag, format!(" {condition} {name} {words}\r\n").as_bytes()].concat().into()
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Authenticate | Self::Compress => "NO",
            Self::Login | Self::StartTls | Self::Unauthenticate => "BAD",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Login => "refused: you are logged in already (RFC 3501 section 6.2.3)",
            Self::Authenticate => "refused: you are logged in already (RFC 3501 section 6.2.2)",
            Self::StartTls => "refused: it must come before the login (RFC 3501 section 6.2.1)",
            Self::Compress => "refused: the gateway does not compress (RFC 4978 section 3)",
            Self::Unauthenticate => "refused: to log in anew, connect anew (RFC 8437)",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Authenticate => "AUTHENTICATE",
            Self::StartTls => "STARTTLS",
            Self::Compress => "COMPRESS",
            Self::Unauthenticate => "UNAUTHENTICATE",
        }
    }
}

/// Whether this is beyond doubt a command, not a password, a line of base64 or a TLS record.
pub(super) fn is_well_known(word: &[u8]) -> bool {
    WELL_KNOWN.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// Answers that wait for a place between two of the upstream's responses.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<Bytes>);

impl Answers {
    /// Whether the client must wait before another command of its can be kept.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, answer: Bytes) {
        self.0.push_back(answer);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }
}

const ALL: [Kept; 5] =
    [Kept::Login, Kept::Authenticate, Kept::StartTls, Kept::Compress, Kept::Unauthenticate];

/// Answers that may wait.
const WAITING: usize = 16;

/// The commands of RFC 3501 and of the extensions that mail clients use.
const WELL_KNOWN: [&str; 63] = [
    "APPEND",
    "AUTHENTICATE",
    "CANCELUPDATE",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COMPARATOR",
    "COMPRESS",
    "CONVERSIONS",
    "CONVERT",
    "COPY",
    "CREATE",
    "DELETE",
    "DELETEACL",
    "ENABLE",
    "ESEARCH",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "GENURLAUTH",
    "GETACL",
    "GETANNOTATION",
    "GETJMAPACCESS",
    "GETMETADATA",
    "GETQUOTA",
    "GETQUOTAROOT",
    "ID",
    "IDLE",
    "LANGUAGE",
    "LIST",
    "LISTRIGHTS",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "MYRIGHTS",
    "NAMESPACE",
    "NOOP",
    "NOTIFY",
    "RENAME",
    "REPLACE",
    "RESETKEY",
    "RLIST",
    "RLSUB",
    "SEARCH",
    "SELECT",
    "SETACL",
    "SETANNOTATION",
    "SETMETADATA",
    "SETQUOTA",
    "SORT",
    "STARTTLS",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "THREAD",
    "UID",
    "UIDBATCHES",
    "UNSELECT",
    "UNSUBSCRIBE",
    "URLFETCH",
    "XAPPLEPUSHSERVICE",
    "XLIST",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_whatever_the_case() {
        for (tag, word, expected) in [
            ("A", "LOGIN", Some(Kept::Login)),
            ("A", "lOgIn", Some(Kept::Login)),
            ("A", "authenticate", Some(Kept::Authenticate)),
            ("A", "StartTLS", Some(Kept::StartTls)),
            ("A", "COMPRESS", Some(Kept::Compress)),
            ("A", "unauthenticate", Some(Kept::Unauthenticate)),
            ("login", "alice", Some(Kept::Login)),
            ("AUTHENTICATE", "", Some(Kept::Authenticate)),
            ("A", "LOGINX", None),
            ("A", "LOGOUT", None),
            ("STARTTLS", "", None),
            ("", "", None),
        ] {
            assert_eq!(Kept::from_words(tag.as_bytes(), word.as_bytes()), expected, "{tag} {word}");
        }
    }

    #[test]
    fn answers() {
        for (kept, tag, expected) in [
            (
                Kept::Login,
                "A1",
                "A1 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)\r\n",
            ),
            (
                Kept::Authenticate,
                "]x",
                "]x NO AUTHENTICATE refused: you are logged in already (RFC 3501 section 6.2.2)\r\n",
            ),
            (
                Kept::Compress,
                "A+",
                "* BAD COMPRESS refused: the gateway does not compress (RFC 4978 section 3)\r\n",
            ),
        ] {
            assert_eq!(kept.answer(tag.as_bytes()), expected);
        }
    }
}
