//! Both directions and everything that decides about them, without I/O and without a clock. The
//! hard thing is that each side can end in several ways while the other still has bytes to give or
//! to take; one list of conditions ([`Duplex::wants_shutdown`], [`Duplex::is_finished`]) says what
//! each waits for.
//!
//! ```text
//! client closes    what of its octets is whole goes upstream → shut down upstream → until it closes
//! upstream closes  everything it sent goes to the client → shut down client → until client closes
//! client is gone   what it sent still goes upstream, answers are read along and dropped
//! upstream is gone what it sent still goes to the client, what the client sends is dropped
//! stop, fault      decided octets go out both ways, a farewell if allowed → shut down both
//! ```
//!
//! What the client must hear first ([`Relay::owes_verdict`]) is waited for by a stop, and by the end
//! that the upstream sees when the client closes.

mod steps;

use std::{collections::VecDeque, io};

use bytes::BytesMut;

use super::{
    EndCause, Ended,
    lane::{Lane, Output},
};
use crate::{
    proto::{Delivery, Refusal, Relay, Side},
    secret,
};

/// What the two machines of the login had read and not used; it goes first.
#[derive(Default)]
pub struct Early {
    /// The residue of the downstream machine.
    pub from_downstream: BytesMut,
    /// The residue of the upstream machine.
    pub from_upstream: BytesMut,
}

/// How long a driver may wait for the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Both sides are there, or one has ended that is still owed an answer: as long as bytes pass now
    /// and then, which in the silence of IDLE is rarely.
    Idle,
    /// An end has begun: as long as bytes pass more often.
    WhileBytesPass,
    /// We are to end it, and the client is owed a verdict: a fixed time from now, and a short one.
    Verdict,
    /// We are the ones who end it: a fixed time from now.
    Fixed,
}

/// The relay's state machine. A driver reads into [`space`](Self::space), writes
/// [`pending`](Self::pending) and reports what came of it; every report also decides what it can.
pub struct Duplex {
    relay: Box<dyn Relay>,
    /// From the client to the upstream.
    upward: Lane,
    /// From the upstream to the client.
    downward: Lane,
    cause: Option<EndCause>,
    /// We are to end it, with this word, once the client has its verdict; it begins nothing more.
    stopping: Option<Refusal>,
    /// We are ending it: nothing more is decided.
    closing: bool,
    /// When closing: nothing of the client's lies unread, so closing its socket loses nothing.
    client_quiet: bool,
    /// The relay was asked for a word on the upstream's end.
    mourned: bool,
    /// Told and not yet asked for; one report brings no more than its octets bear.
    deliveries: VecDeque<Delivery>,
    /// The wait was long enough.
    given_up: bool,
    /// Octets for a client that is gone.
    sunk: usize,
    progress: u64,
}

impl Duplex {
    /// Begins with what was read before.
    pub fn new(relay: Box<dyn Relay>, mut early: Early) -> Self {
        let mut duplex = Self {
            relay,
            upward: Lane::beginning_with(&early.from_downstream),
            downward: Lane::beginning_with(&early.from_upstream),
            cause: None,
            stopping: None,
            closing: false,
            client_quiet: false,
            mourned: false,
            deliveries: VecDeque::new(),
            given_up: false,
            sunk: 0,
            progress: 0,
        };
        secret::wipe(&mut early.from_downstream);
        duplex.decide();
        duplex
    }

    /// Where to read what `from` sends; `None` while it is not to be read.
    pub fn space(&mut self, from: Side) -> Option<&mut [u8]> {
        let drains = self.drains(from);
        let closing = self.closing;
        let lane = self.lane_from(from);
        if lane.ended || (closing && !drains) {
            return None;
        }
        lane.space()
    }

    /// `count` octets, not 0, were read into the space of `from`.
    pub fn filled(&mut self, from: Side, count: usize) {
        self.lane_from(from).fill(count);
        if self.drains(from) {
            self.lane_from(from).drop_undecided();
            return;
        }
        if from == Side::Downstream || self.downward.output != Output::Failed {
            self.progress += 1;
        }
        self.decide();
    }

    /// `from` sends nothing more.
    pub fn handle_eof(&mut self, from: Side) {
        self.cause.get_or_insert(match from {
            Side::Downstream => EndCause::ClientClosed,
            Side::Upstream => EndCause::UpstreamClosed,
        });
        self.end_input(from);
    }

    /// Nothing more can be read from `from`.
    pub fn handle_read_error(&mut self, from: Side, error: io::Error) {
        self.cause.get_or_insert_with(|| connection_error(from, error));
        self.end_input(from);
    }

    /// Nothing of what `from` sent lies unread just now.
    pub fn handle_quiet(&mut self, from: Side) {
        if from == Side::Downstream && self.closing && self.downward.output != Output::Open {
            self.client_quiet = true;
        }
    }

    /// What to write to `to` next; empty if nothing is ready.
    pub fn pending(&self, to: Side) -> &[u8] {
        self.lane_to(to).pending()
    }

    /// `count` octets of [`pending`](Self::pending) were written.
    pub fn written(&mut self, to: Side, count: usize) {
        self.progress += 1;
        let lane = self.lane_to_mut(to);
        let was_crowded = lane.is_crowded();
        lane.written(count);
        if was_crowded {
            self.decide();
        }
    }

    /// What was written to `to` has been flushed.
    pub fn handle_flushed(&mut self) {
        self.progress += 1;
    }

