//! What a command does before login. The hard thing is the order of questions: whether a login is
//! allowed at all comes before what it says, and no answer to a name tells whether there is such an
//! account.

use super::{Pop3Downstream, State, TOO_MANY_FAULTS};
use crate::{
    proto::{
        Credentials, DownstreamEvent, LocalTls, LoginMethod, Refusal, RefusalReason,
        pop3::{
            refusal,
            syntax::{self, Verb},
        },
    },
    sasl::{
        base64,
        exchange::{self, Mechanism, Progress, SaslFault},
    },
    secret::Secret,
};

impl Pop3Downstream {
    /// Runs a command, given by its verb and what follows it.
    pub(super) fn handle_command(&mut self, verb: Verb, rest: &[u8]) {
        match verb {
            Verb::User => self.user(rest),
            Verb::Pass => self.pass(rest),
            Verb::Auth => self.auth(rest),
            Verb::Capa | Verb::Noop | Verb::Quit | Verb::Stls if !syntax::no_arguments(rest) => {
                self.fault("-ERR This command takes no arguments");
            }
            Verb::Capa => self.tell_capabilities(),
            // RFC 1939 section 5 has it after the login only; some clients send it to stay connected.
            Verb::Noop => self.reply("+OK"),
            Verb::Quit => {
                self.reply("+OK Bye");
                self.end();
            }
            Verb::Stls => self.start_tls(),
            Verb::Apop => self.fault("-ERR APOP is not offered: use USER and PASS, or AUTH"),
            Verb::Utf8 | Verb::Lang => self.fault("-ERR This command is not offered"),
            Verb::Stat
            | Verb::List
            | Verb::Retr
            | Verb::Dele
            | Verb::Rset
            | Verb::Top
            | Verb::Uidl
            | Verb::Last => self.fault("-ERR Log in first"),
        }
    }

    /// What we can do before login, in this TLS state, and what every provider can do after it (TOP,
    /// UIDL). PIPELINING (RFC 2449 section 6.6) is true, since what comes behind a login is kept for
    /// the relay.
    fn tell_capabilities(&mut self) {
        let (allowed, tls) = (self.tls.allows_login(), self.tls);
        let login = allowed.then_some(["USER", "SASL PLAIN LOGIN"]).into_iter().flatten();
        let starttls = matches!(tls, LocalTls::Offer { .. }).then_some("STLS");
        let always = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"];
        self.reply_lines(
            "+OK Capabilities follow",
            always.into_iter().chain(login).chain(starttls),
        );
    }

    /// RFC 2595 section 4. What is in the intake behind the command came in clear, perhaps from
    /// somebody else, and must not be taken for what the client says under TLS.
    fn start_tls(&mut self) {
        match self.tls {
            LocalTls::Established => self.fault("-ERR TLS is on already"),
            LocalTls::Unavailable => self.fault("-ERR TLS is not offered on this port"),
            LocalTls::Offer { .. } => {
                self.reply("+OK Begin the TLS negotiation now");
                self.state = State::Handshake { injected: !self.intake.pending().is_empty() };
                self.intake.clear();
                self.event = Some(DownstreamEvent::StartTls);
            }
        }
    }

    /// Every name is welcome: RFC 1939 section 7 lets a server say so of a mailbox that it does not
    /// have, and RFC 3206 section 5 wants it to.
    fn user(&mut self, rest: &[u8]) {
        if !self.tls.allows_login() {
            return self.demand_tls();
        }
        self.user = Some(syntax::argument(rest).to_vec());
        self.reply("+OK Send the password");
    }

    fn pass(&mut self, rest: &[u8]) {
        if !self.tls.allows_login() {
            return self.demand_tls();
        }
        // One name is good for one password (RFC 1939 section 7: "immediately after a successful
        // USER"); that another command may stand between is no harm to anybody.
        match self.user.take() {
            Some(login) => {
                let password = Secret::new(syntax::argument(rest));
                self.decide(Credentials { login, password, method: LoginMethod::Command });
            }
            None => self.fault("-ERR Send USER first"),
        }
    }

    fn auth(&mut self, rest: &[u8]) {
        // No RFC has it, but clients older than CAPA ask so for the mechanisms, and it is no login.
        if syntax::no_arguments(rest) {
            let names = self.tls.allows_login().then_some(["PLAIN", "LOGIN"]);
            return self.reply_lines("+OK Mechanisms follow", names.into_iter().flatten());
        }
        if !self.tls.allows_login() {
            return self.demand_tls();
        }
        let Some((name, initial)) = syntax::auth(rest) else {
            return self.fault("-ERR AUTH takes a mechanism and perhaps an initial response");
        };
        match Mechanism::from_name(name) {
            Some(mechanism) => self.progress(exchange::begin(mechanism, initial)),
            None => self.fault("-ERR Only PLAIN and LOGIN are supported here"),
        }
    }

    /// Goes on with a SASL exchange (RFC 5034 section 4).
    pub(super) fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Challenge { text, exchange } => {
                // `continue-req = "+" SP [base64] CRLF`: the space stays in an empty one.
                self.replies.extend_from_slice(b"+ ");
                self.replies.extend_from_slice(&base64::encode(text));
                self.replies.extend_from_slice(b"\r\n");
                self.state = State::Response { exchange };
            }
            Progress::Complete { mechanism, login, password } => {
                let method = match mechanism {
                    Mechanism::Plain => LoginMethod::Plain,
                    Mechanism::Login => LoginMethod::Login,
                };
                self.decide(Credentials { login, password, method });
            }
            // To change one's mind is no fault.
            Progress::Failed(SaslFault::Cancelled) => self.reply("-ERR Authentication cancelled"),
            Progress::Failed(SaslFault::Base64) => self.fault("-ERR The response is not base64"),
            Progress::Failed(SaslFault::Malformed) => {
                self.fault("-ERR The response is not a PLAIN message (RFC 4616)");
            }
            Progress::Failed(SaslFault::Authzid) => self.fault(
                "-ERR [AUTH] Nobody may act for somebody else; leave the authorization identity empty",
            ),
        }
    }

    fn decide(&mut self, credentials: Credentials) {
        self.user = None;
        self.state = State::Deciding;
        self.event = Some(DownstreamEvent::Login(credentials));
    }

    fn demand_tls(&mut self) {
        let words = "Send STLS first: a password must not travel in clear";
        let refusal = Refusal::new(RefusalReason::TlsRequired, words);
        self.answer_fault(&refusal::login_refused(&refusal));
    }

    pub(super) fn fault(&mut self, answer: &str) {
        self.answer_fault(&[answer.as_bytes(), b"\r\n"].concat());
    }

    /// Each command has one answer, so the goodbye takes the place of the last one.
    fn answer_fault(&mut self, line: &[u8]) {
        self.faults += 1;
        if self.faults >= self.bounds.faults {
            return self.hang_up(TOO_MANY_FAULTS);
        }
        self.replies.extend_from_slice(line);
    }
}
