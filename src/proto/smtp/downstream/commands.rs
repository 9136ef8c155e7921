//! What a command does before login. The hard thing is the order of questions: whether a login is
//! allowed at all comes before what it says, so that no password is asked for in vain.

use super::{NOT_SMTP, Opening, SmtpDownstream, State, TOO_MANY_FAULTS, TOO_MUCH};
use crate::{
    proto::{
        Credentials, DownstreamEvent, LocalTls, LoginMethod,
        line::strip_line_end,
        smtp::syntax::{self, Verb},
    },
    sasl::{
        base64,
        exchange::{self, Exchange, Mechanism, Progress, SaslFault},
    },
};

impl SmtpDownstream {
    /// Runs the command that ends before octet `end` of the intake.
    pub(super) fn handle_command(&mut self, end: usize) {
        self.spent += end;
        let command = self.intake.take(end);
        let mut line = strip_line_end(command.expose());
        if self.opening == Opening::FirstLine {
            line = syntax::without_noise(line);
        }
        if syntax::is_http(line) {
            return self.hang_up(NOT_SMTP);
        }
        let Some((verb, arguments)) = syntax::verb(line) else {
            return self.not_understood("500 5.5.2 Unknown command");
        };
        self.opening = Opening::Recognized;
        match verb {
            Verb::Ehlo | Verb::Helo if !syntax::client_name(arguments) => {
                self.fault("501 5.5.4 The name has characters that no name has");
            }
            Verb::Ehlo => self.tell_extensions(),
            // RFC 5321 section 4.1.1.1: one line, and no extensions.
            Verb::Helo => {
                let name = format!("250 {}", self.options.name);
                self.reply(&name);
            }
            Verb::Auth => self.authenticate(arguments),
            Verb::StartTls => self.start_tls(arguments),
            Verb::Mail | Verb::Rcpt | Verb::Data => self.demand_login(),
            Verb::Bdat => self.refuse_chunk(arguments),
            // RFC 5321 section 4.1.1: RSET, DATA and QUIT are not to be taken with arguments.
            Verb::Rset | Verb::Quit if !syntax::no_arguments(arguments) => {
                self.fault("501 5.5.4 This command takes no arguments");
            }
            Verb::Rset | Verb::Noop => self.reply("250 2.0.0 OK"),
            Verb::Quit => {
                self.reply("221 2.0.0 Bye");
                self.end();
            }
            // RFC 5321 section 3.5.3: what is said by whoever does not want to tell.
            Verb::Vrfy => self.reply("252 2.0.0 Not verified; send the message to find out"),
            Verb::Help => self.reply("214 2.0.0 Log in with AUTH, then send mail (RFC 6409)"),
            Verb::Forbidden => self.fault("502 5.5.1 This command is not supported here"),
        }
    }