    /// Nothing more can be written to `to`.
    pub fn handle_write_error(&mut self, to: Side, error: io::Error) {
        self.cause.get_or_insert_with(|| connection_error(to, error));
        let lane = self.lane_to_mut(to);
        lane.output = Output::Failed;
        lane.drop_decided();
        if to == Side::Upstream {
            self.upward.drop_undecided();
        }
        self.decide();
    }

    /// Whether everything for `to` is written, and its writing half is to be shut down.
    pub fn wants_shutdown(&self, to: Side) -> bool {
        let lane = self.lane_to(to);
        let complete = lane.ended
            && lane.undecided().is_empty()
            && (to == Side::Downstream || !self.relay.owes_verdict());
        // Whatever the client may still send, an upstream that has ended takes none of it.
        let in_vain = to == Side::Upstream && self.downward.ended;
        lane.output == Output::Open
            && lane.pending().is_empty()
            && (complete || in_vain || self.closing)
    }

    /// The writing half of `to` was shut down, or failed to.
    pub fn handle_shutdown(&mut self, to: Side) {
        self.progress += 1;
        self.lane_to_mut(to).output = Output::Shut;
    }

    /// Ends the relay from our side, with a last word to the client where one may be said.
    pub fn stop(&mut self, farewell: &Refusal) {
        self.cause.get_or_insert(EndCause::Stopped);
        if !self.closing {
            self.stopping.get_or_insert_with(|| farewell.clone());
            self.decide();
        }
    }

    /// How long the driver may wait.
    pub fn patience(&self) -> Patience {
        if self.stopping.is_some() {
            Patience::Verdict
        } else if self.closing {
            Patience::Fixed
        } else if self.upward.is_stuck() || self.downward.is_stuck() {
            Patience::WhileBytesPass
        } else if self.cause.is_none() || (self.is_heard() && self.relay.owes_verdict()) {
            Patience::Idle
        } else {
            Patience::WhileBytesPass
        }
    }

    /// Changes whenever bytes pass.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// [`Patience`] is at its end.
    pub fn handle_deadline(&mut self) {
        if let Some(farewell) = self.stopping.take() {
            return self.close(&farewell);
        }
        if self.cause.is_none() {
            if self.patience() == Patience::Idle {
                return self.end_idle();
            }
            let side = if self.upward.is_stuck() { Side::Downstream } else { Side::Upstream };
            return self.blame_for_holding(side);
        }
        for to in [Side::Downstream, Side::Upstream] {
            let lane = self.lane_to(to);
            let owed = lane.output == Output::Open
                && (!lane.pending().is_empty() || self.wants_shutdown(to));
            if owed && !self.closing {
                self.cause = Some(EndCause::Stalled(to));
                break;
            }
        }
        self.given_up = true;
    }

    /// Whether both streams can be closed.
    pub fn is_finished(&self) -> bool {
        let written = |lane: &Lane| lane.output != Output::Open;
        let client = written(&self.downward) && (self.upward.ended || self.client_quiet);
        let upstream =
            written(&self.upward) && (self.downward.ended || self.closing || self.sunk > SUNK);
        self.given_up || (client && upstream)
    }

    /// A message whose fate the upstream has told; ask until `None`, after every report.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    /// Gives back memory before a wait.
    pub fn settle(&mut self) {
        self.upward.settle();
        self.downward.settle();
    }

    /// How it went.
    pub fn into_ended(self) -> Ended {
        Ended {
            cause: self.cause.unwrap_or(EndCause::Stopped),
            from_client: self.upward.received,
            to_client: self.downward.delivered,
            counts: self.relay.counts(),
        }
    }

    fn end_input(&mut self, from: Side) {
        self.lane_from(from).ended = true;
        if from == Side::Upstream {
            self.upward.drop_decided();
            self.upward.drop_undecided();
        }
        self.decide();
    }

    /// Whether what `from` sends is read only to be dropped. A socket that is closed with unread
    /// input is reset, and then the client loses what it has not read yet.
    fn drains(&self, from: Side) -> bool {
        match from {
            Side::Downstream => {
                self.closing || self.downward.ended || self.upward.output == Output::Failed
            }
            Side::Upstream => false,
        }
    }

    fn lane_from(&mut self, from: Side) -> &mut Lane {
        match from {
            Side::Downstream => &mut self.upward,
            Side::Upstream => &mut self.downward,
        }
    }

    fn lane_to(&self, to: Side) -> &Lane {
        match to {
            Side::Downstream => &self.downward,
            Side::Upstream => &self.upward,
        }
    }

    fn lane_to_mut(&mut self, to: Side) -> &mut Lane {
        match to {
            Side::Downstream => &mut self.downward,
            Side::Upstream => &mut self.upward,
        }
    }
}

#[cfg(test)]
impl Duplex {
    /// Octets held for both sides.
    pub(super) fn held(&self) -> usize {
        self.upward.held() + self.downward.held()
    }

    /// Memory held for both sides' octets.
    pub(super) fn allocated(&self) -> usize {
        self.upward.allocated() + self.downward.allocated()
    }
}

fn connection_error(side: Side, error: io::Error) -> EndCause {
    match side {
        Side::Downstream => EndCause::ClientError(error),
        Side::Upstream => EndCause::UpstreamError(error),
    }
}

/// Octets that the upstream may send for a client that is gone, once it was told so.
const SUNK: usize = 1024 * 1024;
