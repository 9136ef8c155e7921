//! Whether anything slips past the guard.

use super::reading::{Ear, Habits, Server};
use crate::proto::{
    fuzz_logic::{
        session::Session,
        talk::{Vocabulary, acts},
    },
    pop3::relay::Pop3Relay,
};

/// A client that tries all it can against servers of every habit: `data` is what both do, as
/// `proto::fuzz_logic::talk` reads it; its first octet says whether commands go one by one.
///
/// # Panics
/// If any server whose replies fit its reading sees a login; if a plain command does not pass; if an
/// answer of ours stands in a line of theirs; or if a full buffer waits for more of the same.
pub fn fuzz_guard(data: &[u8]) {
    let Some((&choice, talk)) = data.split_first() else { return };
    let mut session = session(choice);
    acts(talk, &WORDS).iter().for_each(|act| session.act(act));
}

/// A session at rest.
pub(in crate::proto) fn session(choice: u8) -> Session<Server, Ear> {
    let relay = Pop3Relay::new(&[]);
    let relay = if choice.is_multiple_of(2) { relay } else { relay.pace(&[]) };
    let servers = habits().map(Server::new).collect();
    Session::new(Box::new(relay), servers, Ear::default(), is_no_plain_command)
}

fn habits() -> impl Iterator<Item = Habits> {
    let strict = Habits::default();
    [
        strict,
        Habits { bare_lf: true, ..strict },
        Habits { generous: true, ..strict },
        Habits { short: true, ..strict },
        Habits { bare_lf: true, bare_cr: true, generous: true, short: true },
    ]
    .into_iter()
}

/// What was dropped may be many things, but not what every server knows. (Behind QUIT all is dropped.)
fn is_no_plain_command(dropped: &[u8]) -> bool {
    let text = String::from_utf8_lossy(dropped).to_ascii_uppercase();
    !PLAIN.iter().any(|line| text.strip_prefix(line).is_some_and(|rest| rest.starts_with("\r\n")))
}

const PLAIN: [&str; 6] = ["NOOP", "STAT", "RETR 1", "TOP 1 0", "LIST", "CAPA"];

pub(in crate::proto) const WORDS: Vocabulary = Vocabulary {
    client: &[
        "USER u\r\n",
        "PASS p\r\n",
        "APOP u 0\r\n",
        "AUTH PLAIN\r\n",
        "AGEAYg==\r\n",
        "STLS\r\n",
        "NOOP\r\n",
        "NOOP",
        "STAT\r\n",
        "LIST\r\n",
        "LIST 1\r\n",
        "RETR 1\r\n",
        "TOP 1 0\r\n",
        "CAPA\r\n",
        "UIDL\r\n",
        "DELE 1\r\n",
        "QUIT\r\n",
        "QUIT x\r\n",
        "XTND XMIT\r\n",
        "LANG\r\n",
        "UTF8\r\n",
        "PASS",
        " ",
        "\t",
        "p\r\n",
        ".\r\n",
    ],
    server: &[
        "+OK x\r\n",
        "-ERR x\r\n",
        "+ \r\n",
        ".\r\n",
        "a\r\n",
        "+OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n",
        "+OK\r\na\r\n.\r\n",
        "..\r\n",
        "\n.\n",
        "+O",
        "K\r\n",
        "\r\n",
        "+OK\n",
    ],
    measures: &["RETR #\r\n", "TOP # #\r\n", "#", "LIST #\r\n"],
};

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn seeds() {
        for talk in [
            &[8, 11, 0, 1, 4, 0, 0, 8, 1, 0, 8, 6, 0][..],
            &[8, 7, 0, 5, 1, 8, 1, 0, 4, 1, 0],
            &[7, 8, 8, 1, 0],
            &[8, 7, 0, 8, 22, 0, 7, 7, 8, 1, 0, 8, 6, 0],
            &[8, 3, 0, 8, 4, 0, 8, 16, 0, 8, 1, 0, 3, 0],
        ] {
            (0..2).for_each(|choice| fuzz_guard(&[&[choice], talk].concat()));
        }
    }

    proptest! {
        #[test]
        fn nothing_slips_past(data in vec(any::<u8>(), 0..120)) {
            fuzz_guard(&data);
        }
    }
}
