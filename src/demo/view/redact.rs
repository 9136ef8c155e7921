//! What may be shown of a line. The hard thing is to decide by structure and not by looks: a client's
//! line is shown only if it is a command that is known to carry no secret; of LOGIN and AUTHENTICATE
//! only what imap-codec has recognized; of everything else, that it was there.

use imap_codec::{
    CommandCodec,
    decode::Decoder as _,
    imap_types::{
        auth::AuthMechanism,
        command::{Command, CommandBody},
    },
};

use crate::{proto::Side, secret::Secret};

/// Knows what secrets are called, and the one that must not pass in any place.
pub(super) struct Redact {
    mailbox: String,
    password: Secret,
}

/// What is shown of the first line of a message.
pub(super) struct Shown {
    pub(super) text: String,
    /// The tag, if the line is a command that is shown.
    pub(super) tag: Option<Vec<u8>>,
    /// The exchange that it begins.
    pub(super) sasl: Option<Sasl>,
    /// What its literals hold.
    pub(super) literals: Option<&'static str>,
}

/// An AUTHENTICATE under way: every line of the client is a secret until the server ends it.
#[derive(Debug)]
pub(super) struct Sasl {
    pub(super) tag: Vec<u8>,
    secret: String,
}

impl Redact {
    pub(super) fn new(mailbox: &str, password: &Secret) -> Self {
        Self { mailbox: mailbox.to_owned(), password: password.clone() }
    }

    /// A line that a client began a message with. `complete`: the message has no literals.
    pub(super) fn command(&self, line: &[u8], complete: bool, side: Side) -> Shown {
        let bare = line.trim_ascii_end();
        let mut words = bare.splitn(3, |octet| *octet == b' ');
        let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let word = word.to_ascii_uppercase();
        let hidden =
            |text: &str| Shown { text: text.to_owned(), tag: None, sasl: None, literals: None };
        let shown = |text: String, literals| Shown {
            text: self.guard(text),
            tag: Some(tag.to_vec()),
            sasl: None,
            literals,
        };
        match word.as_slice() {
            b"LOGIN" => shown(self.login(line, tag, complete), None),
            b"AUTHENTICATE" => self.authenticate(line, tag, side),
            b"APPEND" => shown(readable(bare), Some(" of message")),
            word if HARMLESS.contains(&word) => shown(readable(bare), Some("")),
            _ if bare.eq_ignore_ascii_case(b"DONE") => hidden("DONE"),
            _ => hidden("<hidden: not a command that is known here>"),
        }
    }

    /// Hides a line in which the local password has turned up where no password belongs.
    pub(super) fn guard(&self, text: String) -> String {
        let password = self.password.expose();
        let found = !password.is_empty()
            && text.as_bytes().windows(password.len()).any(|window| window == password);
        if found { "<hidden: it holds the password>".into() } else { shortened(text) }
    }

    fn login(&self, line: &[u8], tag: &[u8], complete: bool) -> String {
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

    fn authenticate(&self, line: &[u8], tag: &[u8], side: Side) -> Shown {
        let shown = |mechanism: &str, secret: String, response: bool| {
            let name = readable(tag);
            let rest = if response { format!(" {secret}") } else { String::new() };
            Shown {
                text: self.guard(format!("{name} AUTHENTICATE {mechanism}{rest}")),
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
        let secret = match (side, &mechanism) {
            (_, AuthMechanism::XOAuth2 | AuthMechanism::OAuthBearer) => match side {
                Side::Upstream => format!("<access token of {}>", self.mailbox),
                Side::Downstream => "<access token>".into(),
            },
            (_, AuthMechanism::Plain) => "<user name and password>".into(),
            (_, AuthMechanism::Login) => "<user name or password>".into(),
            _ => return shown("<hidden>", "<hidden>".into(), initial_response.is_some()),
        };
        shown(mechanism.as_ref(), secret, initial_response.is_some())
    }
}

impl Sasl {
    /// What is shown of the client's next line. Three forms hold nothing: the cancellation, and the
    /// empty answers to an error challenge (RFC 7628 section 3.2.3).
    pub(super) fn response(&self, line: &[u8]) -> String {
        match line.trim_ascii() {
            bare @ (b"*" | b"AQ==" | b"") => readable(bare),
            _ => self.secret.clone(),
        }
    }
}

/// A line that a server began a message with. A challenge says nothing to people.
pub(super) fn server_line(line: &[u8], authenticating: bool) -> Shown {
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

/// What stands for a literal.
pub(super) fn literal(what: Option<&'static str>, octets: usize) -> String {
    match what {
        Some(what) => format!("… {octets} octets{what}"),
        None => "<hidden>".into(),
    }
}

/// Octets as text without anything that a terminal would act on.
pub(super) fn readable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets.trim_ascii_end());
    text.chars().map(|character| if character.is_control() { '·' } else { character }).collect()
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
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

/// Characters of one line.
const WIDTH: usize = 120;
