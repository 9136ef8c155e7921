//! One client's session, from greeting to goodbye. What is read next depends on what was said before: a
//! command, a SASL response, or the response to an error challenge; content is read in `receive`.

use std::{borrow::Cow, io, net::IpAddr};

use smtp_proto::{AUTH_OAUTHBEARER, AUTH_XOAUTH2, RcptTo, Request};

use super::{
    EXTENSIONS,
    command::{self, Command, Misread},
    transaction::{Chunks, NOT_OFFERED, Transaction},
};
use crate::demo::{
    lines::{Line, Lines},
    sasl::{self, Mechanism, Verdict},
    server::{Connection, Server},
};

/// A session and what it knows of its client.
pub(super) struct Session<'a> {
    pub(super) server: &'a Server,
    pub(super) lines: Lines<Connection>,
    pub(super) client: IpAddr,
    pub(super) hello: Option<Hello>,
    pub(super) authenticated: bool,
    pub(super) transaction: Option<Transaction>,
    state: State,
    faults: usize,
}

/// How the client has introduced itself.
pub(super) struct Hello {
    pub(super) name: String,
    /// With EHLO.
    pub(super) extended: bool,
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
    pub(super) fn new(server: &'a Server, lines: Lines<Connection>, client: IpAddr) -> Self {
        Self {
            server,
            lines,
            client,
            hello: None,
            authenticated: false,
            transaction: None,
            state: State::Command,
            faults: 0,
        }
    }

