//! What a client may say before login beside logging in, and what it may not.

use super::*;

#[test]
fn a_client_that_speaks_first_hears_the_greeting_first() {
    let mut machine = Pop3Downstream::new(CLEAR, LoginBounds::default());
    machine.handle_input(b"NOOP\r\n");
    assert_eq!(drain(&mut machine), "S: +OK saslgate ready\nS: +OK\n");
}

#[test]
fn a_connection_that_is_not_wanted_is_greeted_with_err() {
    let mut machine = Pop3Downstream::new(CLEAR, LoginBounds::default());
    machine.close(Refusal::new(RefusalReason::ConnectionLimit, "Full"));
    assert_eq!(drain(&mut machine), "S: -ERR [SYS/TEMP] Full (service unavailable)\n[close]\n");
}

#[test]
fn capabilities() {
    let check_list = |tls, login: &str, starttls: &str| {
        let list = format!(
            "C: CAPA\nS: +OK Capabilities follow\nS: TOP\nS: UIDL\nS: RESP-CODES\n\
             S: AUTH-RESP-CODE\nS: PIPELINING\n{login}{starttls}S: .\n"
        );
        check(tls, &list);
    };
    let login = "S: USER\nS: SASL PLAIN LOGIN\n";
    check_list(CLEAR, login, "");
    check_list(LocalTls::Established, login, "");
    check_list(OFFERED, login, "S: STLS\n");
    check_list(DEMANDED, "", "S: STLS\n");
}

#[test]
fn bare_auth_lists_mechanisms() {
    check(CLEAR, "\nC: AUTH\nS: +OK Mechanisms follow\nS: PLAIN\nS: LOGIN\nS: .\n");
    check(CLEAR, "\nC: auth \nS: +OK Mechanisms follow\nS: PLAIN\nS: LOGIN\nS: .\n");
    check(DEMANDED, "\nC: AUTH\nS: +OK Mechanisms follow\nS: .\n");
}

#[test]
fn commands_of_this_state() {
    check(
        CLEAR,
        "
C: NOOP
S: +OK
C: noop 
S: +OK
C: STAT
S: -ERR Log in first
C: top 1 0
S: -ERR Log in first
C: QUIT
C: NOOP
S: +OK Bye
[close]
C: NOOP
",
    );
    check(
        CLEAR,
        "
C: APOP tim c4c9334bac560ecc979e58001b3e22fb
S: -ERR APOP is not offered: use USER and PASS, or AUTH
C: UTF8
S: -ERR This command is not offered
C: LANG en
S: -ERR This command is not offered
C: CAPA now
S: -ERR This command takes no arguments
C: NOOP
S: +OK
",
    );
    check(
        CLEAR,
        "
C: 
S: -ERR Unknown command
C: NOOP
S: +OK
C: XTND XMIT
S: -ERR Unknown command
C: NOOP\0
S: -ERR Unknown command
C:  NOOP
S: -ERR Unknown command
",
    );
}

#[test]
fn faults_are_counted_and_each_command_has_one_answer() {
    check_within(
        DEMANDED,
        LoginBounds { faults: 3, ..LoginBounds::default() },
        "
C: STAT
S: -ERR Log in first
C: USER tim
S: -ERR [SYS/PERM] Send STLS first: a password must not travel in clear (service unavailable)
C: AUTH PLAIN
C: NOOP
S: -ERR Too many commands that are wrong or not allowed before login
[close]
",
    );
}

#[test]
fn other_protocols_are_sent_away_and_hear_nothing_of_their_own() {
    for first in [
        "GET /USER HTTP/1.1",
        "POST / HTTP/1.1",
        "EHLO printer",
        "A1 LOGIN tim secret",
        "USER\ttim",
        "XYZZY",
        "<script>",
        " USER tim",
        "\0",
    ] {
        check(
            CLEAR,
            &format!(
                "C: {first}\nC: USER tim\nC: PASS secret\n\
                 S: -ERR This is a POP3 server, and that was no POP3 command\n[close]\nC: NOOP\n"
            ),
        );
    }
    // A TLS handshake has no line end to wait for.
    let mut machine = Pop3Downstream::new(CLEAR, LoginBounds::default());
    machine.handle_input(b"\x16\x03\x01");
    assert!(drain(&mut machine).ends_with("no POP3 command\n[close]\n"));
}

#[test]
fn starttls() {
    check(
        OFFERED,
        "
C: USER tim
S: +OK Send the password
C: STLS
S: +OK Begin the TLS negotiation now
[starttls]
> tls
C: PASS secret
S: -ERR Send USER first
C: STLS
S: -ERR TLS is on already
C: STLS now
S: -ERR This command takes no arguments
",
    );
    check(CLEAR, "\nC: STLS\nS: -ERR TLS is not offered on this port\n");
    // The line behind the handshake is a first line again.
    check(
        DEMANDED,
        "
C: STLS
S: +OK Begin the TLS negotiation now
[starttls]
> tls
C: GET / HTTP/1.1
S: -ERR This is a POP3 server, and that was no POP3 command
[close]
",
    );
}

#[test]
fn what_came_in_clear_behind_stls_ends_it() {
    for injected in ["CAPA", "USER tim", ""] {
        check(
            OFFERED,
            &format!(
                "
C: STLS
C: {injected}
S: +OK Begin the TLS negotiation now
[starttls]
> tls
S: -ERR Data was sent in clear behind STLS; the session is not safe
[close]
C: NOOP
"
            ),
        );
    }
}

#[test]
fn nothing_is_said_into_a_handshake() {
    check(
        OFFERED,
        "
C: STLS
S: +OK Begin the TLS negotiation now
[starttls]
> close Timeout Too late
[close]
",
    );
}
