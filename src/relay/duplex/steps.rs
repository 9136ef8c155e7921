//! Asks the protocol's own [`Relay`](crate::proto::Relay) and does what it says. The hard thing is
//! that each direction may be waiting for the other, so the question ends only when both hold.

use super::{Duplex, EndCause, Output};
use crate::proto::{Refusal, RefusalReason, RelayFault, Side, Step};

impl Duplex {
    /// Takes every step that can be taken.
    pub(super) fn decide(&mut self) {
        loop {
            // One at a time, so that an answer of the guard is taken out before the next is due.
            let client_stepped = self.take_step(Side::Downstream);
            let mut upstream_stepped = false;
            while self.take_step(Side::Upstream) {
                upstream_stepped = true;
            }
            if !client_stepped && !upstream_stepped {
                break;
            }
        }
        if self.closing {
            return;
        }
        if self.downward.ended && !self.downward.is_crowded() {
            // Cut off in the middle of something: better a torn message than a lost one.
            let rest = self.downward.undecided().len();
            if rest > 0 {
                self.pass_on(Side::Upstream, Step::Forward(rest));
            } else if !self.mourned && self.downward.output == Output::Open {
                // Who waits for an answer is told that none will come.
                if let Some(word) = self.relay.upstream_lost() {
                    self.downward.insert(word);
                }
            }
            self.mourned = true;
        }
        if self.upward.ended && !self.must_wait(Side::Downstream) && !self.relay.awaits_upstream() {
            // The front of something that will never be whole.
            self.upward.drop_undecided();
        }
        self.stop_if_heard();
        let client_is_stuck = self.upward.is_stuck();
        if self.downward.is_stuck() && (client_is_stuck || self.upward.ended) {
            self.blame_for_holding(Side::Upstream);
        }
    }

    /// A stop that has waited for the client's verdict goes on, and one that waits in vain.
    fn stop_if_heard(&mut self) {
        let Some(farewell) = self.stopping.take() else { return };
        if self.is_heard() && self.relay.owes_verdict() {
            self.stopping = Some(farewell);
        } else {
            self.close(&farewell);
        }
    }

    /// Whether the upstream may still say something, and the client hear it.
    pub(super) fn is_heard(&self) -> bool {
        self.downward.output == Output::Open && !self.downward.ended
    }

    /// Takes the next step in one direction, if there is one.
    fn take_step(&mut self, from: Side) -> bool {
        if self.closing || self.must_wait(from) {
            return false;
        }
        let step = match from {
            Side::Downstream => self.relay.inspect_downstream(self.upward.undecided()),
            Side::Upstream => self.relay.inspect_upstream(self.downward.undecided()),
        };
        let stepped = step != Step::Hold;
        self.pass_on(from, step);
        self.deliveries.extend(std::iter::from_fn(|| self.relay.poll_delivery()));
        stepped
    }

    fn must_wait(&self, from: Side) -> bool {
        match from {
            Side::Downstream => {
                self.stopping.is_some()
                    || self.upward.undecided().is_empty()
                    || self.upward.is_crowded()
                    // It asks for answers of the guard and does not read them.
                    || self.downward.is_crowded()
            }
            Side::Upstream => self.downward.is_crowded(),
        }
    }

    fn pass_on(&mut self, from: Side, step: Step) {
        let lane = self.lane_from(from);
        match step {
            Step::Forward(count) if lane.has(count) => lane.forward(count),
            Step::Discard(count) if lane.has(count) => lane.discard(count),
            Step::Replace { length, with } if lane.has(length) => {
                lane.discard(length);
                lane.insert(with);
            }
            Step::Insert(bytes) if !bytes.is_empty() => lane.insert(bytes),
            Step::End(fault) => return self.fail(fault),
            Step::Hold => {}
            Step::Forward(_) | Step::Discard(_) | Step::Replace { .. } | Step::Insert(_) => {
                return self.fail(RelayFault { side: from, what: LOST_PLACE });
            }
        }
        if lane.output == Output::Failed {
            let before = lane.pending().len();
            lane.drop_decided();
            self.sunk += before;
        }
    }

    /// `side` has sent all that can be held, and nobody can free it.
    pub(super) fn blame_for_holding(&mut self, side: Side) {
        let what = "it sent more than can be held back while the other side is silent";
        self.fail(RelayFault { side, what });
    }

    /// Nobody has said anything for too long.
    pub(super) fn end_idle(&mut self) {
        self.cause = Some(EndCause::Idle);
        let text = "Nothing has passed for too long; please log in again";
        self.close(&Refusal::new(RefusalReason::Timeout, text));
    }

    fn fail(&mut self, fault: RelayFault) {
        let (reason, who) = match fault.side {
            Side::Downstream => (RefusalReason::TooManyFailures, "Your mail program"),
            Side::Upstream => (RefusalReason::UpstreamUnavailable, "The mail server"),
        };
        let text = format!("{who} broke the protocol: {}", fault.what);
        self.cause = Some(EndCause::Fault(fault));
        self.close(&Refusal::new(reason, text));
    }

    pub(super) fn close(&mut self, farewell: &Refusal) {
        if self.closing {
            return;
        }
        self.closing = true;
        self.upward.drop_undecided();
        self.downward.drop_undecided();
        let listens = self.is_heard();
        if let Some(last_word) = self.relay.farewell(farewell).filter(|_| listens) {
            self.downward.insert(last_word);
        }
    }
}

const LOST_PLACE: &str = "the gateway lost its place in what was sent (a fault of the gateway)";
