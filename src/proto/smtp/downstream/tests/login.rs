//! Every way to say who one is, and every verdict.

use super::*;

#[test]
fn plain() {
    check(
        CLEAR,
        "
C: EHLO client.example.org
S: 250-localhost
S: 250-PIPELINING
S: 250 AUTH PLAIN LOGIN
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: 535 5.7.8 No
C: auth plain
S: 334 
C: dGltAHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: 535 5.7.8 No
C: AUTH PLAIN
S: 334 
C: *
S: 501 5.7.0 Authentication cancelled
C: AUTH PLAIN =
S: 501 5.5.2 The response is not a PLAIN message (RFC 4616)
C: AUTH PLAIN
S: 334 
C: AHRpbQBzZWNyZXQ
S: 501 5.5.2 The response is not base64
C: AUTH PLAIN YW5uAHRpbQBzZWNyZXQ=
S: 535 5.7.8 Nobody may act for somebody else; leave the authorization identity empty
C: AUTH PLAIN 
S: 334 
C: AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> ok
S: 235 2.7.0 Authentication successful
",
    );
}

#[test]
fn login() {
    check(
        CLEAR,
        "
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: dGlt
S: 334 UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tim> <secret>]
> no WrongLogin No
S: 535 5.7.8 No
C: AUTH login dGlt
S: 334 UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tim> <secret>]
> no WrongLogin No
S: 535 5.7.8 No
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: *
S: 501 5.7.0 Authentication cancelled
C: AUTH LOGIN =
S: 334 UGFzc3dvcmQ6
C: *
S: 501 5.7.0 Authentication cancelled
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: RSET
S: 334 UGFzc3dvcmQ6
C: NOOP 1
S: 501 5.5.2 The response is not base64
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: 
S: 334 UGFzc3dvcmQ6
C: 
[Login <> <>]
> ok
S: 235 2.7.0 Authentication successful
",
    );
}

#[test]
fn other_mechanisms() {
    check(
        CLEAR,
        "
C: AUTH XOAUTH2 dXNlcj10aW0BAQ==
S: 504 5.5.4 Only PLAIN and LOGIN are supported here
C: AUTH CRAM-MD5
S: 504 5.5.4 Only PLAIN and LOGIN are supported here
C: AUTH
S: 501 5.5.4 AUTH takes a mechanism and perhaps an initial response
C: AUTH PLAIN a b
S: 501 5.5.4 AUTH takes a mechanism and perhaps an initial response
",
    );
}

#[test]
fn refusals() {
    check(
        CLEAR,
        "
C: HELO printer
S: 250 localhost
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no SignIn Sign in again: saslgate account signin tim
S: 454 4.7.0 Sign in again: saslgate account signin tim
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> close ShuttingDown The gateway is stopping
S: 421 4.3.2 The gateway is stopping
[close]
C: NOOP
> no WrongLogin No
> close Timeout Too late
",
    );
    // The password is wrong: a client that heard the 421 alone would come again with it.
    check(
        CLEAR,
        "
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> close TooManyFailures Too many wrong logins
S: 535 5.7.8 Too many wrong logins
S: 421 4.7.0 Too many wrong logins
[close]
",
    );
}

#[test]
fn what_is_sent_at_once_is_answered_in_order() {
    check(
        CLEAR,
        r#"
C: EHLO client.example.org
C: AUTH PLAIN AHRpbQB3cm9uZw==
C: NOOP
C: AUTH LOGIN
C: dGlt
C: c2VjcmV0
C: MAIL FROM:<tim@example.org>
C: RCPT TO:<ann@example.org>
C: BDAT 5 LAST
C: abc
S: 250-localhost
S: 250-PIPELINING
S: 250 AUTH PLAIN LOGIN
[Plain <tim> <wrong>]
> no WrongLogin No
S: 535 5.7.8 No
S: 250 2.0.0 OK
S: 334 VXNlcm5hbWU6
S: 334 UGFzc3dvcmQ6
[Login <tim> <secret>]
> ok
S: 235 2.7.0 Authentication successful
> residue
MAIL FROM:<tim@example.org>\r\nRCPT TO:<ann@example.org>\r\nBDAT 5 LAST\r\nabc\r\n
"#,
    );
}

#[test]
fn a_client_that_did_not_wait_for_its_refusal() {
    check(
        CLEAR,
        "
C: AUTH PLAIN AHRpbQB3cm9uZw==
C: MAIL FROM:<tim@example.org>
C: QUIT
[Plain <tim> <wrong>]
> no WrongLogin No
S: 535 5.7.8 No
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
S: 221 2.0.0 Bye
[close]
",
    );
}

#[test]
fn no_residue() {
    check(
        CLEAR,
        "
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> ok
S: 235 2.7.0 Authentication successful
> residue

",
    );
}
