//! What was said at the check's own logins. The hard thing is that it is mostly secret, so nothing of it is
//! kept as it came: of each line the direction, its length and the words of a list, at the moment it passes.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use super::stand_in::LEFT_OUT;
use crate::{
    config::Protocol,
    proto::Side,
    tap::{Tap, Wiretap},
};

/// Listens in on some connections.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Vec<Conversation>>);

#[derive(Debug)]
struct Conversation {
    protocol: Protocol,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    from_server: bool,
    octets: usize,
    words: String,
}

impl Trace {
    /// For one more connection; `None` once there were enough of them.
    pub fn begin(self: &Arc<Self>, protocol: Protocol) -> Wiretap {
        let mut conversations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = conversations.len();
        if number == MAX_CONVERSATIONS {
            return None;
        }
        conversations.push(Conversation { protocol, lines: Vec::new() });
        let tap: Arc<dyn Tap> = Arc::clone(self) as _;
        Some((number as u64, tap))
    }

    /// As Markdown; nothing if nothing was said.
    pub(super) fn write(&self, text: &mut String) {
        let conversations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for conversation in conversations.iter().filter(|it| !it.lines.is_empty()) {
            let _ = writeln!(text, "\n{}\n\n```text", conversation.protocol);
            for Line { from_server, octets, words } in &conversation.lines {
                let who = if *from_server { "S" } else { "C" };
                let octets = length(*octets, words);
                let _ = writeln!(text, "{who} {octets:>6}  {words}");
            }
            text.push_str("```\n");
        }
    }
}

impl Tap for Trace {
    fn saw(&self, connection: u64, _: Side, from_peer: bool, bytes: &[u8]) {
        let mut conversations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(connection).unwrap_or(usize::MAX);
        let Some(conversation) = conversations.get_mut(index) else { return };
        for line in bytes.split_inclusive(|octet| *octet == b'\n') {
            if conversation.lines.len() < MAX_LINES {
                let words = words(conversation.protocol, from_peer, line);
                let octets = line.len();
                conversation.lines.push(Line { from_server: from_peer, octets, words });
            }
        }
    }
}

/// The length of a password is nobody's business either.
fn length(octets: usize, words: &str) -> String {
    if words.split(' ').any(|word| word == LEFT_OUT || word == TAG) {
        format!("<={}", octets.next_multiple_of(64))
    } else {
        octets.to_string()
    }
}

/// Those that are on the list, and codes where a server's codes stand.
fn words(protocol: Protocol, from_server: bool, line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let mut line = line.trim_end();
    let mut written: Vec<String> = Vec::new();
    if protocol == Protocol::Smtp
        && from_server
        && let Some((code, rest)) = reply_code(line)
    {
        written.push(code.to_owned());
        line = rest;
    }
    let mut words = line.split_whitespace().take(MAX_WORDS).peekable();
    let mut is_first = true;
    while let Some(word) = words.next() {
        let is_tag = is_first
            && protocol == Protocol::Imap
            && !is_known(word)
            && words.peek().is_some_and(|next| is_known(next));
        let shown = if is_tag {
            TAG.to_owned()
        } else if is_first && !written.is_empty() && is_enhanced_code(word) {
            word.to_owned()
        } else {
            known(word)
        };
        is_first = false;
        if shown != LEFT_OUT || written.last().is_none_or(|last| last != LEFT_OUT) {
            written.push(shown);
        }
    }
    written.join(" ")
}

/// `535` and what follows it.
fn reply_code(line: &str) -> Option<(&str, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    let is_code = code.bytes().all(|octet| octet.is_ascii_digit());
    let separated = rest.is_empty() || rest.starts_with([' ', '-']);
    (is_code && separated).then(|| (code, rest.strip_prefix('-').unwrap_or(rest)))
}

/// RFC 3463: class, subject and detail.
fn is_enhanced_code(word: &str) -> bool {
    let digits =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3
        && matches!(parts.first(), Some(&("2" | "4" | "5")))
        && parts.into_iter().all(digits)
}

fn is_known(word: &str) -> bool {
    WORDS.iter().flat_map(|line| line.split(' ')).any(|known| known == word)
}

/// With the brackets of a response code around it.
fn known(word: &str) -> String {
    let bare = word.trim_matches(['[', ']', '(', ')']);
    if bare.is_empty() || !is_known(bare) {
        return LEFT_OUT.to_owned();
    }
    let bracket = |end: bool, with: char| if end { String::from(with) } else { String::new() };
    let (before, after) = (bracket(word.starts_with('['), '['), bracket(word.ends_with(']'), ']'));
    format!("{before}{bare}{after}")
}

