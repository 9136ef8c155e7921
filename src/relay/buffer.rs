//! The bytes of one direction, `[written | decided | undecided | space]` in one allocation: a byte
//! is read into it and written out of it, without a copy between. The hard thing is memory: an idle
//! session holds none, since an empty buffer goes back to its thread's pool.

use std::cell::RefCell;

use crate::secret;

/// How many octets one direction holds at most. A TLS record has 16 KiB; above some records at a
/// time the cost per octet falls no further.
pub(super) const CAPACITY: usize = 64 * 1024;

/// A window that slides over one allocation. Undecided octets may hold a local password (of a login
/// that the guard is about to catch), so they are wiped wherever they are left behind.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    /// Where the undecided octets begin: `start <= decided <= end <= bytes.len()`.
    decided: usize,
    end: usize,
}

impl Buffer {
    /// A buffer that begins with these octets, undecided. They may be more than [`CAPACITY`]; there
    /// is space for more as soon as they are fewer.
    pub(super) fn beginning_with(octets: &[u8]) -> Self {
        Self { bytes: octets.into(), start: 0, decided: 0, end: octets.len() }
    }

    /// What may be written.
    pub(super) fn decided(&self) -> &[u8] {
        self.bytes.get(self.start..self.decided).unwrap_or_default()
    }

    /// What nobody has decided on yet.
    pub(super) fn undecided(&self) -> &[u8] {
        self.bytes.get(self.decided..self.end).unwrap_or_default()
    }

    /// How many octets it holds.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// How many more it may hold.
    pub(super) fn free(&self) -> usize {
        CAPACITY.saturating_sub(self.len())
    }

    /// Where to read into; empty if there is no room.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.free() == 0 {
            return &mut [];
        }
        if self.bytes.len() != CAPACITY {
            self.move_into(take_pooled());
        } else if CAPACITY - self.end < CAPACITY / 4 {
            self.move_to_front();
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `count` octets were read into the space.
    pub(super) fn fill(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    /// `count` undecided octets may be written.
    pub(super) fn decide(&mut self, count: usize) {
        self.decided = self.end.min(self.decided + count);
    }

    /// Overwrites the first `count` undecided octets, which will never be written.
    pub(super) fn wipe(&mut self, count: usize) {
        let end = self.end.min(self.decided + count);
        if let Some(bytes) = self.bytes.get_mut(self.decided..end) {
            secret::wipe(bytes);
        }
    }

    /// The first `count` decided octets are gone.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.decided.min(self.start.saturating_add(count));
        if self.start == self.end {
            (self.start, self.decided, self.end) = (0, 0, 0);
        }
    }

    /// Drops what is undecided.
    pub(super) fn truncate(&mut self) {
        self.wipe(self.end - self.decided);
        self.end = self.decided;
        self.consume(0);
    }

    /// Gives back memory before a wait: all of it if nothing is held, most of it if little is.
    pub(super) fn settle(&mut self) {
        if self.len() == 0 {
            give_pooled(std::mem::take(&mut self.bytes));
        } else if self.bytes.len() == CAPACITY && self.len() <= LITTLE {
            self.move_into(vec![0; self.len()].into_boxed_slice());
        }
    }

    /// How much memory it occupies.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.bytes.len()
    }

    fn move_into(&mut self, mut bytes: Box<[u8]>) {
        if let (Some(from), Some(to)) =
            (self.bytes.get(self.start..self.end), bytes.get_mut(..self.len()))
        {
            to.copy_from_slice(from);
        }
        self.wipe(self.end - self.decided);
        give_pooled(std::mem::replace(&mut self.bytes, bytes));
        self.end -= self.start;
        self.decided -= self.start;
        self.start = 0;
    }

    fn move_to_front(&mut self) {
        let (start, decided, end) = (self.start, self.decided, self.end);
        if start == 0 {
            return;
        }
        self.bytes.copy_within(start..end, 0);
        (self.start, self.decided, self.end) = (0, decided - start, end - start);
        if let Some(left_behind) = self.bytes.get_mut(decided.max(end - start)..end) {
            secret::wipe(left_behind);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.truncate();
        give_pooled(std::mem::take(&mut self.bytes));
    }
}

fn take_pooled() -> Box<[u8]> {
    let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    pooled.unwrap_or_else(|| vec![0; CAPACITY].into_boxed_slice())
}

fn give_pooled(bytes: Box<[u8]>) {
    if bytes.len() == CAPACITY {
        // An error means that the thread is ending: the buffer is simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOLED {
                pool.push(bytes);
            }
        });
    }
}

thread_local! {
    /// Between two polls almost every session is idle, so a few buffers serve all of a thread's.
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that a thread keeps.
const POOLED: usize = 16;

/// Up to this many octets are moved to an allocation of their own size before a wait.
const LITTLE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, octets: &[u8]) {
        buffer.space()[..octets.len()].copy_from_slice(octets);
        buffer.fill(octets.len());
    }

    #[test]
    fn bytes_keep_their_order_through_every_move() {
        let mut buffer = Buffer::beginning_with(b"ab");
        put(&mut buffer, b"cdef");
        buffer.decide(3);
        assert_eq!((buffer.decided(), buffer.undecided()), (&b"abc"[..], &b"def"[..]));
        buffer.consume(1);
        buffer.settle();
        assert_eq!(buffer.allocated(), 5);
        assert_eq!((buffer.decided(), buffer.undecided()), (&b"bc"[..], &b"def"[..]));
        put(&mut buffer, b"g");
        buffer.consume(2);
        assert_eq!((buffer.decided(), buffer.undecided()), (&b""[..], &b"defg"[..]));
    }

    #[test]
    fn a_nearly_full_buffer_makes_room_at_its_end() {
        let mut buffer = Buffer::default();
        let content: Vec<u8> = (0..CAPACITY).map(|n| (n % 251) as u8).collect();
        put(&mut buffer, &content);
        assert!(buffer.space().is_empty());
        buffer.decide(CAPACITY - 10);
        buffer.consume(CAPACITY - 20);
        assert_eq!(buffer.space().len(), CAPACITY - 20);
        assert_eq!(buffer.undecided(), &content[CAPACITY - 10..]);
        let left_behind = &buffer.bytes[CAPACITY - 10..];
        assert_eq!(left_behind, [0; 10], "undecided octets were left behind");
    }

    #[test]
    fn what_is_dropped_is_wiped() {
        let mut buffer = Buffer::default();
        put(&mut buffer, b"A LOGIN me secret");
        buffer.truncate();
        assert_eq!(&buffer.bytes[..17], [0; 17]);
    }

    #[test]
    fn an_early_excess_is_kept_and_worked_off() {
        let mut buffer = Buffer::beginning_with(&vec![7; CAPACITY + 5]);
        assert!(buffer.space().is_empty());
        buffer.decide(6);
        buffer.consume(6);
        assert_eq!(buffer.space().len(), 1);
        assert_eq!(buffer.undecided().len(), CAPACITY - 1);
    }
}
