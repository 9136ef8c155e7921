//! One direction: what was received, what was decided on it and waits to be written. The hard thing
//! is our own words between the peer's: they are queued as segments beside the buffer, so that what
//! is merely forwarded never moves.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::buffer::{Buffer, CAPACITY};

/// One direction between a peer that is read and a peer that is written.
pub(super) struct Lane {
    buffer: Buffer,
    queue: VecDeque<Segment>,
    /// Octets of ours in the queue.
    inserted: usize,
    /// Octets received.
    pub(super) received: u64,
    /// Octets written.
    pub(super) delivered: u64,
    /// The peer that is read has ended.
    pub(super) ended: bool,
    /// How the peer that is written takes it.
    pub(super) output: Output,
}

/// The state of a peer's writing half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Takes bytes.
    Open,
    /// Was shut down in good order.
    Shut,
    /// Takes nothing more.
    Failed,
}

/// What becomes of the buffer's decided octets, in order.
enum Segment {
    Forward(usize),
    Discard(usize),
    Insert(Bytes),
}

impl Lane {
    pub(super) fn beginning_with(octets: &[u8]) -> Self {
        Self {
            buffer: Buffer::beginning_with(octets),
            queue: VecDeque::new(),
            inserted: 0,
            received: octets.len() as u64,
            delivered: 0,
            ended: false,
            output: Output::Open,
        }
    }

    /// Where to read into, if it is time to. A slow reader takes a little at a time: unless a good
    /// part of the buffer is free, reading waits until everything decided is out.
    pub(super) fn space(&mut self) -> Option<&mut [u8]> {
        let free = self.buffer.free();
        let worthwhile = free >= CAPACITY / 4 || (free > 0 && self.queue.is_empty());
        worthwhile.then(|| self.buffer.space())
    }

    pub(super) fn fill(&mut self, count: usize) {
        self.received += count as u64;
        self.buffer.fill(count);
    }

    pub(super) fn undecided(&self) -> &[u8] {
        self.buffer.undecided()
    }

    /// Whether `count` is a legal answer to [`Lane::undecided`].
    pub(super) fn has(&self, count: usize) -> bool {
        (1..=self.undecided().len()).contains(&count)
    }

    pub(super) fn forward(&mut self, count: usize) {
        self.buffer.decide(count);
        if let Some(Segment::Forward(last)) = self.queue.back_mut() {
            *last += count;
        } else {
            self.queue.push_back(Segment::Forward(count));
        }
    }

    pub(super) fn discard(&mut self, count: usize) {
        self.buffer.wipe(count);
        self.buffer.decide(count);
        self.queue.push_back(Segment::Discard(count));
        self.skip_discarded();
    }

    pub(super) fn insert(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.inserted += bytes.len();
            self.queue.push_back(Segment::Insert(bytes));
        }
    }

    /// What to write next; empty if nothing is ready.
    pub(super) fn pending(&self) -> &[u8] {
        match self.queue.front() {
            Some(Segment::Forward(count)) => {
                self.buffer.decided().get(..*count).unwrap_or_default()
            }
            Some(Segment::Insert(bytes)) => bytes,
            Some(Segment::Discard(_)) | None => &[],
        }
    }

    /// `count` octets of [`Lane::pending`] were written.
    pub(super) fn written(&mut self, count: usize) {
        self.delivered += count as u64;
        let used_up = match self.queue.front_mut() {
            Some(Segment::Forward(left)) => {
                self.buffer.consume(count);
                *left = left.saturating_sub(count);
                *left == 0
            }
            Some(Segment::Insert(bytes)) => {
                let count = count.min(bytes.len());
                bytes.advance(count);
                self.inserted -= count;
                bytes.is_empty()
            }
            Some(Segment::Discard(_)) | None => false,
        };
        if used_up {
            self.queue.pop_front();
            self.skip_discarded();
        }
    }

    /// Whether enough waits to be written that nothing more should be decided. Forwarded octets are
    /// bounded by the buffer, so this counts only what costs memory beside it.
    pub(super) fn is_crowded(&self) -> bool {
        self.inserted >= INSERTED || self.queue.len() >= SEGMENTS
    }

    /// Whether it is full of octets that nobody decides on.
    pub(super) fn is_stuck(&self) -> bool {
        self.undecided().len() >= CAPACITY && self.queue.is_empty()
    }

    /// Drops what is undecided.
    pub(super) fn drop_undecided(&mut self) {
        self.buffer.truncate();
    }

    /// Drops what waits to be written.
    pub(super) fn drop_decided(&mut self) {
        self.queue.clear();
        self.inserted = 0;
        self.buffer.consume(usize::MAX);
    }

    /// Gives back memory before a wait.
    pub(super) fn settle(&mut self) {
        self.buffer.settle();
        if self.queue.is_empty() {
            self.queue.shrink_to_fit();
        }
    }

    /// Octets held, ours included.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.len() + self.inserted
    }

    /// Memory held for the peer's octets.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.buffer.allocated()
    }

    fn skip_discarded(&mut self) {
        while let Some(Segment::Discard(count)) = self.queue.front() {
            self.buffer.consume(*count);
            self.queue.pop_front();
        }
    }
}

/// Octets of ours that may wait before decisions do.
const INSERTED: usize = 16 * 1024;

/// Segments that may wait before decisions do.
const SEGMENTS: usize = 256;
