//! Local ports: bind, accept, hand over. The hard thing is pressure: a burst must not keep anybody
//! waiting without an answer, and connections that never log in must not lock out those that would.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    config::{Limits, ListenConfig, ListenTls, Protocol},
    connection::{self, Client},
    gateway::Gateway,
    upstream::{is_loopback, prepare, site},
};

/// One open port.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
}

/// What a port's connections share.
struct Shared {
    config: ListenConfig,
    acceptor: Option<TlsAcceptor>,
    load: Mutex<Load>,
}

/// Who is connected to one port.
#[derive(Debug, Default)]
struct Load {
    connections: usize,
    /// Those that are being told to go; nobody's place is taken for them.
    sent_away: usize,
    /// By [`site`].
    per_address: HashMap<IpAddr, usize>,
    /// Before login, oldest first: connection numbers grow.
    before_login: BTreeMap<u64, CancellationToken>,
}

/// Opens every port of the configuration, or none. Where one of `inherited` has its address, that one is taken.
///
/// # Errors
/// Names the port that cannot be opened, or the certificate that cannot be used.
pub async fn bind(
    gateway: &Arc<Gateway>,
    mut inherited: Vec<std::net::TcpListener>,
) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for config in &gateway.config.listeners {
        let acceptor = match &config.tls {
            ListenTls::None => None,
            ListenTls::StartTls { certificate, .. }
            | ListenTls::Implicit { certificate }
            | ListenTls::Auto { certificate, .. } => {
                Some(gateway.certificates.acceptor(certificate, alpn(config.protocol))?)
            }
        };
        let socket = open(config.address, &mut inherited)
            .await
            .map_err(|error| cannot_listen(config.address, &error))?;
        let shared = Shared { config: config.clone(), acceptor, load: Mutex::default() };
        listeners.push(Listener { socket, shared: Arc::new(shared) });
    }
    for address in inherited.iter().filter_map(|socket| socket.local_addr().ok()) {
        warn!("the inherited socket {address} is not used: no [[listen]] has this address");
    }
    Ok(listeners)
}

async fn open(
    address: SocketAddr,
    inherited: &mut Vec<std::net::TcpListener>,
) -> io::Result<TcpListener> {
    let same = |socket: &std::net::TcpListener| socket.local_addr().is_ok_and(|it| it == address);
    match inherited.iter().position(same) {
        Some(index) => {
            let socket = inherited.swap_remove(index);
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)
        }
        None => TcpListener::bind(address).await,
    }
}

