//! One connection, from accept to end: THE file to read.
//!
//! Local login → account → token → upstream → verdict → relay. The hard thing is the verdict: until
//! it is given the client hears nothing of what happens upstream, and whatever fails there comes out
//! as one refusal that does not look like a wrong password.

mod delivery;
mod foreign;
mod login;
mod refuse;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use crate::{
    config::{Deadlines, Limits, Protocol},
    gateway::Gateway,
    leg::Leg,
    listener::Place,
    proto::{
        Credentials, Downstream, DownstreamEvent, LocalTls, Refusal, RefusalReason, Relay, Side,
        imap::{capability::CapabilityFilter, downstream::ImapDownstream, relay::ImapRelay},
        pop3::{downstream::Pop3Downstream, relay::Pop3Relay},
        smtp::{
            downstream::{SmtpDownstream, SmtpOptions},
            extension::Extensions,
            relay::SmtpRelay,
        },
    },
    relay::{self, Early},
    tls,
};
use login::{Cause, NotOpened, Opened};

/// A client that has just been accepted.
pub struct Client {
    /// The connection's number in log lines.
    pub number: u64,
    /// Where it comes from.
    pub address: SocketAddr,
    /// What was in force when it was accepted; a login goes by what is in force in its own moment. A
    /// copy, so that a long session keeps no old configuration alive.
    pub limits: Limits,
    /// See `limits`.
    pub deadlines: Deadlines,
    /// What is spoken on its port.
    pub protocol: Protocol,
    /// What its port shows as a TLS server, where it is one.
    pub acceptor: Option<TlsAcceptor>,
    /// TLS comes before the greeting.
    pub implicit_tls: bool,
    /// Whether a login is accepted without TLS.
    pub login_in_clear: bool,
    /// See [`crate::config::ListenConfig`].
    pub obsolete_auth_line: bool,
    /// `false`: it must be sent away, in the protocol's words.
    pub admitted: bool,
    /// Its place at the port.
    pub place: Place,
}

/// Serves a client until it goes. Nothing that happens here is felt by another connection.
pub async fn run<S>(gateway: &Arc<Gateway>, socket: S, client: Client)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let tap = gateway.tap.as_ref().map(|tap| (client.number, Arc::clone(tap)));
    let leg = Leg::new(socket, Side::Downstream, client.number, tap);
    debug!(connection = client.number, client = %client.address, "accepted");
    let mut connection = Connection { gateway, client, leg };
    if let Err(error) = connection.serve().await {
        let (number, address) = (connection.client.number, connection.client.address);
        debug!(connection = number, client = %address, "ended before a login: {error}");
    }
}

