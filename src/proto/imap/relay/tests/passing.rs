//! What passes, how far and when.

use super::*;
use crate::proto::RelayFault;

#[test]
fn commands_and_responses() {
    let counts = check(
        r#"
C: A1 select INBOX
-> A1 select INBOX
S: * 3 EXISTS
<- * 3 EXISTS
S: A1 OK [READ-WRITE] done
<- A1 OK [READ-WRITE] done
C: A2 UID FETCH 1:* (FLAGS)\r\nA3 NOOP\r\n\
-> A2 UID FETCH 1:* (FLAGS)
-> A3 NOOP
C:
->
S: A3 OK done
<- A3 OK done
"#,
    );
    assert_eq!(counts, Counts { commands: 3, guarded: 0, ..Counts::default() });
}

#[test]
fn a_long_line_passes_before_it_ends() {
    check(
        r#"
C: A1 SEARCH TEXT \
-> A1 SEARCH TEXT \
C: "some\
-> "some\
C: thing"
-> thing"
C: A\
C: 2\
C:  NOO\
C: P\
C:
-> A2 NOOP
S: * 1 FETCH (FLA\
<- * 1 FETCH (FLA\
"#,
    );
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, &[b"A1 SEARCH TEXT ".to_vec(), vec![b'x'; 1_000_000]].concat());
    assert_eq!(wire.reached(Side::Upstream).len(), 1_000_015);
}

#[test]
fn a_synchronizing_literal_waits_for_the_go_ahead() {
    check(
        r#"
C: A1 APPEND x {7}
-> A1 APPEND x {7}
C: B LO
C: N b c {3}
S: * 3 EXISTS
<- * 3 EXISTS
S: + go
<- + go
-> B LO
-> N b c {3}
S: +
<- +
C: abc
-> abc
S: A1 OK done
<- A1 OK done
"#,
    );
}

#[test]
fn a_refused_literal_is_no_literal() {
    check(
        r#"
C: A1 APPEND x {12}
-> A1 APPEND x {12}
C: B LOGIN u p
S: A1 NO [TOOBIG] no
<- A1 NO [TOOBIG] no
<- B BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
"#,
    );
}

#[test]
fn a_pipelined_command_s_answer_does_not_refuse_the_literal() {
    check(
        r#"
C: A1 NOOP
-> A1 NOOP
C: A2 APPEND x {2}
-> A2 APPEND x {2}
C: ab
S: A1 OK done
<- A1 OK done
S: +
<- +
-> ab
C: a NOOP
-> a NOOP
C: a APPEND x {12}
-> a APPEND x {12}
C: C LOGIN u p
S: a OK the first of this name
<- a OK the first of this name
S: + go
<- + go
-> C LOGIN u p
"#,
    );
}

#[test]
fn literals_of_every_kind() {
    check(
        r#"
C: A1 APPEND a (\Seen) {3+}\r\nx\r\n {3+}\r\nabc ~{5}
-> A1 APPEND a (\Seen) {3+}
-> x
->  {3+}
-> abc ~{5}
S: + 
<- +
C: a\0{3} CATENATE (TEXT {0}
-> a\0{3} CATENATE (TEXT {0}
S: + ok
<- + ok
C:  URL "/x") {0+}\r\n
->  URL "/x") {0+}
->
"#,
    );
}

#[test]
fn idle() {
    let counts = check(
        r#"
C: A1 IDLE\r\nDONE\r\nA2 NOOP
-> A1 IDLE
S: + idling
<- + idling
-> DONE
-> A2 NOOP
S: A1 OK\r\nA2 OK
<- A1 OK
<- A2 OK
C: A3 idle
-> A3 idle
S: + idling\r\n* 4 EXISTS
<- + idling
<- * 4 EXISTS
C: do\
C: ne
-> done
C: A4 IDLE
-> A4 IDLE
C: DONE
S: A4 NO not now
<- A4 NO not now
-> DONE
"#,
    );
    assert_eq!(counts, Counts { commands: 4, guarded: 0, ..Counts::default() });
}

#[test]
fn the_upstream_may_end_idle() {
    check(
        r#"
C: A1 IDLE
-> A1 IDLE
S: +
<- +
S: A1 OK enough
<- A1 OK enough
C: A2 NOOP
-> A2 NOOP
"#,
    );
}

#[test]
fn capabilities_are_filtered_wherever_they_stand() {
    check(
        r#"
S: * CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN IDLE
<- * CAPABILITY IMAP4rev1 IDLE
S: * ok [capability IMAP4rev1 COMPRESS=DEFLATE] AUTH=PLAIN stays
<- * ok [capability IMAP4rev1] AUTH=PLAIN stays
C: A1 CAPABILITY
-> A1 CAPABILITY
S: A1 OK [CAPABILITY IMAP4rev1 AUTH=X] done
<- A1 OK [CAPABILITY IMAP4rev1] done
S: * LIST () "/" CAPABILITY
<- * LIST () "/" CAPABILITY
S: * 1 FETCH (BODY[] {40}
<- * 1 FETCH (BODY[] {40}
S: * CAPABILITY IMAP4rev1 STARTTLS AUTH=X
<- * CAPABILITY IMAP4rev1 STARTTLS AUTH=X
S: )
<- )
S: * CAP\
S: ABILITY IMAP4rev1 AUTH\
S: =X
<- * CAPABILITY IMAP4rev1
S: * NO [CAPABILITY AUTH=X] no list
<- * NO [CAPABILITY AUTH=X] no list
"#,
    );
}

#[test]
fn an_endless_list_of_capabilities_ends_it() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Upstream, &[b"* CAPABILITY".to_vec(), b" IDLE".repeat(10_000)].concat());
    assert_eq!(wire.ended.map(|fault| fault.side), Some(Side::Upstream));
    assert!(wire.passed.is_empty());
}

