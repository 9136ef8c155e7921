//! The text of one `C:` or `S:` line, as octets to send or as a pattern to expect. The hard thing is
//! that IMAP uses braces itself: only a brace followed by one of our words is ours.

use std::{collections::BTreeMap, iter};

use base64::{Engine, engine::general_purpose::STANDARD};

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These octets.
    Octets(Vec<u8>),
    /// `...`: any octets but CR and LF.
    Any,
    /// `<tag1>`: a tag of the gateway's own; the first time it is expected it takes what is there.
    Tag(u32),
    /// `{capabilities A B}`: these atoms in any order.
    Set(Vec<String>),
}

/// Tags of the gateway's own, by the number that the transcript gives them.
pub(crate) type Tags = BTreeMap<u32, Vec<u8>>;

/// Reads a line's text. `expected`: wildcards and sets have a meaning only where something is
/// expected.
///
/// A backslash at the end takes the place of the CRLF that is otherwise implied.
pub(crate) fn pieces(text: &str, expected: bool) -> Result<Vec<Piece>, String> {
    let (text, ending) = match text.strip_suffix('\\') {
        Some(open) if !open.ends_with('\\') => (open, &b""[..]),
        Some(_) | None => (text, &b"\r\n"[..]),
    };
    let mut reading = Reading { pieces: Vec::new(), octets: Vec::new() };
    let mut rest = text;
    while !rest.is_empty() {
        rest = reading.step(rest, expected)?;
    }
    reading.octets.extend_from_slice(ending);
    reading.flush();
    Ok(reading.pieces)
}

/// What is to be sent, once the gateway's tags are known.
pub(crate) fn octets(pieces: &[Piece], tags: &Tags) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Octets(some) => octets.extend_from_slice(some),
            Piece::Tag(number) => {
                let tag = tags.get(number).ok_or(format!("<tag{number}> was never expected"))?;
                octets.extend_from_slice(tag);
            }
            Piece::Any | Piece::Set(_) => return Err("a pattern cannot be sent".into()),
        }
    }
    Ok(octets)
}

/// How many octets of `front` the pattern takes, if it fits: all of them, if it must be the `whole`.
/// Tags that are met for the first time are remembered.
pub(crate) fn matches(
    pattern: &[Piece],
    front: &[u8],
    whole: bool,
    tags: &mut Tags,
) -> Option<usize> {
    let Some((first, others)) = pattern.split_first() else {
        return (!whole || front.is_empty()).then_some(0);
    };
    match first {
        Piece::Octets(octets) => {
            let rest = front.strip_prefix(octets.as_slice())?;
            Some(octets.len() + matches(others, rest, whole, tags)?)
        }
        Piece::Any => prefixes(front, |octet| octet != b'\r' && octet != b'\n')
            .find_map(|(taken, rest)| Some(taken.len() + matches(others, rest, whole, tags)?)),
        Piece::Tag(number) => {
            let known = tags.get(number).cloned();
            let tag = known.unwrap_or_else(|| {
                front.iter().copied().take_while(u8::is_ascii_alphanumeric).collect()
            });
            let rest = front.strip_prefix(tag.as_slice())?;
            if tag.is_empty() {
                return None;
            }
            let length = tag.len();
            tags.insert(*number, tag);
            Some(length + matches(others, rest, whole, tags)?)
        }
        Piece::Set(atoms) => {
            let (taken, rest) =
                prefixes(front, |octet| !matches!(octet, b'\r' | b'\n' | b']')).last()?;
            let mut found: Vec<&[u8]> = taken.split(|&octet| octet == b' ').collect();
            let mut wanted: Vec<&[u8]> = atoms.iter().map(String::as_bytes).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            if found != wanted {
                return None;
            }
            Some(taken.len() + matches(others, rest, whole, tags)?)
        }
    }
}

/// Every way to take octets that satisfy `allowed` from the front, none first.
fn prefixes(front: &[u8], allowed: fn(u8) -> bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    let most = front.iter().take_while(|&&octet| allowed(octet)).count();
    (0..=most).filter_map(|length| front.split_at_checked(length))
}

struct Reading {
    pieces: Vec<Piece>,
    octets: Vec<u8>,
}

