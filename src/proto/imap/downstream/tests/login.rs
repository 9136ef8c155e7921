//! Every way to say who one is, and every verdict.

use super::*;

#[test]
fn login_with_atoms_and_quoted_strings() {
    check(
        CLEAR,
        r#"
C: A1 LOGIN tim@example.ch secret
[Command <tim@example.ch> <secret>]
> no WrongLogin Wrong user name or password
S: A1 NO [AUTHENTICATIONFAILED] Wrong user name or password
C: a2 login "user\\shared" "sec\"ret {3}"
[Command <user\\shared> <sec\"ret {3}>]
> no WrongLogin Wrong user name or password
S: a2 NO [AUTHENTICATIONFAILED] Wrong user name or password
C: ].-3 LoGiN "" ""
[Command <> <>]
> no WrongLogin Wrong user name or password
S: ].-3 NO [AUTHENTICATIONFAILED] Wrong user name or password
C: 4 LOGIN NIL NIL
[Command <NIL> <NIL>]
> no WrongLogin Wrong user name or password
S: 4 NO [AUTHENTICATIONFAILED] Wrong user name or password
C: 5 LOGIN "jürg" "grün"
[Command <j\xc3\xbcrg> <gr\xc3\xbcn>]
> ok IMAP4rev1 IDLE
S: 5 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
"#,
    );
}

#[test]
fn login_with_literals() {
    check(
        CLEAR,
        r#"
C: A1 LOGIN {3}
S: + Ready for literal data
C: tim {6}
S: + Ready for literal data
C: secret
[Command <tim> <secret>]
> no WrongLogin No
S: A1 NO [AUTHENTICATIONFAILED] No
C: A2 LOGIN "tim" {11}
S: + Ready for literal data
C: a b"
C: {3}
C: 
[Command <tim> <a b\"\r\n{3}\r\n>]
> no WrongLogin No
S: A2 NO [AUTHENTICATIONFAILED] No
C: A3 LOGIN {3+}
C: tim {6+}
C: secret
[Command <tim> <secret>]
> no WrongLogin No
S: A3 NO [AUTHENTICATIONFAILED] No
C: A4 LOGIN {3+}
C: tim {6}
S: + Ready for literal data
C: secret
[Command <tim> <secret>]
> no WrongLogin No
S: A4 NO [AUTHENTICATIONFAILED] No
C: A5 LOGIN {0}
S: + Ready for literal data
C:  {0+}
C: 
[Command <> <>]
> no WrongLogin No
S: A5 NO [AUTHENTICATIONFAILED] No
C: A6 LOGIN {3}
S: + Ready for literal data
C: tim secret
[Command <tim> <secret>]
"#,
    );
}

#[test]
fn login_that_is_none() {
    check(
        CLEAR,
        "
C: A1 LOGIN tim
S: A1 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
C: A2 LOGIN {10}
S: + Ready for literal data
C: tim secret
S: A2 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
C: A3 LOGIN tim {3}
S: + Ready for literal data
C: a\0b
S: A3 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
C: A4 LOGIN tim ~{3+}
C: abc
C: A5 LOGIN tim ~{3}
S: A4 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
S: A5 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
S: * BYE Too many commands that are wrong or not allowed before login
[close]
",
    );
}

#[test]
fn plain() {
    check(
        CLEAR,
        "
C: A1 AUTHENTICATE PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: A1 NO [AUTHENTICATIONFAILED] No
C: A2 authenticate plain
S: + 
C: dGltAHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: A2 NO [AUTHENTICATIONFAILED] No
C: A3 AUTHENTICATE PLAIN
S: + 
C: *
S: A3 BAD Authentication cancelled
C: A4 AUTHENTICATE PLAIN =
S: A4 BAD The response is not a PLAIN message (RFC 4616)
C: A5 AUTHENTICATE PLAIN
S: + 
C: AHRpbQBzZWNyZXQ
S: A5 BAD The response is not base64
C: A6 AUTHENTICATE PLAIN YW5uAHRpbQBzZWNyZXQ=
S: A6 NO [AUTHORIZATIONFAILED] Nobody may act for somebody else; leave the authorization identity empty
C: A7 AUTHENTICATE PLAIN
S: + 
C: AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> ok IDLE
S: A7 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
",
    );
}

#[test]
fn login_mechanism() {
    check(
        CLEAR,
        "
C: A1 AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: dGlt
S: + UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tim> <secret>]
> no WrongLogin No
S: A1 NO [AUTHENTICATIONFAILED] No
C: A2 AUTHENTICATE login dGlt
S: + UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tim> <secret>]
> no WrongLogin No
S: A2 NO [AUTHENTICATIONFAILED] No
C: A3 AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: *
S: A3 BAD Authentication cancelled
C: A4 AUTHENTICATE LOGIN =
S: + UGFzc3dvcmQ6
C: *
S: A4 BAD Authentication cancelled
C: A5 AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: A6 NOOP
S: A5 BAD The response is not base64
",
    );
}

