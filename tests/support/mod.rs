//! The two peers of a gateway under test, and the gateway itself. The peers know no protocol: a test
//! says what they expect and what they answer. A panic in one fails the test, since all are joined.

pub mod endpoint;
pub mod upstream;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use saslgate::{
    config::{
        AccountConfig, Authentication, ClientAuthentication, Config, Deadlines, Grant, Hooks,
        Limits, ListenConfig, ListenTls, OAuthConfig, Protocol, ServiceConfig, SigninRefusal,
        UpstreamConfig, UpstreamTlsMode, Verification,
    },
    gateway::Gateway,
    listener,
    proto::BearerMechanism,
    secret::Secret,
    store::{Store, memory::MemoryStore},
    token::{ForcedRefresh, Tokens, wall_clock},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The local password of every account of [`config`].
pub const PASSWORD: &str = "local secret";

/// A running gateway; its port is closed when it goes.
pub struct Running {
    pub gateway: Arc<Gateway>,
    pub addresses: Vec<SocketAddr>,
    pub store: Arc<dyn Store>,
}

impl Running {
    /// Starts a gateway with a store in memory, where each account has [`PASSWORD`].
    pub async fn start(config: Config) -> Self {
        Self::start_with(config, ForcedRefresh::default()).await
    }

    /// One that asks for another token however young the refused one is.
    pub async fn eager(config: Config) -> Self {
        let forced = ForcedRefresh { youngest: Duration::ZERO, ..ForcedRefresh::default() };
        Self::start_with(config, forced).await
    }

    pub async fn start_with(config: Config, forced: ForcedRefresh) -> Self {
        let running = Self::without_passwords(config, forced).await;
        for account in &running.gateway.config().accounts {
            running.gateway.passwords.set(account, "test", &Secret::new(PASSWORD)).await.unwrap();
        }
        running
    }

    /// One that lets nobody in until its accounts are given passwords.
    pub async fn without_passwords(config: Config, forced: ForcedRefresh) -> Self {
        Self::open(config, forced, Vec::new()).await
    }

    /// One that finds some of its ports open already.
    pub async fn with_sockets(config: Config, sockets: Vec<std::net::TcpListener>) -> Self {
        Self::open(config, ForcedRefresh::default(), sockets).await
    }

    async fn open(
        config: Config,
        forced: ForcedRefresh,
        sockets: Vec<std::net::TcpListener>,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let deadline = config.deadlines.token;
        let tokens = Tokens::with(Arc::clone(&store), deadline, wall_clock(), forced);
        let gateway = Gateway::new(Arc::new(config), Arc::clone(&store), tokens, None).unwrap();
        let listeners = listener::bind(&gateway, sockets).await.unwrap();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        for listener in listeners {
            gateway.tasks.spawn(listener.serve(Arc::clone(&gateway)));
        }
        gateway.tasks.spawn(Arc::clone(&gateway).keep_house());
        gateway.tasks.spawn(Arc::clone(&gateway).keep_last_uses());
        Self { gateway, addresses, store }
    }

    pub async fn connect(&self) -> Peer<TcpStream> {
        Peer::new(TcpStream::connect(self.addresses[0]).await.unwrap())
    }

    /// A client that has read the greeting.
    pub async fn greeted(&self) -> Peer<TcpStream> {
        let mut client = self.connect().await;
        client.expect("* OK [CAPABILITY IMAP4rev1 ").await;
        client
    }

    /// A client that has logged in as `login`.
    pub async fn logged_in(&self, login: &str) -> Peer<TcpStream> {
        let mut client = self.greeted().await;
        client.send(&format!("a LOGIN {login} \"{PASSWORD}\"\r\n")).await;
        client.expect("a OK [CAPABILITY IMAP4rev1 IDLE] ").await;
        client
    }

    pub async fn stop(self) {
        self.gateway.stop.cancel();
        self.gateway.tasks.close();
        in_time(self.gateway.tasks.wait()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gateway.stop.cancel();
    }
}

/// One side of a conversation.
pub struct Peer<S> {
    pub stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        in_time(self.stream.write_all(bytes)).await.unwrap();
        in_time(self.stream.flush()).await.unwrap();
    }

    /// Reads a line and asserts how it begins; returns it without its CRLF.
    pub async fn expect(&mut self, beginning: &str) -> String {
        let line = self.line().await;
        assert!(line.starts_with(beginning), "expected {beginning:?}…, got {line:?}");
        line
    }

    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        in_time(self.stream.read_until(b'\n', &mut line)).await.unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(line.ends_with("\r\n"), "the line has no end: {line:?}");
        line.trim_end_matches("\r\n").to_owned()
    }

    pub async fn read(&mut self, octets: usize) -> Vec<u8> {
        let mut bytes = vec![0; octets];
        in_time(self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Everything until the peer closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        in_time(self.stream.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }

    pub async fn close(&mut self) {
        in_time(self.stream.shutdown()).await.unwrap();
    }
}

/// A bound on waiting, so that a fault is a failed test and not a hanging one.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this takes too long")
}

/// A configuration with one listener in clear and the account `alice@example.org`.
pub fn config(upstream: &upstream::Upstream, token_url: &str) -> Config {
    Config {
        listeners: vec![ListenConfig {
            protocol: Protocol::Imap,
            address: "127.0.0.1:0".parse().unwrap(),
            tls: ListenTls::None,
            obsolete_auth_line: false,
        }],
        accounts: vec![Arc::new(account("alice@example.org", upstream, token_url))],
        limits: Limits::default(),
        deadlines: Deadlines {
            failed_login_delay: Duration::from_millis(1),
            linger: Duration::from_secs(10),
            connection_turn: Duration::from_millis(100),
            ..Deadlines::default()
        },
        state_folder: PathBuf::new(),
        signin_refusal: SigninRefusal::Temporary,
        service: ServiceConfig::default(),
        hooks: Hooks::default(),
    }
}

pub fn account(login: &str, upstream: &upstream::Upstream, token_url: &str) -> AccountConfig {
    AccountConfig {
        login: login.into(),
        mailbox: login.into(),
        oauth: Some(OAuthConfig {
            client_authentication: ClientAuthentication::Secret(Secret::new("the client secret")),
            scopes: vec!["mail".into()],
            ..OAuthConfig::new(token_url.parse().unwrap(), "the-client", Grant::ClientCredentials)
        }),
        external_token: None,
        mechanism: Some(BearerMechanism::XOAuth2),
        imap: Some(UpstreamConfig {
            host: "127.0.0.1".into(),
            port: upstream.port,
            mode: UpstreamTlsMode::Implicit,
            verification: Verification::Pin { sha256: upstream.pin },
            authentication: Authentication::OAuth,
            connection_limit: 50,
            presumed_extensions: Vec::new(),
        }),
        pop3: None,
        smtp: None,
        hide_capabilities: Vec::new(),
        provider: "custom",
    }
}
