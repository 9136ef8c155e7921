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
/// If cutting a line changes what the machine does, if having several answers at once makes it do more
/// than to end sooner, if it does anything after its last word, if it sends more than it may before a
/// login, or more than a line at a time, or if bytes get lost behind a login.
pub fn fuzz_upstream(data: &[u8]) {
    let Some((&choice, server)) = data.split_first() else { return };
    let by_line = run(choice, server, usize::MAX, Split::Lines);
    for cut in [1, 2, 7] {
        assert_eq!(run(choice, server, cut, Split::Lines), by_line, "cut every {cut} octets");
    }
    // An answer that comes together with the one before it comes before it was asked for.
    let whole = run(choice, server, usize::MAX, Split::Nowhere);
    let Some((_, before)) = whole.acts.split_last() else { return assert_eq!(whole, by_line) };
    let sooner = whole.at == At::End && by_line.acts.starts_with(before);
    assert!(whole == by_line || sooner, "{whole:?} and not {by_line:?}");
}

/// Where the server's octets are cut beside the chosen length.
#[derive(Clone, Copy)]
enum Split {
    /// At each line's end, so that no answer comes before it was asked for.
    Lines,
    /// Not at all.
    Nowhere,
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

fn run(choice: u8, server: &[u8], cut: usize, split: Split) -> Trace {
    let mut machine = Box::new(Pop3Upstream::new(options(choice)));
    let mut trace = Trace::default();
    let mut parts = server.splitn(2, |&octet| octet == 0x16);
    feed(machine.as_mut(), choice, &mut trace, pieces(parts.next(), cut, split));
    if trace.at == At::Handshake {
        machine.handle_tls_established();
        trace.at = At::Connection;
        drain(machine.as_mut(), choice, &mut trace);
    }
    feed(machine.as_mut(), choice, &mut trace, pieces(parts.next(), cut, split));
    if trace.at == At::Relay {
        let residue = machine.into_residue().to_vec();
        assert!(server.ends_with(&residue) || server.contains(&0x16));
        trace.residue = Some(residue);
    }
    trace
}

fn pieces(octets: Option<&[u8]>, cut: usize, split: Split) -> impl Iterator<Item = &[u8]> {
    let octets = octets.unwrap_or_default();
    let ends = move |octet: &u8| matches!(split, Split::Lines) && *octet == b'\n';
    octets.split_inclusive(ends).flat_map(move |line| line.chunks(cut))
}

fn feed<'a>(
    machine: &mut Pop3Upstream,
    choice: u8,
    trace: &mut Trace,
    pieces: impl Iterator<Item = &'a [u8]>,
) {
    for piece in pieces {
        machine.handle_input(piece);
        drain(machine, choice, trace);
    }
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
