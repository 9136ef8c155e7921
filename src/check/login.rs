//! The logins. The hard thing is that one refusal alone does not tell its cause: "authenticated but not
//! connected" is a missing permission, or a protocol that is switched off. So once a server refuses, the
//! others are asked before anything is said of it.

use tokio::time::Instant;

use super::{
    Claims, Finding, StepKind,
    credential::Credential,
    diagnose::{self, Certificate, Evidence},
    dialogue::{Dialogue, Refused},
    identity,
    run::{Blocked, Check, Tried, place_of},
    server::Place,
};
use crate::{
    config::{Authentication, Protocol, UpstreamConfig},
    proto::{Rejection, UpstreamCredential},
    secret::Secret,
    token::AccessToken,
    upstream::{OpenError, OpenUpstream, Route, another_token, arrive, dial},
};

/// SMTP, logged in, and as whom; or the step that must be mended first. `None`: there is no such server.
pub(super) type Smtp = Option<Result<(Dialogue, String), Blocked>>;

/// What a login has come to.
struct Attempt {
    protocol: Protocol,
    server: UpstreamConfig,
    user: String,
    with_token: bool,
    began: Instant,
    took: Outcome,
}

enum Outcome {
    In(Box<OpenUpstream>),
    /// As the other identity, which this setting would choose.
    InAs(Box<OpenUpstream>, String, &'static str),
    Refused(Failed),
    Blocked(Blocked),
    /// The same user and password were refused at this other server: one more try could lock the user out.
    SameRefused(Protocol),
    /// There was no time left for it.
    Late,
}

/// Why a server does not let us in.
pub(super) struct Failed {
    error: OpenError,
    shown: Option<Box<Certificate>>,
    /// How it began.
    opening: Vec<u8>,
    /// Whether TLS had come about.
    secured: bool,
}

/// What the token says, and what was found in it.
struct Told<'a> {
    claims: Option<&'a Claims>,
    findings: &'a [Finding],
}

/// What has come of the token at all servers.
struct Others<'a> {
    let_in: &'a [(Protocol, String)],
    /// As whom a server let it in, and opened nothing.
    not_connected: &'a [String],
}

impl Others<'_> {
    /// At which other servers it was let in as this user.
    fn let_in_beside(&self, protocol: Protocol, user: &str) -> Vec<Protocol> {
        let others = self.let_in.iter().filter(|(other, its)| *other != protocol && its == user);
        others.map(|(other, _)| *other).collect()
    }
}

impl Outcome {
    fn is_not_connected(&self) -> bool {
        let rejected = |error: &OpenError| {
            matches!(error, OpenError::Rejected(Rejection::NotConnected { .. }))
        };
        matches!(self, Self::Refused(failed) if rejected(&failed.error))
    }
}

