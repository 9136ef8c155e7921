//! What the client hears when the connection ends before its time.

use super::*;
use crate::proto::{Refusal, RefusalReason};

const CLOSED: &str = "421 4.4.2 The mail server closed the connection\r\n";
const BYE: &str = "221 2.0.0 The mail server closed the connection\r\n";
const NOT_CONFIRMED: &str =
    "421 4.4.2 The mail server closed the connection; the message was not confirmed\r\n";

/// What is said once these have been sent, when the upstream is gone.
fn lost(talk: &[(Side, &str)]) -> Option<String> {
    let mut wire = Wire::new(relay());
    talk.iter().for_each(|(from, said)| wire.send(*from, said.as_bytes()));
    let word = wire.relay.upstream_lost();
    assert_eq!(wire.relay.upstream_lost(), None, "it is said once");
    word.map(|word| String::from_utf8(word.to_vec()).unwrap())
}

const C: Side = Side::Downstream;
const S: Side = Side::Upstream;

#[test]
fn an_upstream_that_is_gone_owes_an_answer() {
    for (talk, word) in [
        (&[][..], None),
        (&[(C, "NO")], None),
        (&[(C, "NOOP\r\n")], Some(CLOSED)),
        (&[(C, "NOOP\r\n"), (S, "250 ok\r\n")], None),
        (&[(C, "NOOP\r\n"), (S, "250-a\r\n")], None),
        (&[(C, "NOOP\r\nNOOP\r\n"), (S, "250 ok\r\n")], Some(CLOSED)),
        (&[(C, "DATA\r\n")], Some(CLOSED)),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n")], Some(NOT_CONFIRMED)),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n"), (C, "a\r\n.\r\n")], Some(NOT_CONFIRMED)),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n"), (C, ".\r\n"), (S, "250 ok\r\n")], None),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n452 full\r\n"), (C, "a")], None),
        (&[(C, "BDAT 5\r\nab")], Some(NOT_CONFIRMED)),
        (&[(C, "BDAT 2 LAST\r\nab")], Some(NOT_CONFIRMED)),
        (&[(C, "QUIT\r\n")], Some(BYE)),
        (&[(C, "NOOP\r\nQUIT\r\n"), (S, "250 ok\r\n")], Some(BYE)),
        (&[(C, "NOOP\r\nQUIT\r\n")], Some(CLOSED)),
        (&[(C, "QUIT\r\n"), (S, "221-\r\n")], None),
        (&[(C, "NOOP\r\nNOOP\r\n"), (S, "421 going\r\n")], None),
        (&[(S, "421 going\r\n")], None),
    ] {
        assert_eq!(lost(talk).as_deref(), word, "{talk:?}");
    }
    let mut wire = Wire::new(SmtpRelay::new(NOTHING, &[]));
    wire.send(C, b"BDAT 5\r\nab");
    assert_eq!(wire.relay.upstream_lost().as_deref(), Some(CLOSED.as_bytes()));
}

#[test]
fn a_last_word_stands_between_replies() {
    let refusal = Refusal::new(RefusalReason::ShuttingDown, "the gateway\r\nstops");
    let word = "421 4.3.2 the gateway??stops\r\n";
    for (talk, may) in [
        (&[][..], true),
        (&[(C, "NOOP\r\n")], true),
        (&[(C, "NOOP\r\n"), (S, "250-a\r\n")], false),
        (&[(C, "NOOP\r\n"), (S, "250-a\r\n250 b\r\n")], true),
        (&[(C, "EHLO a\r\n"), (S, "250-a\r\n")], true),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n"), (C, "a")], true),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n"), (C, "a"), (S, "452-f\r\n")], false),
        (&[(S, "421 going\r\n")], false),
        (&[(C, "NOOP\r\nNOOP\r\n"), (S, "421 not now\r\n250 but now\r\n")], true),
    ] {
        let mut wire = Wire::new(relay());
        talk.iter().for_each(|(from, said)| wire.send(*from, said.as_bytes()));
        let said = wire.relay.farewell(&refusal);
        assert_eq!(said.as_deref(), may.then_some(word.as_bytes()), "{talk:?}");
        assert_eq!(wire.relay.farewell(&refusal), None, "it is said once");
    }
}

#[test]
fn what_is_held_and_who_can_free_it() {
    for (talk, awaits) in [
        (&[][..], false),
        (&[(C, "NOOP")], false),
        (&[(C, "NOOP\r\nNO")], false),
        (&[(C, "EHLO a\r\nNO")], true),
        (&[(C, "EHLO a\r\nNO"), (S, "250-a\r\n")], true),
        (&[(C, "EHLO a\r\nNO"), (S, "250 PIPELINING\r\n")], false),
        (&[(C, "DATA\r\na")], true),
        (&[(C, "DATA\r\n"), (S, "354 go\r\n"), (C, "a")], false),
        (&[(C, "BDAT 5\r\na")], false),
        (&[(C, "NOOP\r\nAUTH PLAIN\r\nAGE")], true),
        (&[(C, "AUTH PLAIN\r\nAGE")], false),
        (&[(C, "a\nb")], false),
    ] {
        let mut wire = Wire::new(relay());
        talk.iter().for_each(|(from, said)| wire.send(*from, said.as_bytes()));
        assert_eq!(wire.relay.awaits_upstream(), awaits, "{talk:?}");
    }
}
