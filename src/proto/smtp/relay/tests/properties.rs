//! What holds for any conversation.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    model::{Habits, Model},
    *,
};
use crate::proto::smtp::extension::Extensions;

/// A client that sends everything at once, in pieces, against a server that answers each piece.
fn converse(
    extensions: Extensions,
    client: &[u8],
    cuts: &[usize],
    habits: Habits,
) -> (Wire, Model) {
    let mut wire = Wire::new(SmtpRelay::new(extensions, &[]));
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

/// What a client may send as one, and what of it passes.
fn command() -> impl Strategy<Value = (&'static str, &'static str)> {
    let same = |text| (text, text);
    select(vec![
        same("NOOP\r\n"),
        same("RSET\r\n"),
        same("EHLO x\r\n"),
        same("MAIL FROM:<a@b> SIZE=10\r\nRCPT TO:<c@d>\r\n"),
        same("DATA\r\nAUTH PLAIN x\r\n..\r\n.\n\r\n\r.\r\n\0\n.\r\n\r\n.\r\n"),
        same("DATA\r\n.\r\n"),
        same("BDAT 14\r\nAUTH PLAIN x\r\nBDAT 3 LAST\r\n\r\n."),
        same("BDAT 0 LAST\r\n"),
        same("XUNKNOWN\r\n"),
        ("AUTH PLAIN AGEAYg==\r\n", ""),
        ("auth login\r\nYQ==\r\nYg==\r\nNOOP\r\n", "NOOP\r\n"),
        ("STARTTLS\r\nNOOP\r\n", "NOOP\r\n"),
        ("NOOP\nDATA\rx\r\n\0\r\n", ""),
        ("\r\n", ""),
    ])
}

/// Pieces from which a command may be hidden somewhere.
fn trick() -> impl Strategy<Value = &'static str> {
    select(vec![
        "AUTH PLAIN x",
        "auth login",
        "STARTTLS",
        "AUTH",
        "AGEAYg==",
        " ",
        "\t",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\0",
        ".",
        "\r\n.\r\n",
        "\n.\n",
        "\r\n.\n",
        "MAIL FROM:<a>",
        "RCPT TO:<a>",
        "DATA",
        "DATA\r\n",
        "BDAT ",
        "BDAT 14\r\n",
        "BDAT 0",
        "14",
        " LAST",
        "NOOP",
        "EHLO x\r\n",
        "XFOO",
        "QUIT",
    ])
}

fn habits() -> impl Strategy<Value = Habits> {
    any::<[bool; 5]>().prop_map(|[bare_lf, bare_cr, generous, refuses, hasty]| Habits {
        bare_lf,
        bare_cr,
        generous,
        refuses,
        hasty,
    })
}

proptest! {
    #[test]
    fn all_but_kept_commands_arrives_as_it_was_sent(
        commands in vec(command(), 0..12),
        cuts in vec(1..40usize, 1..8),
        pipelining in any::<bool>(),
    ) {
        // Nothing may follow on an AUTH but a command: the rest would be taken for a part of it.
        let extensions = Extensions { pipelining, ..EVERYTHING };
        let sent: String = commands.iter().map(|(sent, _)| format!("{sent}NOOP\r\n")).collect();
        // Nor on the login.
        let sent = format!("NOOP\r\n{sent}");
        let (wire, model) = converse(extensions, sent.as_bytes(), &cuts, Habits::default());
        prop_assert_eq!(wire.ended, None);
        prop_assert_eq!(wire.held(), [0, 0]);
        let passes: String = commands.iter().map(|(_, passes)| format!("{passes}NOOP\r\n")).collect();
        let passes = format!("NOOP\r\n{passes}");
        prop_assert_eq!(String::from_utf8(wire.reached(Side::Upstream)).unwrap(), passes);
        let counts = wire.relay.counts();
        prop_assert_eq!(counts.commands - counts.guarded, model.commands.len() as u64);
        // Each command has its reply, and a message has one more.
        let replies = wire.reached(Side::Downstream);
        let replies = String::from_utf8(replies).unwrap();
        let last_lines = replies.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).count();
        let messages = commands.iter().filter(|(sent, _)| sent.starts_with("DATA\r\n")).count();
        prop_assert_eq!(last_lines as u64, counts.commands + messages as u64);
        prop_assert!(!replies.contains("AUTH"));
    }

    #[test]
    fn no_login_slips_past(
        tricks in vec(trick(), 1..16),
        cuts in vec(1..30usize, 1..4),
        habits in habits(),
        chunking in any::<bool>(),
    ) {
        let extensions = Extensions { chunking, binary_mime: chunking, ..EVERYTHING };
        let (wire, model) = converse(extensions, tricks.concat().as_bytes(), &cuts, habits);
        for verb in &model.commands {
            prop_assert!(!verb.starts_with("AUTH") && verb != "STARTTLS", "{:?}", model);
        }
        // A server that is no worse than generous is never blamed.
        prop_assert_ne!(wire.ended.map(|fault| fault.side), Some(Side::Upstream));
    }

    /// The relay must not see an end where the RFC has none: what a server makes of LF.LF is its own
    /// fault, and neither side learns of it by us.
    #[test]
    fn a_smuggled_message_passes_unchanged(data in vec(select(vec!["\r", "\n", ".", "a", "\r\n", "\0"]), 0..30)) {
        let message = format!("DATA\r\n{}", data.concat());
        let (wire, _) = converse(EVERYTHING, message.as_bytes(), &[1000], Habits::default());
        let end = message.find("\r\n.\r\n").map_or(message.len(), |at| at + 5);
        let reached = wire.reached(Side::Upstream);
        prop_assert!(reached.starts_with(message.split_at(end).0.as_bytes()));
    }

    #[test]
    fn the_invariants_hold_for_anything(data in vec(any::<u8>(), 0..300)) {
        fuzz_relay(&data);
    }

    #[test]
    fn the_invariants_hold_for_what_looks_like_smtp(
        talk in vec((any::<bool>(), trick(), select(vec!["250 a\r\n", "354 a\r\n", "250-a\r\n", "421 a\r\n", "500 a\r\n", "25", "\n"])), 0..30),
    ) {
        let piece = |side: u8, text: &str| [&[side | (text.len() - 1) as u8], text.as_bytes()].concat();
        let data: Vec<u8> = talk.iter().flat_map(|(client, trick, reply)| match client {
            true => piece(0, trick),
            false => piece(0x80, reply),
        }).collect();
        fuzz_relay(&data);
    }
}
