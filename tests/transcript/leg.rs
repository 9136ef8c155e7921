//! What the gateway said on one leg and the transcript has not seen yet. The hard thing is the order:
//! octets and events of a leg stand in one queue, so that a go-ahead comes before its handshake.

use std::collections::VecDeque;

use super::{
    show,
    text::{self, Tags},
};

/// What one leg's peer would see, and has not yet been compared.
pub(super) struct LegState {
    /// What the gateway is on this leg: `S` or `C`.
    pub(super) mark: char,
    /// Tags of the gateway's own on this leg.
    pub(super) tags: Tags,
    pub(super) said: VecDeque<Said>,
    /// What passed before, as lines to show.
    pub(super) log: Vec<String>,
    /// Closed by us: nothing is read any more.
    pub(super) closed: bool,
    /// The handshake begins once the segment in hand is through.
    pub(super) handshake: bool,
}

pub(super) enum Said {
    Octets(Vec<u8>),
    Effect(Vec<u8>),
}

impl LegState {
    pub(super) fn new(mark: char) -> Self {
        let (said, log) = (VecDeque::new(), Vec::new());
        Self { mark, tags: Tags::new(), said, log, closed: false, handshake: false }
    }

    pub(super) fn say(&mut self, octets: &[u8]) {
        match self.said.back_mut() {
            Some(Said::Octets(before)) => before.extend_from_slice(octets),
            Some(Said::Effect(_)) | None if octets.is_empty() => (),
            Some(Said::Effect(_)) | None => self.said.push_back(Said::Octets(octets.to_vec())),
        }
    }

    pub(super) fn happen(&mut self, effect: &[u8]) {
        self.said.push_back(Said::Effect(effect.to_vec()));
    }

    pub(super) fn begin_handshake(&mut self) {
        self.happen(b"starttls");
        self.handshake = true;
    }

    pub(super) fn close(&mut self, effect: &[u8]) {
        if !self.closed {
            self.happen(effect);
        }
        self.closed = true;
    }

    /// An end that the relay decided on in the other direction; both legs end together.
    pub(super) fn ended(&mut self) -> Option<Vec<u8>> {
        match self.said.back() {
            Some(Said::Effect(effect)) if self.closed => {
                let effect = effect.clone();
                self.said.pop_back();
                Some(effect)
            }
            Some(_) | None => None,
        }
    }

    /// Compares the next thing with what the transcript expects.
    pub(super) fn take(&mut self, pattern: &[text::Piece], effect: bool) -> Result<(), String> {
        let (said, is_effect) = match self.said.front_mut() {
            Some(Said::Octets(octets)) => (octets, false),
            Some(Said::Effect(name)) => (name, true),
            None => return Err("the gateway is silent".into()),
        };
        if effect != is_effect {
            return Err("the gateway does something else".into());
        }
        let length = text::matches(pattern, said, effect, &mut self.tags);
        let length = length.ok_or("the gateway says something else")?;
        let rest = said.split_off(length);
        let taken = std::mem::replace(said, rest);
        if said.is_empty() {
            self.said.pop_front();
        }
        self.log.extend(if effect {
            vec![show::effect(&taken)]
        } else {
            show::lines(self.mark, &taken)
        });
        Ok(())
    }

    pub(super) fn log_rest(&mut self) {
        for said in self.said.drain(..) {
            self.log.extend(match said {
                Said::Octets(octets) => show::lines(self.mark, &octets),
                Said::Effect(effect) => vec![show::effect(&effect)],
            });
        }
    }
}