impl Check<'_> {
    pub(super) async fn logins(
        &mut self,
        places: &[Place],
        mut credentials: Credential,
        claim_findings: Vec<Finding>,
    ) -> Smtp {
        let claims = credentials.claims();
        let told = Told { claims: claims.as_ref(), findings: &claim_findings };
        let mut let_in: Vec<(Protocol, String)> = Vec::new();
        let mut pending: Vec<Attempt> = Vec::new();
        let mut not_connected: Vec<String> = Vec::new();
        let mut smtp = None;
        for protocol in Protocol::ALL {
            let Some(place) = place_of(places, protocol) else { continue };
            let attempt = self.attempt(place, protocol, &mut credentials).await;
            if attempt.with_token
                && let Outcome::In(_) = attempt.took
            {
                let_in.push((protocol, attempt.user.clone()));
            }
            if attempt.with_token && attempt.took.is_not_connected() {
                not_connected.push(attempt.user.clone());
            }
            pending.push(attempt);
            // What waits for nothing is told at once.
            let clear =
                |it: &Attempt| !matches!(it.took, Outcome::Refused(_) | Outcome::SameRefused(_));
            while pending.first().is_some_and(clear) {
                let others = Others { let_in: &let_in, not_connected: &not_connected };
                smtp = self.tell(pending.remove(0), &told, &others).await.or(smtp);
            }
        }
        let others = Others { let_in: &let_in, not_connected: &not_connected };
        for attempt in pending {
            smtp = self.tell(attempt, &told, &others).await.or(smtp);
        }
        smtp
    }

    async fn attempt(
        &mut self,
        place: &Place,
        protocol: Protocol,
        credentials: &mut Credential,
    ) -> Attempt {
        let began = Instant::now();
        let server = self.account.upstream(protocol).unwrap_or(&place.server).clone();
        let (user, with_token) = match &server.authentication {
            Authentication::OAuth => (self.about.mailbox(protocol).to_owned(), true),
            Authentication::Password { user } => (user.clone(), false),
        };
        let took = match place.reached {
            Err(blocked) => Outcome::Blocked(blocked),
            Ok(()) if self.is_late() => Outcome::Late,
            Ok(()) if with_token => self.with_token(protocol, &server, &user, credentials).await,
            Ok(()) => self.with_password(protocol, &server, &user, credentials).await,
        };
        Attempt { protocol, server, user, with_token, began, took }
    }

    async fn with_password(
        &self,
        protocol: Protocol,
        server: &UpstreamConfig,
        user: &str,
        credentials: &mut Credential,
    ) -> Outcome {
        let stored = credentials.passwords.iter().find(|(its, _)| *its == protocol);
        let password = match stored.map(|(_, password)| password) {
            Some(Ok(password)) => password.clone(),
            Some(Err(blocked)) => return Outcome::Blocked(*blocked),
            None => return Outcome::Blocked(self.last()),
        };
        if let Some(other) = credentials.refused_like(user, &password) {
            return Outcome::SameRefused(other);
        }
        let credential = UpstreamCredential::Password(password);
        match self.open(protocol, server, user, credential).await {
            Ok(opened) => Outcome::In(Box::new(opened)),
            Err(failed) => {
                if failed.error.refused_credential().is_some() {
                    credentials.refused.push((protocol, user.to_owned()));
                }
                Outcome::Refused(failed)
            }
        }
    }

    async fn with_token(
        &self,
        protocol: Protocol,
        server: &UpstreamConfig,
        user: &str,
        credentials: &mut Credential,
    ) -> Outcome {
        let token = match &mut credentials.token {
            Some(Ok(token)) => token,
            Some(Err(blocked)) => return Outcome::Blocked(*blocked),
            None => return Outcome::Blocked(self.last()),
        };
        let failed = match self.open_with_token(protocol, server, user, token).await {
            Ok(opened) => return Outcome::In(Box::new(opened)),
            Err(failed) => failed,
        };
        if !failed.is_about_who() {
            return Outcome::Refused(failed);
        }
        for other in identity::others(self.account, protocol) {
            let credential = UpstreamCredential::Bearer(token.secret.clone());
            if let Ok(opened) = self.open(protocol, server, &other.user, credential).await {
                return Outcome::InAs(Box::new(opened), other.user, other.setting);
            }
        }
        Outcome::Refused(failed)
    }

    /// As a login of the gateway's does: a token that is refused is replaced once, if that makes sense.
    async fn open_with_token(
        &self,
        protocol: Protocol,
        server: &UpstreamConfig,
        user: &str,
        token: &mut AccessToken,
    ) -> Result<OpenUpstream, Failed> {
        let bearer = |secret: &Secret| UpstreamCredential::Bearer(secret.clone());
        let failed = match self.open(protocol, server, user, bearer(&token.secret)).await {
            Ok(opened) => return Ok(opened),
            Err(failed) => failed,
        };
        match another_token(&self.cx.tokens, self.account, token, &failed.error).await {
            Some(Ok(fresh)) => {
                *token = fresh;
                self.open(protocol, server, user, bearer(&token.secret)).await
            }
            Some(Err(_)) | None => Err(failed),
        }
    }

    /// Dials and logs in.
    pub(super) async fn open(
        &self,
        protocol: Protocol,
        server: &UpstreamConfig,
        user: &str,
        credential: UpstreamCredential,
    ) -> Result<OpenUpstream, Failed> {
        let _ = self.cx.shown.take();
        let tap = self.cx.listener.as_ref().and_then(|listener| listener(protocol));
        let route = Route { tap, ..self.route(protocol) };
        let deadlines = &self.cx.config.deadlines;
        let socket = match dial(&server.host, server.port, deadlines).await {
            Ok(socket) => socket,
            Err(error) => return Err(Failed::without_words(OpenError::Dial(error))),
        };
        let mut arrived = arrive(&route, self.account, server, socket);
        if let Err(error) = arrived.make_ready().await {
            let shown = self.cx.shown.take().map(|der| Box::new(Certificate::read(&der)));
            let (opening, secured) = (arrived.opening().to_vec(), arrived.leg().is_tls());
            return Err(Failed { error, shown, opening, secured });
        }
        let opening = arrived.opening().to_vec();
        let opened = arrived.log_in(user, credential).await;
        opened.map_err(|error| Failed { error, shown: None, opening, secured: true })
    }

    /// Says what has come of a login, and looks into the mailbox.
    async fn tell(&mut self, attempt: Attempt, told: &Told<'_>, seen: &Others<'_>) -> Smtp {
        let Attempt { protocol, server, user, with_token, began, took } = attempt;
        let protocols = [protocol];
        let what = format!("{user} {server}");
        let tried = Tried { kind: StepKind::Login, protocols: &protocols, what };
        let (opened, user, good) = match took {
            Outcome::In(opened) => {
                let good = Finding::LoginGood { user: user.clone() };
                (opened, user, good)
            }
            Outcome::InAs(opened, other, setting) => {
                let (configured, setting) = (user, setting.to_owned());
                let user = other.clone();
                (opened, other, Finding::SmtpWorksAs { user, configured, setting })
            }
            Outcome::Blocked(blocked) => return self.waiting(tried, protocol, blocked),
            Outcome::SameRefused(other) => {
                return self.waiting(tried, protocol, self.login_at(other));
            }
            Outcome::Late => {
                let blocked = self.in_time(tried).err().unwrap_or_else(|| self.last());
                return self.nothing_open(protocol, blocked);
            }
            Outcome::Refused(failed) => {
                let others = seen.let_in_beside(protocol, &user);
                let evidence = Evidence {
                    about: &self.about,
                    protocol,
                    user: &user,
                    with_token,
                    claims: told.claims,
                    claim_findings: told.findings,
                    let_in: &others,
                };
                let mut finding = failed.diagnose(&server, &evidence);
                if with_token && seen.not_connected.contains(&user) {
                    finding = diagnose::beside_not_connected(finding);
                }
                let _ = self.done(tried, began, vec![finding]);
                // It may be yellow, and yet nothing is open.
                return self.nothing_open(protocol, self.last());
            }
        };
        let dialogue = Dialogue::new(*opened, self.cx.config.deadlines.upstream_answer);
        match protocol {
            Protocol::Imap => {
                let _ = self.done(tried, began, vec![good]);
                self.inbox(dialogue).await;
                None
            }
            Protocol::Pop3 => {
                self.maildrop(tried, began, good, dialogue).await;
                None
            }
            Protocol::Smtp => {
                let _ = self.done(tried, began, vec![good]);
                Some(Ok((dialogue, user)))
            }
        }
    }

    /// The login waits.
    fn waiting(&mut self, tried: Tried<'_>, protocol: Protocol, blocked: Blocked) -> Smtp {
        self.wait(tried, blocked);
        self.nothing_open(protocol, blocked)
    }

    /// What comes after a login waits, too.
    fn nothing_open(&mut self, protocol: Protocol, blocked: Blocked) -> Smtp {
        if protocol == Protocol::Imap {
            let protocols = [Protocol::Imap];
            let what = EXAMINE.to_owned();
            self.wait(Tried { kind: StepKind::Inbox, protocols: &protocols, what }, blocked);
        }
        (protocol == Protocol::Smtp).then_some(Err(blocked))
    }

    /// A server that let us in, and then does not speak as it must.
    pub(super) fn unclear(&self, protocol: Protocol, text: String) -> Finding {
        let server = self.account.upstream(protocol);
        let host = server.map(|server| server.host.clone()).unwrap_or_default();
        let port = server.map(|server| server.port).unwrap_or_default();
        Finding::ServerUnclear { host, port, text }
    }

    async fn inbox(&mut self, mut dialogue: Dialogue) {
        let began = Instant::now();
        let finding = match dialogue.examine().await {
            Ok(messages) => Finding::InboxGood { messages },
            Err(Refused::Said(text)) => Finding::InboxMissing { text },
            Err(Refused::Unclear(text)) => self.unclear(Protocol::Imap, text),
            Err(Refused::Broken(text)) => Finding::ConnectionBroken { text },
        };
        let protocols = [Protocol::Imap];
        let what = EXAMINE.to_owned();
        let tried = Tried { kind: StepKind::Inbox, protocols: &protocols, what };
        let _ = self.done(tried, began, vec![finding]);
        dialogue.leave("CX LOGOUT\r\n").await;
    }

    async fn maildrop(
        &mut self,
        tried: Tried<'_>,
        began: Instant,
        good: Finding,
        mut dialogue: Dialogue,
    ) {
        let finding = match dialogue.stat().await {
            Ok(messages) => Finding::InboxGood { messages },
            Err(Refused::Said(text)) => Finding::InboxMissing { text },
            Err(Refused::Unclear(text)) => self.unclear(Protocol::Pop3, text),
            Err(Refused::Broken(text)) => Finding::ConnectionBroken { text },
        };
        let _ = self.done(tried, began, vec![good, finding]);
        dialogue.leave("QUIT\r\n").await;
    }
}

impl Failed {
    fn without_words(error: OpenError) -> Self {
        Self { error, shown: None, opening: Vec::new(), secured: false }
    }

    fn diagnose(&self, server: &UpstreamConfig, evidence: &Evidence<'_>) -> Finding {
        if self.secured && matches!(self.error, OpenError::Silent) {
            return diagnose::stalls(server, &self.opening);
        }
        diagnose::open(&self.error, server, self.shown.as_deref(), &self.opening, evidence)
    }

    /// Whether another user could be let in with the same token.
    fn is_about_who(&self) -> bool {
        matches!(
            self.error,
            OpenError::Rejected(Rejection::Credential { .. } | Rejection::NotConnected { .. })
        )
    }
}

/// Read-only, so that not even flags change.
const EXAMINE: &str = "EXAMINE INBOX";
