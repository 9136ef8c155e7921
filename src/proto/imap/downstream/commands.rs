//! What a command does before login. The hard thing is the order of questions: whether a login is
//! allowed at all comes before what it says, so that no password is asked for in vain.

use super::{ImapDownstream, State, TOO_MANY_FAULTS};
use crate::{
    proto::{
        Credentials, DownstreamEvent, LocalTls, LoginMethod, Refusal, RefusalReason, Welcome,
        imap::{
            refusal,
            syntax::{self, Verb},
        },
        line::strip_line_end,
    },
    sasl::{
        base64,
        exchange::{self, Mechanism, Progress, SaslFault},
    },
};

impl ImapDownstream {
    /// Runs the command that ends before octet `end` of the intake.
    pub(super) fn handle_command(&mut self, end: usize) {
        self.state = State::Command { line: 0 };
        self.spent += end;
        let command = self.intake.take(end);
        let Some((tag, rest)) = syntax::command_tag(command.expose()) else {
            self.reply(format_args!("* BAD A command begins with a tag"));
            return self.count_fault();
        };
        let Some((verb, arguments)) = syntax::verb(rest) else {
            return self.fault(tag, "BAD Unknown command");
        };
        match verb {
            Verb::AfterLogin => self.fault(tag, "BAD Log in first"),
            Verb::Id if syntax::id(arguments) => self.identify(tag),
            Verb::Id => {
                self.fault(tag, "BAD ID takes NIL or up to 30 names with values (RFC 2971)")
            }
            Verb::Login => self.login(tag, arguments),
            Verb::Authenticate => self.authenticate(tag, arguments),
            Verb::Capability | Verb::Noop | Verb::Logout | Verb::StartTls
                if !syntax::no_arguments(arguments) =>
            {
                self.fault(tag, "BAD This command takes no arguments");
            }
            Verb::Capability => self.tell_capabilities(tag),
            Verb::Noop => self.reply_tagged(tag, "OK NOOP completed"),
            Verb::Logout => self.log_out(tag),
            Verb::StartTls => self.start_tls(tag),
        }
    }

    /// What we can do before login, in this TLS state. All of it is ours, so it is honoured whatever
    /// the upstream can do. LOGINDISABLED: RFC 3501 section 11.2.
    pub(super) fn capabilities(&self) -> String {
        let mut capabilities = String::from("IMAP4rev1 SASL-IR LITERAL- ID");
        if self.tls.allows_login() {
            capabilities.push_str(" AUTH=PLAIN AUTH=LOGIN");
        }
        if let LocalTls::Offer { .. } = self.tls {
            capabilities.push_str(" STARTTLS");
        }
        if !self.tls.allows_login() {
            capabilities.push_str(" LOGINDISABLED");
        }
        capabilities
    }

    fn tell_capabilities(&mut self, tag: &[u8]) {
        self.asked_capability = true;
        let capabilities = self.capabilities();
        self.reply(format_args!("* CAPABILITY {capabilities}"));
        self.reply_tagged(tag, "OK CAPABILITY completed");
    }

    /// RFC 2971. No version: it would tell a stranger which faults to try.
    fn identify(&mut self, tag: &[u8]) {
        self.reply(format_args!("* ID (\"name\" \"saslgate\")"));
        self.reply_tagged(tag, "OK ID completed");
    }

    fn log_out(&mut self, tag: &[u8]) {
        self.reply(format_args!("* BYE Logging out"));
        self.reply_tagged(tag, "OK LOGOUT completed");
        self.end();
    }

    /// RFC 3501 section 6.2.1. What is in the intake behind the command came in clear, perhaps from
    /// somebody else, and must not be taken for what the client says under TLS.
    fn start_tls(&mut self, tag: &[u8]) {
        match self.tls {
            LocalTls::Established => self.fault(tag, "BAD TLS is on already"),
            LocalTls::Unavailable => self.fault(tag, "BAD TLS is not offered on this port"),
            LocalTls::Offer { .. } => {
                self.reply_tagged(tag, "OK Begin the TLS negotiation now");
                self.state = State::Handshake { injected: !self.intake.pending().is_empty() };
                self.intake.clear();
                self.event = Some(DownstreamEvent::StartTls);
            }
        }
    }

    fn login(&mut self, tag: &[u8], arguments: &[u8]) {
        if !self.tls.allows_login() {
            return self.demand_tls(tag);
        }
        match syntax::login(arguments) {
            Some((login, password)) => {
                self.decide(tag.to_vec(), Credentials { login, password, method: LoginMethod::Command });
            }
            None => self.fault(
                tag,
                "BAD LOGIN takes a user name and a password; quote what is not plain letters and digits",
            ),
        }
    }

