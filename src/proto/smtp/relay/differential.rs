//! Commands and messages of SMTP, read by us and by smtp-proto. The hard thing is that smtp-proto is a generous
//! reader, as many servers are: what it takes for a command that we keep must not pass, however it is
//! written, and where it sees a message begin, we must see one too.

use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, Request, request::receiver::DataReceiver};

use super::{
    guard::{Ruling, rule},
    outstanding::Expected,
};
use crate::{
    proto::{
        dot::DotEnd,
        smtp::{
            extension::Extensions,
            syntax::{self, Verb},
        },
    },
    sasl::exchange::Mechanism,
};

/// Takes each line of `data` for a command, and all of it for a message.
///
/// # Panics
/// If a command that is kept after a login would pass for smtp-proto, if a line passes as another command
/// than smtp-proto sees in it, or if the two see a message end in different places.
pub fn fuzz_commands(data: &[u8]) {
    for line in data.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // The relay passes no line with one of these: `super::client`.
        if !line.contains(&b'\r') && !line.contains(&0) {
            after_login(line);
            before_login(line);
        }
    }
    message(data);
}

/// What smtp-proto takes the line for, if for anything.
fn read(line: &[u8]) -> Option<Request<String>> {
    let whole = [line, b"\r\n"].concat();
    let mut octets = whole.iter();
    let request = Request::parse(&mut octets).ok().map(Request::into_owned);
    // One line is one command.
    assert!(request.is_none() || octets.as_slice().is_empty(), "{}", line.escape_ascii());
    request
}

fn after_login(line: &[u8]) {
    let extensions = Extensions { chunking: true, ..Extensions::UNKNOWN };
    let theirs = read(line);
    let name = theirs.as_ref().map(Request::name);
    let shown = || format!("{} is {theirs:?}", line.escape_ascii());
    let passed = match rule(line, &extensions, false) {
        Ruling::Refuse(_) | Ruling::RefuseChunk(_) | Ruling::Keep(_) | Ruling::Lose(_) => return,
        Ruling::PassChunk(chunk) => {
            if let Some(Request::Bdat { chunk_size, is_last }) = theirs {
                assert_eq!((chunk_size as u64, is_last), (chunk.octets, chunk.last), "{}", shown());
                return;
            }
            // It counts in 64 bits and keeps the largest number for a mistake.
            let largest = chunk.octets >= TOO_LARGE;
            return assert!(name.is_none() && largest, "{}", shown());
        }
        Ruling::Pass(expected) => expected,
    };
    let fits = match (&passed, name) {
        (_, None) => true,
        (Expected::Mail { .. }, Some("MAIL")) => true,
        (Expected::Rcpt { .. }, Some("RCPT")) => true,
        (Expected::Data, Some("DATA")) => true,
        (Expected::Ehlo, Some("EHLO")) => true,
        (Expected::Reset, Some("HELO" | "RSET")) => true,
        (Expected::Quit, Some("QUIT")) => true,
        (Expected::Other, Some("NOOP" | "VRFY" | "HELP")) => true,
        // Commands of theirs that we do not know: no octets follow, and the client waits for the reply.
        (Expected::Unknown, Some("LHLO" | "BURL")) => true,
        (_, Some(_)) => false,
    };
    assert!(fits, "{passed:?}: {}", shown());
}

/// AUTH, as we read it: what we take, smtp-proto takes for the same.
fn before_login(line: &[u8]) {
    let Some((Verb::Auth, arguments)) = syntax::verb(line) else { return };
    let Some((name, initial)) = syntax::auth(arguments) else { return };
    let Some(mechanism) = Mechanism::from_name(name) else { return };
    if CHOICES.iter().any(|choice| (choice.applies)(line)) {
        return;
    }
    let mechanism = match mechanism {
        Mechanism::Plain => AUTH_PLAIN,
        Mechanism::Login => AUTH_LOGIN,
    };
    let expected = Request::Auth {
        mechanism,
        initial_response: String::from_utf8_lossy(initial.unwrap_or_default()).into_owned(),
    };
    assert_eq!(read(line), Some(expected), "{}", line.escape_ascii());
}

/// Something that is good for us and not for smtp-proto, with its reason.
struct Choice {
    #[expect(dead_code, reason = "for whoever reads the table")]
    reason: &'static str,
    applies: fn(&[u8]) -> bool,
}

/// All that we take and smtp-proto does not.
const CHOICES: [Choice; 1] = [Choice {
    reason: "what is not ASCII is no base64, which is told when it is decoded (RFC 4954 section 4: 501 \
        5.5.2); smtp-proto wants UTF-8",
    applies: |line| !line.is_ascii(),
}];

/// The octets behind a 354.
fn message(data: &[u8]) {
    let ours = DotEnd::new().find(data);
    let mut receiver = DataReceiver::new();
    let mut content = Vec::new();
    // It begins behind the CRLF of DATA (RFC 5321 section 4.1.1.4), which smtp-proto is not told of.
    let begun = receiver.ingest(&mut b"\r\n".iter(), &mut content);
    let mut octets = data.iter();
    let ended = !begun && receiver.ingest(&mut octets, &mut content);
    let theirs = ended.then(|| data.len() - octets.as_slice().len());
    // RFC 5321 section 4.1.1.4: only CRLF.CRLF ends a message, whoever else thinks so. The relay changes no
    // octet of a message, and leaves an upstream that accepts one before its end (`super::server`).
    if theirs.is_some_and(|end| ends_in_two_crs(data.get(..end).unwrap_or_default())) {
        return;
    }
    assert_eq!(ours, theirs, "{}", data.escape_ascii());
}

/// Whether it ends in CRLF, a dot, several CR and LF: to smtp-proto an end.
fn ends_in_two_crs(message: &[u8]) -> bool {
    let whole = [b"\r\n", message].concat();
    let Some(line) = whole.strip_suffix(b"\r\r\n") else { return false };
    let crs = line.iter().rev().take_while(|&&octet| octet == b'\r').count();
    line.get(..line.len() - crs).is_some_and(|line| line.ends_with(b"\r\n."))
}

const TOO_LARGE: u64 = 999_999_999_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "EHLO a\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<a@b>\r\nDATA\r\n",
            "AUTH LOGIN\r\nAUTH LOGIN YQ==\r\nauth  plain  =\r\nAUTH PLAIN \u{e9}\r\n",
            " AUTH PLAIN\r\n  STARTTLS\r\nEXPN x\r\nETRN x\r\nATRN\r\nBURL x LAST\r\nLHLO x\r\n",
            "BDAT 5\r\nBDAT 5 LAST\r\nBDAT 18446744073709551615\r\nBDAT  5\r\nBDAT 5 \r\nBDAT 5 X\r\n",
            "DATA x\r\nDATA \r\n DATA\r\nQUIT x\r\nRSET\r\nNOOP x\r\nVRFY x\r\nHELP\r\nHELO x\r\n",
            "DATAX\r\nD@TA\r\nXDATA\r\n",
            ".\r\nQUIT\r\n",
            "a\r\n.\nb\r\n..\r\n.\r\nc",
            "a\n.\r\n\r\n.\r\r\n\r.\r\n",
            "",
        ] {
            fuzz_commands(client.as_bytes());
        }
    }
}
