//! Both peers of one conversation, step by step. The hard thing is what the transcript's driver does
//! by itself and a real client must do: it tries again after a refusal.

use std::time::SystemTime;

use saslgate::{config::AccountConfig, gateway::AccountSlot, proto::RefusalReason, secret::Secret};

use super::{
    script::{Login, Outcome, Script},
    wire::Wire,
};
use crate::{
    gateway::tls,
    support::{Running, upstream::Upstream},
    transcript::{
        format::{Act, Leg, Protocol, Step},
        text::{Piece, Tags, octets},
    },
};

pub(super) struct Play<'a> {
    script: &'a Script,
    running: &'a Running,
    upstream: &'a Upstream,
    /// The gateway's certificate.
    pem: &'a str,
    client: Wire,
    server: Option<Wire>,
    tags: Tags,
    /// What the client sent last before its login was decided on.
    last_sent: Vec<u8>,
    /// The words of a refusal, in whose place the gateway has its own.
    words: Option<String>,
    /// How the upstream was rejected, until the client has heard of it.
    rejected: Option<String>,
    in_relay: bool,
    /// The client has seen the end.
    ended: bool,
    counts: Option<String>,
    slots: Vec<AccountSlot>,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        script: &'a Script,
        running: &'a Running,
        upstream: &'a Upstream,
        pem: &'a str,
        client: Wire,
    ) -> Self {
        Self {
            script,
            running,
            upstream,
            pem,
            client,
            server: None,
            tags: Tags::new(),
            last_sent: Vec::new(),
            words: None,
            rejected: None,
            in_relay: false,
            ended: false,
            counts: None,
            slots: Vec::new(),
        }
    }

    pub(super) async fn run(&mut self) -> Result<(), String> {
        for (at, step) in self.script.transcript.steps.iter().enumerate() {
            let done = self.step(at, step).await;
            done.map_err(|what| format!("line {}: {}: {what}", step.line, step.written))?;
        }
        self.finish().await.map_err(|what| format!("at the end: {what}"))
    }

    pub(super) fn into_counts(self) -> Option<String> {
        self.counts
    }

    async fn step(&mut self, at: usize, step: &Step) -> Result<(), String> {
        match &step.act {
            Act::Send(pieces) => {
                let octets = octets(pieces, &self.tags)?;
                if step.leg == Leg::Local {
                    self.prepare(at).await?;
                    self.words = None;
                    self.last_sent.clone_from(&octets);
                }
                self.leg(step.leg)?.send(&octets).await;
            }
            Act::Expect(pattern) => self.expect(step.leg, pattern).await?,
            Act::Effect(_) => self.effect(step).await?,
            Act::Dial { .. } => self.dialled().await?,
            Act::UpstreamGone => {
                // Everything that it said has arrived, since the client has seen it.
                if let Some(mut server) = self.server.take() {
                    server.close().await;
                }
            }
            Act::Refuse(refusal) => {
                self.rejected = None;
                self.words = Some(refusal.text.clone());
            }
            Act::Dismiss(refusal) | Act::Farewell(refusal) => {
                self.words = Some(refusal.text.clone());
                if refusal.reason == RefusalReason::ShuttingDown {
                    self.running.gateway.stop.cancel();
                }
            }
        }
        Ok(())
    }

    /// Before the client sends: arranges for the outcome of each login in that segment.
    async fn prepare(&mut self, at: usize) -> Result<(), String> {
        let steps = &self.script.transcript.steps;
        let sends = |step: &Step| step.leg == Leg::Local && matches!(step.act, Act::Send(_));
        let next = steps.iter().skip(at + 1).position(sends).map_or(steps.len(), |n| at + 1 + n);
        for login in self.script.logins.iter().filter(|login| (at..next).contains(&login.at)) {
            if !login.is_right() {
                continue;
            }
            let account =
                self.running.gateway.in_force().accounts.find(&login.user).ok_or("no account")?;
            let (name, password) = (login.at.to_string(), Secret::new(login.password.as_slice()));
            let set = self.running.gateway.passwords.set(&account, &name, &password).await;
            set.map_err(|error| error.to_string())?;
            self.arrange(&account, login);
        }
        Ok(())
    }

    fn arrange(&mut self, account: &AccountConfig, login: &Login) {
        let gateway = &self.running.gateway;
        let protocol = super::stage::spoken(self.protocol());
        let Some(server) = account.upstream(protocol) else { return };
        match &login.outcome {
            Outcome::Refused(refusal) if refusal.reason == RefusalReason::AccountLimit => {
                self.slots
                    .extend(std::iter::from_fn(|| gateway.take_slot(account, protocol, server)));
            }
            Outcome::Refused(refusal) if refusal.alert => {}
            // Alerts are for once an hour: this hour's has been shown.
            Outcome::Refused(_) | Outcome::Dialled(_) | Outcome::Unwritten => {
                gateway.may_alert(account, SystemTime::now());
            }
        }
    }

    async fn expect(&mut self, leg: Leg, pattern: &[Piece]) -> Result<(), String> {
        let pattern = match &self.words {
            Some(words) if leg == Leg::Local => any_words(pattern, words),
            Some(_) | None => pattern.to_vec(),
        };
        let mut tags = std::mem::take(&mut self.tags);
        let result = self.leg(leg)?.expect(&pattern, &mut tags).await;
        self.tags = tags;
        result
    }

    async fn effect(&mut self, step: &Step) -> Result<(), String> {
        let written = step.written.trim_start_matches('[').trim_end_matches(']');
        let (name, rest) = written.split_once(": ").unwrap_or((written, ""));
        match (step.leg, name) {
            (Leg::Local, "starttls") => self.client_starttls().await,
            // What was decided on is seen in what follows.
            (Leg::Local, "login" | "delivery") => Ok(()),
            (Leg::Local, "close" | "no farewell" | "silence") => {
                self.ended = true;
                self.client.ends().await
            }
            (Leg::Local, "end") => {
                self.ended = true;
                // Whoever broke the protocol is told, since no response is open.
                let line = self.client.line().await?;
                let goodbye = match self.protocol() {
                    Protocol::Imap => "* BYE ",
                    Protocol::Pop3 => "-ERR ",
                    Protocol::Smtp => "421 ",
                };
                if !line.starts_with(goodbye) {
                    return Err(format!("no goodbye: {line:?}"));
                }
                self.client.ends().await?;
                self.leg(Leg::Upstream)?.ends().await
            }
            (Leg::Local, "counts") => {
                let logged = |count: &str| format!(" {}", count.replace(' ', "="));
                let counts = rest.split(", ").filter(|count| {
                    self.protocol() == Protocol::Smtp || !count.starts_with("recipients ")
                });
                self.counts = Some(counts.map(logged).collect());
                Ok(())
            }
            (Leg::Upstream, "starttls") => {
                let clear = self.server.take().ok_or("nothing is dialled")?.into_stream()?;
                let secure = self.upstream.secure(clear).await.map_err(|e| e.to_string())?;
                self.server = Some(Wire::new(secure));
                Ok(())
            }
            (Leg::Upstream, "ok") => {
                self.in_relay = true;
                Ok(())
            }
            (Leg::Upstream, "reject") => {
                self.rejected = Some(rest.to_owned());
                self.server.take().ok_or("nothing is dialled")?.ends().await
            }
            (Leg::Local | Leg::Upstream, _) => Err("nobody knows what this is".into()),
        }
    }

    async fn client_starttls(&mut self) -> Result<(), String> {
        let nothing = Wire::new(tokio::io::empty());
        let clear = std::mem::replace(&mut self.client, nothing).into_stream()?;
        let secure = tls::secure(clear, self.pem, None).await;
        self.client = Wire::new(secure.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// The gateway dials: by itself, or because the client tries again.
    async fn dialled(&mut self) -> Result<(), String> {
        if let Some(rejected) = self.rejected.take()
            && !rejected.starts_with("credential")
        {
            self.hears_of(&rejected).await?;
            let again = self.last_sent.clone();
            self.client.send(&again).await;
        }
        let socket = self.upstream.accept_in_clear().await;
        self.server = Some(if self.script.transcript.setup.starttls {
            Wire::new(socket)
        } else {
            Wire::new(self.upstream.secure(socket).await.map_err(|error| error.to_string())?)
        });
        self.tags.clear();
        Ok(())
    }

    /// The client is refused, by the code that belongs to what the upstream did.
    async fn hears_of(&mut self, rejected: &str) -> Result<(), String> {
        self.hears(match rejected {
            not if not.starts_with("not connected") => RefusalReason::NotAuthorized,
            credential if credential.starts_with("credential") => RefusalReason::UpstreamRefused,
            nothing if nothing.starts_with("no mechanism") => RefusalReason::Configuration,
            _ => RefusalReason::UpstreamUnavailable,
        })
        .await
    }

    /// The client hears a refusal for this reason, by the table of ARCHITECTURE.md.
    async fn hears(&mut self, reason: RefusalReason) -> Result<(), String> {
        use RefusalReason::{Configuration, NotAuthorized, UpstreamRefused, WrongLogin};
        let line = self.client.line().await?;
        let code = match (self.protocol(), reason) {
            (Protocol::Imap, WrongLogin) => " NO [AUTHENTICATIONFAILED] ",
            (Protocol::Imap, NotAuthorized) => " NO [AUTHORIZATIONFAILED] ",
            (Protocol::Imap, UpstreamRefused) => " NO [CONTACTADMIN] ",
            (Protocol::Imap, _) => " NO [UNAVAILABLE] ",
            (Protocol::Pop3, WrongLogin) => "-ERR [AUTH] ",
            (Protocol::Pop3, NotAuthorized | UpstreamRefused | Configuration) => "-ERR [SYS/PERM] ",
            (Protocol::Pop3, _) => "-ERR [SYS/TEMP] ",
            (Protocol::Smtp, WrongLogin) => "535 5.7.8 ",
            (Protocol::Smtp, _) => "454 4.7.0 ",
        };
        if line.contains(code) { Ok(()) } else { Err(format!("no {reason:?}: {line:?}")) }
    }

    fn protocol(&self) -> Protocol {
        self.script.transcript.setup.protocol
    }

    /// What the transcript leaves open comes to its end, and nobody says more than is written.
    async fn finish(&mut self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        if let Some(rejected) = self.rejected.take() {
            self.hears_of(&rejected).await?;
        }
        if let Some(Login { outcome: Outcome::Unwritten, password, .. }) = self.script.logins.last()
        {
            // The token endpoint is down: who hears of that has logged in.
            let wrong = password.is_empty();
            let reason = RefusalReason::TokenUnavailable;
            self.hears(if wrong { RefusalReason::WrongLogin } else { reason }).await?;
        }
        match &mut self.server {
            Some(server) if self.in_relay => {
                self.client.close().await;
                server.ends().await?;
                server.close().await;
            }
            // In the middle of the login there: the client would hear how it ends.
            Some(_) => return Ok(()),
            None => self.client.close().await,
        }
        self.client.ends().await
    }

    fn leg(&mut self, leg: Leg) -> Result<&mut Wire, String> {
        match leg {
            Leg::Local => Ok(&mut self.client),
            Leg::Upstream => self.server.as_mut().ok_or_else(|| "nothing is dialled".into()),
        }
    }
}

/// The pattern with anything in the place of `words`.
fn any_words(pattern: &[Piece], words: &str) -> Vec<Piece> {
    let words = words.as_bytes();
    let mut pieces = Vec::new();
    for piece in pattern {
        let found = match piece {
            Piece::Octets(octets) if !words.is_empty() => {
                octets.windows(words.len()).rposition(|window| window == words).map(|at| {
                    let (before, rest) = octets.split_at(at);
                    [before.to_vec(), rest[words.len()..].to_vec()]
                })
            }
            Piece::Octets(_) | Piece::Any | Piece::Tag(_) | Piece::Set(_) => None,
        };
        match found {
            Some([before, after]) => {
                pieces.extend([Piece::Octets(before), Piece::Any, Piece::Octets(after)]);
            }
            None => pieces.push(piece.clone()),
        }
    }
    pieces
}
