//! Whether anything slips past the guard.

use super::{
    EVERYTHING, NOTHING,
    reading::{Ear, Habits, Server},
};
use crate::proto::{
    fuzz_logic::{
        session::Session,
        talk::{Vocabulary, acts},
    },
    smtp::{extension::Extensions, relay::SmtpRelay},
};

/// A client that tries all it can against servers of every habit: `data` is what both do, as
/// `proto::fuzz_logic::talk` reads it; its first octet says what the servers can do.
///
/// # Panics
/// If any server whose replies fit its reading sees a login, or octets behind DATA before its reply; if a
/// plain command does not pass; if an answer of ours stands in one of theirs; or if a full buffer waits
/// for more of the same.
pub fn fuzz_guard(data: &[u8]) {
    let Some((&choice, talk)) = data.split_first() else { return };
    let mut session = session(choice);
    acts(talk, &WORDS).iter().for_each(|act| session.act(act));
}

/// A session at rest.
pub(in crate::proto) fn session(choice: u8) -> Session<Server, Ear> {
    let extensions = match choice % 4 {
        0 => EVERYTHING,
        1 => NOTHING,
        2 => Extensions { chunking: false, binary_mime: false, ..EVERYTHING },
        _ => Extensions { pipelining: false, ..EVERYTHING },
    };
    let chunking = extensions.chunking;
    let relay = SmtpRelay::new(extensions, &[]);
    let servers = habits().map(|habits| Server::new(habits, chunking)).collect();
    Session::new(Box::new(relay), servers, Ear::default(), is_no_plain_command)
}

fn habits() -> impl Iterator<Item = Habits> {
    let strict = Habits::default();
    [
        strict,
        Habits { generous: true, ..strict },
        Habits { bare_lf: true, ..strict },
        Habits { bare_lf: true, bare_cr: true, generous: true, c_string: false },
        Habits { bare_lf: true, c_string: true, ..strict },
    ]
    .into_iter()
}

/// What was dropped may be many things, but not what every server knows, nor a part of a chunk.
fn is_no_plain_command(dropped: &[u8]) -> bool {
    let text = String::from_utf8_lossy(dropped).to_ascii_uppercase();
    let begins =
        |line: &&str| text.strip_prefix(*line).is_some_and(|rest| rest.starts_with("\r\n"));
    !PLAIN.iter().any(begins) && is_whole(dropped)
}

/// Whether no octet of a chunk is missing.
fn is_whole(mut dropped: &[u8]) -> bool {
    while let Some(lf) = dropped.iter().position(|&octet| octet == b'\n') {
        let (line, rest) = dropped.split_at(lf);
        let line = String::from_utf8_lossy(line).to_ascii_uppercase();
        let octets = line.strip_suffix('\r').and_then(|line| {
            let size = line.strip_prefix("BDAT ")?;
            size.strip_suffix(" LAST").unwrap_or(size).parse().ok()
        });
        let Some(behind) = rest.get(octets.unwrap_or(0usize).saturating_add(1)..) else {
            return false;
        };
        dropped = behind;
    }
    dropped.is_empty()
}

const PLAIN: [&str; 6] = ["NOOP", "RSET", "DATA", "QUIT", "MAIL FROM:<A>", "RCPT TO:<A>"];

pub(in crate::proto) const WORDS: Vocabulary = Vocabulary {
    client: &[
        "AUTH PLAIN x",
        "AUTH LOGIN\r\n",
        "auth",
        "AUTH PLAIN x\r\n",
        "AGEAYg==\r\n",
        "STARTTLS\r\n",
        "NOOP\r\n",
        "NOOP",
        "RSET\r\n",
        "QUIT\r\n",
        "DATA\r\n",
        "DATA",
        "MAIL FROM:<a>\r\n",
        "MAIL FROM:<a> BODY=BINARYMIME SIZE=9\r\n",
        "RCPT TO:<a>\r\n",
        "EHLO x\r\n",
        "HELO x\r\n",
        "BDAT ",
        " LAST",
        "BDAT 14\r\n",
        "BDAT 0 LAST\r\n",
        "\r\n.\r\n",
        "\n.\n",
        ".",
        "XFOO\r\n",
        "XCLIENT NAME=x\r\n",
        "X-EXPS LOGIN\r\n",
        "BURL x LAST\r\n",
        " ",
        "\t",
        "text\r\n",
        "VRFY x\r\n",
    ],
    server: &[
        "250 x\r\n",
        "354 go\r\n",
        "250-x\r\n",
        "334 \r\n",
        "421 x\r\n",
        "503 x\r\n",
        "452 x\r\n",
        "221 x\r\n",
        "250-x\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
        "250-x\r\n250 SIZE 9\r\n",
        "250\r\n",
        "25",
        "0 x\r\n",
        "\r\n",
        "250 x\n",
        "251-x\r\n250 x\r\n",
    ],
    measures: &[
        "BDAT #\r\n",
        "BDAT # LAST\r\n",
        "BDAT  #\r\n",
        "BDAT # \r\n",
        "BDAT +#\r\n",
        "#",
        "MAIL FROM:<a> SIZE=#\r\n",
        "BDAT #",
    ],
};

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn seeds() {
        for talk in [
            &[8, 10, 0, 1, 4, 0, 0, 8, 3, 0, 8, 21, 0, 4, 0, 0, 8, 3, 0][..],
            &[6, 0, 14, 8, 3, 0, 8, 6, 0],
            &[8, 19, 0, 8, 3, 0, 4, 0, 3],
            &[8, 7, 0, 5, 1, 8, 3, 85],
            &[8, 15, 0, 4, 0, 1, 6, 0, 14, 8, 3, 0],
            &[8, 1, 0, 8, 4, 0, 8, 6, 0, 3, 4],
        ] {
            (0..4).for_each(|choice| fuzz_guard(&[&[choice], talk].concat()));
        }
    }

    proptest! {
        #[test]
        fn nothing_slips_past(data in vec(any::<u8>(), 0..120)) {
            fuzz_guard(&data);
        }
    }
}
