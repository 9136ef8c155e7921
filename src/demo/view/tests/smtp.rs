//! SMTP conversations.

use super::check;

#[test]
fn both_legs_of_a_sent_message() {
    check(
        r"S: 220 localhost ESMTP saslgate
C: EHLO client.example.org
S: 250-localhost
S: 250 AUTH PLAIN LOGIN
C: AUTH PLAIN {plain}
    S: 220 mail
    C: EHLO gateway
    S: 250 AUTH XOAUTH2
    C: auth XOAUTH2
    S: 334 
    C: {xoauth2}
    S: 235-2.7.0 very
    S: 235 2.7.0 good
S: 235 2.7.0 good
C: MAIL FROM:<demo@example.org> SIZE=20~RCPT TO:<demo@example.org>~DATA
    C: MAIL FROM:<demo@example.org> SIZE=20~RCPT TO:<demo@example.org>~DATA
    S: 250 2.1.0 Ok~250 2.1.5 Ok~354 go
S: 250 2.1.0 Ok~250 2.1.5 Ok~354 go
C: Subject: x~~AUTH PLAIN {plain}~..~QUIT~.
    C: Subject: x~~hidden~.
    S: 250 2.0.0 Ok: queued as X
C: QUIT
S: 250 2.0.0 Ok: queued as X
S: 221 2.0.0 bye
",
        "S: 220 localhost ESMTP saslgate
C: EHLO client.example.org
S: 250-localhost
S: 250 AUTH PLAIN LOGIN
C: AUTH PLAIN <user name and password>
    S: 220 mail
    C: EHLO gateway
    S: 250 AUTH XOAUTH2
    C: AUTH XOAUTH2
    S: 334
    C: <access token of demo@example.org>
    S: 235-2.7.0 very
    S: 235 2.7.0 good
S: 235 2.7.0 good
C: MAIL FROM:<demo@example.org> SIZE=20
C: RCPT TO:<demo@example.org>
C: DATA
    C: MAIL FROM:<demo@example.org> SIZE=20
    C: RCPT TO:<demo@example.org>
    C: DATA
    S: 250 2.1.0 Ok
    S: 250 2.1.5 Ok
    S: 354 go
S: 250 2.1.0 Ok
S: 250 2.1.5 Ok
S: 354 go
C: … 72 octets of message
    C: … 22 octets of message
    S: 250 2.0.0 Ok: queued as X
C: QUIT
S: 250 2.0.0 Ok: queued as X
S: 221 2.0.0 bye
",
    );
}

#[test]
fn auth_hides_every_line_until_the_server_ends_it() {
    check(
        r"S: 220 hi
C: AUTH PLAIN~{plain}~NOOP
S: 334 
S: 535-no
S: 535 no
S: 250 ok
C: AUTH PLAIN =
S: 501 no
C: AUTH X-OWN {password64}
S: 334 x
C: {password64}
S: 504 no
",
        "S: 220 hi
C: AUTH PLAIN
S: 334
C: <user name and password>
S: 535-no
S: 535 no
C: NOOP
S: 250 ok
C: AUTH PLAIN <user name and password>
S: 501 no
C: AUTH <hidden>
S: 334 <challenge>
C: <hidden>
S: 504 no
",
    );
}

#[test]
fn a_login_in_steps_hides_each_of_them() {
    check(
        r"S: 220 hi
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: {user64}
S: 334 UGFzc3dvcmQ6
C: {password64}
S: 535 no
C: AUTH LOGIN {user64}
S: 334 UGFzc3dvcmQ6
C: *
S: 501 cancelled
",
        "S: 220 hi
C: AUTH LOGIN
S: 334 <challenge>
C: <user name or password>
S: 334 <challenge>
C: <user name or password>
S: 535 no
C: AUTH LOGIN <user name or password>
S: 334 <challenge>
C: *
S: 501 cancelled
",
    );
}

