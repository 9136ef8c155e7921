//! Reads a transcript. The hard thing is what stands together: `C+` joins a line to the segment
//! before it, and `C>` stands for both legs at once.

use saslgate::proto::{
    BearerMechanism, LocalTls, LoginBounds, Refusal, RefusalReason, UpstreamOptions,
    smtp::extension::Extensions,
};

use super::text::{self, Piece};

/// What is spoken; the folder of a transcript says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Imap,
    Pop3,
    Smtp,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Smtp];

    /// The folder of its transcripts.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }

    /// What stands between two capabilities: those of SMTP and POP3 may hold spaces.
    pub(crate) fn separator(self) -> &'static str {
        match self {
            Self::Imap => " ",
            Self::Pop3 | Self::Smtp => ", ",
        }
    }
}

/// One conversation.
#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    /// What it shows, with the RFC's section.
    pub(crate) about: String,
    /// What is given before it begins.
    pub(crate) setup: Setup,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// How the machines are set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) protocol: Protocol,
    pub(crate) local_tls: LocalTls,
    pub(crate) bounds: LoginBounds,
    /// `None`: what the server offers.
    pub(crate) mechanism: Option<BearerMechanism>,
    pub(crate) starttls: bool,
    /// Capabilities hidden by the account's settings.
    pub(crate) hide: Vec<String>,
    /// SMTP: what EHLO promises.
    pub(crate) promise: Extensions,
    /// SMTP: whether EHLO shows the obsolete line.
    pub(crate) obsolete_auth_line: bool,
}

impl Setup {
    /// The upstream machine's options.
    pub(crate) fn upstream_options(&self) -> UpstreamOptions {
        let (host, implicit, starttls) = match self.protocol {
            Protocol::Imap => ("imap.example.org", 993, 143),
            Protocol::Pop3 => ("pop.example.org", 995, 110),
            Protocol::Smtp => ("smtp.example.org", 465, 587),
        };
        UpstreamOptions {
            starttls: self.starttls,
            mechanism: self.mechanism,
            host: host.into(),
            port: if self.starttls { starttls } else { implicit },
            client_name: "gateway.example.org".into(),
        }
    }

    fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            promise: Extensions::UNKNOWN,
            obsolete_auth_line: false,
            local_tls: LocalTls::Unavailable,
            bounds: LoginBounds::default(),
            mechanism: None,
            starttls: false,
            hide: Vec::new(),
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The number of its line in the transcript.
    pub(crate) line: usize,
    /// Where it happens.
    pub(crate) leg: Leg,
    /// What happens.
    pub(crate) act: Act,
    /// As the transcript writes it.
    pub(crate) written: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// Towards the mail client: flush left.
    Local,
    /// Towards the mail provider: indented.
    Upstream,
}

impl Leg {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Local => Self::Upstream,
            Self::Upstream => Self::Local,
        }
    }
}

impl Act {
    fn is_talk(&self) -> bool {
        matches!(self, Self::Send(_) | Self::Expect(_))
    }
}

/// A step of the peers, of the gateway, or of the gateway's driver.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The peer sends this in one segment.
    Send(Vec<Piece>),
    /// The gateway has sent this.
    Expect(Vec<Piece>),
    /// The gateway has done this, in the words of [`super::run`].
    Effect(Vec<Piece>),
    /// The account has this credential: the upstream is dialled.
    Dial { credential: Credential, user: String },
    /// The login that is being decided on is refused.
    Refuse(Refusal),
    /// The gateway ends a connection that has not logged in.
    Dismiss(Refusal),
    /// The gateway ends a session in the relay.
    Farewell(Refusal),
    /// The upstream's connection has ended in the relay.
    UpstreamGone,
}

/// What opens the upstream.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Token(Vec<u8>),
    Password(Vec<u8>),
}

