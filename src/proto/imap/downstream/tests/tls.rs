//! STARTTLS, and logins that must wait for it.

use super::*;

const DEMANDED: LocalTls = LocalTls::Offer { login_in_clear: false };
const OFFERED: LocalTls = LocalTls::Offer { login_in_clear: true };

#[test]
fn starttls() {
    check(
        DEMANDED,
        "
C: A1 CAPABILITY
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED
S: A1 OK CAPABILITY completed
C: A2 starttls
S: A2 OK Begin the TLS negotiation now
[starttls]
> tls
C: A3 STARTTLS
S: A3 BAD TLS is on already
C: A4 LOGIN tim secret
[Command <tim> <secret>]
> ok IMAP4rev1
S: A4 OK [CAPABILITY IMAP4rev1] Logged in
",
    );
    check(
        OFFERED,
        "
C: A1 STARTTLS
S: A1 OK Begin the TLS negotiation now
[starttls]
> tls
C: A2 CAPABILITY
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A2 OK CAPABILITY completed
C: A3 LOGIN tim secret
[Command <tim> <secret>]
> ok IMAP4rev1
S: * CAPABILITY IMAP4rev1
S: A3 OK Logged in
",
    );
    check(CLEAR, "\nC: A1 STARTTLS\nS: A1 BAD TLS is not offered on this port\n");
}

#[test]
fn what_came_in_clear_is_not_run_under_tls() {
    for injected in ["A2 NOOP", "A2 LOGIN eve evil", "", "\0"] {
        check(
            OFFERED,
            &format!(
                "
C: A1 STARTTLS
C: {injected}
S: A1 OK Begin the TLS negotiation now
[starttls]
> tls
S: * BYE Data was sent in clear behind STARTTLS; the session is not safe
[close]
C: A3 NOOP
"
            ),
        );
    }
}

#[test]
fn a_handshake_starts_everything_anew() {
    // The 24 octets before it do not count against the 40 after it, and the first line is a first
    // line again.
    check_within(
        OFFERED,
        LoginBounds { total: 40, ..LoginBounds::default() },
        "
C: A1 NOOP
C: A2 STARTTLS
S: A1 OK NOOP completed
S: A2 OK Begin the TLS negotiation now
[starttls]
> tls
C: A3 LOGIN tim a-password-of-20
[Command <tim> <a-password-of-20>]
",
    );
    check(
        OFFERED,
        "
C: A1 STARTTLS
S: A1 OK Begin the TLS negotiation now
[starttls]
> tls
C: GET / HTTP/1.1
S: * BYE This is an IMAP server, and that was no IMAP command
[close]
",
    );
}

#[test]
fn nothing_is_said_into_a_handshake() {
    check(
        OFFERED,
        "
C: A1 STARTTLS
S: A1 OK Begin the TLS negotiation now
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
C: A1 LOGIN tim secret
S: A1 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
C: A2 LOGIN {3}
S: A2 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
C: A3 LOGIN {3+}
C: tim {6+}
C: secret
C: A4 AUTHENTICATE PLAIN
S: A3 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
S: A4 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
",
    );
    check(
        DEMANDED,
        "
C: A1 LOGIN {3+}
C: tim {6}
S: A1 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
C: A2 AUTHENTICATE PLAIN AHRpbQBzZWNyZXQ=
S: A2 NO [PRIVACYREQUIRED] Send STARTTLS first: a password must not travel in clear
C: A3 NOOP
S: A3 OK NOOP completed
",
    );
}
