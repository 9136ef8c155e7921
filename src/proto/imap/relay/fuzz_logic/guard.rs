//! Whether anything slips past the guard.

use super::reading::{Ear, Habits, Reader};
use crate::proto::{
    fuzz_logic::{
        session::Session,
        talk::{Vocabulary, acts},
    },
    imap::{capability::CapabilityFilter, literal::read_from_right, relay::ImapRelay},
};

/// A client that tries all it can against servers of every habit: `data` is what both do, as
/// `proto::fuzz_logic::talk` reads it; its first octet says which literals the servers take unasked.
///
/// # Panics
/// If any server whose answers fit its reading sees a login, or octets that it has not asked for; if
/// anything but a command that is to be kept does not pass; if an answer of ours stands in one of theirs;
/// or if a full buffer waits for more of the same.
pub fn fuzz_guard(data: &[u8]) {
    let Some((&choice, talk)) = data.split_first() else { return };
    let mut session = session(choice);
    acts(talk, &WORDS).iter().for_each(|act| session.act(act));
}

/// A session at rest.
pub(in crate::proto) fn session(choice: u8) -> Session<Reader, Ear> {
    let capabilities: &[String] = &match choice % 3 {
        0 => vec!["LITERAL+".to_owned()],
        1 => vec!["LITERAL-".to_owned()],
        _ => vec![],
    };
    let unasked =
        [Some(u64::MAX), Some(4096), None].get(usize::from(choice % 3)).copied().flatten();
    let relay = ImapRelay::new(CapabilityFilter::new(&[])).bound_literals(capabilities);
    let readers = habits().map(|habits| Reader::new(habits, unasked)).collect();
    Session::new(Box::new(relay), readers, Ear::default(), is_kept)
}

fn habits() -> impl Iterator<Item = Habits> {
    let strict = Habits::default();
    let anywhere = Habits { anywhere: true, ..strict };
    [
        strict,
        anywhere,
        Habits { bare_lf: true, ..strict },
        Habits { bare_lf: true, ..anywhere },
        Habits { lenient: true, ..anywhere },
        Habits { long_quotes: true, ..strict },
        Habits { ignores_quotes: true, ..strict },
        Habits {
            bare_lf: true,
            lenient: true,
            long_quotes: true,
            ignores_quotes: true,
            anywhere: true,
        },
    ]
    .into_iter()
}

/// Whether what was dropped begins with a command that must be kept, or with a login without a tag, and
/// ends behind its last line.
fn is_kept(dropped: &[u8]) -> bool {
    let text = String::from_utf8_lossy(dropped).to_ascii_uppercase();
    let line = text.trim_start_matches(|c| c <= ' ' && c != '\r' && c != '\n');
    let (tag, rest) = line.split_at(line.find(|c| c <= ' ').unwrap_or(line.len()));
    let rest = rest.trim_start_matches(|c| c <= ' ' && c != '\r' && c != '\n');
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (word, _) = rest.split_at(end);
    let kept = KEPT.contains(&word) || ["LOGIN", "AUTHENTICATE"].contains(&tag);
    kept && is_whole(dropped)
}

/// Whether no literal that was on its way is missing.
fn is_whole(mut dropped: &[u8]) -> bool {
    while let Some(lf) = dropped.iter().position(|&octet| octet == b'\n') {
        let (line, rest) = dropped.split_at(lf);
        let announced = read_from_right(line.strip_suffix(b"\r").unwrap_or(line));
        let unasked = announced.filter(|literal| !literal.synchronizing);
        let octets = unasked.map_or(0, |literal| literal.octets);
        let behind =
            usize::try_from(octets).ok().and_then(|octets| rest.get(octets.saturating_add(1)..));
        let Some(behind) = behind else { return false };
        dropped = behind;
    }
    dropped.is_empty()
}

const KEPT: [&str; 5] = ["LOGIN", "AUTHENTICATE", "STARTTLS", "COMPRESS", "UNAUTHENTICATE"];

pub(in crate::proto) const WORDS: Vocabulary = Vocabulary {
    client: &[
        "A ",
        "B ",
        "LOGIN u p",
        "B LOGIN u p\r\n",
        "A NOOP\r\n",
        "NOOP",
        "IDLE",
        "A IDLE\r\n",
        "DONE",
        "DONE\r\n",
        "APPEND x ",
        "A APPEND x {15}\r\n",
        "A APPEND x {15+}\r\n",
        "A APPEND x ~{15+}\r\n",
        "B LOGIN u {3+}\r\nabc\r\n",
        "B AUTHENTICATE PLAIN\r\n",
        "AGEAYg==\r\n",
        "B STARTTLS\r\n",
        "B COMPRESS DEFLATE\r\n",
        "B UNAUTHENTICATE\r\n",
        "C SEARCH TEXT \"",
        "\"",
        "\\",
        "(",
        "+ ",
        "*",
        " ",
        "\t",
        "A NOOP \"x {13+}\r\n",
        "A NOOP x{13+}\r\n",
        "A NOOP {13} \r\n",
        "+ {13}\r\n",
        "A\r\n",
        "A APPEND x {6}\r\n",
        "B LOGIN u {8+}\r\nA NOOP\r\n",
    ],
    server: &[
        "+ go\r\n",
        "A OK x\r\n",
        "A NO x\r\n",
        "B BAD x\r\n",
        "* BAD x\r\n",
        "* 1 EXISTS\r\n",
        "* 1 FETCH (X {6}\r\nA OK\r\n)\r\n",
        "* 1 FETCH (X {20}\r\n",
        "* NO [BADCHARSET ({5}\r\n",
        "* OK words {9}\r\n",
        "* CAPABILITY IMAP4rev1 AUTH=PLAIN STARTTLS\r\n",
        "A OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] x\r\n",
        "* BYE x\r\n",
        "A OK",
        "\r\n",
        "+",
    ],
    measures: &[
        "{#}\r\n",
        "{#+}\r\n",
        "~{#}\r\n",
        "~{#+}\r\n",
        "{#-}\r\n",
        "{#} \r\n",
        "{#}",
        "{#+}",
    ],
};

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn seeds() {
        for talk in [
            &[8, 12, 0, 1, 8, 3, 0, 1, 4, 0, 0, 8, 3, 0][..],
            &[8, 7, 0, 4, 0, 0, 8, 9, 0, 8, 3, 0],
            &[8, 11, 0, 8, 3, 0, 8, 3, 255],
            &[8, 11, 0, 3, 0, 8, 3, 0, 3, 1, 8, 3, 0],
            &[0, 3, b'A', b' ', b'X', b'\n', 3, 1, 8, 3, 7],
            &[3, 7, 8, 3, 0, 0, 11, 65, 32, 78, 79, 79, 80, 32, 123, 53, 125, 13, 10],
        ] {
            (0..3).for_each(|choice| fuzz_guard(&[&[choice], talk].concat()));
        }
    }

    proptest! {
        #[test]
        fn nothing_slips_past(data in vec(any::<u8>(), 0..120)) {
            fuzz_guard(&data);
        }
    }
}
