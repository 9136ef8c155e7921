//! The relay in conversations, written as `proto::conversation::relay` reads them; `log:` is what the log is
//! told.

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
use crate::proto::{
    Counts, Delivery, Relay, Side,
    conversation::relay::{arrivals, sent},
};

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
