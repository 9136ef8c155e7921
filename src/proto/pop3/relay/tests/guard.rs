//! What is kept from the upstream, and that nothing slips past.

use super::*;

const LOGIN: &str = "-ERR refused: you are logged in already (RFC 1939 section 7)";
const AUTH: &str = "-ERR refused: you are logged in already (RFC 5034 section 4)";
const STLS: &str = "-ERR refused: it must come before the login (RFC 2595 section 4)";
const UNKNOWN: &str = "-ERR unknown command";
const MALFORMED: &str = "-ERR refused: a command is printable ASCII (RFC 1939 section 3)";
const TOO_LONG: &str = "-ERR refused: the line is too long (RFC 2449 section 4)\r\n";

#[test]
fn commands_that_are_kept() {
    let counts = check(&format!(
        "
C: USER alice
<- {LOGIN}
C: pass my secret
<- {LOGIN}
C: APOP alice c4c9334bac560ecc979e58001b3e22fb
<- {LOGIN}
C: aUtH
<- {AUTH}
C: STLS
<- {STLS}
C: NOOP
-> NOOP
C: STLS now
S: +OK
<- +OK
<- {STLS}
"
    ));
    assert_eq!(counts, Counts { commands: 7, guarded: 6, ..Counts::default() });
}

/// Each line gets its answer, as from a server: the client counts replies.
#[test]
fn what_follows_a_kept_auth_without_waiting() {
    check(&format!("C: AUTH PLAIN\\r\\nAGFsaWNlAHNlY3JldA==\n<- {AUTH}\n<- {UNKNOWN}"));
    check(&format!(
        "C: AUTH LOGIN\n<- {AUTH}\nC: YWxpY2U=\n<- {UNKNOWN}\nC: c2VjcmV0\n<- {UNKNOWN}"
    ));
    check(&format!("C: AUTH PLAIN\n<- {AUTH}\nC: *\n<- {UNKNOWN}\nC: NOOP\n-> NOOP"));
    check(&format!("C: AUTH PLAIN =\n<- {AUTH}\nC: \\0alice\\0secret\n<- {MALFORMED}"));
    let long = "A".repeat(1500);
    check(&format!(
        "C: AUTH XOAUTH2\n<- {AUTH}\nC: {long}\n<- {}\nC: STAT\n-> STAT",
        TOO_LONG.trim()
    ));
}

/// They have payloads, or replies of a shape that we do not know.
#[test]
fn commands_that_are_not_known() {
    for line in ["XTND XMIT", "XSENDER 1", "RPOP alice", "RETRX 1", " STAT", "+OK", ""] {
        check(&format!("C: {line}\n<- {UNKNOWN}"));
    }
}

#[test]
fn lines_that_servers_may_divide() {
    for line in ["NOOP\\rPASS secret", "NOOP\\r", "NOOP\\0", "\\rPASS secret", "PASS \\0"] {
        check(&format!("C: {line}\n<- {MALFORMED}\nC: NOOP\n-> NOOP"));
    }
    // Whether such an octet is a blank, and so whether a list follows, servers do not agree on.
    for line in ["LIST \u{b}", "UIDL \t", "LANG \u{a0}", "STAT\t", "QUIT \t", "NOOP \u{1a}PASS x"] {
        check(&format!("C: {line}\n<- {MALFORMED}\nC: NOOP\n-> NOOP"));
    }
    check(&format!(
        "C: \\0\\nPASS secret\\n\\n\\\n<- {MALFORMED}\n<- {LOGIN}\n<- {UNKNOWN}\nC: NOOP\n-> NOOP"
    ));
}

/// RFC 2449 section 4: a server need not read more than 255 octets as one line.
#[test]
fn lines_that_are_too_long() {
    let mut wire = Wire::new(relay());
    let line = |octets: usize| ["RETR ", &"1".repeat(octets - 7), "\r\n"].concat();
    wire.send(Side::Downstream, line(255).as_bytes());
    assert_eq!(wire.reached(Side::Upstream).len(), 255);
    wire.send(Side::Upstream, b"-ERR\r\n");
    wire.send(Side::Downstream, line(256).as_bytes());
    wire.send(Side::Downstream, [&line(1_000_000), "NOOP\r\n"].concat().as_bytes());
    assert_eq!(wire.reached(Side::Upstream).len(), 255 + 6);
    assert_eq!(
        wire.reached(Side::Downstream),
        ["-ERR\r\n", TOO_LONG, TOO_LONG].concat().as_bytes()
    );
    assert_eq!(wire.relay.counts(), Counts { commands: 4, guarded: 2, ..Counts::default() });
}

#[test]
fn answers_come_in_their_turn() {
    check(&format!(
        "
C: RETR 1\\r\\nPASS x\\r\\nSTAT\\r\\nXTND\\r\\nSTLS
-> RETR 1
-> STAT
S: +OK\\r\\nab\\
<- +OK
<- ab\\
S: \\r\\n.\\
<-
<- .\\
S: \\r\\n+OK 1\\
<-
<- {LOGIN}
S:  9\\r\\n\\
<- +OK 1 9
<- {UNKNOWN}
<- {STLS}
"
    ));
}

/// RFC 1939 section 6: it is over, whatever the answer.
#[test]
fn behind_quit_nothing_is_read() {
    let counts =
        check("C: QUIT\\r\\nPASS x\\r\\nNO\\\n-> QUIT\nC: OP\nS: +OK\n<- +OK\nC: USER x\nC:");
    assert_eq!(counts, Counts { commands: 1, ..Counts::default() });
    check(
        "C: quit \\nPASS x\\n\\\n-> quit \\n\\\nS: -ERR some messages not removed\n<- -ERR some messages not removed\nC: x",
    );
    check(&format!(
        "C: QUIT x\\r\\nPASS x\n-> QUIT x\nS: -ERR\n<- -ERR\n<- {LOGIN}\nC: NOOP\n-> NOOP"
    ));
}
