//! What passes, and in which order.

use super::*;

#[test]
fn commands_and_replies_pass_as_they_came() {
    let counts = check(
        r#"
C: MAIL FROM:<alice@example.org> SIZE=10
-> MAIL FROM:<alice@example.org> SIZE=10
S: 250 2.1.0 OK
<- 250 2.1.0 OK
C: rcpt to:<bob@example.net>
-> rcpt to:<bob@example.net>
S: 250-2.1.5 first
<- 250-2.1.5 first
S: 250-
<- 250-
S: 250 last
<- 250 last
C: NOOP  \0x
<- 500 5.5.2 A command must end in CRLF and hold no other CR, LF or NUL (RFC 5321 section 2.3.8)
C: NOOP anything
-> NOOP anything
S: 250
<- 250
C: VRFY bob
-> VRFY bob
S: 252 try
<- 252 try
C: HELP
-> HELP
S: 214 none
<- 214 none
C: QUIT
-> QUIT
S: 221 bye
<- 221 bye
"#,
    );
    assert_eq!(counts, Counts { commands: 7, guarded: 1, ..Counts::default() });
}

#[test]
fn pipelined_commands_keep_their_order() {
    check(
        r#"
C: RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nQUIT
-> RSET
-> MAIL FROM:<a@b>
-> RCPT TO:<c@d>
-> RCPT TO:<e@f>
-> DATA
S: 250 a\r\n250 b\r\n550 c\r\n250 d
<- 250 a
<- 250 b
<- 550 c
<- 250 d
S: 503 no
<- 503 no
-> QUIT
log: 503 from <a@b> to <e@f>, accepted 1, refused 1, octets 0, words no
S: 221 bye
<- 221 bye
"#,
    );
}

#[test]
fn without_pipelining_one_command_at_a_time() {
    check_with(
        || SmtpRelay::new(NOTHING, &[]),
        r#"
C: MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nAUTH PLAIN x\r\nDATA\r\nhello\r\n.\r\nQUIT
-> MAIL FROM:<a@b>
S: 250-more
<- 250-more
S: 250 a
<- 250 a
-> RCPT TO:<c@d>
S: 250 b
<- 250 b
<- 503 5.5.1 You are logged in already (RFC 4954 section 4)
-> DATA
S: 354 go
<- 354 go
-> hello
-> .
S: 250 done
<- 250 done
-> QUIT
log: 250 from <a@b> to <c@d>, accepted 1, refused 0, octets 7
"#,
    );
}

#[test]
fn only_so_many_commands_are_under_way() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, &b"NOOP\r\n".repeat(1000));
    assert_eq!(wire.relay.counts().commands, 128);
    assert!(wire.relay.awaits_upstream());
    wire.send(Side::Upstream, b"250 ok\r\n");
    assert_eq!(wire.relay.counts().commands, 129);
    wire.send(Side::Upstream, &b"250 ok\r\n".repeat(999));
    assert_eq!(wire.relay.counts().commands, 1000);
    assert_eq!(wire.held(), [0, 0]);
    assert!(!wire.relay.awaits_upstream());
}

#[test]
fn answers_of_the_guard_that_wait_hold_the_client() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, b"NOOP\r\n");
    wire.send(Side::Upstream, b"250-half\r\n");
    wire.send(Side::Downstream, &b"\r\n".repeat(1000));
    assert_eq!(wire.relay.counts().guarded, 127);
    wire.send(Side::Upstream, b"250 ok\r\n");
    assert_eq!(wire.relay.counts().guarded, 1000);
}

#[test]
fn ehlo_is_filtered_and_renews_what_is_known() {
    check_with(
        || SmtpRelay::new(NOTHING, &["DSN".to_owned()]),
        r#"
C: MAIL FROM:<a@b> SMTPUTF8
<- 555 5.5.4 The mail server has no SMTPUTF8; send without this parameter
C: EHLO client.example.org\r\nMAIL FROM:<a@b> SMTPUTF8 SIZE=10\r\nRCPT TO:<c@d>
-> EHLO client.example.org
S: 250-mx.example.org at your service
S: 250-SIZE 9\r\n250-PIPELINING
S: 250-DSN\r\n250-AUTH XOAUTH2\r\n250-SMTPUTF8\r\n250-X-EXPS\
S: =LOGIN\r\n250 STARTTLS
<- 250-mx.example.org at your service
<- 250-SIZE 9
<- 250-PIPELINING
<- 250 SMTPUTF8
-> RCPT TO:<c@d>
<- 552 5.3.4 The message is too large; the mail server takes 9 octets
S: 503 MAIL first
<- 503 MAIL first
C: EHLO again
-> EHLO again
S: 250 mx.example.org
<- 250 mx.example.org
C: MAIL FROM:<a@b> SIZE=1
<- 555 5.5.4 The mail server has no SIZE; send without this parameter
C: EHLO and again
-> EHLO and again
S: 501-SIZE\r\n501 STARTTLS
<- 501-SIZE
<- 501 STARTTLS
C: MAIL FROM:<a@b> SIZE=1
<- 555 5.5.4 The mail server has no SIZE; send without this parameter
"#,
    );
}

