//! What else a client may say before login, and what it may not.

use super::*;

#[test]
fn greetings() {
    let check = |tls, line: &str| {
        let mut machine = ImapDownstream::new(tls, LoginBounds::default());
        assert_eq!(drain(&mut machine), format!("S: {line}\n"));
        // A client that speaks first hears the greeting first all the same.
        let mut machine = ImapDownstream::new(tls, LoginBounds::default());
        machine.handle_input(b"A1 NOOP\r\n");
        assert_eq!(drain(&mut machine), format!("S: {line}\nS: A1 OK NOOP completed\n"));
    };
    check(
        LocalTls::Unavailable,
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN] saslgate ready",
    );
    check(
        LocalTls::Established,
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN] saslgate ready",
    );
    check(
        LocalTls::Offer { login_in_clear: true },
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN STARTTLS] saslgate ready",
    );
    check(
        LocalTls::Offer { login_in_clear: false },
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED] saslgate ready",
    );
}

#[test]
fn a_connection_that_is_not_wanted_is_greeted_with_bye() {
    let mut machine = ImapDownstream::new(CLEAR, LoginBounds::default());
    machine.close(Refusal::new(RefusalReason::ConnectionLimit, "Too many connections"));
    assert_eq!(drain(&mut machine), "S: * BYE [UNAVAILABLE] Too many connections\n[close]\n");
}

#[test]
fn commands_of_any_state() {
    check(
        CLEAR,
        r#"
C: a NOOP
S: a OK NOOP completed
C: b noop
S: b OK NOOP completed
C: c ID NIL
S: * ID ("name" "saslgate")
S: c OK ID completed
C: d id ({4}
S: + Ready for literal data
C: name {5+}
C: a
C: b)
S: d BAD ID takes NIL or up to 30 names with values (RFC 2971)
C: e id ({4}
S: + Ready for literal data
C: name {4+}
C: a
C: b "version" NIL)
S: * ID ("name" "saslgate")
S: e OK ID completed
C: f LOGOUT
C: g NOOP
S: * BYE Logging out
S: f OK LOGOUT completed
[close]
C: h NOOP
"#,
    );
}

#[test]
fn commands_of_later_states() {
    check(
        CLEAR,
        "
C: a SELECT INBOX
S: a BAD Log in first
C: b APPEND INBOX {310}
S: b BAD Log in first
C: c APPEND INBOX {9+}
C: d LOGOUT
C: e idle
S: c BAD Log in first
S: e BAD Log in first
",
    );
}

#[test]
fn what_is_no_command() {
    check(
        CLEAR,
        "
C: a NOOP
S: a OK NOOP completed
C: b XYZZY
S: b BAD Unknown command
C: c
S: c BAD Unknown command
C: 
S: * BAD A command begins with a tag
C: + NOOP
S: * BAD A command begins with a tag
",
    );
    check(
        CLEAR,
        "
C: a NOOP now
S: a BAD This command takes no arguments
C: b CAPABILITY {3}
S: b BAD This command takes no arguments
C: c NOOP {7+}
C: d NOOP
C: e NOOP
S: c BAD This command takes no arguments
S: e OK NOOP completed
C: f NOOP\0
S: f BAD This command takes no arguments
",
    );
}

#[test]
fn other_protocols_are_sent_away_and_hear_nothing_of_their_own() {
    for first in [
        "GET /A1 HTTP/1.1",
        "POST / HTTP/1.1",
        "EHLO printer",
        "USER tim",
        "A1 XYZZY",
        "A1",
        "<script> LOGI",
        "A1 {5}",
        "A1 {5+}",
        " ",
        "* OK",
        "\0",
        "\u{16}\u{3}\u{1}",
    ] {
        check(
            CLEAR,
            &format!(
                "
C: {first}
C: A2 LOGIN tim secret
S: * BYE This is an IMAP server, and that was no IMAP command
[close]
"
            ),
        );
    }
    // An empty line says nothing yet.
    check(
        CLEAR,
        "
C: 
S: * BAD A command begins with a tag
C: GET / HTTP/1.1
S: * BYE This is an IMAP server, and that was no IMAP command
[close]
",
    );
    // A TLS handshake has no line end that one could wait for.
    let mut machine = ImapDownstream::new(CLEAR, LoginBounds::default());
    let _ = drain(&mut machine);
    machine.handle_input(b"\x16");
    assert!(drain(&mut machine).ends_with("[close]\n"));
}

#[test]
fn lines_may_end_in_lf() {
    let mut machine = ImapDownstream::new(CLEAR, LoginBounds::default());
    let _ = drain(&mut machine);
    machine.handle_input(b"A1 NOOP\nA2 LOGIN {3+}\ntim \"secret\"\nA3 NOOP\n");
    assert_eq!(drain(&mut machine), "S: A1 OK NOOP completed\n[Command <tim> <secret>]\n");
    // A CR alone is no line end.
    let mut machine = ImapDownstream::new(CLEAR, LoginBounds::default());
    let _ = drain(&mut machine);
    machine.handle_input(b"A1 NOOP\rA2 NOOP\r\n");
    assert_eq!(drain(&mut machine), "S: A1 BAD This command takes no arguments\n");
}
