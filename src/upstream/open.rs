//! The upstream leg: dialled, under TLS, authenticated. The hard thing is that it is one road for mail
//! programs and for `saslgate check`, which looks at each stretch of it: so it can be walked at once
//! ([`open()`]), or stretch by stretch ([`arrive`], [`Arrived::secure`], [`Arrived::log_in`]).

use std::{fmt, io, net::IpAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tracing::{debug, warn};

use super::{
    DialError, dial,
    echo::{traces, without_credential},
};
use crate::{
    config::{AccountConfig, Deadlines, Protocol, UpstreamConfig, UpstreamTlsMode},
    leg::Leg,
    proto::{
        Rejection, Side, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions, Welcome,
        imap::upstream::ImapUpstream, pop3::upstream::Pop3Upstream, smtp::upstream::SmtpUpstream,
        verdict::is_about_the_credential,
    },
    tap::Wiretap,
    tls::{self, Connectors, TlsError},
    token::{AccessToken, TokenError, Tokens},
};

/// An upstream that let us in.
pub(crate) struct OpenUpstream {
    pub(crate) leg: Leg<TcpStream>,
    pub(crate) machine: Box<dyn Upstream>,
    pub(crate) welcome: Welcome,
    pub(crate) connect_took: Duration,
    pub(crate) login_took: Duration,
}

/// Why the upstream is not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// No TCP connection.
    Dial(DialError),
    /// The TLS settings cannot be used.
    TlsSettings(TlsError),
    /// The handshake failed.
    Handshake(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// It did not answer in time.
    Silent,
    /// It answered, and will not serve us.
    Rejected(Rejection),
    /// So it said in clear, where anybody on the way can speak for it: its words are for the log alone.
    NoStartTls,
}

impl OpenError {
    /// The server's words, if it refuses the credential itself, so that another one may be let in.
    pub(crate) fn refused_credential(&self) -> Option<&str> {
        if let Self::Rejected(Rejection::Credential { text }) = self {
            Some(text.as_str()).filter(|text| is_about_the_credential(text))
        } else {
            None
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::TlsSettings(error) => write!(f, "no TLS with it: {error}"),
            Self::Handshake(error) => write!(f, "no TLS with it: {}", tls::explain(error)),
            Self::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it closed the connection")
            }
            Self::Broken(error) => write!(f, "the connection broke ({error})"),
            Self::Silent => f.write_str("it does not answer"),
            Self::NoStartTls => f.write_str(
                "it does not begin STARTTLS, or somebody on the way to it does not let it; what was \
                 said stands in the gateway's log",
            ),
            Self::Rejected(rejection) => match rejection {
                Rejection::Busy { text } => write!(f, "it is busy: {text}"),
                Rejection::Protocol { fault } => f.write_str(fault),
                Rejection::StartTls { text } => write!(f, "it does not begin STARTTLS: {text}"),
                Rejection::NoMechanism { offered } => {
                    write!(f, "it does not offer the login that is set for it, but: {offered}")
                }
                Rejection::Credential { text } | Rejection::NotConnected { text } => {
                    f.write_str(text)
                }
            },
        }
    }
}

/// On whose behalf an upstream is opened, and how long each step may take.
#[derive(Clone)]
pub(crate) struct Route<'a> {
    pub(crate) connectors: &'a Connectors,
    pub(crate) deadlines: &'a Deadlines,
    pub(crate) protocol: Protocol,
    /// The connection's number in log lines.
    pub(crate) number: u64,
    pub(crate) tap: Wiretap,
}

/// Dials the upstream and logs in there as `user`.
pub(crate) async fn open(
    route: &Route<'_>,
    account: &AccountConfig,
    config: &UpstreamConfig,
    user: &str,
    credential: UpstreamCredential,
) -> Result<OpenUpstream, OpenError> {
    let began = Instant::now();
    let socket = dial(&config.host, config.port, route.deadlines).await.map_err(OpenError::Dial)?;
    let mut arrived = arrive(route, account, config, socket);
    arrived.begin_tls().await?;
    let connect_took = began.elapsed();
    debug!(connection = route.number, upstream = %config, "connected");
    if let Err(error) = arrived.secure().await {
        let error = without_credential(error, &traces(user, &credential));
        return Err(without_words(error, route, config));
    }
    let opened = arrived.log_in(user, credential).await?;
    Ok(OpenUpstream { connect_took, login_took: began.elapsed() - connect_took, ..opened })
}

/// What to log in with once more after this error, before anybody hears of it: where a token was refused that
/// should be good, a fresh one; an error says why there is none. `None` where another token changes nothing.
pub(crate) async fn another_token(
    tokens: &Tokens,
    account: &AccountConfig,
    refused: &AccessToken,
    error: &OpenError,
) -> Option<Result<AccessToken, TokenError>> {
    error.refused_credential()?;
    Some(tokens.replace_refused(account, refused).await)
}

/// Begins with a socket that is connected to the upstream.
pub(crate) fn arrive<'a>(
    route: &'a Route<'a>,
    account: &AccountConfig,
    config: &'a UpstreamConfig,
    socket: TcpStream,
) -> Arrived<'a> {
    let options = UpstreamOptions {
        starttls: config.mode == UpstreamTlsMode::StartTls,
        mechanism: account.mechanism,
        host: config.host.clone(),
        port: config.port,
        client_name: client_name(&socket),
    };
    let leg = Leg::new(socket, Side::Upstream, route.number, route.tap.clone());
    Arrived { route, config, leg, machine: machine(route.protocol, options), ready: false }
}

