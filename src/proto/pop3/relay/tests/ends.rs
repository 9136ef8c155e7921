//! What ends a session, and what is said then.

use super::*;
use crate::proto::{Refusal, RefusalReason};

#[test]
fn a_server_that_goes_says_so_unasked() {
    check("S: -ERR idle for \\\nS: too long\n<- -ERR idle for too long");
    check(&format!("C: QUIT\n-> QUIT\nS: +OK\n<- +OK\nS: -ERR\n{MORE}"));
}

/// The client reads the goodbye as the answer to its next command, and each answer behind it as the
/// one to the command after that: it would delete a message that it never had.
#[test]
fn nothing_passes_behind_a_goodbye() {
    for said in ["+OK", "-ERR", "x"] {
        check(&format!("S: -ERR idle\n<- -ERR idle\nS: {said}\n{MORE}"));
        check(&format!(
            "S: -ERR idle\n<- -ERR idle\nC: RETR 1\\r\\nDELE 1\n-> RETR 1\n-> DELE 1\nS: {said}\n{MORE}"
        ));
    }
    let mut wire = Wire::new(relay());
    wire.send(Side::Upstream, b"-ERR idle\r\n");
    wire.send(Side::Downstream, b"NOOP\r\n");
    let refusal = Refusal::new(RefusalReason::ShuttingDown, "the gateway stops");
    assert_eq!((wire.relay.farewell(&refusal), wire.relay.upstream_lost()), (None, None));
}

const MORE: &str = "end: Upstream: it says more after its last word";

#[test]
fn replies_that_cannot_be_told_apart_end_it() {
    for said in ["+OK", "hello", "", "+", "-ERRX"] {
        check(&format!("S: {said}\nend: Upstream: it replies to no command"));
    }
    for said in ["OK", "+ ", "+", "", "+OKAY", "* OK"] {
        check(&format!("C: NOOP\n-> NOOP\nS: {said}\nend: Upstream: a reply without +OK or -ERR"));
    }
    for command in ["NOOP", "CAPA"] {
        let mut wire = Wire::new(relay());
        wire.send(Side::Downstream, format!("{command}\r\n").as_bytes());
        wire.send(Side::Upstream, b"+OK\r\n".get(..if command == "CAPA" { 5 } else { 0 }).unwrap());
        wire.send(Side::Upstream, &[b'x'; 8191]);
        assert_eq!(wire.ended, None);
        wire.send(Side::Upstream, b"x");
        let fault = wire.ended.map(|fault| (fault.side, fault.what));
        assert_eq!(fault, Some((Side::Upstream, "a line of a reply that does not end")));
    }
}

/// The states of one session: what was sent by whom, whether a line of ours may stand behind it, and
/// whether the client waits for one if the upstream ends there.
#[test]
fn last_words() {
    let refusal = Refusal::new(RefusalReason::ShuttingDown, "the gateway\r\nstops");
    let mut wire = Wire::new(relay());
    for (from, said, between, unanswered) in [
        (Side::Downstream, "", true, false),
        (Side::Downstream, "STAT\r\nRETR 1\r\nCAPA\r\nLIST 1\r\nPASS x\r\nRETR 2\r\n", true, true),
        (Side::Upstream, "+O", true, true),
        (Side::Upstream, "K 1 9\r\n", true, true),
        (Side::Upstream, "+OK\r\n", false, false),
        (Side::Upstream, "x\r\n.\r", false, false),
        (Side::Upstream, "\n", true, true),
        (Side::Upstream, "+OK\r\nTO", false, false),
        (Side::Upstream, "P\r\n", false, false),
        (Side::Upstream, ".\r\n", true, true),
        (Side::Upstream, "+OK 1 9\r\n", true, true),
        (Side::Upstream, "-ERR\r\n", true, false),
        (Side::Downstream, "PA", true, false),
        (Side::Downstream, "SS x\r\nQUIT\r\n", true, true),
        (Side::Upstream, "+OK\r\n", false, false),
    ] {
        wire.send(from, said.as_bytes());
        let farewell = wire.relay.farewell(&refusal);
        assert_eq!(farewell.is_some(), between, "a farewell behind {said:?}");
        let word = b"-ERR [SYS/TEMP] the gateway??stops (service unavailable)\r\n".as_slice();
        assert!(farewell.is_none_or(|farewell| farewell == word));
        let lost = wire.relay.upstream_lost();
        assert_eq!(lost.is_some(), unanswered, "an answer behind {said:?}");
        assert!(lost.is_none_or(|lost| lost.starts_with(b"-ERR [SYS/TEMP] ")));
    }
}

#[test]
fn who_waits_for_whom() {
    for (client, waits) in [
        ("", false),
        ("NOO", false),
        ("NOOP\r\nNOOP", false),
        ("NOOP\n", true),
        ("NOOP\nNOO", true),
        ("QUIT\n", false),
        ("QUIT\r\n", false),
        ("PASS x\n", false),
    ] {
        let mut wire = Wire::new(relay());
        wire.send(Side::Downstream, client.as_bytes());
        assert_eq!(wire.relay.awaits_upstream(), waits, "{client:?}");
    }
    let mut wire = Wire::new(relay().pace(&[]));
    wire.send(Side::Downstream, b"NOOP\r\n");
    assert!(wire.relay.awaits_upstream());
    wire.send(Side::Upstream, b"+OK\r\n");
    assert!(!wire.relay.awaits_upstream());
}
