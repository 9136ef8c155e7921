//! The upstream leg: dialled, under TLS, authenticated. The hard thing is that it is one road for mail
//! programs and for `saslgate check`, which looks at each stretch of it: so it can be walked at once
//! ([`open()`]), or stretch by stretch ([`arrive`], [`Arrived::secure`], [`Arrived::log_in`]).

use std::{fmt, io, net::IpAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tracing::{debug, warn};

use super::{DialError, dial};
use crate::{
    config::{AccountConfig, Deadlines, Protocol, UpstreamConfig, UpstreamTlsMode},
    leg::Leg,
    proto::{
        Rejection, Side, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions, Welcome,
        imap::upstream::ImapUpstream, pop3::upstream::Pop3Upstream, smtp::upstream::SmtpUpstream,
        verdict::is_about_the_credential,
    },
    sasl::base64,
    secret::Secret,
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
    let socket =
        dial(&config.host, config.port, route.deadlines.connect).await.map_err(OpenError::Dial)?;
    let mut arrived = arrive(route, account, config, socket);
    arrived.begin_tls().await?;
    let connect_took = began.elapsed();
    debug!(connection = route.number, upstream = %config, "connected");
    let secured = arrived.secure().await;
    secured.map_err(|error| without_words(error, route, config))?;
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
        self.make_ready().await?;
        let traces = traces(user, &credential);
        self.machine.authenticate(user, credential);
        let welcome = loop {
            match self.next().await {
                Ok(None) => {}
                Ok(Some(welcome)) => break welcome,
                Err(OpenError::Rejected(rejection)) => {
                    let error = OpenError::Rejected(without_credential(rejection, &traces));
                    debug!(connection = self.route.number, "not let in: {error}");
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        };
        let Self { leg, machine, .. } = self;
        let login_took = began.elapsed();
        Ok(OpenUpstream { leg, machine, welcome, connect_took: Duration::ZERO, login_took })
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
        OpenError::Rejected(Rejection::Protocol { .. }) => error,
        OpenError::Rejected(_) => {
            warn!(
                connection = route.number,
                upstream = %config,
                "in clear, where anybody can speak for it, the mail server said: {error}",
            );
            OpenError::NoStartTls
        }
        _ => error,
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

/// A server may repeat what it was sent; its words go into the log and to the client, the token or the
/// password never does.
fn without_credential(rejection: Rejection, traces: &[Secret]) -> Rejection {
    let repeats = |text: &str| {
        let holds = |trace: &[u8]| text.as_bytes().windows(trace.len()).any(|part| part == trace);
        traces.iter().any(|trace| holds(trace.expose()))
    };
    let clean =
        |text: String| if repeats(&text) { "(it repeated the credential)".into() } else { text };
    match rejection {
        Rejection::Busy { text } => Rejection::Busy { text: clean(text) },
        Rejection::StartTls { text } => Rejection::StartTls { text: clean(text) },
        Rejection::Credential { text } => Rejection::Credential { text: clean(text) },
        Rejection::NotConnected { text } => Rejection::NotConnected { text: clean(text) },
        other @ (Rejection::Protocol { .. } | Rejection::NoMechanism { .. }) => other,
    }
}

/// What to recognise a credential by.
fn traces(user: &str, credential: &UpstreamCredential) -> Vec<Secret> {
    let traces = match credential {
        UpstreamCredential::Bearer(token) => front_traces(token.expose()),
        UpstreamCredential::Password(password) => {
            // Short ones are known whole, as they stand in each login's form; of long ones a part of
            // an echo may be cut off.
            let plain = Secret::new([b"\0", user.as_bytes(), b"\0", password.expose()].concat());
            let whole = [password.expose(), plain.expose()].map(encoded);
            let mut traces = front_traces(password.expose());
            traces.extend(whole);
            traces
        }
    };
    traces.into_iter().filter(|trace| !trace.is_empty()).collect()
}

/// What a secret's front looks like as it is, and in base64 behind whatever stands before it in an
/// initial response: the groups of three octets may begin at its first, second or third.
fn front_traces(secret: &[u8]) -> Vec<Secret> {
    let plain = secret.get(..secret.len().min(TELLING_PREFIX)).unwrap_or_default();
    let groups = (0..3).filter_map(|skipped| secret.get(skipped..skipped + TELLING_GROUPS));
    groups.map(encoded).chain([Secret::new(plain)]).collect()
}

fn encoded(octets: &[u8]) -> Secret {
    Secret::new(base64::encode(octets))
}

const COURTESY: Duration = Duration::from_millis(200);
/// Enough of a token to recognise it by.
const TELLING_PREFIX: usize = 12;
/// Whole groups of base64 to recognise it by.
const TELLING_GROUPS: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::{oauthbearer, xoauth2};

    #[test]
    fn a_repeated_token_is_recognised_in_every_form() {
        let token = Secret::new("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
        let repeats = |echo: &[u8]| {
            let traces = traces("tim", &UpstreamCredential::Bearer(token.clone()));
            let holds = |trace: &[u8]| echo.windows(trace.len()).any(|part| part == trace);
            traces.iter().any(|trace| holds(trace.expose()))
        };
        assert!(repeats(token.expose()));
        for user in ["a", "ab", "abc", "tim@example.org"] {
            let response = xoauth2::initial_response(user, &token).unwrap();
            assert!(repeats(&base64::encode(response.expose())), "XOAUTH2 of {user}");
            let response = oauthbearer::initial_response(user, "h", 993, &token).unwrap();
            assert!(repeats(&base64::encode(response.expose())), "OAUTHBEARER of {user}");
        }
        assert!(!repeats(b"AUTHENTICATE failed."));
    }

    #[test]
    fn a_repeated_password_is_recognised() {
        let traces = traces("tim", &UpstreamCredential::Password(Secret::new("hunter2")));
        let clean = |text: &str| {
            without_credential(Rejection::Credential { text: text.to_owned() }, &traces)
        };
        for echo in ["no hunter2", "no aHVudGVyMg==", "no AHRpbQBodW50ZXIy"] {
            let text = "(it repeated the credential)".to_owned();
            assert_eq!(clean(echo), Rejection::Credential { text }, "{echo}");
        }
        // Of a long one a server's words may hold the front only.
        let long = Secret::new("0123456789abcdef".repeat(30));
        let front = format!("no {}", "0123456789abcdef".repeat(10));
        let traces_of_long = super::traces("tim", &UpstreamCredential::Password(long));
        let text = "(it repeated the credential)".to_owned();
        assert_eq!(
            without_credential(Rejection::Credential { text: front }, &traces_of_long),
            Rejection::Credential { text }
        );
        let text = "5.7.8 no such user".to_owned();
        assert_eq!(clean(&text), Rejection::Credential { text });
    }
}
