//! Every excess is a reply, never a larger buffer.

use proptest::prelude::*;

use super::*;

const SMALL: LoginBounds = LoginBounds { line: 30, literal: 10, total: 100, faults: 3 };

#[test]
fn lines() {
    // With its CRLF the first line has just 30 octets. What follows a long line is run.
    check_within(
        CLEAR,
        SMALL,
        "
C: NOOP 67890123456789012345678
C: NOOP 678901234567890123456789
C: NOOP
S: 250 2.0.0 OK
S: 500 5.5.2 The line is too long
S: 250 2.0.0 OK
",
    );
    // A line without an end is not waited for, nor kept.
    let mut endless = machine(CLEAR, SMALL);
    endless.handle_input(&[b'a'; 60]);
    assert_eq!(drain(&mut endless), "S: 220 localhost ESMTP saslgate\n");
    assert!(endless.intake.pending().is_empty());
    endless.handle_input(&[b'a'; 40]);
    assert_eq!(
        drain(&mut endless),
        "S: 421 4.7.0 Too much was sent before the login was complete\n[close]\n"
    );
}

#[test]
fn responses() {
    // RFC 4954 section 4: up to 12288 octets, and 500 5.5.6 beyond.
    let respond = |octets: usize| {
        let mut machine = machine(CLEAR, LoginBounds::default());
        machine.handle_input(b"AUTH LOGIN dGlt\r\n");
        machine.handle_input(&vec![b'A'; octets]);
        machine.handle_input(b"\r\nNOOP\r\n");
        drain(&mut machine)
    };
    let begin = "S: 220 localhost ESMTP saslgate\nS: 334 UGFzc3dvcmQ6\n";
    assert!(respond(12288).starts_with(&format!("{begin}[Login <tim> <")));
    assert_eq!(
        respond(12292),
        format!("{begin}S: 500 5.5.6 The response is too long\nS: 250 2.0.0 OK\n")
    );
}

#[test]
fn total() {
    // The seventeenth NOOP would be octet 102.
    let seen = {
        let mut machine = machine(CLEAR, SMALL);
        machine.handle_input(&b"NOOP\r\n".repeat(17));
        drain(&mut machine)
    };
    let answers = "S: 250 2.0.0 OK\n".repeat(16);
    assert_eq!(
        seen,
        format!(
            "S: 220 localhost ESMTP saslgate\n{answers}\
             S: 421 4.7.0 Too much was sent before the login was complete\n[close]\n"
        )
    );
    // A chunk that would go beyond it is not waited for.
    check_within(
        CLEAR,
        SMALL,
        "
C: BDAT 92
S: 421 4.7.0 Too much was sent before the login was complete
[close]
C: NOOP
",
    );
}

#[test]
fn faults() {
    check_within(
        CLEAR,
        SMALL,
        "
C: MAIL FROM:<a>
S: 530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device
C: TURN
S: 502 5.5.1 This command is not supported here
C: AUTH PLAIN !
C: NOOP
S: 501 5.5.2 The response is not base64
S: 421 4.7.0 Too many commands that are wrong or not allowed before login
[close]
",
    );
}

#[test]
fn octets_that_come_during_the_decision() {
    let start = || {
        let mut machine = machine(CLEAR, SMALL);
        machine.handle_input(b"AUTH PLAIN AHRpbQBzZWM=\r\n");
        assert!(drain(&mut machine).ends_with("[Plain <tim> <sec>]\n"));
        machine
    };
    let mut machine = start();
    machine.handle_input(&[b'x'; 100]);
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(drain(&mut machine), "S: 235 2.7.0 Authentication successful\n");
    assert_eq!(Box::new(machine).into_residue(), [b'x'; 100][..]);
    let mut machine = start();
    machine.handle_input(&[b'x'; 60]);
    machine.handle_input(&[b'x'; 60]);
    assert_eq!(drain(&mut machine), "");
    machine.conclude(Ok(Welcome::default()));
    assert_eq!(
        drain(&mut machine),
        "S: 421 4.7.0 Too much was sent before the login was complete\n[close]\n"
    );
    // After a refusal it is as if they came one by one.
    let mut machine = start();
    machine.handle_input(b"NOOP\r\n");
    machine.handle_input(&[b'x'; 120]);
    machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "No")));
    assert_eq!(
        drain(&mut machine),
        "S: 535 5.7.8 No\nS: 250 2.0.0 OK\n\
         S: 421 4.7.0 Too much was sent before the login was complete\n[close]\n"
    );
}

proptest! {
    /// Whatever comes in, however cut: the same comes out, in whole lines, and it is bounded.
    #[test]
    fn any_input(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                "EHLO a\r\n", "HELO a\n", "AUTH PLAIN\r\n", "AUTH LOGIN dGlt\r\n", "AHRpbQBzZWNyZXQ=\r\n", "*\r\n",
                "AUTH PLAIN AHRpbQBz\r\n", "STARTTLS\r\n", "BDAT 7\r\n", "BDAT 20 LAST\r\n", "MAIL FROM:<a>\r\n", "QUIT\r\n",
                "NOOP 67890123456789012345678901\r\n", "GET / HTTP/1.1\r\n", "\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..12),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let input = pieces.concat();
        let play = |cuts: &[usize]| {
            let mut machine = machine(OFFERED, SMALL);
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
fn settle(machine: &mut SmtpDownstream, handshake: bool) -> String {
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
            | State::Overlong { .. }
            | State::Chunk { .. }
            | State::Handshake { .. }
            | State::Done
            | State::Closed => return seen,
        }
        seen += &drain(machine);
    }
}