    fn authenticate(&mut self, tag: &[u8], arguments: &[u8]) {
        if !self.tls.allows_login() {
            return self.demand_tls(tag);
        }
        let Some((name, initial)) = syntax::authenticate(arguments) else {
            return self
                .fault(tag, "BAD AUTHENTICATE takes a mechanism and perhaps an initial response");
        };
        match Mechanism::from_name(name) {
            Some(mechanism) => self.progress(tag.to_vec(), exchange::begin(mechanism, initial)),
            // RFC 3501 section 6.2.2 wants NO; the code (RFC 5530) says that no other password helps.
            None => self.fault(tag, "NO [CANNOT] Only PLAIN and LOGIN are supported here"),
        }
    }

    /// A line of a SASL exchange, which ends before octet `end` of the intake.
    pub(super) fn handle_response(&mut self, end: usize) {
        let waiting = std::mem::replace(&mut self.state, State::Command { line: 0 });
        let State::Response { tag, exchange } = waiting else { return };
        self.spent += end;
        let line = self.intake.take(end);
        let progress = exchange.respond(strip_line_end(line.expose()));
        self.progress(tag, progress);
    }

    fn progress(&mut self, tag: Vec<u8>, progress: Progress) {
        match progress {
            Progress::Challenge { text, exchange } => {
                // `continue-req = "+" SP (resp-text / base64) CRLF`: the space stays in an empty one.
                self.replies.extend_from_slice(b"+ ");
                self.replies.extend_from_slice(&base64::encode(text));
                self.replies.extend_from_slice(b"\r\n");
                self.state = State::Response { tag, exchange };
            }
            Progress::Complete { mechanism, login, password } => {
                let method = match mechanism {
                    Mechanism::Plain => LoginMethod::Plain,
                    Mechanism::Login => LoginMethod::Login,
                };
                self.decide(tag, Credentials { login, password, method });
            }
            // RFC 3501 section 6.2.2: BAD for both. To change one's mind is no fault.
            Progress::Failed(SaslFault::Cancelled) => {
                self.reply_tagged(&tag, "BAD Authentication cancelled");
            }
            Progress::Failed(SaslFault::Base64) => self.fault(&tag, "BAD The response is not base64"),
            Progress::Failed(SaslFault::Malformed) => {
                self.fault(&tag, "BAD The response is not a PLAIN message (RFC 4616)");
            }
            Progress::Failed(SaslFault::Authzid) => self.fault(
                &tag,
                "NO [AUTHORIZATIONFAILED] Nobody may act for somebody else; leave the authorization identity empty",
            ),
        }
    }

    fn decide(&mut self, tag: Vec<u8>, credentials: Credentials) {
        self.state = State::Deciding { tag };
        self.event = Some(DownstreamEvent::Login(credentials));
    }

    /// Tells the client that it is in, and what the upstream can do: untagged if it asked before
    /// login, since such a client does not look into response codes, else in the tagged OK. Dovecot
    /// does the same, so clients know both.
    pub(super) fn welcome(&mut self, tag: &[u8], welcome: &Welcome) {
        let capabilities = announce(welcome);
        if self.asked_capability {
            self.reply(format_args!("* CAPABILITY {capabilities}"));
            self.reply_tagged(tag, "OK Logged in");
        } else {
            self.reply_tagged(tag, &format!("OK [CAPABILITY {capabilities}] Logged in"));
        }
    }

    /// Answers a synchronizing literal that is too long: the command ends here, since the client
    /// waits for our `+` (RFC 7888 section 4; TOOBIG is RFC 4469's).
    pub(super) fn refuse_literal(&mut self, end: usize) {
        self.state = State::Command { line: 0 };
        self.spent += end;
        let line = self.intake.take(end);
        if let Some((tag, _)) = syntax::command_tag(line.expose()) {
            self.fault(tag, "NO [TOOBIG] The literal is too long");
        }
    }

    fn demand_tls(&mut self, tag: &[u8]) {
        let words = "Send STARTTLS first: a password must not travel in clear";
        let refusal = Refusal::new(RefusalReason::TlsRequired, words);
        self.replies.extend_from_slice(&refusal::login_refused(tag, &refusal));
        self.count_fault();
    }

    fn fault(&mut self, tag: &[u8], answer: &str) {
        self.reply_tagged(tag, answer);
        self.count_fault();
    }

    fn count_fault(&mut self) {
        self.faults += 1;
        if self.faults >= self.bounds.faults {
            self.hang_up(TOO_MANY_FAULTS);
        }
    }
}

/// The upstream's capabilities as one line. Without IMAP4rev1 a client would take us for a server
/// that it cannot use, and what is no atom would end the list (`capability = ("AUTH=" auth-type) /
/// atom`).
fn announce(welcome: &Welcome) -> String {
    let is_atom = |name: &&str| !name.is_empty() && name.bytes().all(syntax::is_atom_char);
    let told: Vec<&str> = welcome.capabilities.iter().map(String::as_str).filter(is_atom).collect();
    let complete = told.iter().any(|name| name.eq_ignore_ascii_case("IMAP4rev1"));
    let missing = (!complete).then_some("IMAP4rev1");
    missing.into_iter().chain(told).collect::<Vec<_>>().join(" ")
}
