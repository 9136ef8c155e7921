//! Passwords that a machine makes and people carry: read from a screen, said over the telephone, typed at a
//! printer. The hard thing is to be strong in few characters that nobody mistakes.

use std::io;

use super::random;
use crate::secret::Secret;

/// A new password to dictate, and to type at a printer: 16 characters, fourteen of them letters and digits
/// in three groups, 69 bits. None of them looks like another, there is no upper case, and the only sign
/// is the hyphen, which every device's page takes.
///
/// # Errors
/// The system has no randomness.
pub fn generate() -> io::Result<Secret> {
    let mut password = Vec::with_capacity(GENERATED);
    for (group, letters) in GROUPS.into_iter().enumerate() {
        if group > 0 {
            password.push(b'-');
        }
        for _ in 0..letters {
            password.push(letter()?);
        }
    }
    Ok(Secret::new(password))
}

fn letter() -> io::Result<u8> {
    loop {
        let [octet] = random::<1>()?;
        // The lower five bits choose without bias, if what is one too many is drawn again.
        if let Some(letter) = ALPHABET.get(usize::from(octet & 31)) {
            return Ok(*letter);
        }
    }
}

const GROUPS: [usize; 3] = [5, 4, 5];
/// With the hyphens; some fields of devices take no more.
const GENERATED: usize = 16;
/// Lower case and digits without i, l, 1, o and 0.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_short_readable_and_differ() {
        let password = generate().unwrap();
        let text = std::str::from_utf8(password.expose()).unwrap();
        assert_eq!(text.len(), GENERATED);
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(groups, GROUPS);
        assert!(text.bytes().all(|it| it == b'-' || ALPHABET.contains(&it)), "{text}");
        assert_ne!(password.expose(), generate().unwrap().expose());
        let mut letters = ALPHABET.to_vec();
        letters.dedup();
        assert_eq!(letters.len(), ALPHABET.len());
        assert!(letters.iter().all(|it| !b"ilo01".contains(it) && !it.is_ascii_uppercase()));
        let bits = f64::from(31_u8).log2() * GROUPS.iter().sum::<usize>() as f64;
        assert!(bits > 60.0, "{bits}");
    }

    #[test]
    fn all_letters_are_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..2000 {
            for letter in generate().unwrap().expose() {
                *counts.entry(*letter).or_insert(0) += 1;
            }
        }
        counts.remove(&b'-');
        assert_eq!(counts.len(), ALPHABET.len());
        // 903 of each are expected; a third more or less is ten times the deviation that chance has.
        assert!(counts.values().all(|count| (602..=1204).contains(count)), "{counts:?}");
    }
}
