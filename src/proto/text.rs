//! A peer's words, made fit for a log line or a sentence of ours. The hard thing is that they come
//! from outside: they may be endless, no UTF-8, or steer a terminal.

/// `words` as text of at most `bound` characters, without anything that ends a line, moves a cursor
/// or turns the writing direction; each such character becomes a space.
pub fn printable(words: &[u8], bound: usize) -> String {
    // Four octets hold any character, so the rest need not be decoded.
    let near = words.get(..bound.saturating_mul(4)).unwrap_or(words);
    let text = String::from_utf8_lossy(near);
    let shown = text.chars().map(|c| if steers(c) { ' ' } else { c }).take(bound);
    shown.collect::<String>().trim().to_owned()
}

/// Controls, line and paragraph separators, invisible and direction-changing characters.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `words` of ours as one line of printable 7-bit characters, not empty, of at most `bound` octets (at
/// least 8): what every mail protocol lets stand in a reply.
pub fn ascii(words: &str, bound: usize) -> String {
    let mut text = String::new();
    for character in words.trim().chars() {
        match spelling(character) {
            Some(spelt) => text.push_str(spelt),
            None if character == ' ' || character.is_ascii_graphic() => text.push(character),
            None => text.push('?'),
        }
        if text.len() > bound {
            text.truncate(bound.saturating_sub(3));
            text.push_str("...");
            break;
        }
    }
    if text.is_empty() { "Refused".into() } else { text }
}

/// How German letters and typographers' signs are written in ASCII.
fn spelling(character: char) -> Option<&'static str> {
    Some(match character {
        'ä' => "ae",
        'ö' => "oe",
        'ü' => "ue",
        'Ä' => "Ae",
        'Ö' => "Oe",
        'Ü' => "Ue",
        'ß' => "ss",
        '‘' | '’' | '‚' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '–' | '—' => "-",
        '…' => "...",
        '\u{a0}' | '\t' => " ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_one_harmless_line() {
        for (words, bound, expected) in [
            ("AUTHENTICATE failed.".as_bytes(), 40, "AUTHENTICATE failed."),
            (b" two\r\nlines\x1b[31m ", 40, "two  lines [31m"),
            (b"caf\xc3\xa9 caf\xe9", 40, "caf\u{e9} caf\u{fffd}"),
            ("a\u{202e}b\u{61c}c\u{ad}d\u{180e}e".as_bytes(), 40, "a b c d e"),
            (b"abcdef", 3, "abc"),
            ("\u{e9}\u{e9}\u{e9}".as_bytes(), 2, "\u{e9}\u{e9}"),
            (b"", 3, ""),
        ] {
            assert_eq!(printable(words, bound), expected);
        }
    }
}