impl Reading {
    /// Takes one thing off the front and returns what is left.
    fn step<'t>(&mut self, rest: &'t str, expected: bool) -> Result<&'t str, String> {
        if let Some(after) = rest.strip_prefix("...").filter(|_| expected) {
            self.push(Piece::Any);
            return Ok(after);
        }
        if let Some((number, after)) =
            rest.strip_prefix("<tag").and_then(|tail| tail.split_once('>'))
        {
            let number = number.parse().map_err(|_| "a tag is written <tag1>".to_string())?;
            self.push(Piece::Tag(number));
            return Ok(after);
        }
        if let Some((word, arguments, after)) = directive(rest) {
            match expand(word, arguments, expected)? {
                Piece::Octets(octets) => self.octets.extend(octets),
                other @ (Piece::Set(_) | Piece::Any | Piece::Tag(_)) => self.push(other),
            }
            return Ok(after);
        }
        let (octets, after) = unescaped(rest)?;
        self.octets.extend(octets);
        Ok(after)
    }

    fn push(&mut self, piece: Piece) {
        self.flush();
        self.pieces.push(piece);
    }

    fn flush(&mut self) {
        if !self.octets.is_empty() {
            self.pieces.push(Piece::Octets(std::mem::take(&mut self.octets)));
        }
    }
}

/// `{word arguments}` at the front, with braces inside counted; what follows it.
fn directive(text: &str) -> Option<(&str, &str, &str)> {
    let inner = text.strip_prefix('{')?;
    let word = WORDS.into_iter().find(|word| inner.starts_with(&format!("{word} ")))?;
    let mut depth = 1;
    let end = inner.char_indices().find(|(_, character)| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => (),
        }
        depth == 0
    })?;
    let (body, after) = inner.split_at_checked(end.0)?;
    let arguments = body.strip_prefix(word)?.strip_prefix(' ')?;
    Some((word, arguments, after.strip_prefix('}')?))
}

const WORDS: [&str; 6] = ["plain", "xoauth2", "oauthbearer", "base64", "repeat", "capabilities"];

fn expand(word: &str, arguments: &str, expected: bool) -> Result<Piece, String> {
    let encoded = |octets: &[u8]| Piece::Octets(STANDARD.encode(octets).into_bytes());
    let list = words(arguments)?;
    let texts: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    Ok(match (word, texts.as_slice()) {
        ("plain", [user, password]) => encoded(&[b"", *user, *password].join(&0)),
        ("plain", [authzid, user, password]) => encoded(&[*authzid, *user, *password].join(&0)),
        ("xoauth2", [user, token]) => {
            encoded(&[b"user=", *user, b"\x01auth=Bearer ", *token, b"\x01\x01"].concat())
        }
        ("oauthbearer", [user, token, host, port]) => {
            let user = String::from_utf8_lossy(user).replace('=', "=3D").replace(',', "=2C");
            let (head, user) = (b"n,a=".as_slice(), user.as_bytes());
            let server = [b",\x01host=", *host, b"\x01port=", *port].concat();
            encoded(&[head, user, &server, b"\x01auth=Bearer ", *token, b"\x01\x01"].concat())
        }
        ("base64", _) => encoded(&plain_text(arguments)?),
        ("repeat", [_, _, ..]) => {
            let (count, text) = arguments.split_once(' ').unwrap_or_default();
            let count = count.parse().map_err(|_| format!("`{count}` is no number of repeats"))?;
            Piece::Octets(plain_text(text)?.repeat(count))
        }
        ("capabilities", [_, ..]) if expected => {
            Piece::Set(arguments.split(' ').map(str::to_string).collect())
        }
        _ => return Err(format!("wrong arguments in {{{word} {arguments}}}")),
    })
}

/// Arguments apart at single spaces; one in double quotes may hold spaces or nothing.
pub(crate) fn words(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(plain_text(word)?);
        rest = after.trim_start();
    }
    Ok(words)
}

fn plain_text(text: &str) -> Result<Vec<u8>, String> {
    let mut rest = text;
    let parts = iter::from_fn(|| {
        (!rest.is_empty()).then(|| {
            let (octets, after) = unescaped(rest)?;
            rest = after;
            Ok(octets)
        })
    });
    let parts: Result<Vec<Vec<u8>>, String> = parts.take(text.len()).collect();
    Ok(parts?.concat())
}

/// The octets of the first character or escape, and what follows.
fn unescaped(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut characters = text.chars();
    let octets = match characters.next() {
        Some('\\') => match characters.next() {
            Some('r') => vec![b'\r'],
            Some('n') => vec![b'\n'],
            Some('t') => vec![b'\t'],
            Some('0') => vec![0],
            Some('s') => vec![b' '],
            Some('\\') => vec![b'\\'],
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                let octet = u8::from_str_radix(&digits, 16);
                vec![octet.map_err(|_| format!("`\\x{digits}` is no octet"))?]
            }
            Some('.') => vec![b'.'],
            other => return Err(format!("unknown escape `\\{}`", other.unwrap_or(' '))),
        },
        Some(character) => character.to_string().into_bytes(),
        None => Vec::new(),
    };
    Ok((octets, characters.as_str()))
}