/// A connection to the upstream, on which nobody has logged in yet.
pub(crate) struct Arrived<'a> {
    route: &'a Route<'a>,
    config: &'a UpstreamConfig,
    leg: Leg<TcpStream>,
    machine: Box<dyn Upstream>,
    /// Whether the machine waits for the credential.
    ready: bool,
}

impl Arrived<'_> {
    /// TLS, where it comes first.
    pub(crate) async fn begin_tls(&mut self) -> Result<(), OpenError> {
        if self.config.mode == UpstreamTlsMode::Implicit && !self.leg.is_tls() {
            self.connect_tls().await?;
        }
        Ok(())
    }

    /// TLS, where it comes by STARTTLS: up to the end of the handshake.
    pub(crate) async fn secure(&mut self) -> Result<(), OpenError> {
        self.begin_tls().await?;
        while !self.leg.is_tls() {
            self.next().await?;
        }
        Ok(())
    }

    /// All that comes before the credential.
    pub(crate) async fn make_ready(&mut self) -> Result<(), OpenError> {
        self.secure().await?;
        while !self.ready {
            self.next().await?;
        }
        debug!(connection = self.route.number, "the upstream waits for the credential");
        Ok(())
    }

    /// Logs in as `user`.
    pub(crate) async fn log_in(
        mut self,
        user: &str,
        credential: UpstreamCredential,
    ) -> Result<OpenUpstream, OpenError> {
        let began = Instant::now();
        let traces = traces(user, &credential);
        let welcome = self.be_welcomed(user, credential).await.map_err(|error| {
            let error = without_credential(error, &traces);
            debug!(connection = self.route.number, "not let in: {error}");
            error
        })?;
        let Self { leg, machine, .. } = self;
        let login_took = began.elapsed();
        Ok(OpenUpstream { leg, machine, welcome, connect_took: Duration::ZERO, login_took })
    }

    async fn be_welcomed(
        &mut self,
        user: &str,
        credential: UpstreamCredential,
    ) -> Result<Welcome, OpenError> {
        self.make_ready().await?;
        self.machine.authenticate(user, credential);
        loop {
            if let Some(welcome) = self.next().await? {
                return Ok(welcome);
            }
        }
    }

    /// What the upstream began with, a few octets of it.
    pub(crate) fn opening(&self) -> &[u8] {
        self.leg.opening()
    }

    /// The transport.
    pub(crate) fn leg(&mut self) -> &mut Leg<TcpStream> {
        &mut self.leg
    }

    /// One step of the machine's; a welcome is the last.
    async fn next(&mut self) -> Result<Option<Welcome>, OpenError> {
        let number = self.route.number;
        let next = self.leg.next_event(self.machine.as_mut());
        let next = timeout(self.route.deadlines.upstream_answer, next).await;
        match next.map_err(|_| OpenError::Silent)?.map_err(OpenError::Broken)? {
            UpstreamEvent::StartTls => {
                self.connect_tls().await?;
                debug!(connection = number, "STARTTLS with the upstream");
                self.machine.handle_tls_established();
            }
            UpstreamEvent::Ready => self.ready = true,
            UpstreamEvent::Authenticated(welcome) => return Ok(Some(welcome)),
            UpstreamEvent::Reject(rejection) => {
                // What is left to say (a LOGOUT) is a courtesy, not worth waiting for.
                let _ = timeout(COURTESY, self.leg.drain(self.machine.as_mut())).await;
                return Err(OpenError::Rejected(rejection));
            }
        }
        Ok(None)
    }

    async fn connect_tls(&mut self) -> Result<(), OpenError> {
        let Route { connectors, deadlines, .. } = self.route;
        let verification = &self.config.verification;
        let connector = connectors.connector(verification).map_err(OpenError::TlsSettings)?;
        let name = tls::server_name(&self.config.host, verification);
        let name = name.map_err(OpenError::TlsSettings)?;
        let handshake = self.leg.stream_mut().connect_tls(&connector, name);
        match timeout(deadlines.handshake, handshake).await {
            Ok(done) => done.map_err(OpenError::Handshake),
            Err(_) => Err(OpenError::Silent),
        }
    }
}

/// Takes from an error before TLS what the server said, or somebody in its place. A client would show it to
/// its user, and what it was said about would decide whether a person is called.
fn without_words(error: OpenError, route: &Route<'_>, config: &UpstreamConfig) -> OpenError {
    match error {
        // The words are ours.
        OpenError::Rejected(Rejection::Protocol { .. })
        | OpenError::Dial(_)
        | OpenError::TlsSettings(_)
        | OpenError::Handshake(_)
        | OpenError::Broken(_)
        | OpenError::Silent
        | OpenError::NoStartTls => error,
        OpenError::Rejected(_) => {
            warn!(
                connection = route.number,
                upstream = %config,
                "in clear, where anybody can speak for it, the mail server said: {error}",
            );
            OpenError::NoStartTls
        }
    }
}

/// What a client without a name of its own says in EHLO (RFC 5321 section 4.1.3).
fn client_name(socket: &TcpStream) -> String {
    match socket.local_addr().map(|address| address.ip().to_canonical()) {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => "localhost".to_owned(),
    }
}

fn machine(protocol: Protocol, options: UpstreamOptions) -> Box<dyn Upstream> {
    match protocol {
        Protocol::Imap => Box::new(ImapUpstream::new(options)),
        Protocol::Pop3 => Box::new(Pop3Upstream::new(options)),
        Protocol::Smtp => Box::new(SmtpUpstream::new(options)),
    }
}

const COURTESY: Duration = Duration::from_millis(200);
