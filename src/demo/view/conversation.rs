//! One connection's two legs as lines. What is said on a leg is followed by protocol: `imap`, `pop3`,
//! `smtp`. The hard thing is that a leg's two directions depend on each other: a server's answer tells
//! whether the client's next line is a command, a secret, or never came.

use super::{imap, pop3, redact::Redact, smtp};
use crate::proto::Side;

/// Both legs; nothing is known of them before the first octet.
#[derive(Default)]
pub(super) struct Conversation {
    legs: Option<Legs>,
}

struct Legs {
    downstream: Box<dyn Leg>,
    upstream: Box<dyn Leg>,
}

/// One leg: what its client says, what its server says.
pub(super) trait Leg: Send {
    fn hear_client(&mut self, redact: &Redact, side: Side, bytes: &[u8], lines: &mut Vec<Line>);

    fn hear_server(&mut self, redact: &Redact, side: Side, bytes: &[u8], lines: &mut Vec<Line>);
}

/// A line to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) speaker: Speaker,
    pub(super) text: String,
}

/// Who said it, by the role on the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Client,
    Server,
}

impl Conversation {
    /// Takes bytes as they pass, cut anywhere.
    pub(super) fn hear(
        &mut self,
        redact: &Redact,
        side: Side,
        from_peer: bool,
        bytes: &[u8],
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        let Some(first) = bytes.first() else { return lines };
        // Towards the mail program we are the server, towards the provider the client.
        let from_client = from_peer == (side == Side::Downstream);
        let greeting = (side == Side::Downstream && !from_client).then_some(*first);
        let legs = self.legs.get_or_insert_with(|| Legs::begun_by(greeting));
        let leg = match side {
            Side::Downstream => &mut legs.downstream,
            Side::Upstream => &mut legs.upstream,
        };
        if from_client {
            leg.hear_client(redact, side, bytes, &mut lines);
        } else {
            leg.hear_server(redact, side, bytes, &mut lines);
        }
        lines
    }
}

impl Legs {
    /// The gateway greets before anybody else says a word, in POP3 with `+OK` or `-ERR`, in SMTP with
    /// a number, in IMAP with `*`. Should it not, little is shown: IMAP's leg hides what it does not
    /// know.
    fn begun_by(greeting: Option<u8>) -> Self {
        match greeting {
            Some(b'+' | b'-') => Self::of::<pop3::Leg>(),
            Some(b'0'..=b'9') => Self::of::<smtp::Leg>(),
            _ => Self::of::<imap::Leg>(),
        }
    }

    fn of<L: Leg + Default + 'static>() -> Self {
        Self { downstream: Box::<L>::default(), upstream: Box::<L>::default() }
    }
}
