//! One direction of an SMTP or POP3 leg as lines. The hard thing is that a client's octets may come before
//! it is clear what they are: they are kept until then, and there is a bound to that.

use bytes::{Buf as _, Bytes, BytesMut};

/// What was heard and is not understood yet.
#[derive(Default)]
pub(super) struct Heard {
    octets: BytesMut,
    /// So many of them hold no line end.
    searched: usize,
    /// The line that has begun was too long to keep.
    overlong: bool,
    /// More came than is kept: what follows cannot be told any more.
    lost: bool,
}

impl Heard {
    pub(super) fn push(&mut self, octets: &[u8]) {
        if !self.lost {
            self.octets.extend_from_slice(octets);
        }
    }

    /// The next line, without its end; empty if it was too long to keep.
    pub(super) fn line(&mut self) -> Option<Bytes> {
        let unknown = self.octets.get(self.searched..).unwrap_or_default();
        let Some(end) = unknown.iter().position(|octet| *octet == b'\n') else {
            self.searched = self.octets.len();
            return None;
        };
        let line = self.octets.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        let overlong = std::mem::take(&mut self.overlong) || line.len() > HELD;
        Some(if overlong { Bytes::new() } else { line.slice_ref(line.trim_ascii_end()) })
    }

    /// Hands over what is there; `take` says how much of it it has used.
    pub(super) fn content<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> R {
        let (used, result) = take(&self.octets);
        self.octets.advance(used.min(self.octets.len()));
        self.searched = 0;
        result
    }

    /// Keeps to the bound when nothing more can be understood. `waits`: there may be lines, for which it
    /// is too early. True: this has just been given up.
    pub(super) fn settle(&mut self, waits: bool) -> bool {
        if self.octets.len() <= HELD {
            return false;
        }
        if waits {
            return self.give_up();
        }
        self.octets = BytesMut::new();
        self.searched = 0;
        self.overlong = true;
        false
    }

    /// Follows no further. False: that was so already.
    pub(super) fn give_up(&mut self) -> bool {
        self.octets = BytesMut::new();
        self.searched = 0;
        !std::mem::replace(&mut self.lost, true)
    }
}

/// Octets that are kept.
const HELD: usize = 64 * 1024;
