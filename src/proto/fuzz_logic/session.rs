//! A relay between a client and a server, both made up, and everybody who reads along. The hard thing
//! is the server: which of its many possible readings is the true one, nobody knows. So all of them read
//! what passes, and a reading is given up only when the server says what it could not have said with it.

use std::mem;

use bytes::Bytes;

use super::talk::Act;
use crate::proto::{Refusal, RefusalReason, Relay, RelayFault, Side, Step};

/// One way in which a server may read what reaches it.
pub(crate) trait Reading: Clone + PartialEq {
    /// Takes an octet that reached the server.
    ///
    /// # Errors
    /// If a command is there that must never come, or octets for which the server's word was to be
    /// awaited.
    fn read(&mut self, octet: u8) -> Result<(), &'static str>;

    /// Takes an octet that the server says. Where something ends with it: how this one may go on then. An
    /// empty list: the server does not read like this.
    fn hear(&mut self, octet: u8) -> Option<Vec<Self>>;

    /// What it may say now and be consistent.
    fn answers(&self) -> Vec<String>;

    /// Whether a command may begin with the next octet.
    fn is_between_commands(&self) -> bool;
}

/// A client that reads its server's words.
pub(crate) trait Listening {
    /// Takes an octet that reached the client.
    fn hear(&mut self, octet: u8);

    /// Whether it stands between two of the server's answers.
    fn is_at_rest(&self) -> bool;
}

/// A session, whatever is spoken in it.
pub(crate) trait Watched {
    /// Something happens.
    fn act(&mut self, act: &Act);

    /// The server has ended.
    fn lose_server(&mut self);

    /// We end it.
    fn stop(&mut self);
}

impl<V: Reading, L: Listening> Watched for Session<V, L> {
    fn act(&mut self, act: &Act) {
        self.act(act);
    }

    fn lose_server(&mut self) {
        // In the middle of an answer nothing may be said, and part of one may be held.
        let word = self.relay.upstream_lost();
        self.insert_some(word);
    }

    fn stop(&mut self) {
        let word = self.relay.farewell(&Refusal::new(RefusalReason::ShuttingDown, "stop"));
        self.insert_some(word);
    }
}

/// What is watched of a session.
pub(crate) struct Session<V, L> {
    relay: Box<dyn Relay>,
    /// By the RFC first, then in other ways.
    readings: Vec<V>,
    /// Whether the reading by the RFC is still among them.
    strict: bool,
    client: L,
    /// Whether what was dropped in one go may have been: it begins where a command does.
    may_drop: fn(&[u8]) -> bool,
    dropped: Vec<u8>,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// What was sent, for whoever has to understand a finding.
    sent: Vec<(Side, Vec<u8>)>,
    ended: Option<RelayFault>,
}

impl<V: Reading, L: Listening> Session<V, L> {
    pub(crate) fn new(
        relay: Box<dyn Relay>,
        readings: Vec<V>,
        client: L,
        may_drop: fn(&[u8]) -> bool,
    ) -> Self {
        Self {
            relay,
            readings,
            strict: true,
            client,
            may_drop,
            dropped: Vec::new(),
            from_client: Vec::new(),
            from_server: Vec::new(),
            sent: Vec::new(),
            ended: None,
        }
    }

    /// Something happens.
    pub(crate) fn act(&mut self, act: &Act) {
        match act {
            Act::Say(side, octets) => self.send(*side, octets),
            Act::Answer { reading, answer } => {
                let count = self.readings.len().max(1);
                let Some(reading) = self.readings.get(reading % count) else { return };
                let answers = reading.answers();
                let answer = answers.get(answer % answers.len().max(1));
                let Some(answer) = answer.cloned() else { return };
                self.send(Side::Upstream, answer.as_bytes());
            }
            Act::Event(_) => {}
        }
    }

    /// One side sends; everything that can pass does.
    pub(crate) fn send(&mut self, from: Side, octets: &[u8]) {
        if self.ended.is_some() {
            return;
        }
        self.sent.push((from, octets.to_vec()));
        self.queue(from).extend_from_slice(octets);
        if from == Side::Upstream {
            self.server_says(octets);
        }
        while self.ended.is_none() {
            let moved = self.step(Side::Downstream);
            if !(self.ended.is_none() && self.step(Side::Upstream) || moved) {
                break;
            }
        }
        if self.ended.is_none() {
            self.assert_bounded();
        }
    }

    /// A word of ours to the client, which comes between two answers.
    fn insert(&mut self, word: &[u8]) {
        if word.is_empty() || !self.client.is_at_rest() {
            self.broken("a word of ours in the middle of an answer", word)
        }
        word.iter().for_each(|&octet| self.client.hear(octet));
        if !self.client.is_at_rest() {
            self.broken("a word of ours that is no answer", word)
        }
    }

