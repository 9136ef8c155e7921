//! One connection's two legs as lines. imap-codec cuts the streams into lines and literals. The hard
//! thing is that a leg's two directions depend on each other: a server's answer tells whether the
//! client's next line is a command, a secret, or never came.

use std::collections::BTreeSet;

use imap_codec::{
    fragmentizer::{FragmentInfo, Fragmentizer, LiteralAnnouncement},
    imap_types::core::LiteralMode,
};

use super::redact::{Redact, Sasl, literal, readable, server_line};
use crate::proto::Side;

/// Both legs.
#[derive(Default)]
pub(super) struct Conversation {
    downstream: Leg,
    upstream: Leg,
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
        // Towards the mail program we are the server, towards the provider the client.
        let (leg, from_client) = match side {
            Side::Downstream => (&mut self.downstream, from_peer),
            Side::Upstream => (&mut self.upstream, !from_peer),
        };
        let mut lines = Vec::new();
        if from_client {
            leg.hear_client(redact, side, bytes, &mut lines);
        } else {
            leg.hear_server(redact, bytes, &mut lines);
        }
        lines
    }
}

/// One leg: what its client says, what its server says.
struct Leg {
    client: Stream,
    server: Stream,
    /// An AUTHENTICATE that the server has not ended: whatever the client says is part of it.
    sasl: Option<Sasl>,
    /// A command that waits for the go-ahead to its literal, by its tag.
    waiting: Option<Vec<u8>>,
    /// The tags of commands that were shown and have no answer yet. An answer to anything else is
    /// hidden: its tag may be what a client sent blindly, such as a password.
    tags: BTreeSet<Vec<u8>>,
}

/// One direction, and what the first line of its current message was about.
struct Stream {
    fragmentizer: Fragmentizer,
    first: bool,
    /// The word for what its literals hold; `None`: they are not spoken of.
    literals: Option<&'static str>,
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            client: Stream::new(),
            server: Stream::new(),
            sasl: None,
            waiting: None,
            tags: BTreeSet::new(),
        }
    }
}

impl Leg {
    fn hear_client(&mut self, redact: &Redact, side: Side, bytes: &[u8], lines: &mut Vec<Line>) {
        let mut show = |text| lines.push(Line { speaker: Speaker::Client, text });
        self.client.fragmentizer.enqueue_bytes(bytes);
        while let Some(fragment) = self.client.fragmentizer.progress() {
            let complete = self.client.fragmentizer.is_message_complete();
            let first = std::mem::replace(&mut self.client.first, complete);
            let content = self.client.fragmentizer.fragment_bytes(fragment);
            match fragment {
                FragmentInfo::Line { .. } if self.sasl.is_some() => {
                    let sasl = self.sasl.as_ref();
                    show(sasl.map_or_else(String::new, |sasl| sasl.response(content)));
                }
                FragmentInfo::Line { announcement, .. } => {
                    if first {
                        let shown = redact.command(content, complete, side);
                        show(shown.text);
                        self.sasl = shown.sasl;
                        self.client.literals = shown.literals;
                        if let Some(tag) = shown.tag
                            && self.tags.len() < TAGS
                        {
                            self.tags.insert(tag);
                        }
                    } else if !content.trim_ascii().is_empty() {
                        // The rest of a command with literals, which may be a part of a secret.
                        show("…".to_owned());
                    }
                    if let Some(LiteralAnnouncement { mode: LiteralMode::Sync, .. }) = announcement
                    {
                        let tag = self.client.fragmentizer.decode_tag();
                        self.waiting = tag.map(|tag| tag.as_ref().as_bytes().to_vec());
                    }
                }
                FragmentInfo::Literal { start, end } => {
                    self.waiting = None;
                    let octets = end.saturating_sub(start);
                    show(literal(self.client.literals, octets));
                }
            }
        }
    }

    fn hear_server(&mut self, redact: &Redact, bytes: &[u8], lines: &mut Vec<Line>) {
        let mut show = |text| lines.push(Line { speaker: Speaker::Server, text });
        self.server.fragmentizer.enqueue_bytes(bytes);
        while let Some(fragment) = self.server.fragmentizer.progress() {
            let complete = self.server.fragmentizer.is_message_complete();
            let first = std::mem::replace(&mut self.server.first, complete);
            let content = self.server.fragmentizer.fragment_bytes(fragment);
            match fragment {
                FragmentInfo::Line { .. } if first => {
                    let word = content.split(|octet| *octet == b' ').next();
                    let word = word.unwrap_or_default().trim_ascii_end().to_vec();
                    let shown = server_line(content, self.sasl.is_some());
                    let known = matches!(word.as_slice(), b"*" | b"+") || self.tags.remove(&word);
                    show(if known { redact.guard(shown.text) } else { ANSWER_HIDDEN.to_owned() });
                    self.server.literals = shown.literals;
                    self.note_answer(&word);
                }
                // Behind a large literal, where nothing is kept any more.
                FragmentInfo::Line { .. } if content.is_empty() => show("…".to_owned()),
                FragmentInfo::Line { .. } => show(redact.guard(readable(content))),
                FragmentInfo::Literal { start, end } => {
                    show(literal(self.server.literals, end.saturating_sub(start)));
                }
            }
        }
    }

    /// Acts on the first word of what the server said: a tag ends what the command began.
    fn note_answer(&mut self, word: &[u8]) {
        if self.sasl.as_ref().is_some_and(|sasl| sasl.tag == word) {
            self.sasl = None;
        }
        if word == b"+" {
            self.waiting = None;
        } else if self.waiting.as_deref() == Some(word) {
            // Refused: the literal never comes, and what comes is a new command.
            self.waiting = None;
            self.client.fragmentizer.skip_message();
            self.client.first = true;
        }
    }
}

impl Stream {
    fn new() -> Self {
        Self { fragmentizer: Fragmentizer::new(MESSAGE), first: true, literals: None }
    }
}

/// Commands of one leg that may wait for their answers.
const TAGS: usize = 1000;

const ANSWER_HIDDEN: &str = "<hidden: an answer to a hidden line>";

/// Octets of a message that are kept until it ends: literals are only counted, so the lines around
/// them fit.
const MESSAGE: u32 = 8192;