    /// Serves the client until it leaves.
    pub(super) async fn run(mut self) -> io::Result<()> {
        self.lines.say("220 localhost ESMTP The saslgate demo's provider");
        match self.converse().await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.lines.say("421 4.4.2 Nothing has come for too long");
            }
            other => other?,
        }
        self.lines.close().await
    }

    async fn converse(&mut self) -> io::Result<()> {
        while !matches!(self.state, State::Closed) {
            let limit = if let State::Command = self.state { COMMAND } else { RESPONSE };
            let Some(line) = self.lines.next(limit).await? else { break };
            let state = std::mem::replace(&mut self.state, State::Command);
            match (state, line) {
                (State::Command, Line::TooLong) => {
                    self.say_fault("500 5.5.2 This line is too long")?;
                }
                (State::Command, Line::Whole(line)) => self.handle_command(&line).await?,
                (State::Sasl(_), Line::TooLong) => {
                    self.say_fault("500 5.5.6 This response is too long")?;
                }
                (State::Sasl(mechanism), Line::Whole(line)) => {
                    self.authenticate(mechanism, line.trim_ascii_end())?;
                }
                (State::SaslRefused, _) => {
                    self.say_fault("535 5.7.8 The access token is not valid")?;
                }
                (State::Closed, _) => {}
            }
        }
        Ok(())
    }

    async fn handle_command(&mut self, line: &[u8]) -> io::Result<()> {
        match command::read(line) {
            Ok(Request::Data) if self.authenticated => self.data().await,
            Ok(Request::Bdat { chunk_size, is_last }) => self.bdat(chunk_size, is_last).await,
            Ok(command) => self.execute(command),
            Err(Misread::NoChunkSize) => {
                // Content follows, and nobody knows how much: none of it may be read as commands.
                self.lines.say("521 5.5.4 BDAT chunk-size [LAST]");
                self.state = State::Closed;
                Ok(())
            }
            Err(Misread::Unknown) => self.say_fault("500 5.5.2 This command is not known here"),
            Err(Misread::Malformed(form)) => self.say_fault(&format!("501 5.5.4 {form}")),
            Err(Misread::BadParameter) => self.say_fault("501 5.5.4 A parameter is malformed"),
            Err(Misread::UnknownParameter) => self.say_fault(NOT_OFFERED),
            Err(Misread::BadAddress) => self.say_fault("501 5.1.3 This is not an address"),
        }
    }

    fn execute(&mut self, command: Command<'_>) -> io::Result<()> {
        match command {
            Request::Ehlo { host } => self.greet(&host, true),
            Request::Helo { host } => self.greet(&host, false),
            Request::Noop { .. } => self.lines.say("250 2.0.0 Ok"),
            Request::Rset => {
                self.transaction = None;
                self.lines.say("250 2.0.0 Ok");
            }
            Request::Help { .. } => {
                self.lines.say("214 2.0.0 This is the mail server of `saslgate demo`");
            }
            Request::Vrfy { .. } => {
                self.lines.say("252 2.0.0 It takes mail for everybody, and keeps it");
            }
            Request::Quit => {
                self.lines.say("221 2.0.0 Goodbye");
                self.state = State::Closed;
            }
            Request::StartTls => return self.say_fault("503 5.5.1 TLS is on already"),
            Request::Auth { mechanism, initial_response } => {
                return self.begin_auth(mechanism, &initial_response);
            }
            Request::Mail { .. } | Request::Rcpt { .. } | Request::Data if !self.authenticated => {
                return self.say_fault(LOG_IN);
            }
            Request::Mail { .. } if self.transaction.is_some() => {
                return self.say_fault("503 5.5.1 Another message is under way");
            }
            Request::Mail { from } => match Transaction::begin(from) {
                Ok(transaction) => {
                    self.transaction = Some(transaction);
                    self.lines.say("250 2.1.0 Ok");
                }
                Err(refusal) => return self.say_fault(refusal),
            },
            Request::Rcpt { to } => return self.add_recipient(to),
            Request::Data
            | Request::Bdat { .. }
            | Request::Lhlo { .. }
            | Request::Expn { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. }
            | Request::Burl { .. } => return self.say_fault("502 5.5.1 This is not offered here"),
        }
        Ok(())
    }

    fn greet(&mut self, name: &str, extended: bool) {
        // RFC 5321 section 4.1.4: it clears what is under way.
        self.transaction = None;
        self.hello = Some(Hello { name: name.to_owned(), extended });
        if !extended {
            return self.lines.say("250 localhost");
        }
        self.lines.say("250-localhost The saslgate demo's provider");
        for keyword in EXTENSIONS {
            self.lines.say(&format!("250-{keyword}"));
        }
        self.lines.say("250 AUTH XOAUTH2 OAUTHBEARER");
    }

    fn begin_auth(&mut self, mechanism: u64, response: &str) -> io::Result<()> {
        if !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return self.say_fault("503 5.5.1 Say EHLO first");
        }
        if self.authenticated || self.transaction.is_some() {
            return self.say_fault("503 5.5.1 You have logged in already");
        }
        let mechanism = match mechanism {
            AUTH_XOAUTH2 => Mechanism::XOAuth2,
            AUTH_OAUTHBEARER => Mechanism::OAuthBearer,
            _ => return self.say_fault("504 5.5.4 Only XOAUTH2 and OAUTHBEARER open this server"),
        };
        if response.is_empty() {
            self.lines.say("334 ");
            self.state = State::Sasl(mechanism);
            return Ok(());
        }
        self.authenticate(mechanism, response.as_bytes())
    }

    fn authenticate(&mut self, mechanism: Mechanism, response: &[u8]) -> io::Result<()> {
        if response == b"*" {
            return self.say_fault("501 5.7.0 Cancelled");
        }
        let verdict = sasl::decode(response).map(|read| self.server.judge(mechanism, &read));
        match verdict {
            None => return self.say_fault("501 5.5.2 This is not base64"),
            Some(Verdict::Misread) => {
                return self.say_fault("501 5.5.2 This does not have the mechanism's form");
            }
            Some(Verdict::Refuse) => {
                self.lines.say(&format!("334 {}", sasl::encoded_challenge()));
                self.state = State::SaslRefused;
            }
            Some(Verdict::Accept) => {
                self.authenticated = true;
                self.lines.say("235 2.7.0 Authentication successful");
            }
        }
        Ok(())
    }

    fn add_recipient(&mut self, to: RcptTo<Cow<'_, str>>) -> io::Result<()> {
        let is_user = to.address.eq_ignore_ascii_case(&self.server.user);
        let Some(transaction) = &mut self.transaction else {
            return self.say_fault("503 5.5.1 MAIL comes first");
        };
        if !matches!(transaction.chunks, Chunks::None) {
            return self.say_fault("503 5.5.1 This message has begun with BDAT");
        }
        match transaction.add(to) {
            Ok(()) if is_user => self.lines.say("250 2.1.5 Ok"),
            Ok(()) => self.lines.say("250 2.1.5 Ok, for the folder Sent: nothing leaves the demo"),
            Err(refusal) => return self.say_fault(refusal),
        }
        Ok(())
    }

    /// Says no. Whoever goes on making mistakes is sent away: it is most likely no mail program.
    pub(super) fn say_fault(&mut self, reply: &str) -> io::Result<()> {
        self.lines.say(reply);
        self.faults += 1;
        if self.faults >= FAULTS {
            self.lines.say("421 4.7.0 Too many mistakes");
            self.state = State::Closed;
        }
        Ok(())
    }
}

/// The answer to mail without a login (RFC 4954 section 6).
pub(super) const LOG_IN: &str = "530 5.7.0 Authentication required";

/// A command with its end: RFC 5321 section 4.5.3.1.4 and what the extensions add to MAIL and RCPT.
const COMMAND: usize = 2048;

/// A SASL response with its end: RFC 4954 section 4 deems this enough.
const RESPONSE: usize = 12_288 + 2;

const FAULTS: usize = 20;