impl Transcript {
    /// Reads one; an error names the line.
    pub(crate) fn parse(protocol: Protocol, source: &str) -> Result<Self, String> {
        let about = source.lines().next().and_then(|line| line.strip_prefix("# "));
        let about = about.ok_or("line 1: the first line says what is shown: `# …`")?.to_string();
        let mut transcript = Self { about, setup: Setup::new(protocol), steps: Vec::new() };
        for (index, line) in source.lines().enumerate() {
            let line_number = index + 1;
            transcript.line(line_number, line).map_err(|e| format!("line {line_number}: {e}"))?;
        }
        Ok(transcript)
    }

    /// The same conversation with all that the client says until its login in one segment, if that is
    /// more than one line and nothing else happens before.
    pub(crate) fn pipelined(&self) -> Option<Self> {
        let login = self.steps.iter().position(|step| !step.act.is_talk())?;
        let (before, after) = self.steps.split_at_checked(login)?;
        let logs_in = after.first().is_some_and(|step| step.written.starts_with("[login: "));
        let mut sent = before.iter().filter(|step| matches!(step.act, Act::Send(_)));
        let mut first = sent.next()?.clone();
        if !logs_in || sent.clone().next().is_none() {
            return None;
        }
        for step in sent {
            if let (Act::Send(segment), Act::Send(more)) = (&mut first.act, &step.act) {
                segment.extend(more.iter().cloned());
            }
        }
        let expected = before.iter().filter(|step| matches!(step.act, Act::Expect(_))).cloned();
        let mut steps: Vec<Step> = expected.collect();
        steps.insert(1.min(steps.len()), first);
        steps.extend_from_slice(after);
        Some(Self { steps, ..self.clone() })
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let body = line.trim_start();
        let leg = if body.len() == line.len() { Leg::Local } else { Leg::Upstream };
        if body.is_empty() || body.starts_with('#') {
            return Ok(());
        }
        if let Some(effect) = body.strip_prefix('[') {
            let effect = effect.strip_suffix(']').ok_or("an effect ends in `]`")?;
            return self.effect(number, leg, effect);
        }
        let (mark, text) = body.split_at_checked(2).ok_or("neither C: nor S: nor [")?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        let sender = if leg == Leg::Local { 'C' } else { 'S' };
        match (mark, leg) {
            ("C:" | "S:", _) => {
                let act = if mark.starts_with(sender) {
                    Act::Send(text::pieces(text, false)?)
                } else {
                    Act::Expect(text::pieces(text, true)?)
                };
                self.push(number, leg, act, body);
            }
            ("C>", Leg::Local) => self.cross(number, Leg::Local, text, "C")?,
            ("S>", Leg::Local) => self.cross(number, Leg::Upstream, text, "S")?,
            ("C+", Leg::Local) => self.join(number, Leg::Local, text)?,
            ("S+", _) => self.join(number, Leg::Upstream, text)?,
            _ => return Err(format!("`{mark}` cannot stand here")),
        }
        Ok(())
    }

    fn push(&mut self, line: usize, leg: Leg, act: Act, written: &str) {
        self.steps.push(Step { line, leg, act, written: written.to_string() });
    }

    /// `C>` and `S>`: sent on one leg, and seen on the other as it is.
    fn cross(&mut self, line: usize, from: Leg, text: &str, mark: &str) -> Result<(), String> {
        let pieces = text::pieces(text, false)?;
        let written = format!("{mark}: {text}");
        self.push(line, from, Act::Send(pieces.clone()), &written);
        self.push(line, from.other(), Act::Expect(pieces), &written);
        Ok(())
    }

    /// `C+` and `S+`: in the same segment as the line before.
    fn join(&mut self, line: usize, leg: Leg, text: &str) -> Result<(), String> {
        let pieces = text::pieces(text, false)?;
        let crosses = self.steps.last().is_some_and(|step| step.leg == leg.other());
        let sent = self.steps.iter_mut().rev().find(|step| matches!(step.act, Act::Send(_)));
        let Some(Step { act: Act::Send(segment), written, .. }) =
            sent.filter(|step| step.leg == leg)
        else {
            return Err("there is no segment to join".into());
        };
        segment.extend(pieces.iter().cloned());
        written.push_str(&format!(" + {text}"));
        if crosses {
            let mark = if leg == Leg::Local { 'C' } else { 'S' };
            let written = format!("{mark}: {text}");
            self.push(line, leg.other(), Act::Expect(pieces), &written);
        }
        Ok(())
    }

