//! The check itself, step by step. The hard thing is to go on: a step that is not green keeps only those
//! from being tried that cannot be tried without it, and these say which one they wait for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    About, Claims, Finding, Light, Report, Step, StepKind,
    credential::Credential,
    server::{Place, places},
};
use crate::{
    config::{AccountConfig, Config, Protocol},
    proto::text::printable,
    store::Store,
    tap::Wiretap,
    tls::{Connectors, Shown},
    token::Tokens,
};

/// What all checks of one command share.
pub struct CheckContext {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Its file, as people know it.
    pub file: String,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Tokens, of the same store.
    pub tokens: Tokens,
    /// When it was made: a token that has come since is new enough for all its checks.
    pub(super) began: SystemTime,
    /// TLS towards mail servers.
    pub(super) connectors: Connectors,
    /// What a server has shown last.
    pub(super) shown: Shown,
    /// Who listens in on the logins.
    pub listener: Option<Listener>,
}

/// Says who listens in on one more login of this protocol.
pub type Listener = Arc<dyn Fn(Protocol) -> Wiretap + Send + Sync>;

impl CheckContext {
    /// For a check beside whatever gateway runs on the store.
    pub fn new(config: Arc<Config>, file: String, store: Arc<dyn Store>) -> Self {
        let tokens = Tokens::beside(Arc::clone(&store), config.deadlines.token);
        Self::with_tokens(config, file, store, tokens)
    }

    /// With tokens of the caller's.
    pub fn with_tokens(
        config: Arc<Config>,
        file: String,
        store: Arc<dyn Store>,
        tokens: Tokens,
    ) -> Self {
        let shown = Shown::default();
        let connectors = Connectors::watched(shown.clone());
        let began = SystemTime::now();
        Self { config, file, store, tokens, began, connectors, shown, listener: None }
    }
}

/// What is wanted of a check.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the local passwords and the daemon are looked at.
    pub local_side: bool,
    /// Whether there is a step for the test mail at all.
    pub mail: bool,
    /// Where the test mail goes; `None`: none is sent.
    pub send_to: Option<String>,
    /// How long its arrival is waited for; `None`: not at all.
    pub wait: Option<Duration>,
    /// Whether the provider is asked for a new access token although the old one is good, and a person's
    /// refresh token is spent on it. Where there is none, the provider is asked anyway.
    pub fresh_token: bool,
    /// After this time no step is begun any more but for the test mail's arrival, which has its own
    /// ([`Options::wait`]). Each has its deadline, so that a check ends soon after.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            local_side: true,
            mail: true,
            send_to: None,
            wait: None,
            fresh_token: false,
            limit: LIMIT,
        }
    }
}

/// Hears of each step as soon as it is done.
pub type OnStep<'a> = &'a mut (dyn FnMut(&Step) + Send);

/// Checks one account. Each step takes as long as the configured deadlines let it, and all together not
/// much longer than [`Options::limit`].
pub async fn run(
    cx: &CheckContext,
    account: &AccountConfig,
    options: &Options,
    on_step: OnStep<'_>,
) -> Report {
    let account = &with_servers_in_use(account, &cx.config);
    let about = About::new(account);
    let began = Instant::now();
    let mut check =
        Check { cx, account, options, about, began, late: None, steps: Vec::new(), on_step };
    check.configuration();
    if options.local_side {
        check.local_side().await;
    }
    let places = check.servers(places(account)).await;
    let credentials = check.credentials().await;
    let token = credentials.claims();
    let claims = check.claims(token.as_ref(), &credentials);
    let smtp = check.logins(&places, credentials, claims).await;
    if options.mail {
        check.mail(smtp).await;
    }
    let Check { steps, .. } = check;
    Report { login: account.name().into_owned(), steps }
}

/// The account without servers that no mail program can reach through here: what is wrong with them is
/// nobody's trouble. An account of which none can be reached keeps them all.
fn with_servers_in_use(account: &AccountConfig, config: &Config) -> AccountConfig {
    let mut reduced = account.clone();
    let reachable = |protocol| account.upstream(protocol).is_some() && config.listens_for(protocol);
    if Protocol::ALL.into_iter().any(reachable) {
        let servers = [
            (&mut reduced.imap, Protocol::Imap),
            (&mut reduced.pop3, Protocol::Pop3),
            (&mut reduced.smtp, Protocol::Smtp),
        ];
        for (server, protocol) in servers {
            server.take_if(|_| !reachable(protocol));
        }
    }
    reduced
}

/// The number of the step that must be mended first.
pub(super) type Blocked = usize;

