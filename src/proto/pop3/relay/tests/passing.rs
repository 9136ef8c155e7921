//! What passes, how far and when.

use super::*;

#[test]
fn the_session_of_rfc_1939_section_10() {
    let counts = check(
        r#"
C: STAT
-> STAT
S: +OK 2 320
<- +OK 2 320
C: LIST
-> LIST
S: +OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.
<- +OK 2 messages (320 octets)
<- 1 120
<- 2 200
<- .
C: RETR 1
-> RETR 1
S: +OK 120 octets\r\nSubject: x\r\n\r\n..\r\nPASS x\r\n.
<- +OK 120 octets
<- Subject: x
<-
<- ..
<- PASS x
<- .
C: dele 1
-> dele 1
S: +OK message 1 deleted
<- +OK message 1 deleted
C: QUIT
-> QUIT
S: +OK dewey POP3 server signing off (maildrop empty)
<- +OK dewey POP3 server signing off (maildrop empty)
"#,
    );
    assert_eq!(counts, Counts { commands: 5, messages: 1, ..Counts::default() });
}

/// RFC 2449 section 6.6.
#[test]
fn commands_that_do_not_wait() {
    check(
        r#"
C: STAT\r\nUIDL\r\nTOP 1 0\r\nRETR 1\r\nLIST 1\r\nNOOP
-> STAT
-> UIDL
-> TOP 1 0
-> RETR 1
-> LIST 1
-> NOOP
S: +OK 1 9\r\n+OK\r\n1 a\r\n.\r\n-ERR no\r\n+OK\r\n.\r\n+OK 1 9\r\n+OK
<- +OK 1 9
<- +OK
<- 1 a
<- .
<- -ERR no
<- +OK
<- .
<- +OK 1 9
<- +OK
S: +OK
end: Upstream: it replies to no command
"#,
    );
}

#[test]
fn shapes_of_replies() {
    for (command, many) in [
        ("LIST", true),
        ("LIST 1", false),
        ("UIDL", true),
        ("uidl 1", false),
        ("TOP 1 2", true),
        ("LANG", true),
        ("LANG de", false),
        ("UTF8", false),
        ("LAST", false),
        ("RSET", false),
    ] {
        let rest = if many { "S: x\n<- x\nS: .\n<- .\n" } else { "" };
        check(&format!(
            "C: {command}\n-> {command}\nS: +OK\n<- +OK\n{rest}S: +OK\nend: Upstream: it replies to no command"
        ));
        check(&format!(
            "C: {command}\n-> {command}\nS: -ERR\n<- -ERR\nS: x\nend: Upstream: it replies to no command"
        ));
    }
}

#[test]
fn a_message_passes_as_it_comes() {
    let counts = check(
        r#"
C: RETR 1
-> RETR 1
S: +OK 12\
S:  octets\r\nab\
<- +OK 12 octets
<- ab\
S: c\0\rd\n.\n\r\n\
<- c\0\rd\n.\n
S: .\
<- .\
S: .\r\n\
<- .
S: .\r\
<- .\r\
S: \n\
<- \n\
C: RETR 2\r\nRETR 3
-> RETR 2
-> RETR 3
S: +OK\n.\r\n+OK\r\n.\r\n\
<- +OK\n.
<- +OK
<- .
"#,
    );
    assert_eq!(counts, Counts { commands: 3, messages: 3, ..Counts::default() });
}

#[test]
fn a_long_line_of_a_message_is_no_fault() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, b"RETR 1\r\n");
    wire.send(Side::Upstream, b"+OK\r\n");
    wire.send(Side::Upstream, &vec![b'x'; 1_000_000]);
    wire.send(Side::Upstream, b"\r\n.\r\n");
    assert_eq!(wire.reached(Side::Downstream).len(), 5 + 1_000_000 + 5);
    assert_eq!((wire.ended, wire.relay.counts().messages), (None, 1));
}

#[test]
fn capabilities_are_filtered() {
    let hide = [String::from("EXPIRE"), "X-*".into()];
    check_with(
        || Pop3Relay::new(&hide),
        r#"
C: CAPA
-> CAPA
S: +OK Capability list follows\r\nTOP\r\nSASL PLA\
<- +OK Capability list follows
<- TOP
S: IN XOAUTH2\r\nUSER\r\nstls\r\nUIDL\r\nEXPIRE 60\r\nX-A\r\nPIPELI\
<- UIDL
S: NING\r\n.\r\n\
<- PIPELINING
<- .
C: CAPA\r\nLIST
-> CAPA
-> LIST
S: -ERR\r\n+OK\r\nSTLS\r\n.\r\n\
<- -ERR
<- +OK
<- STLS
<- .
"#,
    );
    check_with(
        || Pop3Relay::new(&["*".into()]),
        "C: capa\n-> capa\nS: +OK\\n\\\n<- +OK\\n\\\nS: UIDL\\n.\\n\\\n<- .\\n\\\nC: NOOP\n-> NOOP",
    );
}

#[test]
fn a_bare_lf_waits_for_its_reply() {
    check(
        r#"
C: STAT\r\nLIST\nRETR 1\r\n\
-> STAT
-> LIST\n\
S: +OK 1 9
<- +OK 1 9
S: +OK\r\n1 9\r\n.\
<- +OK
<- 1 9
<- .\
S: \r\n\
<-
-> RETR 1
"#,
    );
}

/// Our own answer, which comes first, frees nothing.
#[test]
fn a_bare_lf_behind_a_kept_command_waits_for_its_own_reply() {
    check(
        r#"
C: RETR 1\r\nSTLS\r\nNOOP\nSTAT
-> RETR 1
-> NOOP\n\
S: -ERR
<- -ERR
<- -ERR refused: it must come before the login (RFC 2595 section 4)
S: +OK
<- +OK
-> STAT
"#,
    );
}

#[test]
fn a_bare_lf_that_no_one_answers_opens_nothing() {
    let counts = check("C: NOOP\\nPASS secret\n-> NOOP\\n\\\nC: QUIT\nC: RETR 1");
    assert_eq!(counts, Counts { commands: 1, ..Counts::default() });
}

/// RFC 2449 section 6.6 leaves open what a server without PIPELINING does with early commands.
#[test]
fn commands_go_one_by_one_where_the_upstream_wants_it() {
    check_with(
        || relay().pace(&["TOP".into(), "UIDL".into()]),
        r#"
C: STAT\r\nPASS x\r\nLIST\r\nNOOP\r\nQUIT
-> STAT
S: +OK 1 9
<- +OK 1 9
<- -ERR refused: you are logged in already (RFC 1939 section 7)
-> LIST
S: +OK\r\n.\r\n\
<- +OK
<- .
-> NOOP
S: -ERR
<- -ERR
-> QUIT
"#,
    );
    check_with(|| relay().pace(&["pipelining".into()]), "C: STAT\\r\\nLIST\n-> STAT\n-> LIST");
}

#[test]
fn too_many_commands_under_way_hold_the_client() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, &b"NOOP\r\n".repeat(2000));
    assert_eq!(wire.reached(Side::Upstream).len(), 1024 * 6);
    assert!(wire.relay.awaits_upstream());
    wire.send(Side::Upstream, b"+OK\r\n+OK\r\n");
    assert_eq!(wire.reached(Side::Upstream).len(), 1026 * 6);
    wire.send(Side::Upstream, &b"+OK\r\n".repeat(1998));
    assert_eq!(wire.reached(Side::Upstream).len(), 2000 * 6);
    assert!(!wire.relay.awaits_upstream());
}
