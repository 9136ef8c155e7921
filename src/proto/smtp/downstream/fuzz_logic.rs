//! What must hold for the downstream machine whatever a client sends. Runs over seeds in the tests,
//! and over everything else in the fuzzer.

use super::{SmtpDownstream, SmtpOptions};
use crate::proto::{
    Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, RefusalReason,
    Welcome,
    smtp::{extension::Extensions, reply::reply_line},
};

/// Drives the machine with `data`: the first octet chooses TLS, bounds, verdict and EHLO's lines, the
/// rest is the client's.
///
/// # Panics
/// If cutting the input elsewhere changes what the machine does, if what it says is not whole replies
/// of printable ASCII, if anything comes after the close, if a login is taken in clear where TLS is
/// demanded, or if bytes behind a login get lost.
pub fn fuzz_downstream(data: &[u8]) {
    let Some((&choice, client)) = data.split_first() else { return };
    let whole = run(choice, client, client.len().max(1));
    for cut in [1, 2, 7] {
        assert_eq!(run(choice, client, cut), whole, "cut every {cut} octets");
    }
}

/// What the machine did, and what is left for the relay.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    replies: Vec<u8>,
    events: Vec<String>,
    residue: Option<Vec<u8>>,
}

fn run(choice: u8, client: &[u8], cut: usize) -> Trace {
    let machine = SmtpDownstream::new(tls(choice), bounds(choice), options(choice));
    let mut machine = Box::new(machine);
    let mut trace = Trace::default();
    let mut at = At::Login;
    let mut rest = client;
    while !rest.is_empty() && matches!(at, At::Login | At::Handshake) {
        let (piece, behind) = rest.split_at(cut.min(rest.len()));
        rest = behind;
        machine.handle_input(piece);
        at = drain(machine.as_mut(), choice, at, &mut trace);
    }
    // All of the input came in clear, so the handshake ends only behind it.
    if at == At::Handshake {
        machine.handle_tls_established();
        at = drain(machine.as_mut(), choice, At::Login, &mut trace);
    }
    if at == At::Relay {
        let mut residue = machine.into_residue().to_vec();
        residue.extend_from_slice(rest);
        assert!(client.ends_with(&residue), "the residue is not what the client sent last");
        trace.residue = Some(residue);
    }
    assert_replies(&trace.replies);
    trace
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Login,
    Handshake,
    Relay,
    End,
}

fn drain(machine: &mut SmtpDownstream, choice: u8, mut at: At, trace: &mut Trace) -> At {
    while let Some(output) = machine.poll_output() {
        assert_ne!(at, At::End, "an output after the close");
        let event = match output {
            Output::Transmit(octets) => {
                trace.replies.extend_from_slice(&octets);
                continue;
            }
            Output::Event(event) => event,
        };
        match event {
            DownstreamEvent::StartTls => {
                trace.events.push("starttls".into());
                at = At::Handshake;
            }
            DownstreamEvent::Close => {
                trace.events.push("close".into());
                at = At::End;
            }
            DownstreamEvent::Login(credentials) => {
                assert_ne!(tls(choice), LocalTls::Offer { login_in_clear: false });
                let password = credentials.password.expose().escape_ascii();
                let (login, method) = (credentials.login.escape_ascii(), credentials.method);
                trace.events.push(format!("{login} {password} {method:?}"));
                at = conclude(machine, choice);
            }
        }
    }
    at
}

fn conclude(machine: &mut SmtpDownstream, choice: u8) -> At {
    if choice & 8 == 0 {
        machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "wrong")));
        return At::Login;
    }
    machine.conclude(Ok(Welcome { capabilities: vec!["SIZE 1000".into()] }));
    At::Relay
}

/// Everything that we say is whole replies of short printable lines, each line of one with its code
/// (RFC 5321 section 4.2.1).
fn assert_replies(replies: &[u8]) {
    let mut open = None;
    for line in replies.split_inclusive(|&octet| octet == b'\n') {
        let shown = line.escape_ascii();
        let content = line.strip_suffix(b"\r\n").unwrap_or(b"\n");
        let printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
        assert!(content.iter().all(printable) && line.len() <= 512, "no line: {shown}");
        let reply = reply_line(content);
        assert!(reply.is_some(), "no reply: {shown}");
        let (code, last) = reply.map_or((0, true), |reply| (reply.code, reply.last));
        assert!(open.is_none_or(|open| open == code), "another code: {shown}");
        open = (!last).then_some(code);
    }
    assert_eq!(open, None, "a reply without its last line");
}

fn tls(choice: u8) -> LocalTls {
    match choice & 3 {
        0 => LocalTls::Unavailable,
        1 => LocalTls::Established,
        2 => LocalTls::Offer { login_in_clear: false },
        _ => LocalTls::Offer { login_in_clear: true },
    }
}

/// Bounds that the fuzzer can reach.
fn bounds(choice: u8) -> LoginBounds {
    if choice & 4 == 0 {
        return LoginBounds::default();
    }
    LoginBounds { line: 64, literal: 16, total: 256, faults: 3 }
}

fn options(choice: u8) -> SmtpOptions {
    let keywords: &[&str] = if choice & 16 == 0 { &[] } else { &["SIZE 1000", "PIPELINING"] };
    SmtpOptions {
        name: "localhost".into(),
        promise: Extensions::from_keywords(keywords),
        obsolete_auth_line: choice & 32 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "EHLO a\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
            "HELO a\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nQUIT\r\n",
            "AUTH LOGIN YQ==\r\n*\r\nAUTH PLAIN\r\nAGEAYg==\r\nAUTH PLAIN =\r\n",
            "MAIL FROM:<a@b>\r\nBDAT 12 LAST\r\nAUTH LOGIN\r\nNOOP\r\nBDAT 999\r\nxxx",
            "EHLO a\r\nSTARTTLS\r\nEHLO b\r\nAUTH PLAIN AGEAYg==\r\n",
            "STARTTLS\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "\u{0}\u{1}EHLO a\r\nX\r\nNOOP 3456789012345678901234567890123456789012345678901234567890\r\n",
            "garbage\r\nmore\r\nEHLO a\r\n",
            "\u{16}\u{3}\u{1}",
            "",
        ] {
            for choice in 0..64 {
                fuzz_downstream(&[&[choice], client.as_bytes()].concat());
            }
        }
    }
}
