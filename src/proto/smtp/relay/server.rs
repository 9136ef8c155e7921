//! The upstream's side. The hard thing is that a reply belongs to the command in front of the queue
//! only by its place: a reply too many, or one that cannot be read, and nobody knows any more which
//! message was accepted.

use memchr::memchr;

use super::{
    client::Client,
    ehlo::{EhloFilter, EhloReply},
    envelope::Transactions,
    outstanding::Expected,
};
use crate::proto::{
    RelayFault, Side, Step,
    smtp::reply::{Reply, ReplyLine, reply_line},
};

/// Follows what the upstream sends.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// A reply has passed in part.
    passing: Option<Passing>,
    /// What it said so far, if it settles a message.
    said: Vec<Vec<u8>>,
    /// The client has been told that the connection ends.
    said_goodbye: bool,
}

#[derive(Clone, Copy, Debug)]
struct Passing {
    code: u16,
    /// Whether it answers the command in front.
    answers: bool,
}

impl Server {
    /// Whether a reply of ours may be put in here.
    fn is_between_replies(&self) -> bool {
        self.passing.is_none()
    }

    /// Whether the client can be told that the connection ends, and has not been.
    pub(super) fn may_say_goodbye(&self) -> bool {
        self.is_between_replies() && !self.said_goodbye
    }

    /// The client has been told.
    pub(super) fn say_goodbye(&mut self) {
        self.said_goodbye = true;
    }

    /// Decides on the front of what the upstream sent.
    pub(super) fn inspect(
        &mut self,
        input: &[u8],
        client: &mut Client,
        transactions: &mut Transactions,
        filter: &EhloFilter,
    ) -> Step {
        if self.is_between_replies() {
            if let Some(answer) = client.outstanding.pop_local() {
                return Step::Insert(answer.line());
            }
            if let Some(fault) = client.is_lost() {
                return Step::End(fault);
            }
        }
        if input.is_empty() {
            return Step::Hold;
        }
        let ehlo = matches!(client.outstanding.front(), Some(Expected::Ehlo));
        let step = match self.passing {
            None if ehlo => self.ehlo_reply(input, client, transactions, filter),
            passing => self.line(input, passing, client, transactions),
        };
        step.unwrap_or_else(Step::End)
    }

    /// Waits for the whole of the reply to EHLO.
    fn ehlo_reply(
        &mut self,
        input: &[u8],
        client: &mut Client,
        transactions: &mut Transactions,
        filter: &EhloFilter,
    ) -> Result<Step, RelayFault> {
        let near = input.get(..EHLO).unwrap_or(input);
        match filter.read(near) {
            EhloReply::Malformed => Err(fault(NO_REPLY)),
            EhloReply::Partial if near.len() < EHLO => Ok(Step::Hold),
            EhloReply::Partial => Err(fault("an endless answer to EHLO")),
            EhloReply::Whole { length, code, extensions, with } => {
                let passing = begin(code, client)?;
                if let Some(extensions) = extensions {
                    client.extensions = extensions;
                }
                self.conclude(passing, client, transactions);
                Ok(match with {
                    Some(with) => Step::Replace { length, with },
                    None => Step::Forward(length),
                })
            }
        }
    }

    /// Lets a line of a reply pass.
    fn line(
        &mut self,
        input: &[u8],
        passing: Option<Passing>,
        client: &mut Client,
        transactions: &mut Transactions,
    ) -> Result<Step, RelayFault> {
        let near = input.get(..LINE).unwrap_or(input);
        let Some(lf) = memchr(b'\n', near) else {
            let endless = near.len() == LINE;
            return if endless { Err(fault("an endless line")) } else { Ok(Step::Hold) };
        };
        let (line, _) = input.split_at(lf);
        let read = line.strip_suffix(b"\r").and_then(reply_line);
        let ReplyLine { code, last, text } = read.ok_or_else(|| fault(NO_REPLY))?;
        let passing = match passing {
            Some(passing) if passing.code != code => return Err(fault(NO_REPLY)),
            Some(passing) => passing,
            None => begin(code, client)?,
        };
        let settles = client.outstanding.front().is_some_and(Expected::settles_message);
        if passing.answers && settles {
            self.keep(text);
        }
        if last {
            self.conclude(passing, client, transactions);
        } else {
            self.passing = Some(passing);
        }
        Ok(Step::Forward(lf + 1))
    }

    fn keep(&mut self, text: &[u8]) {
        let kept: usize = self.said.iter().map(|line| line.len() + 1).sum();
        if kept < SAID {
            self.said.push(text.get(..SAID - kept).unwrap_or(text).to_vec());
        }
    }

    /// The whole reply has passed.
    fn conclude(&mut self, passing: Passing, client: &mut Client, transactions: &mut Transactions) {
        let Passing { code, answers } = passing;
        self.passing = None;
        // RFC 5321 section 4.2.3: it closes the connection behind both.
        self.said_goodbye = matches!(code, 221 | 421);
        let reply = Reply { code, lines: std::mem::take(&mut self.said) };
        let expected = if answers { client.outstanding.pop() } else { None };
        let Some(expected) = expected else { return };
        if expected.may_ask(code) {
            client.begin_data();
        }
        transactions.settle(expected, &reply);
    }
}

/// What a reply that begins with this code is.
fn begin(code: u16, client: &Client) -> Result<Passing, RelayFault> {
    match client.outstanding.front() {
        // RFC 5321 section 3.8: it may come without having been asked.
        None if code == 421 => Ok(Passing { code, answers: false }),
        None => Err(fault("it answers what nobody asked")),
        Some(Expected::Unknown) if (300..400).contains(&code) => Err(RelayFault {
            side: Side::Downstream,
            what: "a command with a part that the gateway cannot read",
        }),
        Some(expected) if (300..400).contains(&code) && !expected.may_ask(code) => {
            Err(fault("it asks for more where nothing can follow"))
        }
        // RFC 5321 section 4.1.1.4: it has not seen the end. It took something else for one, or this
        // is a reply too many; and the client would give the message up as sent.
        Some(_) if (200..300).contains(&code) && client.is_reply_early() => {
            Err(fault("it accepts a message that is not over"))
        }
        Some(_) => Ok(Passing { code, answers: true }),
    }
}

fn fault(what: &'static str) -> RelayFault {
    RelayFault { side: Side::Upstream, what }
}

const NO_REPLY: &str = "what it says is no reply";

/// Octets of a line; RFC 5321 section 4.5.3.1.5 has 512.
const LINE: usize = 8 * 1024;

/// Octets of the whole answer to EHLO; the longest known have about 1000.
const EHLO: usize = 16 * 1024;

/// Octets of a final reply that are kept for the log.
const SAID: usize = 1024;
