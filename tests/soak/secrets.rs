//! Secrets that must not be on the wrong leg, in any of the forms in which they could be.

use memchr::memmem;

/// Every access token contains it.
pub const TOKEN: &str = "T0K3N-of-the-";
/// Every local password contains it.
pub const PASSWORD: &str = "L0cal-";

/// Looks for a secret in a stream that comes in pieces.
pub struct Scanner {
    needles: Vec<Vec<u8>>,
    tail: Vec<u8>,
    pub found: bool,
}

impl Scanner {
    pub fn new(secret: &str) -> Self {
        // In base64 it looks different at each of three places; whole groups of it are the same.
        let mut needles = vec![secret.as_bytes().to_vec()];
        for skipped in 0..3 {
            let rest = &secret.as_bytes()[skipped..];
            let whole = &rest[..rest.len() / 3 * 3];
            if whole.len() >= 6 || skipped == 0 {
                needles.push(base64(whole).into_bytes());
            }
        }
        needles.retain(|needle| needle.len() >= 6);
        Self { needles, tail: Vec::new(), found: false }
    }

    pub fn see(&mut self, octets: &[u8]) {
        let longest = self.needles.iter().map(Vec::len).max().unwrap_or_default();
        let border = &octets[..octets.len().min(longest)];
        self.tail.extend_from_slice(border);
        let holds = |text: &[u8]| self.needles.iter().any(|it| memmem::find(text, it).is_some());
        self.found |= holds(&self.tail) || holds(octets);
        if octets.len() >= longest {
            self.tail = octets[octets.len() - longest..].to_vec();
        } else {
            let surplus = self.tail.len().saturating_sub(longest);
            self.tail.drain(..surplus);
        }
    }
}

pub fn base64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

pub fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[test]
fn a_secret_is_found_wherever_a_stream_is_cut() {
    let encoded = base64(format!("user=x\x01auth=Bearer {TOKEN}1\x01\x01").as_bytes());
    for text in [format!("a {TOKEN} b"), encoded] {
        for cut in 0..text.len() {
            let mut scanner = Scanner::new(TOKEN);
            scanner.see(&text.as_bytes()[..cut]);
            scanner.see(&text.as_bytes()[cut..]);
            assert!(scanner.found, "{text} cut at {cut}");
        }
        let mut scanner = Scanner::new(TOKEN);
        text.bytes().for_each(|octet| scanner.see(&[octet]));
        assert!(scanner.found, "{text} octet by octet");
    }
    let mut scanner = Scanner::new(TOKEN);
    scanner.see(b"T0K3N-of-a-kind");
    assert!(!scanner.found);
}