/// A check under way.
pub(super) struct Check<'a> {
    pub(super) cx: &'a CheckContext,
    pub(super) account: &'a AccountConfig,
    pub(super) options: &'a Options,
    pub(super) about: About,
    began: Instant,
    /// The step that came too late.
    late: Option<Blocked>,
    steps: Vec<Step>,
    on_step: OnStep<'a>,
}

/// What a step is about.
pub(super) struct Tried<'p> {
    pub(super) kind: StepKind,
    pub(super) protocols: &'p [Protocol],
    pub(super) what: String,
}

impl Check<'_> {
    /// Notes a step that was tried; one that is red blocks others.
    pub(super) fn done(
        &mut self,
        tried: Tried<'_>,
        began: Instant,
        findings: Vec<Finding>,
    ) -> Result<(), Blocked> {
        let number = self.add(tried, findings, None, began.elapsed());
        match self.steps.last().and_then(Step::light) {
            Some(Light::Red) => Err(number),
            Some(Light::Green | Light::Yellow) | None => Ok(()),
        }
    }

    /// Notes a step that waits for another.
    pub(super) fn wait(&mut self, tried: Tried<'_>, blocked: Blocked) {
        self.add(tried, Vec::new(), Some(blocked), Duration::ZERO);
    }

    /// Whether no step may begin any more.
    pub(super) fn is_late(&self) -> bool {
        self.began.elapsed() >= self.options.limit
    }

    /// Lets a step begin, if there is time left. The first that comes too late says so, and the others wait
    /// for it.
    pub(super) fn in_time<'p>(&mut self, tried: Tried<'p>) -> Result<Tried<'p>, Blocked> {
        if !self.is_late() {
            return Ok(tried);
        }
        if let Some(late) = self.late {
            self.wait(tried, late);
            return Err(late);
        }
        let finding = Finding::TimeUp { seconds: self.options.limit.as_secs() };
        let late = self.add(tried, vec![finding], None, Duration::ZERO);
        self.late = Some(late);
        Err(late)
    }

    /// The number of the last step.
    pub(super) fn last(&self) -> usize {
        self.steps.len()
    }

    /// The number of a login that was told already.
    pub(super) fn login_at(&self, protocol: Protocol) -> Blocked {
        let is_it = |step: &&Step| step.kind == StepKind::Login && step.protocols == [protocol];
        self.steps.iter().find(is_it).map_or_else(|| self.last(), |step| step.number)
    }

    fn add(
        &mut self,
        tried: Tried<'_>,
        findings: Vec<Finding>,
        waits_for: Option<usize>,
        took: Duration,
    ) -> usize {
        let Tried { kind, protocols, what } = tried;
        let number = self.steps.len() + 1;
        let protocols = protocols.to_vec();
        let tried = printable(what.as_bytes(), LONGEST_TRIED);
        let step = Step { number, kind, protocols, tried, findings, waits_for, took };
        (self.on_step)(&step);
        self.steps.push(step);
        number
    }

    fn configuration(&mut self) {
        let good = Finding::ConfigurationGood {
            provider: self.about.provider.to_owned(),
            grant: self.about.grant.map(str::to_owned),
        };
        let what = self.cx.file.clone();
        let tried = Tried { kind: StepKind::Configuration, protocols: &[], what };
        let _ = self.done(tried, Instant::now(), vec![good]);
    }

    /// What the token says. Servers decide for themselves, so nothing waits for it.
    fn claims(&mut self, claims: Option<&Claims>, credentials: &Credential) -> Vec<Finding> {
        let protocols = self.with_tokens();
        let what = match claims.map(|claims| claims.audiences.join(" ")) {
            Some(audience) if !audience.is_empty() => audience,
            Some(_) | None => String::new(),
        };
        let tried = Tried { kind: StepKind::Claims, protocols: &protocols, what };
        match &credentials.token {
            None => Vec::new(),
            Some(Err(blocked)) => {
                self.wait(tried, *blocked);
                Vec::new()
            }
            Some(Ok(_)) => {
                let findings = match claims {
                    Some(claims) => claims.judge(&self.about, &protocols),
                    None => vec![Finding::ClaimsOpaque],
                };
                let _ = self.done(tried, Instant::now(), findings.clone());
                findings
            }
        }
    }
}

/// Longer than a check takes where a server or two are silent at each step.
const LIMIT: Duration = Duration::from_secs(180);

const LONGEST_TRIED: usize = 1000;

/// The place of a protocol's server.
pub(super) fn place_of(places: &[Place], protocol: Protocol) -> Option<&Place> {
    places.iter().find(|place| place.protocols.contains(&protocol))
}
