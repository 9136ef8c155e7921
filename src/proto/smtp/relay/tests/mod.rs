//! The relay between two peers. In a script, `C:` and `S:` are what the peers send, a line each;
//! `->` is what then reaches the upstream, `<-` what reaches the client, and `log:` what the log is
//! told. `\n`, `\r` and `\0` stand for themselves, a `\` at the end for a line without CRLF.

mod guard;
mod lost;
mod message;
mod model;
mod passing;
mod properties;

use super::{
    SmtpRelay,
    fuzz_logic::{EVERYTHING, NOTHING, Wire, fuzz_relay},
};
use crate::proto::{Counts, Delivery, Relay, Side};

fn relay() -> SmtpRelay {
    SmtpRelay::new(EVERYTHING, &[])
}

/// Runs the peers' lines of `script` and compares everything; and again with each piece cut at every
/// octet, which must change nothing but the pieces.
fn check(script: &str) -> Counts {
    check_with(relay, script)
}

fn check_with(relay: impl Fn() -> SmtpRelay, script: &str) -> Counts {
    let script = script.trim();
    let mut wire = Wire::new(relay());
    let mut log = Vec::new();
    for (line, from, said) in sent(script) {
        log.push(line.trim_end().to_owned());
        let (before, told) = (wire.passed.len(), wire.deliveries.len());
        wire.send(from, &said);
        log.extend(arrivals(wire.passed.get(before..).unwrap_or_default()));
        log.extend(wire.deliveries.iter().skip(told).map(shown_delivery));
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

fn chop(relay: &impl Fn() -> SmtpRelay, script: &str, whole: &Wire) {
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

/// The peers' lines, and what they stand for.
fn sent(script: &str) -> impl Iterator<Item = (&str, Side, Vec<u8>)> {
    script.lines().filter_map(|line| {
        let side = match line.get(..2)? {
            "C:" => Side::Downstream,
            "S:" => Side::Upstream,
            _ => return None,
        };
        let said = line.get(3..).unwrap_or_default();
        let said = match said.strip_suffix('\\') {
            Some(open) => open.to_owned(),
            None => said.to_owned() + "\r\n",
        };
        let said = said.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
        Some((line, side, said.into_bytes()))
    })
}

/// One line for what reached one side in one go and ends in CRLF.
fn arrivals(passed: &[(Side, Vec<u8>)]) -> Vec<String> {
    let mut runs: Vec<(Side, Vec<u8>)> = Vec::new();
    for (to, octets) in passed {
        match runs.last_mut() {
            Some((last, run)) if last == to => run.extend_from_slice(octets),
            Some(_) | None => runs.push((*to, octets.clone())),
        }
    }
    let mut lines = Vec::new();
    for (to, run) in runs {
        let arrow = if to == Side::Upstream { "->" } else { "<-" };
        let mut rest = run.as_slice();
        while !rest.is_empty() {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2);
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            lines.push(format!("{arrow} {}", shown(line)).trim_end().to_owned());
            rest = behind;
        }
    }
    lines
}

fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line).into_owned();
    let line = match line.strip_suffix("\r\n") {
        Some(line) => line.to_owned(),
        None => line + "\\",
    };
    line.replace('\r', "\\r").replace('\n', "\\n").replace('\0', "\\0")
}

fn shown_delivery(delivery: &Delivery) -> String {
    let Delivery { sender, recipients, accepted, refused, octets, code, queue_id, words } =
        delivery;
    let recipients = recipients.join(" ");
    let mut shown = format!(
        "log: {code} from <{sender}> to <{recipients}>, accepted {accepted}, refused {refused}, octets {octets}"
    );
    shown += &queue_id.as_ref().map_or_else(String::new, |id| format!(", id {id}"));
    if !words.is_empty() {
        shown += &format!(", words {words}");
    }
    shown
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let client = |text: &str| [&[text.len() as u8 - 1], text.as_bytes()].concat();
    let server = |text: &str| [&[(text.len() - 1) as u8 | 0x80], text.as_bytes()].concat();
    for seed in [
        vec![],
        vec![client("NOOP\r\nAUTH PLAIN\r\nAGEAYg==\r\nNOOP\r\n"), server("250 ok\r\n250 ok\r\n")],
        vec![
            client(
                "MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nDATA\r\na\r\n..\r\n.\r\nQUIT\r\n",
            ),
            server("250 ok\r\n250 ok\r\n354 go\r\n250 queued as X\r\n"),
        ],
        vec![client("BDAT 3\r\nabcBDAT 0 LAST\r\n"), server("250 a\r\n250 b\r\n421 c\r\n")],
        vec![client("BDAT x\r\nAUTH PLAIN\r\n"), server("250 a\r\n")],
        vec![
            client("EHLO a\r\nSTARTTLS\r\n"),
            server("250-a\r\n250-SIZE\r\n250 AUTH\r\n"),
            client("\u{16}\u{3}\u{1}\0\n\r\n"),
        ],
        vec![client("DATA\nDATA\rx\r\n\0\r\n"), server("500 a\r\n")],
        vec![
            server("421-a\r\n"),
            client("DATA\r\n"),
            server("421 b\r\n354 c\r\n"),
            client(".\r\n"),
        ],
        vec![client("FOO\r\n"), server("334 \r\n")],
        vec![client("NOOP\r\n"), server("250-a\r\n251 b\r\n")],
    ] {
        fuzz_relay(&seed.concat());
    }
}
