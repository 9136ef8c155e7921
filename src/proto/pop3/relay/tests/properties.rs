//! What holds for any conversation.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    server::{Habits, Pop3Server},
    *,
};

/// A client that sends everything at once, in pieces, against a server that answers each piece.
fn converse(client: &[u8], cuts: &[usize], habits: Habits) -> (Wire, Pop3Server) {
    let mut wire = Wire::new(relay());
    let mut server = Pop3Server::new(habits);
    let (mut cuts, mut seen) = (cuts.iter().cycle(), 0);
    let mut rest = client;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
        wire.send(Side::Downstream, piece);
        while seen < wire.passed.len() {
            let new = wire.passed.iter().skip(seen).filter(|(to, _)| *to == Side::Upstream);
            let said: String = new.map(|(_, octets)| server.read(octets)).collect();
            seen = wire.passed.len();
            wire.send(Side::Upstream, said.as_bytes());
        }
        rest = behind;
    }
    (wire, server)
}

/// A command, and whether it passes.
fn command() -> impl Strategy<Value = (&'static str, bool)> {
    select(vec![
        ("STAT\r\n", true),
        ("list\r\n", true),
        ("LIST 1\r\n", true),
        ("UIDL\r\n", true),
        ("RETR 1\r\n", true),
        ("TOP 1 0\r\n", true),
        ("CAPA\r\n", true),
        ("Lang\r\n", true),
        ("LANG *\r\n", true),
        ("DELE 1\r\n", true),
        ("USER alice\r\n", false),
        ("pass my secret\r\n", false),
        ("AUTH PLAIN AGEAYg==\r\n", false),
        ("AGEAYg==\r\n", false),
        ("STLS\r\n", false),
        ("XTND XMIT\r\n", false),
        ("\r\n", false),
    ])
}

/// Pieces from which a login may be hidden somewhere.
fn trick() -> impl Strategy<Value = &'static str> {
    select(vec![
        "USER a",
        "PASS secret",
        "pAsS x",
        "AUTH PLAIN",
        "AGEAYg==",
        " ",
        "\t",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\0",
        "NOOP",
        "NOOP\r\n",
        "LIST",
        "LIST\n",
        "RETR 1",
        "CAPA\r\n",
        "CAPA\n",
        "QUIT",
        "QUIT\n",
        "QUIT x\r\n",
        LONG.as_str(),
        ".",
        "+OK",
        "*",
        "STLS\r\n",
    ])
}

/// As much as a server must read in one line.
static LONG: LazyLock<String> = LazyLock::new(|| format!("{:255}", "NOOP"));

fn habits() -> impl Strategy<Value = Habits> {
    any::<[bool; 5]>().prop_map(|[bare_lf, divides, short_lines, skips_blanks, refuses]| Habits {
        bare_lf,
        divides,
        short_lines,
        skips_blanks,
        refuses,
    })
}

/// The replies as a client reads them that knows its commands.
fn replies(mut said: &str, commands: &[&str]) -> Vec<String> {
    let mut replies = Vec::new();
    for command in commands {
        let (first, mut rest) = said.split_once("\r\n").unwrap();
        let command = command.trim_end().to_ascii_uppercase();
        let many =
            ["RETR 1", "TOP 1 0", "CAPA", "LIST", "UIDL", "LANG"].contains(&command.as_str());
        if many && first.starts_with("+OK") {
            rest = rest.split_once("\r\n.\r\n").unwrap().1;
        }
        replies.push(first.to_owned());
        said = rest;
    }
    assert_eq!(said, "");
    replies
}