/// Instead of what names a command of IMAP.
const TAG: &str = "tag";

/// Commands, answers, response codes and capabilities: words of standards, in capitals, as no name and
/// no token is.
const WORDS: &[&str] = &[
    "* + . OK NO BAD BYE PREAUTH +OK -ERR",
    // IMAP.
    "CAPABILITY AUTHENTICATE STARTTLS LOGIN LOGOUT NOOP ID EXAMINE SELECT INBOX SEARCH FLAGS EXISTS RECENT \
     IMAP4 IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ LITERAL- IDLE NAMESPACE UIDPLUS CHILDREN MOVE UNSELECT ENABLE \
     CONDSTORE QRESYNC ESEARCH SORT THREAD=REFERENCES LIST-EXTENDED LIST-STATUS SPECIAL-USE QUOTA BINARY \
     COMPRESS=DEFLATE LOGINDISABLED LOGIN-REFERRALS AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER",
    "ALERT AUTHENTICATIONFAILED AUTHORIZATIONFAILED UNAVAILABLE EXPIRED PRIVACYREQUIRED CONTACTADMIN NOPERM \
     INUSE LIMIT SERVERBUG CLIENTBUG CANNOT NONEXISTENT ALREADYEXISTS OVERQUOTA READ-ONLY READ-WRITE \
     PERMANENTFLAGS UIDVALIDITY UIDNEXT UNSEEN HIGHESTMODSEQ NOMODSEQ",
    // POP3.
    "CAPA STLS USER PASS APOP STAT TOP UIDL RETR RESP-CODES AUTH-RESP-CODE PIPELINING EXPIRE IMPLEMENTATION \
     SASL UTF8 LANG AUTH IN-USE LOGIN-DELAY SYS/TEMP SYS/PERM",
    // SMTP.
    "EHLO HELO MAIL RCPT DATA RSET QUIT SIZE 8BITMIME SMTPUTF8 DSN ENHANCEDSTATUSCODES CHUNKING BINARYMIME \
     VRFY ETRN HELP REQUIRETLS",
    // SASL.
    "XOAUTH2 OAUTHBEARER PLAIN",
];

/// Three servers, each with a second try and another identity.
const MAX_CONVERSATIONS: usize = 12;
const MAX_LINES: usize = 80;
/// Of one line.
const MAX_WORDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_standards_alone_are_told() {
        for (protocol, from_server, line, expected) in [
            (
                Protocol::Imap,
                true,
                "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] mx7 ready",
                "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] …",
            ),
            (
                Protocol::Imap,
                false,
                "A1 AUTHENTICATE XOAUTH2 dXNlcj1hbm5h",
                "tag AUTHENTICATE XOAUTH2 …",
            ),
            (
                Protocol::Imap,
                true,
                "A1 NO [AUTHENTICATIONFAILED] anna failed",
                "tag NO [AUTHENTICATIONFAILED] …",
            ),
            (Protocol::Imap, true, "anna Kuendigung OK", "… OK"),
            (Protocol::Imap, true, "* 7 EXISTS", "* … EXISTS"),
            (Protocol::Imap, false, "dXNlcj1hbm5h", "…"),
            (Protocol::Pop3, true, "-ERR [SYS/TEMP] anna busy", "-ERR [SYS/TEMP] …"),
            (Protocol::Smtp, true, "250-AUTH LOGIN XOAUTH2", "250 AUTH LOGIN XOAUTH2"),
            (Protocol::Smtp, true, "535 5.7.139 Authentication [X.PROD] 5.7.1", "535 5.7.139 …"),
            (Protocol::Smtp, true, "1234 anna", "…"),
            (Protocol::Smtp, false, "535 5.7.139", "…"),
            (Protocol::Smtp, true, "5ü5", "…"),
        ] {
            assert_eq!(words(protocol, from_server, line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_line_with_a_secret_has_no_length() {
        assert_eq!(length(10, "QUIT"), "10");
        assert_eq!(length(10, LEFT_OUT), length(64, LEFT_OUT));
    }

    #[test]
    fn a_trace_has_an_end() {
        let trace = Arc::new(Trace::default());
        for _ in 0..MAX_CONVERSATIONS {
            let (connection, tap) = trace.begin(Protocol::Pop3).unwrap();
            tap.saw(connection, Side::Upstream, true, &b"+OK\r\n".repeat(1000));
        }
        assert!(trace.begin(Protocol::Pop3).is_none());
        let mut text = String::new();
        trace.write(&mut text);
        assert_eq!(text.lines().filter(|line| *line == "S      5  +OK").count(), 12 * MAX_LINES);
    }
}
