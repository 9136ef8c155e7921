//! The way to each server of the account: name, TCP, TLS. The hard thing is to try each once, though
//! servers may share a host or a port.

use std::time::{Duration, SystemTime};

use rustls::ProtocolVersion;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    Finding, StepKind,
    diagnose::{self, Certificate, Evidence},
    run::{Blocked, Check, Tried},
};
use crate::{
    config::{AccountConfig, Protocol, UpstreamConfig},
    resolver::resolve,
    stream::Stream,
    upstream::{Arrived, DialError, Route, arrive, dial},
};

/// A host, a port and a way of TLS, with all who use them.
pub(super) struct Place {
    pub(super) server: UpstreamConfig,
    pub(super) protocols: Vec<Protocol>,
    /// Whether TLS with it works.
    pub(super) reached: Result<(), Blocked>,
}

/// The account's.
pub(super) fn places(account: &AccountConfig) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for protocol in Protocol::ALL {
        let Some(server) = account.upstream(protocol) else { continue };
        let same = places.iter_mut().find(|place| {
            let other = &place.server;
            (other.host_key(), other.port, other.mode, &other.verification)
                == (server.host_key(), server.port, server.mode, &server.verification)
        });
        match same {
            Some(place) => place.protocols.push(protocol),
            None => places.push(Place {
                server: server.clone(),
                protocols: vec![protocol],
                reached: Ok(()),
            }),
        }
    }
    places
}

impl Check<'_> {
    /// Tries the way to each.
    pub(super) async fn servers(&mut self, mut places: Vec<Place>) -> Vec<Place> {
        let mut resolved: Vec<(String, Result<(), Blocked>)> = Vec::new();
        for index in 0..places.len() {
            let Some(place) = places.get(index) else { break };
            let host = place.server.host_key();
            let known = resolved.iter().find(|(other, _)| *other == host).map(|(_, it)| *it);
            let outcome = match known {
                Some(outcome) => outcome,
                None => {
                    let at_host = places.iter().filter(|it| it.server.host_key() == host);
                    let protocols: Vec<Protocol> =
                        at_host.flat_map(|it| it.protocols.clone()).collect();
                    let outcome = self.resolve(&place.server, &protocols).await;
                    resolved.push((host, outcome));
                    outcome
                }
            };
            let reached = self.reach(place, outcome).await;
            if let Some(place) = places.get_mut(index) {
                place.reached = reached;
            }
        }
        places
    }

    async fn resolve(
        &mut self,
        server: &UpstreamConfig,
        protocols: &[Protocol],
    ) -> Result<(), Blocked> {
        let tried = Tried { kind: StepKind::Resolve, protocols, what: server.host.clone() };
        let tried = self.in_time(tried)?;
        let began = Instant::now();
        let deadline = self.cx.config.deadlines.connect;
        let host = server.host.clone();
        let finding = match timeout(deadline, resolve(&host, server.port)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Finding::NameUnknown { host },
            Ok(Ok(addresses)) => {
                let mut shown: Vec<String> = Vec::new();
                for address in addresses.iter().map(|it| it.ip().to_string()) {
                    if !shown.contains(&address) {
                        shown.push(address);
                    }
                }
                Finding::Resolved { addresses: shown }
            }
            Ok(Err(error)) => diagnose::resolve(&host, &error),
            Err(_) => Finding::ResolverFails { host, text: DialError::Timeout.to_string() },
        };
        self.done(tried, began, vec![finding])
    }

    async fn reach(&mut self, place: &Place, resolved: Result<(), Blocked>) -> Result<(), Blocked> {
        let Place { server, protocols, .. } = place;
        let tried = |kind| Tried { kind, protocols, what: server.to_string() };
        let connected = match resolved {
            Ok(()) => self.connect(place).await,
            Err(blocked) => {
                self.wait(tried(StepKind::Connect), blocked);
                Err(blocked)
            }
        };
        let socket = match connected {
            Ok(socket) => socket,
            Err(blocked) => {
                self.wait(tried(StepKind::Tls), blocked);
                return Err(blocked);
            }
        };
        let tried = self.in_time(tried(StepKind::Tls))?;
        let began = Instant::now();
        let findings = self.tls(place, socket).await;
        self.done(tried, began, findings)
    }

    async fn connect(&mut self, place: &Place) -> Result<TcpStream, Blocked> {
        let Place { server, protocols, .. } = place;
        let tried = Tried { kind: StepKind::Connect, protocols, what: server.to_string() };
        let tried = self.in_time(tried)?;
        let began = Instant::now();
        let deadlines = &self.cx.config.deadlines;
        let dialled = dial(&server.host, server.port, deadlines).await;
        let finding = match &dialled {
            Ok(socket) => {
                let address = socket.peer_addr().map(|address| address.to_string());
                Finding::Connected { address: address.unwrap_or_default() }
            }
            Err(error) => diagnose::dial(error, first(protocols), server),
        };
        self.done(tried, began, vec![finding])?;
        dialled.map_err(|_| self.last())
    }

    async fn tls(&mut self, place: &Place, socket: TcpStream) -> Vec<Finding> {
        let server = &place.server;
        let protocol = first(&place.protocols);
        let _ = self.cx.shown.take();
        let route = self.route(protocol);
        let mut arrived = arrive(&route, self.account, server, socket);
        match arrived.secure().await {
            Ok(()) => {
                let (version, certificate) = established(&mut arrived);
                let _ = timeout(FAREWELL, arrived.leg().stream_mut().shutdown()).await;
                diagnose::tls_good(version, &certificate, server, SystemTime::now())
            }
            Err(error) => {
                let shown = self.cx.shown.take().map(|der| Certificate::read(&der));
                let evidence = Evidence {
                    about: &self.about,
                    protocol,
                    user: self.about.mailbox(protocol),
                    with_token: true,
                    claims: None,
                    claim_findings: &[],
                    let_in: &[],
                };
                let opening = arrived.opening();
                vec![diagnose::open(&error, server, shown.as_ref(), opening, &evidence)]
            }
        }
    }

    /// The way of a login, too.
    pub(super) fn route(&self, protocol: Protocol) -> Route<'_> {
        Route {
            connectors: &self.cx.connectors,
            deadlines: &self.cx.config.deadlines,
            protocol,
            number: 0,
            tap: None,
        }
    }
}

/// What TLS has come to.
fn established(arrived: &mut Arrived<'_>) -> (&'static str, Certificate) {
    let Stream::Tls(stream) = arrived.leg().stream_mut() else {
        return ("", Certificate::default());
    };
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    (version, leaf.map(Certificate::read).unwrap_or_default())
}

/// Never empty, but that is not worth a panic.
fn first(protocols: &[Protocol]) -> Protocol {
    protocols.first().copied().unwrap_or(Protocol::Imap)
}

const FAREWELL: Duration = Duration::from_millis(500);