proptest! {
    #[test]
    fn each_command_gets_its_own_reply(
        commands in vec(command(), 0..12),
        cuts in vec(1..40usize, 1..8),
        refuses in any::<bool>(),
    ) {
        let client: String = commands.iter().map(|(command, _)| *command).collect();
        let (wire, server) = converse(client.as_bytes(), &cuts, Habits { refuses, ..Habits::default() });
        prop_assert_eq!(wire.ended, None);
        let passes: String = commands.iter().filter(|(_, passes)| *passes).map(|(line, _)| *line).collect();
        prop_assert_eq!(String::from_utf8(wire.reached(Side::Upstream)).unwrap(), passes);
        let lines: Vec<&str> = commands.iter().map(|(line, _)| *line).collect();
        let said = String::from_utf8(wire.reached(Side::Downstream)).unwrap();
        let mut number = 0;
        for ((line, passes), reply) in commands.iter().zip(replies(&said, &lines)) {
            number += usize::from(*passes);
            let expected = if refuses { format!("-ERR {number}") } else { format!("+OK {number}") };
            prop_assert_eq!(reply == expected, *passes, "{} to {}", reply, line);
        }
        prop_assert!(!said.contains("SASL"));
        prop_assert_eq!(server.commands.len(), number);
        let kept = commands.len() - number;
        prop_assert_eq!(wire.relay.counts().guarded, kept as u64);
    }

    #[test]
    fn no_login_slips_past(
        tricks in vec(trick(), 1..14),
        cuts in vec(1..30usize, 1..4),
        habits in habits(),
    ) {
        let (_, server) = converse(tricks.concat().as_bytes(), &cuts, habits);
        for word in &server.commands {
            let login = ["USER", "PASS", "APOP", "AUTH", "STLS", "AGEAYG=="].contains(&word.as_str());
            prop_assert!(!login, "{:?}", server);
        }
    }

    #[test]
    fn a_message_arrives_as_it_was_sent(
        body in vec(select(vec!["a", ".", "..", "\r\n", "\n", "\r", "\r\n..", "\0", "+OK\r\n"]), 0..30),
        cuts in vec(1..12usize, 1..8),
    ) {
        let body = body.concat();
        // The first end is the end.
        let whole = format!("\r\n{body}\r\n.\r\n");
        let end = whole.find("\r\n.\r\n").unwrap() + 5;
        let reply = format!("+OK{}", whole.split_at(end).0);
        let mut wire = Wire::new(relay());
        wire.send(Side::Downstream, b"RETR 1\r\nRETR 2\r\nPASS x\r\n");
        let sent = reply.repeat(2);
        let (mut cuts, mut rest) = (cuts.iter().cycle(), sent.as_str());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            wire.send(Side::Upstream, piece.as_bytes());
            rest = behind;
        }
        let said = String::from_utf8(wire.reached(Side::Downstream)).unwrap();
        prop_assert!(said.starts_with(&sent));
        prop_assert!(said.split_at(sent.len()).1.starts_with("-ERR refused: "));
        prop_assert_eq!(wire.relay.counts().messages, 2);
    }

    #[test]
    fn the_invariants_hold_for_anything(data in vec(any::<u8>(), 0..300)) {
        fuzz_relay(&data);
    }

    /// Both sides speak POP3, more or less.
    #[test]
    fn the_invariants_hold_for_anything_that_looks_like_it(
        said in vec(prop_oneof![
            trick().prop_map(|piece| (0, piece)),
            command().prop_map(|(piece, _)| (0, piece)),
            select(vec![
                "+OK\r\n", "+OK 1\r\n", "-ERR\r\n", "+OK\n", "-ERR no\n", ".\r\n", ".\n", ".", "\r\n",
                "\r", "x\r\n", "TOP\r\n", "STLS\r\n", "SASL X\n", "+OK\r\n.\r\n", "+ \r\n", "+ok\r\n",
            ]).prop_map(|piece| (0x80, piece)),
        ], 0..30),
    ) {
        let data: Vec<u8> = said.iter().flat_map(|(side, piece)| {
            [&[side | (piece.len() - 1) as u8], piece.as_bytes()].concat()
        }).collect();
        fuzz_relay(&data);
    }
}
