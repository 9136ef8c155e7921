//! POP3 conversations.

use super::check;

#[test]
fn both_legs_of_a_mailbox_read() {
    check(
        r"S: +OK saslgate
C: CAPA
S: +OK~USER~SASL PLAIN LOGIN~.
C: USER demo@example.org
S: +OK
C: pass {password}
    S: +OK provider
    C: AUTH XOAUTH2
    S: + 
    C: {xoauth2}
    S: +OK 2 messages
S: +OK 2 messages
C: LIST~UIDL~UIDL 1~RETR 1~TOP 2 0~DELE 1
S: +OK~1 28~2 20~.~+OK~1 a~2 b~.~+OK 1 a
S: +OK a message~Subject: {password}~~..~+OK~-ERR~PASS x~.~+OK top~Subject: y~~.~+OK gone
C: RETR 9~QUIT
S: -ERR none~+OK bye
",
        "S: +OK saslgate
C: CAPA
S: +OK
S: USER
S: SASL PLAIN LOGIN
S: .
C: USER demo@example.org
S: +OK
C: PASS <password>
    S: +OK provider
    C: AUTH XOAUTH2
    S: +
    C: <access token of demo@example.org>
    S: +OK 2 messages
S: +OK 2 messages
C: LIST
C: UIDL
C: UIDL 1
C: RETR 1
C: TOP 2 0
C: DELE 1
S: +OK
S: 1 28
S: 2 20
S: .
S: +OK
S: 1 a
S: 2 b
S: .
S: +OK 1 a
S: +OK a message
S: … 44 octets of message
S: +OK top
S: … 14 octets of message
S: +OK gone
C: RETR 9
C: QUIT
S: -ERR none
S: +OK bye
",
    );
}

#[test]
fn auth_hides_every_line_until_the_server_ends_it() {
    check(
        r"S: +OK hi
C: AUTH
S: +OK~PLAIN~LOGIN~.
C: AUTH PLAIN~{plain}~STAT
S: +
S: -ERR no
S: +OK 0 0
C: AUTH PLAIN {plain}
S: -ERR no
C: AUTH PLAIN
S: +
C: *
S: -ERR cancelled
C: AUTH X-OWN {password64}
S: -ERR no
C: PASS
S: -ERR no
C: APOP demo {password64}
S: -ERR no
",
        "S: +OK hi
C: AUTH
S: +OK
S: PLAIN
S: LOGIN
S: .
C: AUTH PLAIN
S: +
C: <user name and password>
S: -ERR no
C: STAT
S: +OK 0 0
C: AUTH PLAIN <user name and password>
S: -ERR no
C: AUTH PLAIN
S: +
C: *
S: -ERR cancelled
C: AUTH <hidden>
S: -ERR no
C: PASS <password>
S: -ERR no
C: APOP <hidden>
S: -ERR no
",
    );
}

#[test]
fn a_login_in_steps_hides_each_of_them() {
    check(
        r"S: +OK hi
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: {user64}
S: + UGFzc3dvcmQ6
C: {password64}
S: -ERR no
",
        "S: +OK hi
C: AUTH LOGIN
S: + <challenge>
C: <user name or password>
S: + <challenge>
C: <user name or password>
S: -ERR no
",
    );
}

#[test]
fn a_refused_token_is_shown_with_its_challenge() {
    check(
        r"S: +OK gateway
    S: +OK hi
    C: AUTH OAUTHBEARER
    S: +
    C: {xoauth2}
    S: + eyJzdGF0dXMiOiI0MDEifQ==
    C: AQ==
    S: -ERR [AUTH] no
",
        "S: +OK gateway
    S: +OK hi
    C: AUTH OAUTHBEARER
    S: +
    C: <access token of demo@example.org>
    S: + <challenge>
    C: AQ==
    S: -ERR [AUTH] no
",
    );
}

#[test]
fn lines_that_are_no_known_commands_are_hidden_with_their_answers() {
    check(
        r"S: -ERR [SYS/TEMP] busy
C: {plain}
C: {password}
C: XTND {password64}
C: NOOP {password64}
C: USER {password}
S: -ERR {plain}~-ERR~+OK here~is {plain}~.~+OK~+OK
S: +OK {plain} without a command
S: +{plain}
S: -ERR bye
",
        "S: -ERR [SYS/TEMP] busy
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: it holds the password>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: +OK
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
S: -ERR bye
",
    );
}
