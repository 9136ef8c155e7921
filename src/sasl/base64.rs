//! Base64 with padding (RFC 4648 section 4). The hard thing is to be strict: a lenient decoder gives
//! two spellings to one password and lets octets slip past whoever looks at the encoded form.

use crate::secret::wipe;

/// Encodes with padding and without line breaks.
pub fn encode(input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len().div_ceil(3) * 4);
    for chunk in input.chunks(3) {
        let mut group = [0u8; 3];
        for (to, from) in group.iter_mut().zip(chunk) {
            *to = *from;
        }
        let [a, b, c] = group.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for place in 0..4 {
            let present = place <= chunk.len();
            output.push(if present { symbol(bits >> (18 - 6 * place)) } else { b'=' });
        }
    }
    output
}

/// Decodes what [`encode`] makes; `None` for anything else: a character outside the alphabet, wrong
/// or misplaced padding, or unused bits that are not zero (RFC 4648 section 3.5).
pub fn decode(input: &[u8]) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    decode_into(input, &mut output).then_some(output)
}

/// Decodes into `output`, which is empty; whether that went well. What is wrong only at its end may be
/// a password all the same, so then the front of it is wiped.
fn decode_into(input: &[u8], output: &mut Vec<u8>) -> bool {
    let stripped = match input {
        [head @ .., b'=', b'='] => head,
        [head @ .., b'='] => head,
        whole => whole,
    };
    if !input.len().is_multiple_of(4) {
        return false;
    }
    // In full at once, since a buffer that grows leaves copies behind.
    output.reserve_exact(stripped.len() / 4 * 3 + 2);
    for chunk in stripped.chunks(4) {
        let Some(octets) = group(chunk) else {
            wipe(output);
            return false;
        };
        output.extend(octets.iter().take(chunk.len() * 6 / 8));
    }
    true
}

/// The octets of up to four symbols; `None` if bits that no octet needs are not zero.
fn group(symbols: &[u8]) -> Option<[u8; 3]> {
    let mut bits = 0u32;
    for place in 0..4 {
        bits = bits << 6 | symbols.get(place).map_or(Some(0), |&symbol| value(symbol))?;
    }
    let [_, octets @ ..] = bits.to_be_bytes();
    let whole = symbols.len() * 6 / 8;
    octets.iter().skip(whole).all(|&octet| octet == 0).then_some(octets)
}

fn symbol(bits: u32) -> u8 {
    match (bits & 63) as u8 {
        v @ 0..=25 => b'A' + v,
        v @ 26..=51 => b'a' + (v - 26),
        v @ 52..=61 => b'0' + (v - 52),
        62 => b'+',
        _ => b'/',
    }
}

fn value(symbol: u8) -> Option<u32> {
    let value = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    const VECTORS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    #[test]
    fn rfc_vectors() {
        for (plain, encoded) in VECTORS {
            assert_eq!(encode(plain.as_bytes()), encoded.as_bytes());
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn only_one_spelling() {
        for wrong in [
            "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9-",
            "=m9v",
        ] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        for (wrong, octets) in
            [("c2VjcmV0Zm9v!A==", 9), ("c2VjcmV0Zm9=", 6), ("c2VjcmV0Zg==Zg==", 6)]
        {
            let mut output = Vec::new();
            assert!(!decode_into(wrong.as_bytes(), &mut output));
            assert_eq!(output, vec![0; octets], "{wrong}");
        }
    }
}
