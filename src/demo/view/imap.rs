//! An IMAP leg. imap-codec cuts the streams into lines and literals, and reads LOGIN and AUTHENTICATE. The
//! hard thing is to decide by structure and not by looks: a client's line is shown only if it is a
//! command that is known to carry no secret.

use std::collections::BTreeSet;

use imap_codec::{
    CommandCodec,
    decode::Decoder as _,
    fragmentizer::{FragmentInfo, Fragmentizer, LiteralAnnouncement},
    imap_types::{
        command::{Command, CommandBody},
        core::LiteralMode,
    },
};

use super::{
    conversation::{self, Line, Speaker},
    redact::{ANSWER_HIDDEN, COMMAND_HIDDEN, Redact, literal, readable, response},
};
use crate::proto::Side;

/// One leg.
pub(super) struct Leg {
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

impl conversation::Leg for Leg {
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
                    show(sasl.map_or_else(String::new, |sasl| response(&sasl.secret, content)));
                }
                FragmentInfo::Line { announcement, .. } => {
                    if first {
                        let shown = command(redact, content, complete, side);
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

    fn hear_server(&mut self, redact: &Redact, _: Side, bytes: &[u8], lines: &mut Vec<Line>) {
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
}

impl Leg {
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

/// What is shown of the first line of a message.
struct Shown {
    text: String,
    /// The tag, if the line is a command that is shown.
    tag: Option<Vec<u8>>,
    /// The exchange that it begins.
    sasl: Option<Sasl>,
    /// What its literals hold.
    literals: Option<&'static str>,
}

/// An AUTHENTICATE under way: every line of the client is a secret until the server ends it.
#[derive(Debug)]
struct Sasl {
    tag: Vec<u8>,
    secret: String,
}

/// A line that a client began a message with. `complete`: the message has no literals.
fn command(redact: &Redact, line: &[u8], complete: bool, side: Side) -> Shown {
    let bare = line.trim_ascii_end();
    let mut words = bare.splitn(3, |octet| *octet == b' ');
    let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let word = word.to_ascii_uppercase();
    let hidden =
        |text: &str| Shown { text: text.to_owned(), tag: None, sasl: None, literals: None };
    let shown = |text: String, literals| Shown {
        text: redact.guard(text),
        tag: Some(tag.to_vec()),
        sasl: None,
        literals,
    };
    match word.as_slice() {
        b"LOGIN" => shown(login(line, tag, complete), None),
        b"AUTHENTICATE" => authenticate(redact, line, tag, side),
        b"APPEND" => shown(readable(bare), Some(" of message")),
        word if HARMLESS.contains(&word) => shown(readable(bare), Some("")),
        _ if bare.eq_ignore_ascii_case(b"DONE") => hidden("DONE"),
        _ => hidden(COMMAND_HIDDEN),
    }
}

fn login(line: &[u8], tag: &[u8], complete: bool) -> String {
    let tag = readable(tag);
    if !complete {
        return format!("{tag} LOGIN <user name and password in literals>");
    }
    match CommandCodec::default().decode(line) {
        Ok(([], Command { body: CommandBody::Login { username, .. }, .. })) => {
            format!("{tag} LOGIN {} <password>", readable(username.as_ref()))
        }
        _ => format!("{tag} LOGIN <hidden>"),
    }
}

fn authenticate(redact: &Redact, line: &[u8], tag: &[u8], side: Side) -> Shown {
    let shown = |mechanism: &str, secret: String, response: bool| {
        let name = readable(tag);
        let rest = if response { format!(" {secret}") } else { String::new() };
        Shown {
            text: redact.guard(format!("{name} AUTHENTICATE {mechanism}{rest}")),
            tag: Some(tag.to_vec()),
            sasl: Some(Sasl { tag: tag.to_vec(), secret }),
            literals: None,
        }
    };
    let Ok(([], Command { body, .. })) = CommandCodec::default().decode(line) else {
        return shown("<hidden>", "<hidden>".into(), false);
    };
    let CommandBody::Authenticate { mechanism, initial_response } = body else {
        return shown("<hidden>", "<hidden>".into(), false);
    };
    let Some(secret) = redact.secret(side, mechanism.as_ref()) else {
        return shown("<hidden>", "<hidden>".into(), initial_response.is_some());
    };
    shown(mechanism.as_ref(), secret, initial_response.is_some())
}

/// A line that a server began a message with. A challenge says nothing to people.
fn server_line(line: &[u8], authenticating: bool) -> Shown {
    let bare = line.trim_ascii_end();
    let is_challenge = authenticating && bare.starts_with(b"+") && bare.trim_ascii() != b"+";
    let text = if is_challenge { "+ <challenge>".into() } else { readable(bare) };
    let fetch = bare.splitn(4, |octet| *octet == b' ').nth(2);
    let literals = if fetch.is_some_and(|word| word.eq_ignore_ascii_case(b"FETCH")) {
        " of message"
    } else {
        ""
    };
    Shown { text, tag: None, sasl: None, literals: Some(literals) }
}

/// The commands whose arguments are no secrets.
const HARMLESS: &[&[u8]] = &[
    b"CAPABILITY",
    b"CHECK",
    b"CLOSE",
    b"COMPRESS",
    b"COPY",
    b"CREATE",
    b"DELETE",
    b"ENABLE",
    b"EXAMINE",
    b"EXPUNGE",
    b"FETCH",
    b"GETQUOTA",
    b"GETQUOTAROOT",
    b"ID",
    b"IDLE",
    b"LIST",
    b"LOGOUT",
    b"LSUB",
    b"MOVE",
    b"NAMESPACE",
    b"NOOP",
    b"RENAME",
    b"SEARCH",
    b"SELECT",
    b"SORT",
    b"STARTTLS",
    b"STATUS",
    b"STORE",
    b"SUBSCRIBE",
    b"THREAD",
    b"UID",
    b"UNSELECT",
    b"UNSUBSCRIBE",
    b"XLIST",
];

/// Commands of one leg that may wait for their answers.
const TAGS: usize = 1000;

/// Octets of a message that are kept until it ends: literals are only counted, so the lines around
/// them fit.
const MESSAGE: u32 = 8192;
