//! Every excess is a reply, never a larger buffer.

use proptest::prelude::*;

use super::*;

const SMALL: LoginBounds = LoginBounds { line: 20, literal: 10, total: 80, faults: 3 };

#[test]
fn lines() {
    // With its CRLF the password's line has just 20 octets.
    check_within(
        CLEAR,
        SMALL,
        "
C: USER tim
S: +OK Send the password
C: PASS secret7890123
[Command <tim> <secret7890123>]
> no WrongLogin No
S: -ERR [AUTH] No
C: USER tim
S: +OK Send the password
C: PASS secret78901234
S: -ERR The line is too long
[close]
",
    );
    // A line without an end is not waited for.
    let mut machine = Pop3Downstream::new(CLEAR, SMALL);
    machine.handle_input(&[b'a'; 20]);
    assert!(drain(&mut machine).ends_with("S: -ERR The line is too long\n[close]\n"));
    check_within(
        CLEAR,
        SMALL,
        "\nC: AUTH PLAIN\nS: + \nC: AAAAAAAAAAAAAAAAAAA\nS: -ERR The line is too long\n[close]\n",
    );
}

#[test]
fn total() {
    check_within(
        CLEAR,
        LoginBounds { total: 24, ..SMALL },
        "
C: NOOP
C: NOOP
C: NOOP
C: NOOP
C: QUIT
S: +OK
S: +OK
S: +OK
S: +OK
S: -ERR Too much was sent before the login was complete
[close]
",
    );
    // A handshake starts it anew.
    check_within(
        OFFERED,
        LoginBounds { total: 13, ..SMALL },
        "
C: NOOP
C: STLS
S: +OK
S: +OK Begin the TLS negotiation now
[starttls]
> tls
C: NOOP
C: NOOP
S: +OK
S: +OK
",
    );
}

#[test]
fn octets_that_come_during_the_decision() {
    let start = || {
        let mut machine = Pop3Downstream::new(CLEAR, SMALL);
        machine.handle_input(b"USER tim\r\nPASS secret\r\n");
        assert!(drain(&mut machine).ends_with("[Command <tim> <secret>]\n"));
        machine
    };
    let mut machine = start();
    machine.handle_input(&[b'x'; 80]);
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(drain(&mut machine), "S: +OK Logged in\n");
    assert_eq!(Box::new(machine).into_residue(), [b'x'; 80][..]);
    let mut machine = start();
    machine.handle_input(&[b'x'; 41]);
    machine.handle_input(&[b'x'; 40]);
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(
        drain(&mut machine),
        "S: -ERR Too much was sent before the login was complete\n[close]\n"
    );
    // After a refusal it is as if they came one by one: each is answered up to the first that is
    // wrong.
    let mut machine = start();
    machine.handle_input(b"NOOP\r\n");
    machine.handle_input(&[b'x'; 80]);
    machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "No")));
    assert_eq!(
        drain(&mut machine),
        "S: -ERR [AUTH] No\nS: +OK\nS: -ERR The line is too long\n[close]\n"
    );
}

proptest! {
    /// Whatever comes in, however cut: the same comes out, in whole lines, and it is bounded.
    #[test]
    fn any_input(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "USER tim\r\n", "PASS  secret \r\n", "NOOP\r\n", "*\r\n", "AUTH PLAIN\r\n",
                "AUTH LOGIN dGlt\r\n", "AHRpbQBzZWNyZXQ=\r\n", "STAT\r\n", "CAPA\n", "QUIT\r\n",
                "STLS\r\n", "AUTH\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..12),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let input = pieces.concat();
        let play = |cuts: &[usize]| {
            let mut machine = Pop3Downstream::new(OFFERED, SMALL);
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
        let (whole, cut) = (play(&[input.len().max(1)]), play(&cuts));
        prop_assert_eq!(&whole, &cut);
        prop_assert!(whole.len() < 200 * (SMALL.total + 2));
    }
}

/// Acts on events as a driver does: nothing is read before a login is decided.
fn settle(machine: &mut Pop3Downstream, handshake: bool) -> String {
    let mut seen = drain(machine);
    loop {
        match machine.state {
            State::Deciding => {
                machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "No")));
            }
            State::Handshake { .. } if handshake => machine.handle_tls_established(),
            State::Greeting
            | State::Command
            | State::Response { .. }
            | State::Handshake { .. }
            | State::Done
            | State::Closed => return seen,
        }
        seen += &drain(machine);
    }
}
