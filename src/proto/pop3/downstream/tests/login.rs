//! Logins in all their forms, and their verdicts.

use super::*;

#[test]
fn user_and_pass() {
    check(
        CLEAR,
        "
C: USER tim
S: +OK Send the password
C: PASS secret
[Command <tim> <secret>]
> ok
S: +OK Logged in
",
    );
    // RFC 1939 section 7: spaces may be part of the password. They may be part of a name, too.
    check(
        CLEAR,
        "
C: user tim de witt
C: pass  two  words 
S: +OK Send the password
[Command <tim de witt> < two  words >]
",
    );
    check(CLEAR, "\nC: USER \nC: PASS \nS: +OK Send the password\n[Command <> <>]\n");
    check(CLEAR, "\nC: USER\nC: PASS\nS: +OK Send the password\n[Command <> <>]\n");
    check(
        CLEAR,
        "\nC: USER tim\nC: PASS grün\u{0}\nS: +OK Send the password\n[Command <tim> <gr\\xc3\\xbcn\\x00>]\n",
    );
}

#[test]
fn a_name_is_good_for_one_password() {
    check(
        CLEAR,
        "
C: PASS secret
S: -ERR Send USER first
C: USER tom
S: +OK Send the password
C: USER tim
S: +OK Send the password
C: CAPA
S: +OK Capabilities follow
S: TOP
S: UIDL
S: RESP-CODES
S: AUTH-RESP-CODE
S: PIPELINING
S: USER
S: SASL PLAIN LOGIN
S: .
C: PASS wrong
[Command <tim> <wrong>]
> no WrongLogin No
S: -ERR [AUTH] No
C: PASS secret
S: -ERR Send USER first
C: USER tim
S: +OK Send the password
C: AUTH LOGIN dG9t
S: + UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tom> <secret>]
> no SignIn Sign in
S: -ERR [SYS/PERM] Sign in (service unavailable)
C: PASS secret
S: -ERR Send USER first
",
    );
}

#[test]
fn auth() {
    check(
        CLEAR,
        "
C: AUTH PLAIN
S: + 
C: AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: -ERR [AUTH] No
C: auth plain AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> no WrongLogin No
S: -ERR [AUTH] No
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: dGlt
S: + UGFzc3dvcmQ6
C: c2VjcmV0
[Login <tim> <secret>]
",
    );
    check(CLEAR, "\nC: AUTH LOGIN =\nS: + UGFzc3dvcmQ6\nC: c2VjcmV0\n[Login <> <secret>]\n");
}

#[test]
fn auth_that_fails() {
    check(
        CLEAR,
        "
C: AUTH PLAIN
S: + 
C: *
S: -ERR Authentication cancelled
C: AUTH PLAIN =
S: -ERR The response is not a PLAIN message (RFC 4616)
C: AUTH PLAIN AHRpbQBzZWNyZXQ
S: -ERR The response is not base64
C: AUTH PLAIN VXJzZWwAS3VydAB4
S: -ERR [AUTH] Nobody may act for somebody else; leave the authorization identity empty
C: AUTH CRAM-MD5
S: -ERR Only PLAIN and LOGIN are supported here
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: dGlt
S: + UGFzc3dvcmQ6
C: *
S: -ERR Authentication cancelled
C: AUTH PLAIN a b
S: -ERR Too many commands that are wrong or not allowed before login
[close]
",
    );
}

#[test]
fn a_login_in_clear_is_refused_and_its_password_not_asked_for() {
    check(
        DEMANDED,
        "
C: USER tim
C: PASS secret
C: AUTH PLAIN
C: NOOP
S: -ERR [SYS/PERM] Send STLS first: a password must not travel in clear (service unavailable)
S: -ERR [SYS/PERM] Send STLS first: a password must not travel in clear (service unavailable)
S: -ERR [SYS/PERM] Send STLS first: a password must not travel in clear (service unavailable)
S: +OK
",
    );
}

#[test]
fn what_comes_behind_a_login_waits_for_its_verdict() {
    check(
        CLEAR,
        "
C: USER tim
C: PASS wrong
C: NOOP
C: USER tim
C: PASS secret
C: STAT
C: LIST
S: +OK Send the password
[Command <tim> <wrong>]
> no WrongLogin No
S: -ERR [AUTH] No
S: +OK
S: +OK Send the password
[Command <tim> <secret>]
> ok
S: +OK Logged in
> residue
STAT\\r\\nLIST\\r\\n
",
    );
}

#[test]
fn a_login_that_must_go_gets_one_answer() {
    check(
        CLEAR,
        "
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> close TooManyFailures Enough
S: -ERR [AUTH] Enough
[close]
> ok
",
    );
    check(
        CLEAR,
        "
C: AUTH PLAIN
S: + 
> close ShuttingDown Stopping
S: -ERR [SYS/TEMP] Stopping (service unavailable)
[close]
> close Timeout Again
",
    );
    check(CLEAR, "\nC: NOOP\nS: +OK\n> close TooManyFailures Enough\nS: -ERR Enough\n[close]\n");
}
