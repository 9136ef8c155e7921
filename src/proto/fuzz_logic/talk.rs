//! What a client and a server do to a relay, made of octets. The hard thing is reach: a login that is
//! hidden behind a literal takes a dozen octets that fit together, which a fuzzer seldom finds octet by
//! octet; of words, measures and answers it is found in seconds.
//!
//! Each act is one octet with its arguments behind it, so that a fuzzer can cut, double and swap acts,
//! and a transcript can be written as one (`fuzz/seeds.rs`).

use arbitrary::{Result, Unstructured};

use crate::proto::Side;

/// The words of a protocol, and what puts them to use.
#[derive(Clone, Copy)]
pub(crate) struct Vocabulary {
    /// What a client says, in pieces.
    pub(crate) client: &'static [&'static str],
    /// What a server says, well or badly.
    pub(crate) server: &'static [&'static str],
    /// How a client announces octets; `#` stands for their number.
    pub(crate) measures: &'static [&'static str],
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// These octets come from this side, in one piece.
    Say(Side, Vec<u8>),
    /// The server gives one of the answers that are due to this reading of what it got.
    Answer {
        /// Which reading.
        reading: usize,
        /// Which of the answers.
        answer: usize,
    },
    /// Something else, one of six, which not everybody has.
    Event(u8),
}

/// The acts that `data` stands for.
pub(crate) fn acts(data: &[u8], words: &Vocabulary) -> Vec<Act> {
    let mut octets = Unstructured::new(data);
    let mut acts = Vec::new();
    let mut text = Vec::new();
    while acts.len() < ACTS && !octets.is_empty() {
        match act(&mut octets, words, &mut text) {
            Ok(None) => {}
            Ok(Some(act)) => {
                say(&mut acts, &mut text);
                acts.extend(act);
            }
            Err(_) => break,
        }
    }
    say(&mut acts, &mut text);
    acts
}

fn say(acts: &mut Vec<Act>, text: &mut Vec<u8>) {
    if !text.is_empty() {
        acts.push(Act::Say(Side::Downstream, std::mem::take(text)));
    }
}

/// Reads an act. `Some` ends the piece of the client's that `text` gathers.
fn act(
    octets: &mut Unstructured<'_>,
    words: &Vocabulary,
    text: &mut Vec<u8>,
) -> Result<Option<Option<Act>>> {
    match octets.int_in_range(0..=12u8)? {
        0 => text.extend(raw(octets)?),
        1 => return Ok(Some(None)),
        2 => return Ok(Some(Some(Act::Say(Side::Upstream, raw(octets)?)))),
        3 => {
            let word = octets.choose(words.server)?;
            return Ok(Some(Some(Act::Say(Side::Upstream, word.as_bytes().to_vec()))));
        }
        4 => {
            let (reading, answer) = (octets.arbitrary::<u8>()?, octets.arbitrary::<u8>()?);
            let (reading, answer) = (usize::from(reading), usize::from(answer));
            return Ok(Some(Some(Act::Answer { reading, answer })));
        }
        5 => text.extend_from_slice(octets.choose(&LINE_ENDS)?),
        6 => {
            let form = octets.choose(words.measures)?;
            let number = octets.arbitrary::<u8>()?;
            let number = usize::from(number).checked_sub(ODD_NUMBERS_FROM).map_or_else(
                || number.to_string(),
                |odd| ODD_NUMBERS.get(odd % ODD_NUMBERS.len()).copied().unwrap_or("0").to_owned(),
            );
            text.extend(form.replace('#', &number).into_bytes());
        }
        // Around the bounds of lines and of what is kept of them.
        7 => text.extend(vec![b'x'; 30 * (1 + usize::from(octets.int_in_range(0..=170u8)?))]),
        12 => return Ok(Some(Some(Act::Event(octets.int_in_range(0..=5)?)))),
        // Words are most of what is said.
        _ => {
            let word = octets.choose(words.client)?;
            let case = octets.arbitrary::<u8>()?;
            text.extend(word.bytes().enumerate().map(|(at, octet)| {
                if case >> (at % 8) & 1 == 1 { octet ^ letter(octet) } else { octet }
            }));
        }
    }
    Ok(None)
}

fn raw<'a>(octets: &mut Unstructured<'a>) -> Result<Vec<u8>> {
    let length = octets.int_in_range(0..=63usize)? + 1;
    octets.bytes(length).map(<[u8]>::to_vec)
}

/// What turns the letter's case.
fn letter(octet: u8) -> u8 {
    if octet.is_ascii_alphabetic() { 0x20 } else { 0 }
}

const LINE_ENDS: [&[u8]; 8] =
    [b"\r\n", b"\n", b"\r", b"\0", b"\r\r\n", b" \r\n", b"\r\n\r\n", b"\r\n.\r\n"];

/// Numbers below are meant as they are.
const ODD_NUMBERS_FROM: usize = 240;

const ODD_NUMBERS: [&str; 12] = [
    "0",
    "00000000000000000012",
    "0000000000000000000000000000000000000012",
    "4096",
    "4097",
    "4294967295",
    "4294967308",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999",
    "-1",
    "",
];

/// What a conversation has at most.
const ACTS: usize = 200;