#[test]
fn non_synchronizing_literals_are_bounded_by_what_the_upstream_takes() {
    let bounded = |list: &'static str| {
        let list: Vec<String> = list.split(' ').map(str::to_owned).collect();
        move || relay().bound_literals(&list)
    };
    let fault = "end: Downstream: a non-synchronizing literal that the upstream does not take";
    let any = "C: A APPEND x {5000+}\n-> A APPEND x {5000+}";
    let small = "C: A APPEND x {4096+}\n-> A APPEND x {4096+}";
    let refused = |line: &str| format!("C: {line}\n-> {line}\\\n{fault}");
    check_with(bounded("IDLE literal+"), any);
    check_with(bounded("LITERAL-"), small);
    check_with(bounded("IMAP4rev1 IMAP4rev2"), small);
    check_with(bounded("LITERAL-"), &refused("A APPEND x {4097+}"));
    check_with(bounded("IDLE"), &refused("A APPEND x {0+}"));
    check_with(bounded("IDLE"), "C: A APPEND x {5}\n-> A APPEND x {5}");
}

#[test]
fn a_client_that_pipelines_without_end_waits() {
    let mut wire = Wire::new(relay());
    let many = b"A NOOP\r\n".repeat(5000);
    wire.send(Side::Downstream, &many);
    let first = wire.reached(Side::Upstream).len();
    assert!(first > 0 && first < many.len());
    for _ in 0..5000 {
        wire.send(Side::Upstream, b"A OK\r\n");
    }
    assert_eq!(wire.reached(Side::Upstream), many);
}

#[test]
fn a_line_without_a_command_does_not_pass_for_ever() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, &[b'A'; 4095]);
    assert!(wire.ended.is_none() && wire.passed.is_empty());
    wire.send(Side::Downstream, b"A");
    assert_eq!(wire.ended.map(|fault| fault.side), Some(Side::Downstream));
}

#[test]
fn a_server_that_answers_without_tags_holds_nobody_for_good() {
    let mut wire = Wire::new(relay());
    for number in 0..1023 {
        wire.send(Side::Downstream, format!("A{number} NOOP\r\n").as_bytes());
        wire.send(Side::Upstream, b"* BAD what?\r\n");
    }
    // The last place is still good for one command after the other.
    for number in 1023..1030 {
        wire.send(Side::Downstream, format!("A{number} NOOP\r\n").as_bytes());
        wire.send(Side::Upstream, format!("A{number} OK\r\n").as_bytes());
    }
    assert!(wire.reached(Side::Upstream).ends_with(b"A1029 NOOP\r\n"));
    wire.send(Side::Downstream, b"B1 NOOP\r\nB2 NOOP\r\n");
    assert!(wire.reached(Side::Upstream).ends_with(b"B1 NOOP\r\n"));
    assert_eq!(wire.ended, None);
    wire.send(Side::Upstream, b"* BAD what?\r\n");
    let what = "it answers commands without their tags";
    assert_eq!(wire.ended, Some(RelayFault { side: Side::Upstream, what }));
}

#[test]
fn an_untagged_bad_beside_the_tagged_answer_costs_no_later_command() {
    let mut wire = Wire::new(relay());
    for number in 0..1024 {
        wire.send(Side::Downstream, format!("A{number} NOOP\r\n").as_bytes());
        wire.send(Side::Upstream, format!("* BAD what?\r\nA{number} BAD no\r\n").as_bytes());
    }
    for number in 0..1025 {
        wire.send(Side::Downstream, format!("B{number} NOOP\r\n").as_bytes());
    }
    assert_eq!(wire.ended, None);
    wire.send(Side::Upstream, b"B0 OK\r\n");
    assert!(wire.reached(Side::Upstream).ends_with(b"B1024 NOOP\r\n"));
}
