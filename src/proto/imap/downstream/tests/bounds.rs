//! Every excess is a reply, never a larger buffer.

use proptest::prelude::*;

use super::*;

const SMALL: LoginBounds = LoginBounds { line: 30, literal: 10, total: 100, faults: 3 };

#[test]
fn lines() {
    // With its CRLF the first line has just 30 octets.
    check_within(
        CLEAR,
        SMALL,
        "
C: A1 LOGIN tim secret789012345
[Command <tim> <secret789012345>]
> no WrongLogin No
S: A1 NO [AUTHENTICATIONFAILED] No
C: A2 LOGIN tim secret7890123456
S: * BYE The line is too long
[close]
",
    );
    // A line without an end is not waited for.
    let mut machine = ImapDownstream::new(CLEAR, SMALL);
    machine.handle_input(&[b'a'; 30]);
    assert!(drain(&mut machine).ends_with("S: * BYE The line is too long\n[close]\n"));
    check_within(
        CLEAR,
        SMALL,
        "
C: A1 AUTHENTICATE PLAIN
S: + 
C: AAAAAAAAAAAAAAAAAAAAAAAAAAAAA
S: * BYE The line is too long
[close]
",
    );
}

#[test]
fn literals() {
    check_within(
        CLEAR,
        SMALL,
        "
C: A1 LOGIN tim {10}
S: + Ready for literal data
C: 0123456789
[Command <tim> <0123456789>]
> no WrongLogin No
S: A1 NO [AUTHENTICATIONFAILED] No
C: A2 LOGIN tim {11}
C: A3 NOOP
S: A2 NO [TOOBIG] The literal is too long
S: A3 OK NOOP completed
C: A4 LOGIN tim {11+}
S: * BYE [TOOBIG] The literal is too long to be sent without waiting (LITERAL-, RFC 7888)
[close]
C: 01234567890
C: A5 NOOP
",
    );
    check(
        CLEAR,
        "
C: A1 LOGIN tim {18446744073709551615}
S: A1 NO [TOOBIG] The literal is too long
C: A2 SELECT {18446744073709551615+}
S: * BYE [TOOBIG] The literal is too long to be sent without waiting (LITERAL-, RFC 7888)
[close]
",
    );
    // A number that does not fit is no literal, but what follows may be meant as one.
    check(
        CLEAR,
        "
C: A1 LOGIN tim {99999999999999999999}
S: A1 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
C: A2 LOGIN tim {99999999999999999999+}
C: A3 NOOP
S: * BYE [TOOBIG] The literal is too long to be sent without waiting (LITERAL-, RFC 7888)
[close]
",
    );
    check(CLEAR, "\nC: A1 LOGIN tim 99+}\n[Command <tim> <99+}>]\n");
    // What LITERAL- promises is kept, and no more.
    let unasked = |octets| {
        let mut machine = ImapDownstream::new(CLEAR, LoginBounds::default());
        let _ = drain(&mut machine);
        machine.handle_input(format!("A1 LOGIN tim {{{octets}+}}\r\n").as_bytes());
        machine.handle_input(&vec![b'x'; octets]);
        machine.handle_input(b"\r\n");
        drain(&mut machine)
    };
    assert!(unasked(4096).starts_with("[Command <tim> <xxxx"));
    assert!(unasked(4097).starts_with("S: * BYE [TOOBIG]"));
}

#[test]
fn total() {
    check_within(
        CLEAR,
        SMALL,
        "
C: A1 CAPABILITY
C: A2 CAPABILITY
C: A3 CAPABILITY
C: A4 CAPABILITY
C: A5 CAPABILITY
C: A6 CAPABILITY
C: A7 CAPABILITY
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A1 OK CAPABILITY completed
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A2 OK CAPABILITY completed
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A3 OK CAPABILITY completed
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A4 OK CAPABILITY completed
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A5 OK CAPABILITY completed
S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN
S: A6 OK CAPABILITY completed
S: * BYE Too much was sent before the login was complete
[close]
",
    );
    // A literal that would go beyond it is not asked for.
    check_within(
        CLEAR,
        LoginBounds { total: 29, ..SMALL },
        "
C: A1 LOGIN tim {10}
S: A1 NO [TOOBIG] The literal is too long
",
    );
}

