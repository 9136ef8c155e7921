//! What is kept from the upstream, and that nothing slips past.

use super::*;

const LOGGED_IN: &str = "503 5.5.1 You are logged in already (RFC 4954 section 4)";
const NO_COMMAND: &str = "500 5.5.2 This is no command";
const LINE_END: &str =
    "500 5.5.2 A command must end in CRLF and hold no other CR, LF or NUL (RFC 5321 section 2.3.8)";

#[test]
fn commands_that_are_kept() {
    let counts = check(&format!(
        r#"
C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
<- {LOGGED_IN}
C: auth login
<- {LOGGED_IN}
C: STARTTLS
<- 503 5.5.1 STARTTLS must come before the login
C: XCLIENT ADDR=192.0.2.1
<- 502 5.5.1 This command is not available here
C: NOOP
-> NOOP
S: 250 ok
<- 250 ok
"#
    ));
    assert_eq!(counts, Counts { commands: 5, guarded: 4, ..Counts::default() });
}

#[test]
fn a_password_sent_without_waiting_does_not_pass() {
    check(&format!(
        r#"
C: NOOP\r\nAUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n\r\n*\r\nMAIL FROM:<a@b>\r\nBURL x
-> NOOP
S: 250 ok
<- 250 ok
<- {LOGGED_IN}
<- {NO_COMMAND}
<- {NO_COMMAND}
<- {NO_COMMAND}
<- {NO_COMMAND}
-> MAIL FROM:<a@b>
-> BURL x
S: 250 ok\r\n250 ok
<- 250 ok
<- 250 ok
"#
    ));
    // A user name in the initial response, so the password alone follows.
    check(&format!(
        "C: AUTH LOGIN YWxpY2U=\n<- {LOGGED_IN}\nC: c2VjcmV0\n<- {NO_COMMAND}\nC: QUIT\n-> QUIT"
    ));
    check(&format!(
        "C: X-EXPS LOGIN\n<- 502 5.5.1 This command is not available here\nC: YWxpY2U=\n<- {NO_COMMAND}"
    ));
}

#[test]
fn a_handshake_that_does_not_wait_does_not_pass() {
    check(&format!(
        r#"
C: STARTTLS
<- 503 5.5.1 STARTTLS must come before the login
C: \0\0abc\nabc\r\nabc\rd\r\n
<- {LINE_END}
<- {NO_COMMAND}
<- {LINE_END}
<- {NO_COMMAND}
"#
    ));
}

#[test]
fn a_line_that_does_not_end_in_crlf_does_not_pass() {
    for line in [
        r"AUTH PLAIN x\n\",
        r"NOOP\n\",
        r"NOOP\rAUTH PLAIN x",
        r"NOOP\r\r",
        r"NOOP\0",
        r"\0NOOP\n\",
        r"DATA\r\0",
        r"NOOP \n\",
    ] {
        check(&format!("C: {line}\n<- {LINE_END}\nC: NOOP\n-> NOOP"));
    }
    // Its password is one wherever its line ends.
    check(&format!(
        "C: AUTH LOGIN\\nYWxpY2U=\\r\\nc2VjcmV0\n<- {LINE_END}\n<- {NO_COMMAND}\n<- {NO_COMMAND}"
    ));
    let long = "x".repeat(4096);
    check(&format!(
        "C: AUTH LOGIN {long}\n<- 500 5.5.2 The line is too long\nC: c2VjcmV0\n<- {NO_COMMAND}"
    ));
    // Each line of a device that knows only LF is answered, and in its turn.
    let counts = check(&format!(
        r#"
C: EHLO printer\nMAIL FROM:<a@b>\nRSET\r\nDATA\nAUTH PLAIN x\n\
-> RSET
<- {LINE_END}
<- {LINE_END}
S: 250 ok
<- 250 ok
<- {LINE_END}
<- {LINE_END}
"#
    ));
    assert_eq!(counts, Counts { commands: 5, guarded: 4, ..Counts::default() });
}

#[test]
fn answers_stand_behind_all_earlier_replies() {
    check(&format!(
        r#"
C: MAIL FROM:<a@b>\r\nAUTH PLAIN x\r\nRSET
-> MAIL FROM:<a@b>
S: 250-first
<- 250-first
S: 250 second
<- 250 second
<- {LOGGED_IN}
-> RSET
C: MAIL FROM:<a@b> SIZE=100001\r\nNOOP
-> NOOP
S: 250 reset
<- 250 reset
<- 552 5.3.4 The message is too large; the mail server takes 100000 octets
S: 250 noop
<- 250 noop
"#
    ));
}

#[test]
fn what_the_upstream_lacks_is_refused_at_its_use() {
    check_with(
        || SmtpRelay::new(NOTHING, &[]),
        r#"
C: MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\nDATA
<- 555 5.5.4 The mail server has no 8BITMIME; send without this parameter
<- 555 5.5.4 The mail server has no DSN; send without this parameter
-> DATA
S: 503 5.5.1 MAIL first
<- 503 5.5.1 MAIL first
C: MAIL FROM:<a@b>
-> MAIL FROM:<a@b>
S: 250 ok
<- 250 ok
C: BDAT 12\r\nAUTH PLAIN x\
<- 502 5.5.1 The mail server has no CHUNKING; use DATA
C: BDAT 3 LAST
C: QUI\
<- 502 5.5.1 The mail server has no CHUNKING; use DATA
C: BDAT 0 LAST
<- 502 5.5.1 The mail server has no CHUNKING; use DATA
"#,
    );
}

#[test]
fn a_bdat_that_cannot_be_counted_ends_it() {
    for line in ["BDAT", "BDAT LAST", "BDAT -1", "BDAT 99999999999999999999", "BDAT 1 FIRST"] {
        check(&format!(
            "C: NOOP\\r\\n{line}\\r\\nAUTH PLAIN x\n-> NOOP\nS: 250 ok\n<- 250 ok\n\
             <- 501 5.5.4 BDAT needs a number of octets, and nothing but LAST behind it (RFC 3030 section 2)\n\
             end: Downstream: a BDAT that does not say how many octets follow"
        ));
    }
}