    fn effect(&mut self, line: usize, leg: Leg, text: &str) -> Result<(), String> {
        let (name, arguments) = text.split_once(": ").unwrap_or((text, ""));
        let act = match name {
            "local tls" | "bounds" | "hide" | "upstream" | "promise" | "obsolete auth line" => {
                return self.setup.read(name, arguments);
            }
            "token" | "password" => {
                let (secret, user) = arguments.split_once(" for ").ok_or("[token: T for USER]")?;
                let user = String::from_utf8(plain(user)?).map_err(|e| e.to_string())?;
                let secret = plain(secret)?;
                let credential = match name {
                    "token" => Credential::Token(secret),
                    _ => Credential::Password(secret),
                };
                Act::Dial { credential, user }
            }
            "logged in" => {
                let lines = login(self.setup.protocol, arguments);
                return lines.lines().try_for_each(|common| self.line(line, common));
            }
            "upstream gone" => Act::UpstreamGone,
            "refuse" => Act::Refuse(refusal(arguments, false)?),
            "refuse, alert" => Act::Refuse(refusal(arguments, true)?),
            "dismiss" => Act::Dismiss(refusal(arguments, false)?),
            "farewell" => Act::Farewell(refusal(arguments, false)?),
            _ => Act::Effect(text::pieces(&format!("{text}\\"), true)?),
        };
        self.push(line, leg, act, &format!("[{text}]"));
        Ok(())
    }
}

impl Setup {
    fn read(&mut self, name: &str, arguments: &str) -> Result<(), String> {
        match name {
            "local tls" => {
                self.local_tls = match arguments {
                    "none" => LocalTls::Unavailable,
                    "offer" => LocalTls::Offer { login_in_clear: false },
                    "offer, login in clear" => LocalTls::Offer { login_in_clear: true },
                    "established" => LocalTls::Established,
                    other => return Err(format!("unknown local TLS `{other}`")),
                };
            }
            "hide" => {
                let names = arguments.split(self.protocol.separator());
                self.hide = names.map(str::to_string).collect();
            }
            "promise" => {
                let keywords: Vec<&str> = arguments.split(", ").collect();
                self.promise = Extensions::from_keywords(&keywords);
            }
            "obsolete auth line" => self.obsolete_auth_line = true,
            "upstream" => {
                for word in arguments.split(", ") {
                    match word {
                        "xoauth2" => self.mechanism = Some(BearerMechanism::XOAuth2),
                        "oauthbearer" => self.mechanism = Some(BearerMechanism::OAuthBearer),
                        "implicit" => self.starttls = false,
                        "starttls" => self.starttls = true,
                        other => return Err(format!("unknown upstream setting `{other}`")),
                    }
                }
            }
            _ => {
                for bound in arguments.split(", ") {
                    let (name, value) = bound.split_once(' ').ok_or("[bounds: line 80, …]")?;
                    let value = value.parse().map_err(|_| format!("`{value}` is no number"))?;
                    *self.bound(name).ok_or_else(|| format!("unknown bound `{name}`"))? = value;
                }
            }
        }
        Ok(())
    }

    fn bound(&mut self, name: &str) -> Option<&mut usize> {
        match name {
            "line" => Some(&mut self.bounds.line),
            "literal" => Some(&mut self.bounds.literal),
            "total" => Some(&mut self.bounds.total),
            "faults" => Some(&mut self.bounds.faults),
            _ => None,
        }
    }
}