impl Listener {
    /// Where clients connect: the port that the system chose if the configuration says 0.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the gateway stops. A fault in accepting ends nothing: descriptors may be free
    /// again in a moment.
    pub async fn serve(self, gateway: Arc<Gateway>) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match gateway.stop.run_until_cancelled(self.socket.accept()).await {
                None => return,
                Some(Ok((socket, address))) => {
                    pause = SHORTEST_PAUSE;
                    self.hand_over(&gateway, socket, address);
                }
                Some(Err(error)) => {
                    error!(
                        "cannot accept connections, trying again in {pause:?}: {error} (\"too many \
                         open files\" is raised with ulimit -n or LimitNOFILE=)"
                    );
                    let waited = tokio::time::sleep(pause);
                    if gateway.stop.run_until_cancelled(waited).await.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn hand_over(&self, gateway: &Arc<Gateway>, socket: TcpStream, address: SocketAddr) {
        let number = gateway.next_connection();
        let Some(place) = Shared::admit(&self.shared, gateway, number, address.ip()) else {
            debug!(connection = number, client = %address, "too many connections, cut off");
            return;
        };
        let admitted = place.admitted;
        if !admitted {
            warn!(connection = number, client = %address, "too many connections, sent away");
        }
        let shared = Arc::clone(&self.shared);
        let connection_gateway = Arc::clone(gateway);
        gateway.tasks.spawn(async move {
            // Options that cannot be set are no reason to refuse mail.
            let _ = prepare(&socket);
            let implicit_tls = shared.begins_with_tls(&socket).await;
            let client = Client {
                number,
                address,
                protocol: shared.config.protocol,
                acceptor: shared.acceptor.clone(),
                implicit_tls,
                login_in_clear: shared.login_in_clear(),
                obsolete_auth_line: shared.config.obsolete_auth_line,
                admitted,
                place,
            };
            // A large future, and most of a connection's life is spent in a small part of it.
            Box::pin(connection::run(&connection_gateway, socket, client)).await;
            debug!(connection = number, "gone");
            if let Some(tap) = &connection_gateway.tap {
                tap.ended(number);
            }
        });
    }
}

impl Shared {
    /// Counts a connection in; `None`: not even a word can be spared for it.
    fn admit(shared: &Arc<Self>, gateway: &Gateway, number: u64, address: IpAddr) -> Option<Place> {
        let evicted = gateway.stop.child_token();
        let admission =
            shared.load().admit(&gateway.config.limits, number, address, evicted.clone());
        let admitted = match admission {
            Admission::Welcome => true,
            Admission::SendAway => false,
            Admission::CutOff => return None,
        };
        Some(Place { shared: Arc::clone(shared), number, address, evicted, admitted })
    }

    /// Whether the client opens with a ClientHello. Only `auto` has to look: it waits a moment, since
    /// a client in clear says nothing before it is greeted.
    async fn begins_with_tls(&self, socket: &TcpStream) -> bool {
        match &self.config.tls {
            ListenTls::None | ListenTls::StartTls { .. } => false,
            ListenTls::Implicit { .. } => true,
            ListenTls::Auto { wait, .. } => {
                let mut first = [0; 1];
                let peeked = tokio::time::timeout(*wait, socket.peek(&mut first)).await;
                matches!(peeked, Ok(Ok(1))) && first == [TLS_HANDSHAKE]
            }
        }
    }

    fn login_in_clear(&self) -> bool {
        match self.config.tls {
            ListenTls::None => true,
            ListenTls::Implicit { .. } => false,
            ListenTls::StartTls { login_in_clear, .. } | ListenTls::Auto { login_in_clear, .. } => {
                login_in_clear
            }
        }
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Welcome,
    SendAway,
    CutOff,
}

impl Load {
    fn admit(
        &mut self,
        limits: &Limits,
        number: u64,
        address: IpAddr,
        evicted: CancellationToken,
    ) -> Admission {
        let from_here = self.per_address.get(&site(address)).copied().unwrap_or_default();
        // On loopback everybody has the same address.
        let crowd = !is_loopback(address) && from_here >= limits.connections_per_address;
        // Only one that is let in pushes another out: a crowd must not cost others their place.
        if crowd || !self.make_room(limits.connections_per_listener) {
            if self.sent_away >= SENT_AWAY {
                return Admission::CutOff;
            }
            self.sent_away += 1;
            return Admission::SendAway;
        }
        self.connections += 1;
        *self.per_address.entry(site(address)).or_default() += 1;
        self.before_login.insert(number, evicted);
        Admission::Welcome
    }

    /// Whoever waits longest without a login goes first. They need a moment to go, which bounds how
    /// many can be pushed out at once.
    fn make_room(&mut self, limit: usize) -> bool {
        if self.connections < limit {
            return true;
        }
        let leaving = self.connections - limit;
        leaving < LEAVING && self.before_login.pop_first().map(|(_, end)| end.cancel()).is_some()
    }

    fn leave(&mut self, number: u64, address: IpAddr) {
        self.connections -= 1;
        self.before_login.remove(&number);
        let site = site(address);
        if let Some(count) = self.per_address.get_mut(&site) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&site);
            }
        }
    }
}

/// A connection's place at its port; given back on drop.
pub struct Place {
    shared: Arc<Shared>,
    number: u64,
    address: IpAddr,
    evicted: CancellationToken,
    /// `false`: it is only there to be sent away.
    admitted: bool,
}

impl Place {
    /// Cancelled when the connection must make room for another, or the gateway stops.
    pub fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// From here on the connection is nobody's to push out. Returns whether it came in time.
    pub fn logged_in(&self) -> bool {
        self.shared.load().before_login.remove(&self.number).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut load = self.shared.load();
        if self.admitted {
            load.leave(self.number, self.address);
        } else {
            load.sent_away -= 1;
        }
    }
}

