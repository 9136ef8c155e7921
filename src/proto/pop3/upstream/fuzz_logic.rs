//! What must hold for the upstream machine whatever a server sends. Runs over seeds in the tests, and
//! over everything else in the fuzzer.

use super::Pop3Upstream;
use crate::{
    proto::{
        BearerMechanism, Machine, Output, Upstream, UpstreamCredential, UpstreamEvent,
        UpstreamOptions,
    },
    secret::Secret,
};

/// Drives the machine with `data`: the first octet chooses options and credential, the rest is the
/// server's. What stands before the first octet 0x16, a TLS record's, comes before the handshake.
///
/// # Panics
/// If cutting the input elsewhere changes what the machine does, if it does anything after its last
/// word, if it sends more than it may before a login, or more than a line at a time, or if bytes get
/// lost behind a login.
pub fn fuzz_upstream(data: &[u8]) {
    let Some((&choice, server)) = data.split_first() else { return };
    let whole = run(choice, server, server.len().max(1));
    for cut in [1, 2, 7] {
        assert_eq!(run(choice, server, cut), whole, "cut every {cut} octets");
    }
}

/// What the machine did, and what it left for the relay.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    acts: Vec<String>,
    residue: Option<Vec<u8>>,
    at: At,
}

/// How far a login has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Connection,
    Handshake,
    Login,
    Relay,
    End,
}

fn run(choice: u8, server: &[u8], cut: usize) -> Trace {
    let mut machine = Box::new(Pop3Upstream::new(options(choice)));
    let mut trace = Trace::default();
    let mut parts = server.splitn(2, |&octet| octet == 0x16);
    for piece in parts.next().unwrap_or_default().chunks(cut) {
        machine.handle_input(piece);
        drain(machine.as_mut(), choice, &mut trace);
    }
    if trace.at == At::Handshake {
        machine.handle_tls_established();
        trace.at = At::Connection;
        drain(machine.as_mut(), choice, &mut trace);
    }
    for piece in parts.next().unwrap_or_default().chunks(cut) {
        machine.handle_input(piece);
        drain(machine.as_mut(), choice, &mut trace);
    }
    if trace.at == At::Relay {
        let residue = machine.into_residue().to_vec();
        assert!(server.ends_with(&residue) || server.contains(&0x16));
        trace.residue = Some(residue);
    }
    trace
}

fn drain(machine: &mut Pop3Upstream, choice: u8, trace: &mut Trace) {
    while let Some(output) = machine.poll_output() {
        assert!(!matches!(trace.at, At::Relay | At::End), "an output after the last word");
        trace.acts.push(format!("{output:?}"));
        trace.at = match output {
            Output::Event(UpstreamEvent::StartTls) => At::Handshake,
            Output::Event(UpstreamEvent::Ready) => {
                machine.authenticate("user@example.test", credential(choice));
                At::Login
            }
            Output::Event(UpstreamEvent::Authenticated(_)) => At::Relay,
            Output::Event(UpstreamEvent::Reject(_)) => At::End,
            Output::Transmit(line) => {
                let told = line.strip_suffix(b"\r\n").unwrap_or_default();
                assert!(!told.iter().any(|octet| b"\r\n\0".contains(octet)), "not one line");
                let harmless = told == b"CAPA" || told == b"STLS";
                assert!(trace.at == At::Login || harmless, "a login before its time");
                trace.at
            }
        };
    }
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
        port: 995,
        client_name: String::new(),
    }
}

fn credential(choice: u8) -> UpstreamCredential {
    match choice & 8 {
        0 => UpstreamCredential::Bearer(Secret::new("token")),
        _ => UpstreamCredential::Password(Secret::new("pass word")),
    }
}