fn refusal(arguments: &str, alert: bool) -> Result<Refusal, String> {
    let (name, text) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let reason = REASONS.into_iter().find(|reason| format!("{reason:?}") == name);
    let reason = reason.ok_or_else(|| format!("unknown reason `{name}`"))?;
    let text = String::from_utf8(plain(text)?).map_err(|error| error.to_string())?;
    Ok(Refusal { alert, ..Refusal::new(reason, text) })
}

fn plain(text: &str) -> Result<Vec<u8>, String> {
    text::octets(&text::pieces(&format!("{text}\\"), false)?, &text::Tags::new())
}

/// What `[logged in: CAPABILITIES]` stands for.
pub(crate) fn login(protocol: Protocol, capabilities: &str) -> String {
    let list: Vec<&str> =
        capabilities.split(protocol.separator()).filter(|one| !one.is_empty()).collect();
    let lines = |before: &str| -> String {
        list.iter().map(|one| format!("    S: {before}{one}\n")).collect()
    };
    let all = |last: &str| [list.as_slice(), &[last]].concat().join(", ");
    match protocol {
        Protocol::Imap => IMAP_LOGIN.replace("CAPABILITIES", capabilities),
        Protocol::Pop3 => {
            POP3_LOGIN.replace("LINES", &lines("")).replace("ALL", &all("SASL XOAUTH2"))
        }
        Protocol::Smtp => {
            SMTP_LOGIN.replace("LINES", &lines("250-")).replace("ALL", &all("AUTH XOAUTH2"))
        }
    }
}

const IMAP_LOGIN: &str = "\
S: * OK [CAPABILITY ...] ...
C: A1 LOGIN alice secret
[login: alice secret COMMAND]
[token: T0K3N for alice@example.org]
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready
    C: <tag1> AUTHENTICATE XOAUTH2 {xoauth2 alice@example.org T0K3N}
    S: <tag1> OK in
    C: <tag2> CAPABILITY
    S: * CAPABILITY CAPABILITIES
    S: <tag2> OK done
    [ok: CAPABILITIES]
S: A1 OK [CAPABILITY CAPABILITIES] ...
";

const POP3_LOGIN: &str = "\
S: +OK ...
C: USER alice
S: +OK...
C: PASS secret
[login: alice secret COMMAND]
[token: T0K3N for alice@example.org]
    S: +OK ready
    C: CAPA
    S: +OK
LINES    S: SASL XOAUTH2
    S: .
    C: AUTH XOAUTH2
    S: +\\s
    C: {xoauth2 alice@example.org T0K3N}
    S: +OK in
    [ok: ALL]
S: +OK...
";

const SMTP_LOGIN: &str = "\
S: 220 ...
C: HELO client.example.org
S: 250 ...
C: AUTH PLAIN {plain alice secret}
[login: alice secret PLAIN]
[token: T0K3N for alice@example.org]
    S: 220 smtp.example.org ready
    C: EHLO gateway.example.org
    S: 250-smtp.example.org
LINES    S: 250 AUTH XOAUTH2
    C: AUTH XOAUTH2
    S: 334\\s
    C: {xoauth2 alice@example.org T0K3N}
    S: 235 2.7.0 in
    [ok: ALL]
S: 235 2.7.0 ...
";

/// Every reason; the test `every_reason_is_shown` keeps it whole.
pub(crate) const REASONS: [RefusalReason; 14] = [
    RefusalReason::WrongLogin,
    RefusalReason::SignIn,
    RefusalReason::Policy,
    RefusalReason::Configuration,
    RefusalReason::TokenUnavailable,
    RefusalReason::UpstreamUnavailable,
    RefusalReason::UpstreamRefused,
    RefusalReason::NotAuthorized,
    RefusalReason::TlsRequired,
    RefusalReason::ConnectionLimit,
    RefusalReason::AccountLimit,
    RefusalReason::ShuttingDown,
    RefusalReason::Timeout,
    RefusalReason::TooManyFailures,
];