/// Tells where the gateway listens, for the log and for whoever waits for it.
///
/// # Errors
/// The operating system's.
pub fn announce(listeners: &[Listener]) -> io::Result<()> {
    for listener in listeners {
        let config = &listener.shared.config;
        let tls = match config.tls {
            ListenTls::None => "no TLS",
            ListenTls::StartTls { .. } => "STARTTLS",
            ListenTls::Implicit { .. } => "TLS",
            ListenTls::Auto { .. } => "TLS or STARTTLS",
        };
        info!("listening for {} on {} ({tls})", config.protocol, listener.local_addr()?);
    }
    Ok(())
}

/// The ALPN protocol name of RFC 7301's registry.
fn alpn(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        // Not registered; only here so that a browser, which names others, is refused.
        Protocol::Smtp => "smtp",
    }
}

/// Says what to do about a port that cannot be opened.
pub(crate) fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    let kind = error.kind();
    let advice = if kind == io::ErrorKind::AddrInUse {
        ": another program has this port, perhaps another saslgate; stop it, or choose another port \
         under [[listen]]"
    } else if kind == io::ErrorKind::PermissionDenied {
        ": ports below 1024 need privileges; choose a higher one under [[listen]]"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        ": this machine does not have that address"
    } else {
        ""
    };
    io::Error::new(error.kind(), format!("cannot listen on {address}{advice} ({error})"))
}

/// ContentType handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many may be told at once that there is no room; under TLS each takes a handshake.
const SENT_AWAY: usize = 64;
/// How many that were pushed out may still be leaving.
const LEAVING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::LoginBounds;

    const LIMITS: Limits = Limits {
        connections_per_listener: 3,
        connections_per_address: 2,
        login_failures_per_connection: 3,
        before_login: LoginBounds { line: 1024, literal: 1024, total: 4096, faults: 5 },
    };

    /// One connection from `address`, and the token that tells it to go.
    fn arrive(load: &mut Load, number: u64, address: &str) -> (Admission, CancellationToken) {
        let evicted = CancellationToken::new();
        (load.admit(&LIMITS, number, address.parse().unwrap(), evicted.clone()), evicted)
    }

    #[test]
    fn a_crowd_from_one_address_costs_no_other_its_place() {
        let mut load = Load::default();
        let (welcome, other) = arrive(&mut load, 1, "192.0.2.1");
        assert_eq!(welcome, Admission::Welcome);
        for number in 2..4 {
            assert_eq!(arrive(&mut load, number, "192.0.2.9").0, Admission::Welcome);
        }
        for number in 4..4 + SENT_AWAY as u64 {
            assert_eq!(arrive(&mut load, number, "192.0.2.9").0, Admission::SendAway);
        }
        assert_eq!(arrive(&mut load, 1000, "192.0.2.9").0, Admission::CutOff);
        assert!(!other.is_cancelled());
        assert_eq!((load.connections, load.before_login.len()), (3, 3));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let mut load = Load::default();
        for (number, address) in (1..).zip(["2001:db8::1", "2001:db8::2"]) {
            assert_eq!(arrive(&mut load, number, address).0, Admission::Welcome);
        }
        assert_eq!(arrive(&mut load, 3, "2001:db8::3").0, Admission::SendAway);
        load.leave(1, "2001:db8::1".parse().unwrap());
        assert_eq!(arrive(&mut load, 4, "2001:db8::4").0, Admission::Welcome);
        load.leave(2, "2001:db8::2".parse().unwrap());
        load.leave(4, "2001:db8::4".parse().unwrap());
        assert!(load.per_address.is_empty());
    }

    #[test]
    fn the_oldest_without_a_login_goes_first_and_they_are_not_pushed_out_faster_than_they_go() {
        let mut load = Load::default();
        let addresses = |number: u64| format!("198.51.100.{number}");
        let tokens: Vec<_> = (0..3 + LEAVING as u64)
            .map(|number| {
                let (admission, token) = arrive(&mut load, number, &addresses(number));
                assert_eq!(admission, Admission::Welcome);
                token
            })
            .collect();
        let pushed_out = tokens.iter().filter(|token| token.is_cancelled()).count();
        assert_eq!(pushed_out, LEAVING);
        assert!(tokens[..LEAVING].iter().all(CancellationToken::is_cancelled));
        assert_eq!(arrive(&mut load, 200, "198.51.100.200").0, Admission::SendAway);
        load.leave(0, addresses(0).parse().unwrap());
        assert_eq!(arrive(&mut load, 201, "198.51.100.201").0, Admission::Welcome);
    }
}
