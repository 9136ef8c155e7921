//! `saslgate check` against servers in this process: what is green, what is not, and what goes on.

mod green;
mod identities;
#[cfg(unix)]
mod local;
mod red;
mod scripted;
mod servers;

use std::{path::PathBuf, sync::Arc, time::Duration};

use saslgate::{
    check::{self, CheckContext, Finding, Options, Report, Step, StepKind},
    config::{
        AccountConfig, Authentication, ClientAuthentication, Config, Deadlines, Grant, Hooks,
        Identity, Limits, OAuthConfig, Protocol, ServiceConfig, SigninRefusal, UpstreamConfig,
        UpstreamTlsMode, Verification,
    },
    demo::Provider,
    store::{Store, memory::MemoryStore},
};

use crate::support::in_time;

/// An account at the demo's provider.
pub struct Scene {
    pub provider: Provider,
    pub account: AccountConfig,
    pub store: Arc<dyn Store>,
    pub options: Options,
    /// For each answer of a mail server.
    pub deadline: Duration,
    /// Where a daemon would be.
    pub folder: tempfile::TempDir,
}

impl Scene {
    pub async fn start() -> Self {
        let provider = Provider::start("demo@example.test").await.unwrap();
        let server = |port| UpstreamConfig {
            host: "127.0.0.1".into(),
            port,
            mode: UpstreamTlsMode::Implicit,
            verification: Verification::Pin { sha256: provider.certificate_sha256 },
            authentication: Authentication::OAuth,
            connection_limit: 10,
            presumed_extensions: Vec::new(),
        };
        let secret = provider.client_secret.clone();
        let account = AccountConfig {
            login: "demo@example.test".into(),
            mailbox: "demo@example.test".into(),
            oauth: Some(OAuthConfig {
                client_authentication: ClientAuthentication::Secret(secret),
                ..OAuthConfig::new(
                    provider.token_url.clone(),
                    provider.client_id.clone(),
                    Grant::ClientCredentials,
                )
            }),
            external_token: None,
            mechanism: None,
            imap: Some(server(provider.imap.port())),
            pop3: Some(server(provider.pop3.port())),
            smtp: Some(server(provider.smtp.port())),
            hide_capabilities: Vec::new(),
            identity: Identity::default(),
            provider: "custom",
        };
        let store = Arc::new(MemoryStore::new());
        let options = Options { local_side: false, ..Options::default() };
        let folder = tempfile::tempdir().unwrap();
        Self { provider, account, store, options, deadline: Duration::from_secs(20), folder }
    }

    pub async fn check(&self) -> Report {
        let state_folder = self.folder.path().to_owned();
        let config = Config { state_folder, ..config(&self.account, self.deadline) };
        let store = Arc::clone(&self.store);
        let cx = CheckContext::new(Arc::new(config), "saslgate.toml".into(), store);
        let mut told = Vec::new();
        let mut on_step = |step: &Step| told.push(step.number);
        let report = in_time(check::run(&cx, &self.account, &self.options, &mut on_step)).await;
        let numbers: Vec<usize> = report.steps.iter().map(|step| step.number).collect();
        assert_eq!(told, numbers, "each is told once, in order");
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
        report
    }
}

fn config(account: &AccountConfig, deadline: Duration) -> Config {
    Config {
        listeners: Vec::new(),
        accounts: vec![Arc::new(account.clone())],
        limits: Limits::default(),
        deadlines: Deadlines {
            connect: Duration::from_secs(20),
            upstream_answer: deadline,
            ..Deadlines::default()
        },
        state_folder: PathBuf::new(),
        signin_refusal: SigninRefusal::Temporary,
        service: ServiceConfig::default(),
        hooks: Hooks::default(),
    }
}

/// Each step in short: kind, protocols, and what was found or what it waits for.
pub fn outline(report: &Report) -> Vec<String> {
    report.steps.iter().map(short).collect()
}

fn short(step: &Step) -> String {
    let kind: &str = step.kind.into();
    let protocols: Vec<&str> = step.protocols.iter().map(|it| it.name()).collect();
    let findings: Vec<&str> = step.findings.iter().map(Finding::id).collect();
    let found = match step.waits_for {
        Some(number) => format!("waits for {number}"),
        None => findings.join(" "),
    };
    format!("{kind} {}: {found}", protocols.join("+"))
}

/// What a step of this kind and protocol has found first.
pub fn found(report: &Report, kind: StepKind, protocol: Protocol) -> Option<&Finding> {
    let mut steps = report.steps.iter();
    steps
        .find(|step| step.kind == kind && step.protocols.contains(&protocol))
        .and_then(|step| step.findings.first())
}
