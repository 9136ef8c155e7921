//! Who writes to whom, for the log. The hard thing is pipelining: a command counts once its reply has
//! passed, and the transaction that a reply belongs to is the one that the replies before it opened.

mod parameters;
mod queue_id;

pub(super) use self::parameters::{lacking, path_text};
use self::queue_id::queue_id;
use super::outstanding::Expected;
use crate::proto::{Delivery, smtp::reply::Reply};

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
    /// A reply has passed; its lines are there if it settles a message.
    pub(super) fn settle(&mut self, expected: Expected, reply: &Reply) {
        let success = is_success(reply);
        match expected {
            Expected::Mail { sender } if success => {
                self.open = Some(Delivery { sender, ..Delivery::default() });
            }
            Expected::Rcpt { recipient } => {
                if let Some(open) = &mut self.open {
                    count_recipient(open, recipient, success);
                }
            }
            // The transaction is still open, but here the client has learnt that its message goes
            // nowhere.
            Expected::Data if reply.code >= 400 => {
                if let Some(open) = self.open.clone() {
                    self.tell(open, reply);
                }
            }
            Expected::Message { octets } => {
                let open = self.open.take().unwrap_or_default();
                self.tell(Delivery { octets, ..open }, reply);
            }
            Expected::Chunk { octets, last } => {
                if let Some(open) = &mut self.open {
                    open.octets = open.octets.saturating_add(octets);
                }
                // RFC 3030 section 2: a chunk that is refused is the end of its message.
                if let Some(open) = self.open.take_if(|_| last || !success) {
                    self.tell(open, reply);
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

    fn tell(&mut self, mut delivery: Delivery, reply: &Reply) {
        delivery.code = reply.code;
        if is_success(reply) {
            self.messages += 1;
            self.recipients += delivery.accepted;
            delivery.queue_id = queue_id(&reply.lines.join(&b' '));
        } else {
            let words = reply.words();
            let behind_code = words.split_once(' ').map(|(_, words)| words);
            delivery.words = behind_code.unwrap_or_default().to_owned();
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

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.code)
}

/// Recipients that are named in a log line.
const RECIPIENTS: usize = 10;
