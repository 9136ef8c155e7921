//! What must hold for the upstream machine whatever a server sends. Runs over seeds in the tests, and
//! over everything else in the fuzzer.

use super::ImapUpstream;
use crate::{
    proto::{
        BearerMechanism, Machine, Output, Upstream, UpstreamCredential, UpstreamEvent,
        UpstreamOptions,
    },
    secret::Secret,
};

/// Drives the machine with `data`: the first octet chooses options and credential, the rest is
/// the server's.
///
/// # Panics
/// If cutting the input elsewhere changes what the machine does, if it does anything after its last
/// word, if it sends a credential in clear or without being asked, or if bytes get lost behind a login.
pub fn fuzz_upstream(data: &[u8]) {
    let Some((&choice, server)) = data.split_first() else { return };
    let whole = run(choice, server, server.len().max(1));
    for cut in [1, 2, 7] {
        assert_eq!(run(choice, server, cut), whole, "cut every {cut} octets");
    }
}

/// What the machine did, and what it left for the relay.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    acts: Vec<String>,
    residue: Option<Vec<u8>>,
}

fn run(choice: u8, server: &[u8], cut: usize) -> Trace {
    let mut machine = Box::new(ImapUpstream::new(options(choice)));
    let (mut acts, mut authenticated, mut finished) = (Vec::new(), false, false);
    let mut asked = false;
    for piece in server.chunks(cut) {
        machine.handle_input(piece);
        while let Some(output) = machine.poll_output() {
            assert!(!finished, "an output after the last word");
            acts.push(format!("{output:?}"));
            match output {
                // The server's bytes behind the go-ahead count as sent in clear only by chance of
                // the cutting, so here the handshake ends at once or never.
                Output::Event(UpstreamEvent::StartTls) => return Trace { acts, residue: None },
                Output::Event(UpstreamEvent::Ready) => {
                    asked = true;
                    machine.authenticate("user@example.test", credential(choice));
                }
                Output::Event(UpstreamEvent::Authenticated(_)) => {
                    (authenticated, finished) = (true, true);
                }
                Output::Event(UpstreamEvent::Reject(_)) => finished = true,
                Output::Transmit(line) => {
                    assert!(line.ends_with(b"\r\n"));
                    let harmless =
                        line.ends_with(b" CAPABILITY\r\n") || line.ends_with(b" STARTTLS\r\n");
                    assert!(asked || harmless, "a login in clear, or before it was asked for");
                }
            }
        }
    }
    let residue = authenticated.then(|| machine.into_residue().to_vec());
    assert!(residue.as_ref().is_none_or(|residue| server.ends_with(residue)));
    Trace { acts, residue }
}

fn options(choice: u8) -> UpstreamOptions {
    let mechanism = match choice >> 1 & 3 {
        1 => Some(BearerMechanism::XOAuth2),
        2 => Some(BearerMechanism::OAuthBearer),
        _ => None,
    };
    UpstreamOptions {
        starttls: choice & 1 == 1,
        mechanism,
        host: "h".to_owned(),
        port: 993,
        client_name: String::new(),
    }
}

fn credential(choice: u8) -> UpstreamCredential {
    match choice & 8 {
        0 => UpstreamCredential::Bearer(Secret::new("token")),
        _ => UpstreamCredential::Password(Secret::new("pass w\u{f6}rd")),
    }
}
