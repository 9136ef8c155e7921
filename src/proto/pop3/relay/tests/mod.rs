//! The relay in conversations, written as `proto::conversation::relay` reads them.

mod ends;
mod guard;
mod passing;
mod properties;
mod server;

use super::{
    Pop3Relay,
    fuzz_logic::{Wire, fuzz_relay},
};
use crate::proto::{
    Counts, Relay, Side,
    conversation::relay::{arrivals, sent},
};

fn relay() -> Pop3Relay {
    Pop3Relay::new(&[])
}

/// Runs the peers' lines of `script` and compares everything; and again with each piece cut at every
/// octet, which must change nothing but the pieces.
fn check(script: &str) -> Counts {
    check_with(relay, script)
}

fn check_with(relay: impl Fn() -> Pop3Relay, script: &str) -> Counts {
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

fn chop(relay: &impl Fn() -> Pop3Relay, script: &str, whole: &Wire) {
    let longest = sent(script).map(|(_, _, said)| said.len()).max().unwrap_or_default();
    let cuts = (1..longest.min(200)).map(|at| (at, usize::MAX));
    for (at, rest) in cuts.chain([(1, 1), (2, 3)]) {
        let mut wire = Wire::new(relay());
        for (_, from, said) in sent(script) {
            let (first, second) = said.split_at(at.min(said.len()));
            wire.send(from, first);
            second.chunks(rest).for_each(|piece| wire.send(from, piece));
        }
        assert_eq!(wire.ended, whole.ended);
        assert_eq!(wire.relay.counts(), whole.relay.counts());
        for side in [Side::Downstream, Side::Upstream] {
            assert_eq!(
                wire.reached(side).escape_ascii().to_string(),
                whole.reached(side).escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let client = |text: &str| [&[text.len() as u8 - 1], text.as_bytes()].concat();
    let server = |text: &str| [&[(text.len() - 1) as u8 | 0x80], text.as_bytes()].concat();
    for seed in [
        vec![],
        vec![
            client("STAT\r\nRETR 1\r\nPASS x\r\nNOOP\r\n"),
            server("+OK 1 2\r\n+OK\r\na\r\n.\r\n"),
        ],
        vec![client("CAPA\r\nAUTH PLAIN\r\nAGEAYg==\r\n"), server("+OK\r\nTOP\r\nSTLS\r\n.\r\n")],
        vec![
            client("LIST\nPASS x\r\nQUIT\r\n"),
            server("+OK\n.\r\n+OK bye\r\n"),
            client("STAT\r\n"),
        ],
        vec![server("-ERR going\r\n"), client("NOOP\r\n"), server("+OK\r\n-ERR again\r\n")],
        vec![client("RETR 1\r\n"), server("+OK\r\n\r\n."), client("XTND XMIT\r\n"), server("\r\n")],
        vec![
            client("LIST 1\r\nLIST\r\nUIDL\r\nLANG\r\n"),
            server("-ERR\r\n-ERR\r\n+OK\r\n.\r\n+\r\n"),
        ],
        vec![client("NOOP\rPASS x\r\n\0\r\n\r\n"), server("hello\r\n")],
    ] {
        fuzz_relay(&seed.concat());
    }
    let long = [[vec![0x7f], vec![b'A'; 128]].concat().repeat(9), client("\r\nNOOP\r\n")].concat();
    fuzz_relay(&long);
    let endless = [client("NOOP\r\n"), [vec![0xff], vec![b'+'; 128]].concat().repeat(65)].concat();
    fuzz_relay(&endless);
}
