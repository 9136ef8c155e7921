//! What holds for any conversation.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    model::{Habits, Model},
    *,
};

/// A client that sends everything at once, in pieces, against a server that answers each piece.
fn converse(client: &[u8], cuts: &[usize], habits: Habits) -> (Wire, Model) {
    let mut wire = Wire::new(relay());
    let mut model = Model::new(habits);
    let (mut cuts, mut seen) = (cuts.iter().cycle(), 0);
    let mut rest = client;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        wire.send(Side::Downstream, piece);
        answer(&mut wire, &mut model, &mut seen);
        rest = behind;
    }
    (wire, model)
}

/// Lets the server read and answer until it has read everything; `seen` is how much it has.
fn answer(wire: &mut Wire, model: &mut Model, seen: &mut usize) {
    while *seen < wire.passed.len() {
        let new = wire.passed.iter().skip(*seen).filter(|(to, _)| *to == Side::Upstream);
        let said: String = new.map(|(_, octets)| model.read(octets)).collect();
        *seen = wire.passed.len();
        wire.send(Side::Upstream, said.as_bytes());
    }
}

/// A command and whether it passes.
fn command() -> impl Strategy<Value = (&'static str, bool)> {
    select(vec![
        ("A NOOP\r\n", true),
        ("B SELECT \"a \\\" {3}\"\r\n", true),
        ("C APPEND x {12}\r\nB LOGIN u p\n {2+}\r\n\r\n ~{3}\r\na\0b\r\n", true),
        ("D IDLE\r\nDONE\r\n", true),
        ("E APPEND x {0}\r\n\r\n", true),
        ("F SEARCH TEXT {4+}\r\n}\r\n{ NOT ANSWERED\r\n", true),
        ("\r\n", true),
        ("G NOOP {5-}\r\n", true),
        ("H login u p\r\nH NOOP\r\n", false),
        ("I LOGIN {5+}\r\nA NO\n {3+}\r\nabc\r\nI NOOP\r\n", false),
        ("J AUTHENTICATE PLAIN AGEAYg==\r\nJ NOOP\r\n", false),
    ])
}

/// Pieces from which a login may be hidden somewhere.
fn trick() -> impl Strategy<Value = &'static str> {
    select(vec![
        "A ",
        "B ",
        "A ",
        "LOGIN u p",
        "LoGiN u p",
        " ",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\"",
        "\\",
        "{2}",
        "{13}",
        "{15}",
        "{2+}",
        "{13+}",
        "{15+}",
        "{0}",
        "{0+}",
        "{5-}",
        "}",
        "(",
        "APPEND x ",
        "NOOP",
        "IDLE",
        "DONE",
        "xx",
        "+ ",
        "*",
        "A NOOP\r\n",
        "B LOGIN u p\r\n",
        "A APPEND x {15+}\r\n",
        "A APPEND x {15}\r\n",
        "B AUTHENTICATE PLAIN\r\n",
        "A NOOP \"x {13+}\r\n",
        "A NOOP \"\r\n",
        "A NOOP x{13+}\r\n",
        "A NOOP {13}\r\n",
        "A NOOP {13} \r\n",
        "A NOOP {0013}\r\n",
        "A {13}\r\n",
        "+ {13}\r\n",
    ])
}

fn habits() -> impl Strategy<Value = Habits> {
    any::<[bool; 6]>().prop_map(
        |[bare_lf, refuses, lenient, long_quotes, ignores_quotes, exact]| Habits {
            bare_lf,
            refuses,
            lenient,
            long_quotes,
            ignores_quotes,
            exact,
        },
    )
}

proptest! {
    #[test]
    fn all_but_kept_commands_arrives_as_it_was_sent(
        commands in vec(command(), 0..12),
        cuts in vec(1..40usize, 1..8),
    ) {
        let client: String = commands.iter().map(|(command, _)| *command).collect();
        let (wire, model) = converse(client.as_bytes(), &cuts, Habits::default());
        prop_assert_eq!(wire.ended, None);
        let arrives: String = commands.iter().map(|(command, passes)| match passes {
            true => *command,
            // The NOOP behind it passes.
            false => command.split_at(command.len() - "X NOOP\r\n".len()).1,
        }).collect();
        prop_assert_eq!(String::from_utf8(wire.reached(Side::Upstream)).unwrap(), arrives);
        let kept = commands.iter().filter(|(_, passes)| !passes).count() as u64;
        prop_assert_eq!(wire.relay.counts().guarded, kept);
        let answered = String::from_utf8(wire.reached(Side::Downstream)).unwrap();
        prop_assert_eq!(answered.matches(" refused: ").count() as u64, kept);
        let blank = commands.iter().filter(|(command, _)| *command == "\r\n").count();
        prop_assert_eq!(model.commands.len(), commands.len() - blank);
    }

    #[test]
    fn no_login_slips_past(
        tricks in vec(trick(), 1..14),
        cuts in vec(1..30usize, 1..4),
        habits in habits(),
    ) {
        let (_, model) = converse(tricks.concat().as_bytes(), &cuts, habits);
        for word in &model.commands {
            prop_assert!(!["LOGIN", "AUTHENTICATE"].contains(&word.as_str()), "{:?}", model);
        }
    }

    #[test]
    fn all_but_capabilities_arrives_as_it_was_sent(
        responses in vec(select(vec![
            ("* 1 EXISTS\r\n", "* 1 EXISTS\r\n"),
            ("* 1 FETCH (X {9}\r\n* OK [CAP\n)\r\n", "* 1 FETCH (X {9}\r\n* OK [CAP\n)\r\n"),
            ("* CAPABILITY IMAP4rev1 XYZZY\r\n", "* CAPABILITY IMAP4rev1\r\n"),
            ("A OK [CAPABILITY IMAP4rev1 XYZZY] x\r\n", "A OK [CAPABILITY IMAP4rev1] x\r\n"),
            ("+ {3}\r\n", "+ {3}\r\n"),
            ("B NO {3}\r\n", "B NO {3}\r\n"),
        ]), 0..12),
        cuts in vec(1..40usize, 1..8),
    ) {
        let mut wire = Wire::new(relay());
        let all: String = responses.iter().map(|(sent, _)| *sent).collect();
        let mut rest = all.as_bytes();
        for cut in cuts.iter().cycle().take(all.len()) {
            let (piece, behind) = rest.split_at(rest.len().min(*cut));
            wire.send(Side::Upstream, piece);
            rest = behind;
        }
        let expected: String = responses.iter().map(|(_, arrives)| *arrives).collect();
        prop_assert_eq!(String::from_utf8(wire.reached(Side::Downstream)).unwrap(), expected);
    }

    #[test]
    fn the_invariants_hold_for_anything(data in vec(any::<u8>(), 0..300)) {
        fuzz_relay(&data);
    }
}
