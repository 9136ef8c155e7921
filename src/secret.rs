//! A value that nobody can print: no `Display`, a `Debug` without content, no `Serialize`, and
//! bytes that are wiped when it goes. The hard thing is that a secret must be *used* somewhere;
//! [`Secret::expose`] is that one word, so that a reader can search for every use.

use std::fmt;

/// A password, a token or a key: opaque bytes, redacted in every output, wiped on drop.
///
/// Comparing secrets is the job of a constant-time function; `Secret` has no `PartialEq`.
#[derive(Clone, Default)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes over.
    ///
    /// A `Vec` with spare capacity is copied into an exact allocation and wiped, since shrinking it
    /// in place may leave a copy of the content behind.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into_boxed_slice());
        }
        let exact = Box::from(bytes.as_slice());
        wipe(&mut bytes);
        Self(exact)
    }

    /// The content. Whoever calls this answers for where the bytes go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The length in octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no content at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Overwrites `bytes` with zeros in a way that the optimizer keeps.
///
/// The gateway uses the `zeroize` crate. The bare core may depend on nom, bytes and memchr alone and
/// holds no live secrets (tests, fuzzing, benchmarks), so there a best effort is enough.
pub(crate) fn wipe(bytes: &mut [u8]) {
    #[cfg(feature = "gateway")]
    zeroize::Zeroize::zeroize(bytes);
    #[cfg(not(feature = "gateway"))]
    {
        bytes.fill(0);
        std::hint::black_box(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
    }

    #[test]
    fn spare_capacity_does_not_change_the_content() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(b"abc");
        assert_eq!(Secret::new(bytes).expose(), b"abc");
    }
}