#[test]
fn a_refused_token_is_shown_with_its_challenge() {
    check(
        r"S: 220 gateway
    S: 220 hi
    C: AUTH OAUTHBEARER
    S: 334
    C: {xoauth2}
    S: 334 eyJzdGF0dXMiOiI0MDEifQ==
    C: 
    S: 535 no
    C: AUTH OAUTHBEARER
    S: 334
    C: =
    S: 535 no
",
        "S: 220 gateway
    S: 220 hi
    C: AUTH OAUTHBEARER
    S: 334
    C: <access token of demo@example.org>
    S: 334 <challenge>
    C: 
    S: 535 no
    C: AUTH OAUTHBEARER
    S: 334
    C: =
    S: 535 no
",
    );
}

#[test]
fn chunks_are_counted() {
    check(
        r"S: 220 hi
C: BDAT 7
C: NOOP \
C: 
C: bdat 0 last
C: BDAT 12 LAST~{password}x\
C: ~\
C: NOOP
S: 250 one~250 two~250 three~250 four
C: BDAT {password}
C: NOOP
S: 521 no
",
        "S: 220 hi
C: BDAT 7
C: … 7 octets of message
C: bdat 0 last
C: BDAT 12 LAST
C: … 12 octets of message
C: NOOP
S: 250 one
S: 250 two
S: 250 three
S: 250 four
C: BDAT <hidden>
S: 521 no
",
    );
}

#[test]
fn lines_that_are_no_known_commands_are_hidden_with_their_answers() {
    check(
        r"S: 220 hi
C: {plain}
C: {password}
C: AUTH	PLAIN {plain}
C: XCLIENT LOGIN={password64}
C: NOOP {password64}
C: HELP me with {password64}
C: RCPT TO you: {password64}
C: EHLO {password}
C: MAIL FROM:<{password}@example.org>
S: 500 what is {plain}
S: 500-what is
S: 500 {password}
S: 500 what~500 what~250 a~214-b~214 b~501 c~250 d~250 e
S: 250 {password64} without a command
S: {plain}
S: 421 bye
",
        "S: 220 hi
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: NOOP …
C: HELP …
C: RCPT …
C: <hidden: it holds the password>
C: <hidden: it holds the password>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: 250 a
S: 214-b
S: 214 b
S: 501 c
S: 250 d
S: 250 e
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: 421 bye
",
    );
}

#[test]
fn a_refused_message_does_not_swallow_the_next_command() {
    check(
        r"S: 220 hi
C: DATA
S: 530 no
C: AUTH PLAIN {plain}
S: 235 good
C: DATA~text
S: 354 go
C: ..~.
S: 250 done
",
        "S: 220 hi
C: DATA
S: 530 no
C: AUTH PLAIN <user name and password>
S: 235 good
C: DATA
S: 354 go
C: … 9 octets of message
S: 250 done
",
    );
}

#[test]
fn what_cannot_be_kept_is_hidden() {
    let long = "x".repeat(70_000);
    check(
        &format!("S: 220 hi\nC: NOOP {long}\nS: 500 no\nC: NOOP\nS: 250 ok\n"),
        "S: 220 hi
C: <hidden: not a command that is known here>
S: <hidden: an answer to a hidden line>
C: NOOP
S: 250 ok
",
    );
    check(
        &format!("S: 220 hi\nC: AUTH PLAIN\nC: {long}\nC: {{plain}}\nS: 334 \nS: 235 ok\n"),
        "S: 220 hi
C: AUTH PLAIN
C: <hidden: too much at once>
S: 334
S: 235 ok
",
    );
    // Beyond the replies that may be waited for.
    let commands = "NOOP~".repeat(20_010);
    let expected = "S: 220 hi\n".to_owned()
        + &"C: NOOP\n".repeat(20_000)
        + "C: <hidden: too much at once>\nS: <hidden: an answer to a hidden line>\n";
    check(&format!("S: 220 hi\nC: {commands}\nS: 250 ok\n"), &expected);
}