    /// What we can do before login, in this TLS state (RFC 5321 section 4.1.1.1). RFC 4954 section 4
    /// and RFC 3207 section 4.2 say when AUTH and STARTTLS are among it.
    fn tell_extensions(&mut self) {
        let mut lines = vec![self.options.name.clone()];
        lines.extend(self.options.promise.keywords());
        if let LocalTls::Offer { .. } = self.tls {
            lines.push("STARTTLS".to_owned());
        }
        if self.tls.allows_login() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
            if self.options.obsolete_auth_line {
                lines.push("AUTH=LOGIN PLAIN".to_owned());
            }
        }
        let last = lines.len().saturating_sub(1);
        for (index, line) in lines.iter().enumerate() {
            let separator = if index == last { ' ' } else { '-' };
            self.reply(&format!("250{separator}{line}"));
        }
    }

    /// RFC 3207 section 4. What is in the intake behind the command came in clear, perhaps from
    /// somebody else, and must not be taken for what the client says under TLS.
    fn start_tls(&mut self, arguments: &[u8]) {
        match self.tls {
            LocalTls::Established => self.fault("503 5.5.1 TLS is on already"),
            LocalTls::Unavailable => self.fault("502 5.5.1 TLS is not offered on this port"),
            LocalTls::Offer { .. } if !syntax::no_arguments(arguments) => {
                self.fault("501 5.5.4 STARTTLS takes no arguments");
            }
            LocalTls::Offer { .. } => {
                self.reply("220 2.0.0 Begin the TLS negotiation now");
                self.state = State::Handshake { injected: !self.intake.pending().is_empty() };
                self.intake.clear();
                self.event = Some(DownstreamEvent::StartTls);
            }
        }
    }

    /// A part of a message, which is on its way already and must be read before it is refused
    /// (RFC 3030 section 2).
    fn refuse_chunk(&mut self, arguments: &[u8]) {
        let Some(chunk) = syntax::chunk(arguments) else {
            return self.hang_up(NO_CHUNK);
        };
        match usize::try_from(chunk.octets).ok().filter(|&octets| octets <= self.octets_left()) {
            Some(left) => self.state = State::Chunk { left },
            None => self.hang_up(TOO_MUCH),
        }
    }

    fn authenticate(&mut self, arguments: &[u8]) {
        if !self.tls.allows_login() {
            return self.fault(DEMAND_TLS);
        }
        let Some((name, initial)) = syntax::auth(arguments) else {
            return self.fault("501 5.5.4 AUTH takes a mechanism and perhaps an initial response");
        };
        match Mechanism::from_name(name) {
            Some(mechanism) => self.progress(exchange::begin(mechanism, initial)),
            None => self.fault("504 5.5.4 Only PLAIN and LOGIN are supported here"),
        }
    }

    /// A line of a SASL exchange, which ends before octet `end` of the intake.
    pub(super) fn handle_response(&mut self, end: usize, exchange: Exchange) {
        self.spent += end;
        let line = self.intake.take(end);
        let progress = exchange.respond(strip_line_end(line.expose()));
        self.progress(progress);
    }

    /// The replies are those of RFC 4954 sections 4 and 6.
    fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Challenge { text, exchange } => {
                // An empty challenge keeps its space: `continue-req = "334" SP [base64] CRLF`.
                self.replies.extend_from_slice(b"334 ");
                self.replies.extend_from_slice(&base64::encode(text));
                self.replies.extend_from_slice(b"\r\n");
                self.state = State::Response { exchange };
            }
            Progress::Complete { mechanism, login, password } => {
                let method = match mechanism {
                    Mechanism::Plain => LoginMethod::Plain,
                    Mechanism::Login => LoginMethod::Login,
                };
                self.state = State::Deciding;
                self.event =
                    Some(DownstreamEvent::Login(Credentials { login, password, method }));
            }
            // To change one's mind is no fault.
            Progress::Failed(SaslFault::Cancelled) => {
                self.reply("501 5.7.0 Authentication cancelled");
            }
            Progress::Failed(SaslFault::Base64) => {
                self.fault("501 5.5.2 The response is not base64");
            }
            Progress::Failed(SaslFault::Malformed) => {
                self.fault("501 5.5.2 The response is not a PLAIN message (RFC 4616)");
            }
            Progress::Failed(SaslFault::Authzid) => self.fault(
                "535 5.7.8 Nobody may act for somebody else; leave the authorization identity empty",
            ),
        }
    }

    /// Refuses a part of a mail transaction (RFC 4954 section 6, RFC 3207 section 4).
    pub(super) fn demand_login(&mut self) {
        self.fault(if self.tls.allows_login() { DEMAND_LOGIN } else { DEMAND_TLS });
    }

    /// A line that is no command, with its answer: the second one ends a connection that has not
    /// begun with SMTP.
    pub(super) fn not_understood(&mut self, answer: &str) {
        match self.opening {
            Opening::SecondLine => return self.hang_up(NOT_SMTP),
            Opening::FirstLine => self.opening = Opening::SecondLine,
            Opening::Recognized => {}
        }
        self.fault(answer);
    }

    fn fault(&mut self, answer: &str) {
        self.reply(answer);
        self.faults += 1;
        if self.faults >= self.bounds.faults {
            self.hang_up(TOO_MANY_FAULTS);
        }
    }
}

const DEMAND_LOGIN: &str = "530 5.7.0 Authentication required; switch on authentication for outgoing mail, with user name and password, in the mail program or device";
const DEMAND_TLS: &str = "530 5.7.0 Must issue a STARTTLS command first";
const NO_CHUNK: &str = "Nobody can tell how many octets follow this BDAT";