#[test]
fn other_mechanisms() {
    check(
        CLEAR,
        "
C: A1 AUTHENTICATE XOAUTH2 dXNlcj10aW0BAQ==
S: A1 NO [CANNOT] Only PLAIN and LOGIN are supported here
C: A2 AUTHENTICATE CRAM-MD5
S: A2 NO [CANNOT] Only PLAIN and LOGIN are supported here
C: A3 AUTHENTICATE
S: A3 BAD AUTHENTICATE takes a mechanism and perhaps an initial response
C: A4 AUTHENTICATE PLAIN =
C: A5 NOOP
S: A4 BAD The response is not a PLAIN message (RFC 4616)
S: A5 OK NOOP completed
",
    );
}

#[test]
fn capabilities_after_login() {
    // The client looked before login: it is shown again, for it does not look into response codes.
    check(
        CLEAR,
        "
C: A1 CAPABILITY
C: A2 LOGIN tim secret
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A1 OK CAPABILITY completed
[Command <tim> <secret>]
> ok IMAP4rev1 IDLE MOVE
S: * CAPABILITY IMAP4rev1 IDLE MOVE
S: A2 OK Logged in
",
    );
    check(
        CLEAR,
        "
C: A1 LOGIN tim secret
[Command <tim> <secret>]
> ok IDLE QUOTA=RES-STORAGE br]acket  imap4REV1
S: A1 OK [CAPABILITY IDLE QUOTA=RES-STORAGE imap4REV1] Logged in
",
    );
    check(
        CLEAR,
        "
C: A1 LOGIN tim secret
[Command <tim> <secret>]
> ok 
S: A1 OK [CAPABILITY IMAP4rev1] Logged in
",
    );
}

#[test]
fn refusals() {
    check(
        CLEAR,
        "
C: A1 LOGIN tim secret
[Command <tim> <secret>]
> alert SignIn Sign in again: saslgate account signin tim
S: * NO [ALERT] Sign in again: saslgate account signin tim
S: A1 NO [UNAVAILABLE] Sign in again: saslgate account signin tim
C: A2 LOGIN tim secret
[Command <tim> <secret>]
> close TooManyFailures Too many wrong logins
S: A2 NO [AUTHENTICATIONFAILED] Too many wrong logins
S: * BYE Too many wrong logins
[close]
C: A3 NOOP
> no WrongLogin No
> close Timeout Too late
",
    );
}

#[test]
fn pipelined_commands_stay_in_order() {
    check(
        CLEAR,
        r#"
C: A1 CAPABILITY
C: A2 ID ("name" "x")
C: A3 LOGIN tim wrong
C: A4 NOOP
C: A5 LOGIN {3+}
C: tim secret
C: A6 SELECT INBOX
C: A7 APPEND INBOX {3+}
C: abc
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A1 OK CAPABILITY completed
S: * ID ("name" "saslgate")
S: A2 OK ID completed
[Command <tim> <wrong>]
> no WrongLogin No
S: A3 NO [AUTHENTICATIONFAILED] No
S: A4 OK NOOP completed
[Command <tim> <secret>]
> ok IMAP4rev1
S: * CAPABILITY IMAP4rev1
S: A5 OK Logged in
> residue
A6 SELECT INBOX\r\nA7 APPEND INBOX {3+}\r\nabc\r\n
"#,
    );
}

#[test]
fn no_residue() {
    check(
        CLEAR,
        "
C: A1 LOGIN tim secret
[Command <tim> <secret>]
> ok IMAP4rev1
S: A1 OK [CAPABILITY IMAP4rev1] Logged in
> residue

",
    );
}
