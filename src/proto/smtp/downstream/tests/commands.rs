//! What else a client may say before login, and what it may not.

use super::*;

#[test]
fn greetings() {
    let mut quiet = machine(CLEAR, LoginBounds::default());
    assert_eq!(drain(&mut quiet), "S: 220 localhost ESMTP saslgate\n");
    // A client that speaks first hears the greeting first all the same.
    let mut quick = machine(CLEAR, LoginBounds::default());
    quick.handle_input(b"NOOP\r\n");
    assert_eq!(drain(&mut quick), "S: 220 localhost ESMTP saslgate\nS: 250 2.0.0 OK\n");
    let mut unwanted = machine(CLEAR, LoginBounds::default());
    unwanted.close(Refusal::new(RefusalReason::ConnectionLimit, "Too many connections"));
    assert_eq!(drain(&mut unwanted), "S: 421 4.3.2 Too many connections\n[close]\n");
}

#[test]
fn extensions() {
    let check = |tls, promise: &[&str], obsolete_auth_line, expected: &str| {
        let options = SmtpOptions {
            name: "mail.example.org".into(),
            promise: Extensions::from_keywords(promise),
            obsolete_auth_line,
        };
        let mut machine = SmtpDownstream::new(tls, LoginBounds::default(), options);
        assert_eq!(drain(&mut machine), "S: 220 mail.example.org ESMTP saslgate\n");
        machine.handle_input(b"ehlo client\r\n");
        assert_eq!(drain(&mut machine), expected.trim_start());
    };
    check(
        CLEAR,
        &["SIZE 1000", "PIPELINING", "8BITMIME"],
        false,
        "
S: 250-mail.example.org
S: 250-SIZE 1000
S: 250-PIPELINING
S: 250-8BITMIME
S: 250 AUTH PLAIN LOGIN
",
    );
    check(
        OFFERED,
        &["DSN"],
        true,
        "
S: 250-mail.example.org
S: 250-DSN
S: 250-STARTTLS
S: 250-AUTH PLAIN LOGIN
S: 250 AUTH=LOGIN PLAIN
",
    );
    check(
        DEMANDED,
        &[],
        true,
        "
S: 250-mail.example.org
S: 250 STARTTLS
",
    );
    check(
        LocalTls::Established,
        &[],
        false,
        "
S: 250-mail.example.org
S: 250 AUTH PLAIN LOGIN
",
    );
}

#[test]
fn harmless_commands() {
    check(
        CLEAR,
        "
C: NOOP
S: 250 2.0.0 OK
C: noop with words
S: 250 2.0.0 OK
C: RSET
S: 250 2.0.0 OK
C: VRFY tim
S: 252 2.0.0 Not verified; send the message to find out
C: HELP
S: 214 2.0.0 Log in with AUTH, then send mail (RFC 6409)
C: HELO
S: 250 localhost
C: HELO my printer (2nd floor)
S: 250 localhost
C: EHLO
S: 250-localhost
S: 250-PIPELINING
S: 250 AUTH PLAIN LOGIN
C: QUIT 
S: 221 2.0.0 Bye
[close]
",
    );
}

#[test]
fn commands_that_are_wrong() {
    check(
        CLEAR,
        "
C: EHLO a\tb
S: 501 5.5.4 The name has characters that no name has
C: HELO \x7f
S: 501 5.5.4 The name has characters that no name has
C: RSET now
S: 501 5.5.4 This command takes no arguments
C: QUITE
S: 500 5.5.2 Unknown command
",
    );
    check(
        CLEAR,
        "
C: EXPN staff
S: 502 5.5.1 This command is not supported here
C: XCLIENT ADDR=192.0.2.1
S: 502 5.5.1 This command is not supported here
C: QUIT now
S: 501 5.5.4 This command takes no arguments
C: 
S: 500 5.5.2 Unknown command
",
    );
}

#[test]
fn mail_before_login() {
    check(
        CLEAR,
        "
C: MAIL FROM:<tim@example.org>
C: RCPT TO:<ann@example.org>
C: DATA
C: QUIT
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
S: 221 2.0.0 Bye
[close]
",
    );
}

#[test]
fn the_octets_of_a_chunk_are_no_commands() {
    // RFC 3030 section 2: "BDAT SP chunk-size", then so many octets, and the next command.
    check(
        CLEAR,
        "
C: BDAT 24
C: NOOP
C: NOOP
C: AUTH LOGIN
C: NOOP
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
S: 250 2.0.0 OK
",
    );
    check(
        DEMANDED,
        "
C: bdat 0 last
C: BDAT 4
C: x
C: NOOP
S: 530 5.7.0 Must issue a STARTTLS command first
S: 530 5.7.0 Must issue a STARTTLS command first
S: 500 5.5.2 Unknown command
",
    );
    for unclear in ["", " many", " 5 5", " -1", " 99999999999999999999"] {
        check(
            CLEAR,
            &format!(
                "
C: BDAT{unclear}
C: NOOP
S: 421 4.7.0 Nobody can tell how many octets follow this BDAT
[close]
"
            ),
        );
    }
}
