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
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
            ("a\u{202e}b".as_bytes(), 40, "a b"),
            (b"abcdef", 3, "abc"),
            ("\u{e9}\u{e9}\u{e9}".as_bytes(), 2, "\u{e9}\u{e9}"),
            (b"", 3, ""),
        ] {
            assert_eq!(printable(words, bound), expected);
        }
    }
}