#[test]
fn an_unknown_command_waits_for_its_reply() {
    check(
        r#"
C: RSET
-> RSET
S: 250 ok
<- 250 ok
C: BURL imap://example.org LAST\r\nNOOP
-> BURL imap://example.org LAST
S: 250 got it
<- 250 got it
-> NOOP
S: 250 ok
<- 250 ok
C: XFOO
-> XFOO
S: 334 give me more
end: Downstream: a command with a part that the gateway cannot read
"#,
    );
}

#[test]
fn an_upstream_that_cannot_be_followed_is_left() {
    for (talk, what) in [
        ("S: 250 hello", "it answers what nobody asked"),
        ("C: NOOP\n-> NOOP\nS: hello", "what it says is no reply"),
        ("C: NOOP\n-> NOOP\nS:", "what it says is no reply"),
        ("C: NOOP\n-> NOOP\nS: 250 ok\\n\\", "what it says is no reply"),
        ("C: NOOP\n-> NOOP\nS: 250-a\n<- 250-a\nS: 251 b", "what it says is no reply"),
        ("C: NOOP\n-> NOOP\nS: 334 x", "it asks for more where nothing can follow"),
        ("C: DATA\n-> DATA\nS: 334 x", "it asks for more where nothing can follow"),
        ("C: MAIL FROM:<>\n-> MAIL FROM:<>\nS: 354 x", "it asks for more where nothing can follow"),
        ("C: BDAT 0\n-> BDAT 0\nS: 354 x", "it asks for more where nothing can follow"),
        ("C: EHLO a\n-> EHLO a\nS: 354 x", "it asks for more where nothing can follow"),
        ("C: EHLO a\n-> EHLO a\nS: 250-a\nS: b", "what it says is no reply"),
        ("C: NOOP\n-> NOOP\nS: 150 x", "what it says is no reply"),
    ] {
        check(&format!("{talk}\nend: Upstream: {what}"));
    }
}

#[test]
fn an_endless_reply_ends_it() {
    for asked in ["NOOP\r\n", "EHLO a\r\n"] {
        let mut wire = Wire::new(relay());
        wire.send(Side::Downstream, asked.as_bytes());
        wire.send(Side::Upstream, &[b"250-".to_vec(), b"x".repeat(40_000)].concat());
        assert_eq!(wire.ended.map(|fault| fault.side), Some(Side::Upstream), "{asked}");
    }
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, b"EHLO a\r\n");
    wire.send(Side::Upstream, &b"250-x\r\n".repeat(10_000));
    assert_eq!(wire.ended.map(|fault| fault.side), Some(Side::Upstream));
    assert!(wire.reached(Side::Downstream).is_empty());
}

#[test]
fn a_421_passes_at_any_time() {
    check(
        r#"
S: 421-idle
<- 421-idle
C: AUTH PLAIN
S: 421 4.4.2 too long
<- 421 4.4.2 too long
<- 503 5.5.1 You are logged in already (RFC 4954 section 4)
C: NOOP\r\nNOOP
-> NOOP
-> NOOP
S: 421 going
<- 421 going
S: 421 gone
<- 421 gone
S: 421 really
<- 421 really
C: MAIL FROM:<a@b>\r\nDATA
-> MAIL FROM:<a@b>
-> DATA
S: 250 ok\r\n421 x
<- 250 ok
<- 421 x
log: 421 from <a@b> to <>, accepted 0, refused 0, octets 0, words x
"#,
    );
}

#[test]
fn long_lines() {
    let longest = format!("NOOP {}\r\n", "x".repeat(4096 - 7));
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, longest.as_bytes());
    assert_eq!(wire.reached(Side::Upstream), longest.as_bytes());

    for fill in [4090, 5000, 65_000] {
        let mut wire = Wire::new(relay());
        wire.send(Side::Downstream, format!("NOOP {}\r\nRSET\r\n", "x".repeat(fill)).as_bytes());
        assert_eq!(wire.reached(Side::Upstream), b"RSET\r\n");
        assert_eq!(wire.reached(Side::Downstream), b"500 5.5.2 The line is too long\r\n");
    }

    for cut in [usize::MAX, 1000] {
        let mut wire = Wire::new(relay());
        for piece in b"x".repeat(100_000).chunks(cut) {
            wire.send(Side::Downstream, piece);
        }
        assert_eq!(wire.ended.map(|fault| fault.what), Some("a line without an end"));
    }
}