#[test]
fn faults() {
    check_within(
        CLEAR,
        SMALL,
        "
C: A1 SELECT INBOX
S: A1 BAD Log in first
C: A2 FOO
S: A2 BAD Unknown command
C: A3 LOGIN
C: A4 NOOP
S: A3 BAD LOGIN takes a user name and a password; quote what is not plain letters and digits
S: * BYE Too many commands that are wrong or not allowed before login
[close]
",
    );
}

#[test]
fn octets_that_come_during_the_decision() {
    let start = || {
        let mut machine = ImapDownstream::new(CLEAR, SMALL);
        machine.handle_input(b"A1 LOGIN tim secret\r\n");
        assert!(drain(&mut machine).ends_with("[Command <tim> <secret>]\n"));
        machine
    };
    let mut machine = start();
    machine.handle_input(&[b'x'; 100]);
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(drain(&mut machine), "S: A1 OK [CAPABILITY IMAP4rev1] Logged in\n");
    assert_eq!(Box::new(machine).into_residue(), [b'x'; 100][..]);
    let mut machine = start();
    machine.handle_input(&[b'x'; 60]);
    machine.handle_input(&[b'x'; 60]);
    assert_eq!(drain(&mut machine), "");
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(
        drain(&mut machine),
        "S: * BYE Too much was sent before the login was complete\n[close]\n"
    );
    // After a refusal it is as if they came one by one: each is answered up to the first that is
    // wrong.
    let mut machine = start();
    machine.handle_input(b"A2 NOOP\r\n");
    machine.handle_input(&[b'x'; 120]);
    machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "No")));
    assert_eq!(
        drain(&mut machine),
        "S: A1 NO [AUTHENTICATIONFAILED] No\nS: A2 OK NOOP completed\n\
         S: * BYE The line is too long\n[close]\n"
    );
}

proptest! {
    /// Whatever comes in, however cut: the same comes out, in whole lines, and it is bounded.
    #[test]
    fn any_input(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "A1 LOGIN tim {3}\r\n", "A2 LOGIN {3+}\r\ntim ", "\"se\\\"cret\"\r\n", "a NOOP\r\n", "{5+}\r\n", "*\r\n",
                "A3 AUTHENTICATE PLAIN\r\n", "A4 AUTHENTICATE LOGIN dGlt\r\n", "AHRpbQBzZWNyZXQ=\r\n", "A5 SELECT {2+}\r\n",
                "A6 ID (\"a\" {2}\r\n", "A7 CAPABILITY\n", "A8 LOGOUT\r\n", "A9 STARTTLS\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..12),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let input = pieces.concat();
        let play = |cuts: &[usize]| {
            let mut machine = ImapDownstream::new(OFFER, SMALL);
            let mut seen = String::new();
            let mut rest = &input[..];
            for &cut in cuts.iter().cycle() {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                machine.handle_input(head);
                rest = tail;
                // What came in one piece or in several counts as sent before the handshake.
                seen += &settle(&mut machine, rest.is_empty());
                if rest.is_empty() {
                    break;
                }
            }
            seen
        };
        let (whole, cut) = (play(&[input.len()]), play(&cuts));
        prop_assert_eq!(&whole, &cut);
        prop_assert!(whole.len() < 200 * (SMALL.total + 2));
    }
}

/// Acts on events as a driver does: nothing is read before a login is decided.
fn settle(machine: &mut ImapDownstream, handshake: bool) -> String {
    let mut seen = drain(machine);
    loop {
        match machine.state {
            State::Deciding { .. } => {
                machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "No")));
            }
            State::Handshake { .. } if handshake => machine.handle_tls_established(),
            State::Greeting
            | State::Command { .. }
            | State::Response { .. }
            | State::Handshake { .. }
            | State::Done
            | State::Closed => return seen,
        }
        seen += &drain(machine);
    }
}

const OFFER: LocalTls = LocalTls::Offer { login_in_clear: true };
