//! What must hold for the downstream machine whatever a client sends. Runs over seeds in the tests,
//! and over everything else in the fuzzer.

use super::Pop3Downstream;
use crate::proto::{
    Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, RefusalReason,
    Welcome,
};

/// Drives the machine with `data`: the first octet chooses TLS, bounds and verdict, the rest is the
/// client's.
///
/// # Panics
/// If cutting the input elsewhere changes what the machine does, if a reply is no line of printable
/// ASCII, if anything comes after the close, if a login is taken in clear where TLS is demanded, or if
/// bytes behind a login get lost.
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
    let mut machine = Box::new(Pop3Downstream::new(tls(choice), bounds(choice)));
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
    assert_lines(&trace.replies);
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

fn drain(machine: &mut Pop3Downstream, choice: u8, mut at: At, trace: &mut Trace) -> At {
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

fn conclude(machine: &mut Pop3Downstream, choice: u8) -> At {
    if choice & 8 == 0 {
        machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "wrong")));
        return At::Login;
    }
    machine.conclude(Ok(Welcome { capabilities: vec!["TOP".into()] }));
    At::Relay
}

/// Everything that we say is lines of printable ASCII, and short ones: nothing of the client's comes
/// back.
fn assert_lines(replies: &[u8]) {
    for line in replies.split_inclusive(|&octet| octet == b'\n') {
        let content = line.strip_suffix(b"\r\n");
        let printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
        let good = content.is_some_and(|content| content.iter().all(printable));
        assert!(good, "no line: {}", line.escape_ascii());
        assert!(line.len() <= 512, "longer than RFC 2449 section 4 allows");
    }
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
    LoginBounds { line: 64, total: 256, faults: 3, ..LoginBounds::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "CAPA\r\nUSER a\r\nPASS b\r\nSTAT\r\nUSER c\r\nPASS  d \r\n",
            "AUTH PLAIN\r\nAGEAYg==\r\nNOOP\r\n",
            "AUTH LOGIN YQ==\r\n*\r\nauth\r\nQUIT\r\nNOOP\r\n",
            "USER a\r\nSTLS\r\nPASS b\r\n",
            "STLS\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "PASS\r\nX\r\nNOOP x\r\nAUTH X\r\nAPOP a b\r\n",
            "USER \u{0}\u{ff}\nPASS \u{0}\r\r\n",
            "\r\n\u{16}\u{3}",
            "",
        ] {
            for choice in 0..16 {
                fuzz_downstream(&[&[choice], client.as_bytes()].concat());
            }
        }
    }
}
