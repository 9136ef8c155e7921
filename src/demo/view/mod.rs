//! Shows what passes on both legs of each connection, for people at a terminal. The hard thing is that
//! it must neither hold the gateway up nor show a secret: lines are made where the bytes pass, since
//! a stream with a gap could not be read any more, but printed by a thread of its own; if that falls
//! behind, whole lines are left out, with a notice. What may be shown is decided in `redact` and in
//! each protocol's leg.

mod conversation;
mod imap;
mod lines;
mod pop3;
mod redact;
mod smtp;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{proto::Side, secret::Secret, tap::Tap};
use conversation::{Conversation, Line, Speaker};
use redact::Redact;

/// Prints conversations, without their secrets.
pub struct View {
    state: Mutex<State>,
    redact: Redact,
    colours: bool,
}

struct State {
    conversations: BTreeMap<u64, Conversation>,
    /// Conversations up to this number are not followed any more.
    forgotten: u64,
    lines: SyncSender<String>,
    missed: usize,
}

impl View {
    /// A view that prints to `output` from a thread of its own. `mailbox` is named where its access
    /// token passes; `password` is hidden wherever it should turn up, beside the places where
    /// passwords belong.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(
        mailbox: &str,
        password: &Secret,
        colours: bool,
        output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, printed) = sync_channel(WAITING_LINES);
        thread::Builder::new().name("view".into()).spawn(move || print(&printed, output))?;
        let conversations = BTreeMap::new();
        let state = State { conversations, forgotten: 0, lines, missed: 0 };
        Ok(Self { state: Mutex::new(state), redact: Redact::new(mailbox, password), colours })
    }

    fn layout(&self, connection: u64, side: Side, line: &Line) -> String {
        let (place, who) = match side {
            Side::Downstream => ("client  ", CYAN),
            Side::Upstream => ("        provider  ", MAGENTA),
        };
        let letter = match line.speaker {
            Speaker::Client => 'C',
            Speaker::Server => 'S',
        };
        let text = &line.text;
        if self.colours {
            format!("{DIM}{connection:>3}{PLAIN}  {who}{place}{letter}:{PLAIN} {text}")
        } else {
            format!("{connection:>3}  {place}{letter}: {text}")
        }
    }
}

impl Tap for View {
    fn saw(&self, connection: u64, side: Side, from_peer: bool, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(conversation) = state.conversation(connection) else { return };
        let lines = conversation.hear(&self.redact, side, from_peer, bytes);
        for line in lines {
            state.send(self.layout(connection, side, &line));
        }
    }

    fn ended(&self, connection: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.conversations.remove(&connection).is_some() {
            let (dim, plain) = if self.colours { (DIM, PLAIN) } else { ("", "") };
            state.send(format!("{dim}{connection:>3}  ended{plain}"));
        }
    }
}

impl State {
    /// The conversation of this connection; `None` if its beginning is not known any more.
    fn conversation(&mut self, connection: u64) -> Option<&mut Conversation> {
        if !self.conversations.contains_key(&connection) {
            if connection <= self.forgotten {
                return None;
            }
            if self.conversations.len() >= CONVERSATIONS
                && let Some((oldest, _)) = self.conversations.pop_first()
            {
                self.forgotten = oldest;
            }
        }
        Some(self.conversations.entry(connection).or_default())
    }

    fn send(&mut self, line: String) {
        if self.missed > 0 {
            let notice = format!("     … {} lines were left out: too fast to print", self.missed);
            if self.lines.try_send(notice).is_ok() {
                self.missed = 0;
            }
        }
        if self.missed > 0 || self.lines.try_send(line).is_err() {
            self.missed = self.missed.saturating_add(1);
        }
    }
}

fn print(lines: &Receiver<String>, mut output: impl Write) {
    for line in lines {
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            // Nobody is looking any more. Whoever sends lines finds the channel closed and goes on.
            return;
        }
    }
}

/// Lines that wait to be printed.
const WAITING_LINES: usize = 2000;

/// Conversations that are followed at once.
const CONVERSATIONS: usize = 1000;

const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const MAGENTA: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests;