    /// Something that the relay says unasked, where it says anything.
    fn insert_some(&mut self, word: Option<Bytes>) {
        if let Some(word) = word.filter(|_| self.ended.is_none()) {
            self.insert(&word);
        }
    }

    fn server_says(&mut self, octets: &[u8]) {
        for &octet in octets {
            let mut next: Vec<V> = Vec::with_capacity(self.readings.len());
            for (place, mut reading) in mem::take(&mut self.readings).into_iter().enumerate() {
                let Some(ways) = reading.hear(octet) else {
                    next.push(reading);
                    continue;
                };
                self.strict &= place > 0 || !ways.is_empty();
                for way in ways {
                    if next.len() < READINGS && !next.contains(&way) {
                        next.push(way);
                    }
                }
            }
            self.readings = next;
        }
    }

    fn queue(&mut self, from: Side) -> &mut Vec<u8> {
        match from {
            Side::Downstream => &mut self.from_client,
            Side::Upstream => &mut self.from_server,
        }
    }

    /// Takes one step in the direction from `from`; `false` if it holds.
    fn step(&mut self, from: Side) -> bool {
        let mut input = mem::take(self.queue(from));
        let step = match from {
            Side::Downstream => self.relay.inspect_downstream(&input),
            Side::Upstream => self.relay.inspect_upstream(&input),
        };
        let (taken, moved) = self.take(from, &step, &input);
        assert!(taken <= input.len(), "a step beyond the input");
        input.drain(..taken);
        *self.queue(from) = input;
        moved
    }

    /// How many octets the step takes, and whether it is one.
    fn take(&mut self, from: Side, step: &Step, input: &[u8]) -> (usize, bool) {
        match (from, step) {
            (_, Step::Hold) => (0, false),
            (_, Step::End(fault)) => {
                self.ended = Some(*fault);
                (0, true)
            }
            (_, Step::Forward(0) | Step::Discard(0) | Step::Replace { length: 0, .. }) => {
                self.broken("a step that takes nothing", input)
            }
            (Side::Downstream, Step::Insert(_) | Step::Replace { .. }) => {
                self.broken("something of ours in the client's name", input)
            }
            (Side::Downstream, &Step::Forward(octets)) => {
                self.forward(input.get(..octets).unwrap_or_default());
                (octets, true)
            }
            (Side::Downstream, &Step::Discard(octets)) => {
                self.drop(input.get(..octets).unwrap_or_default());
                (octets, true)
            }
            (Side::Upstream, &Step::Forward(octets)) => {
                let passed = input.get(..octets).unwrap_or_default();
                passed.iter().for_each(|&octet| self.client.hear(octet));
                (octets, true)
            }
            (Side::Upstream, &Step::Discard(octets)) => (octets, true),
            (Side::Upstream, Step::Replace { length, with }) => {
                with.iter().for_each(|&octet| self.client.hear(octet));
                (*length, true)
            }
            (Side::Upstream, Step::Insert(with)) => {
                self.insert(with);
                (0, true)
            }
        }
    }

    fn forward(&mut self, octets: &[u8]) {
        let dropped = mem::take(&mut self.dropped);
        if !dropped.is_empty() && !(self.may_drop)(&dropped) {
            self.broken("what should pass was dropped", &dropped)
        }
        let mut fault = Ok(());
        for reading in &mut self.readings {
            for &octet in octets {
                fault = fault.and_then(|()| reading.read(octet));
            }
        }
        if let Err(what) = fault {
            self.broken(what, octets)
        }
    }

    fn drop(&mut self, octets: &[u8]) {
        // Which of the readings is the server's, nobody knows: it must be the end of a command in one of them.
        let counts = self.strict && self.dropped.is_empty() && !self.readings.is_empty();
        if counts && !self.readings.iter().any(Reading::is_between_commands) {
            self.broken("a part of a command was dropped", octets)
        }
        self.dropped.extend_from_slice(octets);
    }

    /// A buffer that is full and waits for more of the same never empties.
    fn assert_bounded(&self) {
        let waits = self.relay.awaits_upstream();
        assert!(self.from_client.len() < BUFFER || waits, "the client's side is full and waits");
        assert!(self.from_server.len() < BUFFER, "the server's side is full and waits");
    }

    #[allow(clippy::panic, reason = "it is what a test and a fuzzer look for")]
    fn broken(&self, what: &str, octets: &[u8]) -> ! {
        let who = |side: &Side| if *side == Side::Downstream { "C" } else { "S" };
        let line = |(side, octets): &(Side, Vec<u8>)| {
            format!("{}: {}\n", who(side), octets.escape_ascii())
        };
        let told: String = self.sent.iter().map(line).collect();
        panic!("{what}: {}, behind\n{told}", octets.escape_ascii())
    }
}

/// Octets that a direction of a real relay holds.
const BUFFER: usize = 64 * 1024;

/// Readings that are followed at once; each of the server's words may split one.
const READINGS: usize = 48;
