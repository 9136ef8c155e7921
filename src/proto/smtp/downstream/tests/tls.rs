//! STARTTLS, and logins that must wait for it.

use super::*;

#[test]
fn starttls() {
    check(
        DEMANDED,
        "
C: EHLO client.example.org
S: 250-localhost
S: 250-PIPELINING
S: 250 STARTTLS
C: starttls
S: 220 2.0.0 Begin the TLS negotiation now
[starttls]
> tls
C: EHLO client.example.org
S: 250-localhost
S: 250-PIPELINING
S: 250 AUTH PLAIN LOGIN
C: STARTTLS
S: 503 5.5.1 TLS is on already
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
[Plain <tim> <secret>]
> ok
S: 235 2.7.0 Authentication successful
",
    );
    check(CLEAR, "\nC: STARTTLS\nS: 502 5.5.1 TLS is not offered on this port\n");
    check(OFFERED, "\nC: STARTTLS now\nS: 501 5.5.4 STARTTLS takes no arguments\n");
}

#[test]
fn what_came_in_clear_is_not_run_under_tls() {
    for injected in ["NOOP", "AUTH PLAIN AHRpbQBzZWNyZXQ=", "", "\0"] {
        check(
            OFFERED,
            &format!(
                "
C: STARTTLS
C: {injected}
S: 220 2.0.0 Begin the TLS negotiation now
[starttls]
> tls
S: 421 4.7.0 Data was sent in clear behind STARTTLS; the session is not safe
[close]
C: NOOP
"
            ),
        );
    }
}

#[test]
fn a_handshake_starts_everything_anew() {
    // The 16 octets before it do not count against the 40 after it, and the first line is a first
    // line again.
    check_within(
        OFFERED,
        LoginBounds { total: 40, ..LoginBounds::default() },
        "
C: NOOP
C: STARTTLS
S: 250 2.0.0 OK
S: 220 2.0.0 Begin the TLS negotiation now
[starttls]
> tls
C: -AUTH PLAIN AHRpbQBzZWNyZXQtMTI=
[Plain <tim> <secret-12>]
",
    );
}

#[test]
fn nothing_is_said_into_a_handshake() {
    check(
        OFFERED,
        "
C: STARTTLS
S: 220 2.0.0 Begin the TLS negotiation now
[starttls]
> close Timeout Too late
[close]
",
    );
}

#[test]
fn a_login_in_clear_is_refused_and_its_password_not_asked_for() {
    check(
        DEMANDED,
        "
C: AUTH PLAIN AHRpbQBzZWNyZXQ=
S: 530 5.7.0 Must issue a STARTTLS command first
C: AUTH LOGIN
S: 530 5.7.0 Must issue a STARTTLS command first
C: AUTH XOAUTH2
S: 530 5.7.0 Must issue a STARTTLS command first
C: MAIL FROM:<tim@example.org>
S: 530 5.7.0 Must issue a STARTTLS command first
C: NOOP
S: 250 2.0.0 OK
",
    );
}
