//! What becomes of a command. The hard thing is that the upstream reads the same line again, perhaps
//! more generously: a line passes only if every server finds the same verb in it, and the guard looks
//! for a verb where any server might.

use super::{
    answer::Answer,
    envelope::{lacking, path_text},
    outstanding::Expected,
};
use crate::proto::smtp::{
    extension::Extensions,
    syntax::{Chunk, Verb, chunk, verb},
};

/// What becomes of a command.
#[derive(Debug)]
pub(super) enum Ruling {
    /// It goes upstream, and this is what its reply will mean.
    Pass(Expected),
    /// It goes upstream with the octets behind it.
    PassChunk(Chunk),
    /// It is answered here.
    Refuse(Answer),
    /// It is answered here, once the octets behind it are gone.
    RefuseChunk(u64),
    /// It is kept, and lines that follow may belong to it.
    Keep(Answer),
    /// It is answered here, and nobody knows where the next command begins.
    Lose(Answer),
}

/// Rules on a line without its line end. `wary`: a command was kept, and only lines beyond doubt came
/// since; a client that does not wait may go on with a password in base64.
pub(super) fn rule(line: &[u8], extensions: &Extensions, wary: bool) -> Ruling {
    if let Some(answer) = kept(line) {
        return Ruling::Keep(answer);
    }
    let Some((verb, arguments)) = verb(line) else {
        return match is_clear(line) {
            _ if wary => Ruling::Keep(Answer::NotACommand),
            true => Ruling::Pass(Expected::Unknown),
            false => Ruling::Refuse(Answer::NotACommand),
        };
    };
    if let Some(answer) = lacking(verb, arguments, extensions) {
        return Ruling::Refuse(answer);
    }
    let expected = match verb {
        Verb::Mail => Expected::Mail { sender: path_text(arguments) },
        Verb::Rcpt => Expected::Rcpt { recipient: path_text(arguments) },
        Verb::Bdat => return bdat(arguments, extensions),
        // `kept` has taken these.
        Verb::Auth => return Ruling::Keep(Answer::LoggedIn),
        Verb::StartTls => return Ruling::Keep(Answer::StartTls),
        Verb::Forbidden => return Ruling::Keep(Answer::Forbidden),
        Verb::Data => Expected::Data,
        Verb::Ehlo => Expected::Ehlo,
        Verb::Helo | Verb::Rset => Expected::Reset,
        Verb::Quit => Expected::Quit,
        Verb::Noop | Verb::Vrfy | Verb::Help => Expected::Other,
    };
    Ruling::Pass(expected)
}

/// The answer to a command that is kept, whatever stands before and behind its verb.
fn kept(line: &[u8]) -> Option<Answer> {
    let begins = line.iter().position(u8::is_ascii_alphanumeric)?;
    let (_, line) = line.split_at(begins);
    let ends = line.iter().position(|octet| !is_word(*octet)).unwrap_or(line.len());
    let (word, _) = line.split_at(ends);
    let is_auth = |word: &[u8]| word.eq_ignore_ascii_case(b"AUTH");
    match verb(word) {
        Some((Verb::StartTls, _)) => Some(Answer::StartTls),
        Some((Verb::Forbidden, _)) => Some(Answer::Forbidden),
        // No other command begins like this, and none holds a password.
        _ => word.get(..4).is_some_and(is_auth).then_some(Answer::LoggedIn),
    }
}

/// Whether the line begins with what every server takes for a verb, if for one that it may not know.
fn is_clear(line: &[u8]) -> bool {
    let end = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let (word, _) = line.split_at(end);
    word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(|octet| is_word(*octet))
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'-'
}

fn bdat(arguments: &[u8], extensions: &Extensions) -> Ruling {
    match chunk(arguments) {
        None => Ruling::Lose(Answer::ChunkSyntax),
        Some(chunk) if extensions.chunking => Ruling::PassChunk(chunk),
        Some(Chunk { octets, .. }) => Ruling::RefuseChunk(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(line: &str, wary: bool) -> String {
        let extensions = Extensions { chunking: true, ..Extensions::UNKNOWN };
        format!("{:?}", rule(line.as_bytes(), &extensions, wary))
    }

    #[test]
    fn nothing_that_is_kept_passes_in_any_spelling() {
        for (line, answer) in [
            ("AUTH PLAIN AGEAYg==", "LoggedIn"),
            ("auth login", "LoggedIn"),
            ("AuTh", "LoggedIn"),
            (" AUTH PLAIN", "LoggedIn"),
            ("\t\x0b\x7fAUTH\tPLAIN", "LoggedIn"),
            ("AUTH=PLAIN AGEAYg==", "LoggedIn"),
            ("AUTHPLAIN", "LoggedIn"),
            ("AUTHENTICATE PLAIN", "LoggedIn"),
            ("\u{e9}AUTH PLAIN", "LoggedIn"),
            ("STARTTLS", "StartTls"),
            (" starttls ", "StartTls"),
            ("STARTTLS\tnow", "StartTls"),
            ("XCLIENT ADDR=1.2.3.4", "Forbidden"),
            ("\txforward NAME=x", "Forbidden"),
            ("ETRN example.org", "Forbidden"),
            ("EXPN list", "Forbidden"),
            ("TURN", "Forbidden"),
            ("ATRN", "Forbidden"),
            ("X-EXPS LOGIN", "Forbidden"),
            ("X-LINK2STATE LAST CHUNK={00000001}", "Forbidden"),
            ("XEXCH50 100 2", "Forbidden"),
        ] {
            assert_eq!(ruling(line, false), format!("Keep({answer})"), "{line:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_does_not_pass() {
        for line in [
            "",
            " ",
            " DATA",
            "DATA\t",
            "\tBDAT 5",
            "QUIT\x0b",
            "MAIL:FROM",
            "354 go",
            "=",
            "DATA.",
            "RCPT\u{a0}TO:<a@b>",
            "*",
            "<iq/>",
        ] {
            assert_eq!(ruling(line, false), "Refuse(NotACommand)", "{line:?}");
            assert_eq!(ruling(line, true), "Keep(NotACommand)", "{line:?}");
        }
        for line in ["BURL imap://x LAST", "X-UNKNOWN", "DATA-X", "dGltZSBmbGllcw"] {
            assert_eq!(ruling(line, false), "Pass(Unknown)", "{line:?}");
            assert_eq!(ruling(line, true), "Keep(NotACommand)", "{line:?}");
        }
    }

    #[test]
    fn commands_pass() {
        for (line, expected) in [
            ("MAIL FROM:<a@b>", r#"Mail { sender: "a@b" }"#),
            ("rcpt to:<a@b>", r#"Rcpt { recipient: "a@b" }"#),
            ("DATA", "Data"),
            ("DATA ", "Data"),
            ("EHLO x", "Ehlo"),
            ("HELO x", "Reset"),
            ("RSET", "Reset"),
            ("QUIT", "Quit"),
            ("NOOP AUTH PLAIN", "Other"),
            ("VRFY a", "Other"),
            ("HELP AUTH", "Other"),
        ] {
            for wary in [false, true] {
                assert_eq!(ruling(line, wary), format!("Pass({expected})"), "{line:?}");
            }
        }
    }
}
