//! A keyed digest of a secret, by which the same one is known again. The hard thing is that a digest works on whole
//! blocks and keeps what does not fill one in its state, copies of which stay behind on the stack: so it is given whole
//! blocks alone, from a buffer of ours that is wiped.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Of these parts, and of no others that would be the same when joined. `key` is for HMAC-SHA-256, and not kept beyond
/// the process: the form is our own.
pub(crate) fn fingerprint(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let length: usize = parts.iter().map(|part| LENGTH + part.len()).sum();
    let mut blocks = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(BLOCK)));
    for part in parts {
        blocks.extend_from_slice(&(part.len() as u64).to_be_bytes());
        blocks.extend_from_slice(part);
    }
    blocks.resize(length.next_multiple_of(BLOCK), 0);
    let mut fingerprint = [0; 32];
    for (to, from) in fingerprint.iter_mut().zip(hmac::sign(key, &blocks).as_ref()) {
        *to = *from;
    }
    fingerprint
}

/// Of SHA-256 (FIPS 180-4 section 1).
const BLOCK: usize = 64;

/// Stands before each part.
const LENGTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_have_another_fingerprint() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let of = |parts: &[&[u8]]| fingerprint(&key, parts);
        assert_eq!(of(&[b"me", b"secret"]), of(&[b"me", b"secret"]));
        let long = [0; 56];
        let different: [&[&[u8]]; 8] = [
            &[b"me", b"secret"],
            &[b"mes", b"ecret"],
            &[b"mesecret"],
            &[b"me", b"secret\0"],
            &[b"", b"secret"],
            &[b"secret"],
            &[&long],
            &[&long[1..]],
        ];
        let different: std::collections::HashSet<_> = different.iter().map(|it| of(it)).collect();
        assert_eq!(different.len(), 8);
        let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert_ne!(of(&[b"me"]), fingerprint(&other, &[b"me"]));
    }
}
