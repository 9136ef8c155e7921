//! The relay in conversations, written as `proto::conversation::relay` reads them.

mod guard;
mod model;
mod passing;
mod properties;

use super::{
    ImapRelay,
    fuzz_logic::{Wire, fuzz_relay},
};
use crate::proto::{
    Counts, Relay, Side,
    conversation::relay::{arrivals, sent},
    imap::capability::CapabilityFilter,
};

fn relay() -> ImapRelay {
    ImapRelay::new(CapabilityFilter::new(&[]))
}

/// Runs the peers' lines of `script` and compares everything; and again with each piece cut at every
/// octet, which must change nothing but the pieces.
fn check(script: &str) -> Counts {
    check_with(relay, script)
}

fn check_with(relay: impl Fn() -> ImapRelay, script: &str) -> Counts {
    let script = script.trim();
    let mut wire = Wire::new(relay());
    let mut log = Vec::new();
    for (line, from, said) in sent(script) {
        log.push(line.trim_end().to_owned());
        let before = wire.passed.len();
        wire.send(from, &said);
        log.extend(arrivals(wire.passed.get(before..).unwrap_or_default()));
        log.extend(wire.ended.map(|fault| format!("end: {:?}: {}", fault.side, fault.what)));
        if wire.ended.is_some() {
            break;
        }
    }
    let expected: Vec<&str> = script.lines().map(str::trim_end).collect();
    assert_eq!(log.join("\n"), expected.join("\n"));
    chop(&relay, script, &wire);
    wire.relay.counts()
}

fn chop(relay: &impl Fn() -> ImapRelay, script: &str, whole: &Wire) {
    let longest = sent(script).map(|(_, _, said)| said.len()).max().unwrap_or_default();
    let cuts = (1..longest.min(200)).map(|at| (at, usize::MAX));
    for (at, rest) in cuts.chain([(1, 1), (2, 3)]) {
        let mut wire = Wire::new(relay());
        for (_, from, said) in sent(script) {
            let (first, second) = said.split_at(at.min(said.len()));
            wire.send(from, first);
            second.chunks(rest).for_each(|piece| wire.send(from, piece));
        }
        wire.assert_same(whole);
    }
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let client = |text: &str| [&[text.len() as u8 - 1], text.as_bytes()].concat();
    let server = |text: &str| [&[(text.len() - 1) as u8 | 0x80], text.as_bytes()].concat();
    for seed in [
        vec![],
        vec![client("A NOOP\r\nB LOGIN {3+}\r\nabc {3}\r\n"), server("* OK x\r\nA OK\r\n")],
        vec![
            server("* 1 FETCH (X {5}\r\nab"),
            client("A LOGIN x y\r\n"),
            server("cde)\r\n* CAPABILITY AUTH=X\r\n"),
        ],
        vec![
            client("A APPEND x {3}\r\nabc\r\nB IDLE\r\nDONE\r\n"),
            server("+ \r\nA OK\r\n+\r\nB OK\r\n"),
        ],
        vec![client("A NOOP\n\"B\n\r"), server("+\r\n\r\n*\r\n"), client("\n")],
        vec![client("A NOOP \"x {3+}\r\nabc\r\n"), server("A OK [CAPABILITY")],
        vec![client("A NOOP x}\r\nB NOOP\r\nC LOGIN a b\r\n"), server("A NO x\r\n\n")],
    ] {
        fuzz_relay(&seed.concat());
    }
}
