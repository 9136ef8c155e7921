//! A gateway for one transcript, its two peers, and what each of them is given.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use saslgate::{
    config::{
        self, AccountConfig, Authentication, ClientAuthentication, Config, ListenTls,
        UpstreamTlsMode,
    },
    proto::{LocalTls, RefusalReason},
    secret::Secret,
    token::ForcedRefresh,
};
use tokio::net::TcpStream;

use super::{
    play::Play,
    script::Script,
    secrets::{self, CLIENT_SECRET},
    wire::Wire,
};
use crate::{
    gateway::tls,
    support::{Running, account, config, endpoint::Endpoint, upstream::Upstream},
    transcript::format::{Protocol, Transcript},
};

/// A conversation that went as written.
pub(super) struct Played {
    pub(super) transcript: Transcript,
    /// The client's address, by which the log knows it.
    pub(super) client: SocketAddr,
    /// As `[counts: …]` says, in the log's words.
    pub(super) counts: Option<String>,
}

/// The protocol in the configuration's words.
pub(super) fn spoken(protocol: Protocol) -> config::Protocol {
    match protocol {
        Protocol::Imap => config::Protocol::Imap,
        Protocol::Pop3 => config::Protocol::Pop3,
        Protocol::Smtp => config::Protocol::Smtp,
    }
}

/// Plays a transcript.
pub(super) async fn perform(protocol: Protocol, source: &str) -> Result<Played, String> {
    let upstream = Upstream::start().await;
    let source = secrets::with_host(source, upstream.port);
    let script = Script::new(Transcript::parse(protocol, &source)?)?;
    let answers = script.answers();
    let answers: Vec<_> = answers.iter().map(|(code, body)| (*code, body.as_str())).collect();
    let endpoint = Endpoint::start(&answers).await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, pem) = tls::certificate(folder.path());

    let mut config = settings(&script, &upstream, &endpoint.url);
    config.listeners[0].tls = match script.transcript.setup.local_tls {
        LocalTls::Unavailable => ListenTls::None,
        LocalTls::Offer { login_in_clear } => ListenTls::StartTls { certificate, login_in_clear },
        LocalTls::Established => ListenTls::Implicit { certificate },
    };
    // A token may only be young and replaced where the transcript wants that.
    let youngest = ForcedRefresh { youngest: Duration::ZERO, ..ForcedRefresh::default() };
    let forced = if script.replaces_its_token() { youngest } else { ForcedRefresh::default() };
    let running = Running::without_passwords(config, forced).await;
    if let Some(password) = script.password() {
        for account in &running.gateway.config().accounts {
            let protocol = spoken(protocol).name();
            let password = Secret::new(password.as_slice());
            running
                .store
                .write_upstream_password(&account.key(), protocol, "127.0.0.1", &password)
                .await
                .unwrap();
        }
    }

    let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
    let client = socket.local_addr().unwrap();
    let wire = match script.transcript.setup.local_tls {
        LocalTls::Established => Wire::new(tls::secure(socket, &pem, None).await.unwrap()),
        LocalTls::Unavailable | LocalTls::Offer { .. } => Wire::new(socket),
    };
    let mut play = Play::new(&script, &running, &upstream, &pem, wire);
    play.run().await?;
    let counts = play.into_counts();
    running.stop().await;
    Ok(Played { transcript: script.transcript, client, counts })
}

fn settings(script: &Script, upstream: &Upstream, token_url: &str) -> Config {
    let mut config = config(upstream, token_url);
    config.listeners[0].protocol = spoken(script.transcript.setup.protocol);
    config.listeners[0].obsolete_auth_line = script.transcript.setup.obsolete_auth_line;
    config.accounts = accounts(script, upstream, token_url);
    config.limits.before_login = script.transcript.setup.bounds;
    config.limits.login_failures_per_connection = script.wrong_logins();
    if script.dismisses(RefusalReason::ConnectionLimit) {
        config.limits.connections_per_listener = 0;
    }
    if script.dismisses(RefusalReason::Timeout) {
        config.deadlines.login = Duration::from_secs(5);
    }
    config
}

/// An account for each name that logs in, but for those that must be unknown.
fn accounts(script: &Script, upstream: &Upstream, token_url: &str) -> Vec<Arc<AccountConfig>> {
    let setup = &script.transcript.setup;
    let mut accounts: Vec<Arc<AccountConfig>> = Vec::new();
    // What is promised before a login comes from the accounts.
    let somebody = script.logins.is_empty().then(|| b"alice".to_vec());
    for user in script.logins.iter().map(|login| &login.user).chain(&somebody) {
        let name = String::from_utf8(user.clone()).unwrap();
        let known = accounts.iter().any(|account| account.login == name);
        if known || name.is_empty() || name == "nobody" {
            continue;
        }
        let mut account = account(&name, upstream, token_url);
        account.mailbox = script.mailbox().unwrap_or(name);
        account.oauth.as_mut().unwrap().client_authentication =
            ClientAuthentication::Secret(Secret::new(CLIENT_SECRET));
        account.mechanism = setup.mechanism;
        account.hide_capabilities.clone_from(&setup.hide);
        let mut server = account.imap.take().unwrap();
        if setup.starttls {
            server.mode = UpstreamTlsMode::StartTls;
        }
        if script.password().is_some() {
            server.authentication = Authentication::Password { user: account.mailbox.clone() };
        }
        server.presumed_extensions = setup.promise.keywords();
        *match setup.protocol {
            Protocol::Imap => &mut account.imap,
            Protocol::Pop3 => &mut account.pop3,
            Protocol::Smtp => &mut account.smtp,
        } = Some(server);
        accounts.push(Arc::new(account));
    }
    accounts
}
