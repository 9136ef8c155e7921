//! Who writes to whom, for the log. The hard thing is pipelining: a command counts once its reply has
//! passed, and the transaction that a reply belongs to is the one that the replies before it opened.

mod parameters;
mod queue_id;

pub(super) use self::parameters::{lacking, path_text};
use self::queue_id::queue_id;
use super::outstanding::Expected;
use crate::proto::{Delivery, text::printable};

/// The mail transaction that is open (RFC 5321 section 3.3), and what became of those before it.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: Option<Delivery>,
    told: Option<Delivery>,
    /// Messages that the upstream accepted.
    pub(super) messages: u64,
    /// Their recipients.
    pub(super) recipients: u64,
}

impl Transactions {
    /// A reply has passed; `words` are what it said, if it settles a message.
    pub(super) fn settle(&mut self, expected: Expected, code: u16, words: &[u8]) {
        let success = is_success(code);
        match expected {
            Expected::Mail { sender } if success => {
                self.open = Some(Delivery { sender, ..Delivery::default() });
            }
            Expected::Rcpt { recipient } => {
                if let Some(open) = &mut self.open {
                    count_recipient(open, recipient, success);
                }
            }
            // The transaction goes on (RFC 5321 section 4.1.1.4), but the client has learnt here that
            // its message goes nowhere.
            Expected::Data if code >= 400 => {
                if let Some(open) = self.open.clone() {
                    self.tell(open, code, words);
                }
            }
            Expected::Message { octets } => {
                let open = self.open.take().unwrap_or_default();
                self.tell(Delivery { octets, ..open }, code, words);
            }
            Expected::Chunk { octets, last } => {
                if let Some(open) = &mut self.open {
                    open.octets = open.octets.saturating_add(octets);
                }
                // RFC 3030 section 2: behind a chunk that was refused there is only RSET.
                if let Some(open) = self.open.take_if(|_| last || !success) {
                    self.tell(open, code, words);
                }
            }
            Expected::Ehlo | Expected::Reset if success => self.open = None,
            Expected::Mail { .. }
            | Expected::Data
            | Expected::Ehlo
            | Expected::Reset
            | Expected::Quit
            | Expected::Other
            | Expected::Unknown
            | Expected::Local(_) => {}
        }
    }

    /// What has just become of a message.
    pub(super) fn take_told(&mut self) -> Option<Delivery> {
        self.told.take()
    }

    fn tell(&mut self, mut delivery: Delivery, code: u16, words: &[u8]) {
        delivery.code = code;
        if is_success(code) {
            self.messages += 1;
            self.recipients += delivery.accepted;
            delivery.queue_id = queue_id(words);
        } else {
            delivery.words = printable(words, WORDS);
        }
        self.told = Some(delivery);
    }
}

fn count_recipient(open: &mut Delivery, recipient: String, accepted: bool) {
    if !accepted {
        open.refused += 1;
        return;
    }
    open.accepted += 1;
    if open.recipients.len() < RECIPIENTS {
        open.recipients.push(recipient);
    }
}

fn is_success(code: u16) -> bool {
    (200..300).contains(&code)
}

/// Recipients that are named in a log line.
const RECIPIENTS: usize = 10;

/// Characters of a reply's words in a log line.
const WORDS: usize = 400;