/// A connection before the relay.
struct Connection<'a, S> {
    gateway: &'a Arc<Gateway>,
    client: Client,
    leg: Leg<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<'_, S> {
    async fn serve(&mut self) -> io::Result<()> {
        if self.client.implicit_tls {
            self.accept_tls().await?;
        }
        let mut machine = self.downstream_machine();
        if !self.client.admitted {
            let text = "too many connections, please try again later";
            return self.dismiss(machine, RefusalReason::ConnectionLimit, text).await;
        }
        match self.log_in(machine.as_mut()).await? {
            LoginEnd::Opened(opened) => self.relay(machine, opened).await,
            LoginEnd::Said => {
                foreign::tell(&self.client, self.leg.opening());
                self.close().await
            }
            LoginEnd::Dismiss(reason, text) => self.dismiss(machine, reason, text).await,
        }
    }

    /// Speaks with the client until a login has opened the upstream, or all is said.
    async fn log_in(&mut self, machine: &mut dyn Downstream) -> io::Result<LoginEnd> {
        let mut failures = 0;
        loop {
            let next = timeout(self.client.deadlines.login, self.leg.next_event(machine));
            let event = match self.client.place.evicted().run_until_cancelled(next).await {
                Some(Ok(event)) => event?,
                Some(Err(_)) => {
                    let text = "you have been waiting too long without a login";
                    return Ok(LoginEnd::Dismiss(RefusalReason::Timeout, text));
                }
                None => return Ok(self.evicted()),
            };
            let credentials = match event {
                DownstreamEvent::Close => return Ok(LoginEnd::Said),
                DownstreamEvent::StartTls => {
                    self.accept_tls().await?;
                    machine.handle_tls_established();
                    continue;
                }
                DownstreamEvent::Login(credentials) => credentials,
            };
            debug!(connection = self.client.number, method = ?credentials.method, "a login");
            let Some(opened) = self.open(credentials).await? else {
                return Ok(self.evicted());
            };
            match opened {
                Ok(opened) => return Ok(LoginEnd::Opened(Box::new(opened))),
                Err(NotOpened { refusal, cause }) => {
                    match cause {
                        Cause::WrongLogin { times } => {
                            failures += 1;
                            self.make_wait(failures.max(times)).await;
                        }
                        Cause::Unchecked => self.make_wait(failures.max(1)).await,
                        Cause::Beyond => {}
                    }
                    let most = self.client.limits.login_failures_per_connection;
                    if failures as usize >= most {
                        // Not concluded: a login behind it would be answered and never checked.
                        let text = "too many wrong logins on this connection";
                        return Ok(LoginEnd::Dismiss(RefusalReason::TooManyFailures, text));
                    }
                    machine.conclude(Err(refusal));
                }
            }
        }
    }

    /// Decides on a login while somebody waits for it; `None` when the connection must go.
    async fn open(
        &mut self,
        credentials: Credentials,
    ) -> io::Result<Option<Result<Opened, NotOpened>>> {
        let Self { gateway, client, leg } = self;
        let watched = async {
            tokio::select! {
                opened = login::open(gateway, client, credentials) => Ok(opened),
                error = leg.peer_gone() => Err(error),
            }
        };
        client.place.evicted().run_until_cancelled(watched).await.transpose()
    }

    /// Gives the verdict and passes both directions on until one side ends.
    async fn relay(
        &mut self,
        mut machine: Box<dyn Downstream>,
        opened: Box<Opened>,
    ) -> io::Result<()> {
        let gateway = self.gateway;
        let Opened { config, account, password, slot, upstream } = *opened;
        let mut leg = upstream.leg;
        let filter = CapabilityFilter::new(&account.hide_capabilities);
        let mut welcome = upstream.welcome;
        let relay: Box<dyn Relay> = match self.client.protocol {
            Protocol::Pop3 => {
                let relay = Pop3Relay::new(&account.hide_capabilities);
                Box::new(relay.pace(&welcome.capabilities))
            }
            Protocol::Smtp => {
                let extensions = Extensions::from_keywords(&welcome.capabilities);
                Box::new(SmtpRelay::new(extensions, &account.hide_capabilities))
            }
            Protocol::Imap => {
                let relay = ImapRelay::new(filter.clone()).bound_literals(&welcome.capabilities);
                welcome.capabilities = filter.apply(welcome.capabilities);
                Box::new(relay)
            }
        };
        let session = gateway.register(self.client.number, &account, &password);
        machine.conclude(Ok(welcome));
        self.say(machine.as_mut()).await?;

        debug!(connection = self.client.number, "the client is let in, the relay begins");
        let began = Instant::now();
        let mut from_downstream = machine.into_residue();
        from_downstream.unsplit(self.leg.take_read_ahead());
        let early = Early { from_downstream, from_upstream: upstream.machine.into_residue() };
        let options = relay::Options {
            linger: config.deadlines.linger,
            idle: config.deadlines.idle(self.client.protocol),
            // The rest is for saying goodbye.
            verdict: config.deadlines.shutdown / 2,
            stop: session.end().clone(),
            farewell: Refusal::new(RefusalReason::ShuttingDown, "the gateway ends this session"),
            tap: gateway.tap.as_ref().map(|tap| (self.client.number, Arc::clone(tap))),
            on_delivery: self.client.delivery_log(&account),
        };
        drop(config);
        let downstream = self.leg.take_stream();
        let upstream_stream = leg.take_stream();
        let ended = Box::pin(relay::run(downstream, upstream_stream, relay, early, options)).await;
        drop((session, slot));
        let protocol = self.client.protocol;
        info!(
            connection = self.client.number,
            account = %account.login,
            protocol = %self.client.protocol,
            client = %self.client.address,
            seconds = began.elapsed().as_secs(),
            to_client = ended.to_client,
            from_client = ended.from_client,
            commands = ended.counts.commands,
            guarded = ended.counts.guarded,
            messages = (protocol != Protocol::Imap).then_some(ended.counts.messages),
            recipients = (protocol == Protocol::Smtp).then_some(ended.counts.recipients),
            "ended: {}", ended.cause,
        );
        Ok(())
    }

    /// Says why the connection ends, and closes it.
    async fn dismiss(
        &mut self,
        mut machine: Box<dyn Downstream>,
        reason: RefusalReason,
        text: &str,
    ) -> io::Result<()> {
        machine.close(Refusal::new(reason, text));
        // A client that does not read cannot hold the connection.
        let _ = timeout(FAREWELL, self.leg.drain(machine.as_mut())).await;
        let Client { number, address, protocol, .. } = &self.client;
        // The listener tells of a crowd, once and not of each.
        if reason == RefusalReason::ConnectionLimit {
            debug!(connection = number, client = %address, %protocol, "sent away: {text}");
        } else {
            info!(connection = number, client = %address, %protocol, "sent away: {text}");
        }
        self.close().await
    }

    /// Sends an answer. A client that does not read it cannot hold what the connection holds.
    async fn say(&mut self, machine: &mut dyn Downstream) -> io::Result<()> {
        let said = timeout(ANSWER, self.leg.drain(machine)).await;
        said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn close(&mut self) -> io::Result<()> {
        let closed = timeout(FAREWELL, self.leg.stream_mut().shutdown()).await;
        closed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.leg.discard_received().await;
        Ok(())
    }

    async fn accept_tls(&mut self) -> io::Result<()> {
        let Some(acceptor) = &self.client.acceptor else {
            return Err(io::Error::other("this port has no certificate"));
        };
        let deadline = self.client.deadlines.handshake;
        let handshake = timeout(deadline, self.leg.stream_mut().accept_tls(acceptor));
        let ended = self.client.place.evicted().run_until_cancelled(handshake).await;
        let fault = match ended {
            Some(Ok(Ok(()))) => {
                debug!(connection = self.client.number, "TLS with the client");
                return Ok(());
            }
            Some(Ok(Err(error))) if self.client.implicit_tls && tls::is_no_tls(&error) => {
                "what it sent is not TLS, with which this port begins: choose SSL/TLS in the client, \
                 or tls = \"auto\" or \"starttls\" for this [[listen]]"
                    .into()
            }
            Some(Ok(Err(error))) => tls::explain(&error),
            Some(Err(_)) => "the client did not finish it in time".into(),
            None => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        warn!(
            connection = self.client.number,
            client = %self.client.address,
            protocol = %self.client.protocol,
            "no TLS with the client: {fault}",
        );
        Err(io::Error::other(fault))
    }

    fn downstream_machine(&self) -> Box<dyn Downstream> {
        let tls = match (self.leg.is_tls(), &self.client.acceptor) {
            (true, _) => LocalTls::Established,
            (false, None) => LocalTls::Unavailable,
            (false, Some(_)) => LocalTls::Offer { login_in_clear: self.client.login_in_clear },
        };
        let bounds = self.client.limits.before_login;
        match self.client.protocol {
            Protocol::Imap => Box::new(ImapDownstream::new(tls, bounds)),
            Protocol::Pop3 => Box::new(Pop3Downstream::new(tls, bounds)),
            Protocol::Smtp => Box::new(SmtpDownstream::new(
                tls,
                bounds,
                SmtpOptions {
                    name: "localhost".to_owned(),
                    promise: self.gateway.smtp_promise(),
                    obsolete_auth_line: self.client.obsolete_auth_line,
                },
            )),
        }
    }

    /// A wrong login waits for its answer, longer each time, and so does one that could not be checked,
    /// so that guesses are not answered the quicker for being many; a correct one never does.
    async fn make_wait(&self, times: u32) {
        let delay = self.client.deadlines.failed_login_delay.saturating_mul(times);
        self.client.place.evicted().run_until_cancelled(tokio::time::sleep(delay)).await;
    }

    fn evicted(&self) -> LoginEnd {
        if self.gateway.closing.is_cancelled() {
            LoginEnd::Dismiss(RefusalReason::ShuttingDown, "the gateway is stopping")
        } else {
            let text = "too many connections, and you had not logged in yet";
            LoginEnd::Dismiss(RefusalReason::ConnectionLimit, text)
        }
    }
}

/// How the dialogue before the relay ended.
enum LoginEnd {
    /// The upstream is open.
    Opened(Box<Opened>),
    /// The machine has said everything itself.
    Said,
    /// It remains to say this.
    Dismiss(RefusalReason, &'static str),
}

/// How long a verdict may take to leave for a client.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a last word may take to reach a client.
const FAREWELL: Duration = Duration::from_secs(5);
