//! One client's session. Before login it is AUTHORIZATION, then TRANSACTION (RFC 1939 section 3).

use std::{fmt::Display, io};

use bytes::Bytes;

use super::maildrop::{self, Maildrop};
use crate::demo::{
    lines::{Line, Lines},
    sasl::{self, Mechanism, Verdict},
    server::{Connection, Server},
};

/// A session and what it knows of its client.
pub(super) struct Session<'a> {
    server: &'a Server,
    lines: Lines<Connection>,
    /// There once the client has logged in.
    maildrop: Option<Maildrop>,
    state: State,
    faults: usize,
}

/// What the next line is.
enum State {
    Command,
    /// The response of a client that sent none with its command.
    Sasl(Mechanism),
    /// Whatever the client says to the error challenge.
    SaslRefused,
    Closed,
}

impl<'a> Session<'a> {
    pub(super) fn new(server: &'a Server, lines: Lines<Connection>) -> Self {
        Self { server, lines, maildrop: None, state: State::Command, faults: 0 }
    }

    /// Serves the client until it leaves.
    pub(super) async fn run(mut self) -> io::Result<()> {
        self.lines.say("+OK The saslgate demo's provider");
        while !matches!(self.state, State::Closed) {
            let limit = if let State::Command = self.state { COMMAND } else { RESPONSE };
            let line = match self.lines.next(limit).await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    // RFC 1939 section 3: no UPDATE, and so nothing is deleted.
                    return self.lines.close().await;
                }
                Err(error) => return Err(error),
            };
            self.handle_line(&line).await?;
        }
        self.lines.close().await
    }

    async fn handle_line(&mut self, line: &Line) -> io::Result<()> {
        let state = std::mem::replace(&mut self.state, State::Command);
        let Line::Whole(line) = line else {
            self.refuse("This line is too long");
            return Ok(());
        };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match state {
            State::Command => self.handle_command(line).await,
            State::Sasl(_) if line == b"*" => {
                self.refuse("Cancelled");
                Ok(())
            }
            State::Sasl(mechanism) => {
                self.authenticate(mechanism, line).await;
                Ok(())
            }
            State::SaslRefused => {
                self.refuse("[AUTH] The access token is not valid");
                Ok(())
            }
            State::Closed => Ok(()),
        }
    }

    async fn handle_command(&mut self, line: &[u8]) -> io::Result<()> {
        let Ok(line) = str::from_utf8(line) else {
            self.refuse("This is not a command that is known here");
            return Ok(());
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let word = word.to_ascii_uppercase();
        match (word.as_str(), rest) {
            ("CAPA", "") => self.list("Capabilities follow", CAPABILITIES),
            ("QUIT", "") => self.quit(),
            ("STLS", _) => self.refuse("TLS is on already"),
            _ if self.maildrop.is_some() => return self.handle_transaction(&word, rest).await,
            ("AUTH", "") => self.list("Mechanisms follow", ["XOAUTH2", "OAUTHBEARER"]),
            ("AUTH", rest) => self.handle_auth(rest).await,
            ("USER" | "PASS" | "APOP", _) => {
                self.refuse("No password opens this server: it takes access tokens only");
            }
            _ => self.refuse("Not known here, or only after login"),
        }
        Ok(())
    }

    /// RFC 5034 section 4: the mechanism, and perhaps a response at once.
    async fn handle_auth(&mut self, rest: &str) {
        let (name, response) = rest.split_once(' ').map_or((rest, None), |(a, b)| (a, Some(b)));
        match (Mechanism::named(name), response) {
            (None, _) => self.refuse("Only XOAUTH2 and OAUTHBEARER open this server"),
            (Some(mechanism), Some(response)) => {
                self.authenticate(mechanism, response.as_bytes()).await;
            }
            (Some(mechanism), None) => {
                self.lines.say("+ ");
                self.state = State::Sasl(mechanism);
            }
        }
    }

    async fn authenticate(&mut self, mechanism: Mechanism, response: &[u8]) {
        let verdict = sasl::decode(response).map(|read| self.server.judge(mechanism, &read));
        match verdict {
            None => self.refuse("This is not base64"),
            Some(Verdict::Misread) => self.refuse("This does not have the mechanism's form"),
            Some(Verdict::Refuse) => {
                self.lines.say(&format!("+ {}", sasl::encoded_challenge()));
                self.state = State::SaslRefused;
            }
            Some(Verdict::Accept) => {
                self.maildrop = Maildrop::open(&self.server.mailbox, &self.server.maildrop).await;
                match &self.maildrop {
                    Some(maildrop) => {
                        let (count, octets) = maildrop.status();
                        self.lines.say(&format!("+OK {count} messages, {octets} octets"));
                    }
                    None => self.refuse("[IN-USE] Another POP3 client has this mailbox just now"),
                }
            }
        }
    }

    async fn handle_transaction(&mut self, word: &str, rest: &str) -> io::Result<()> {
        let Some(maildrop) = &mut self.maildrop else { return Ok(()) };
        match (word, numbers(rest).as_deref()) {
            ("NOOP", Some([])) => self.lines.say("+OK"),
            ("RSET", Some([])) => {
                maildrop.reset();
                self.lines.say("+OK Nothing is deleted");
            }
            ("STAT", Some([])) => {
                let (count, octets) = maildrop.status();
                self.lines.say(&format!("+OK {count} {octets}"));
            }
            ("LIST", Some(asked @ ([] | [_]))) => {
                let scan: Vec<_> = maildrop.sizes().collect();
                self.answer_listing(asked, &scan);
            }
            ("UIDL", Some(asked @ ([] | [_]))) => {
                let scan: Vec<_> = maildrop.ids().collect();
                self.answer_listing(asked, &scan);
            }
            ("DELE", Some([number])) => {
                if maildrop.delete(*number) {
                    self.lines.say("+OK It goes when you QUIT");
                } else {
                    self.lines.say(NO_MESSAGE);
                }
            }
            ("RETR", Some([number])) => return self.retrieve(*number, usize::MAX).await,
            ("TOP", Some([number, lines])) => return self.retrieve(*number, *lines).await,
            _ => self.refuse("Not known here, or not in this form"),
        }
        Ok(())
    }

    /// LIST and UIDL, of one message or of all.
    fn answer_listing<T: Display>(&mut self, asked: &[usize], scan: &[(usize, T)]) {
        let Some(number) = asked.first() else {
            let scan = scan.iter().map(|(number, what)| format!("{number} {what}"));
            return self.list("A list follows", scan);
        };
        match scan.iter().find(|(known, _)| known == number) {
            Some((number, what)) => self.lines.say(&format!("+OK {number} {what}")),
            None => self.lines.say(NO_MESSAGE),
        }
    }

    /// Sends a message's header and so many lines of its body.
    async fn retrieve(&mut self, number: usize, body: usize) -> io::Result<()> {
        let message = self.maildrop.as_ref().and_then(|maildrop| maildrop.message(number));
        let Some(message) = message.cloned() else {
            self.lines.say(NO_MESSAGE);
            return Ok(());
        };
        self.lines.say("+OK The message follows");
        self.send_message(&message, body).await?;
        self.lines.say(".");
        Ok(())
    }

    async fn send_message(&mut self, message: &Bytes, body: usize) -> io::Result<()> {
        // Lines of the body that may still go; `None` within the header.
        let mut left = None;
        for line in maildrop::lines(message) {
            match &mut left {
                None if line.is_empty() => left = Some(body),
                None => {}
                Some(0) => break,
                Some(left) => *left -= 1,
            }
            if line.starts_with(b".") {
                self.lines.send(b".").await?;
            }
            self.lines.send(line).await?;
            self.lines.send(b"\r\n").await?;
        }
        Ok(())
    }

    fn list(&mut self, text: &str, items: impl IntoIterator<Item = impl Display>) {
        self.lines.say(&format!("+OK {text}"));
        for item in items {
            self.lines.say(&item.to_string());
        }
        self.lines.say(".");
    }

    fn quit(&mut self) {
        // The lock is open before the client hears so: it may come again at once.
        if let Some(maildrop) = self.maildrop.take() {
            maildrop.update(&self.server.mailbox);
        }
        self.lines.say("+OK Goodbye");
        self.state = State::Closed;
    }

    /// Whoever goes on making mistakes is sent away: it is most likely no mail program.
    fn refuse(&mut self, text: &str) {
        self.lines.say(&format!("-ERR {text}"));
        self.faults += 1;
        if self.faults >= FAULTS {
            self.state = State::Closed;
        }
    }
}

/// The numbers behind a command; `None` if it is something else.
fn numbers(rest: &str) -> Option<Vec<usize>> {
    let words = rest.split(' ').filter(|word| !word.is_empty());
    let digits = |word: &str| word.bytes().all(|octet| octet.is_ascii_digit());
    words.take(3).map(|word| if digits(word) { word.parse().ok() } else { None }).collect()
}

/// RFC 2449 lets some of these differ after login; none does here.
const CAPABILITIES: [&str; 6] =
    ["TOP", "UIDL", "SASL XOAUTH2 OAUTHBEARER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"];

const NO_MESSAGE: &str = "-ERR There is no such message";

/// A command with its end (RFC 2449 section 4); AUTH with a response must fit as well.
const COMMAND: usize = 255;

/// A SASL response with its end: an access token may have some kilobytes.
const RESPONSE: usize = 12_288;

const FAULTS: usize = 20;
