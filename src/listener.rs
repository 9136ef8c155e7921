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
    config::{ListenConfig, ListenTls, Protocol},
    connection::{self, Client},
    gateway::Gateway,
    upstream::{is_loopback, prepare},
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
#[derive(Default)]
struct Load {
    connections: usize,
    per_address: HashMap<IpAddr, usize>,
    /// Before login, oldest first: connection numbers grow.
    before_login: BTreeMap<u64, CancellationToken>,
}

/// Opens every port of the configuration, or none.
///
/// # Errors
/// Names the port that cannot be opened, or the certificate that cannot be used.
pub async fn bind(gateway: &Arc<Gateway>) -> io::Result<Vec<Listener>> {
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
        let socket = TcpListener::bind(config.address)
            .await
            .map_err(|error| cannot_listen(config.address, &error))?;
        let shared = Shared { config: config.clone(), acceptor, load: Mutex::default() };
        listeners.push(Listener { socket, shared: Arc::new(shared) });
    }
    Ok(listeners)
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
        let place = Shared::admit(&self.shared, gateway, number, address.ip());
        let admitted = place.is_ok();
        let (Ok(place) | Err(place)) = place;
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
    /// Counts a connection in: `Err` holds the place of one that must be sent away.
    fn admit(
        shared: &Arc<Self>,
        gateway: &Gateway,
        number: u64,
        address: IpAddr,
    ) -> Result<Place, Place> {
        let limits = &gateway.config.limits;
        let mut load = shared.load();
        // On loopback everybody has the same address.
        let from_here = load.per_address.get(&address).copied().unwrap_or_default();
        let crowd = !is_loopback(address) && from_here >= limits.connections_per_address;
        let full = load.connections >= limits.connections_per_listener;
        // Whoever waits longest without a login goes first.
        let room = !full || load.before_login.pop_first().map(|(_, end)| end.cancel()).is_some();
        load.connections += 1;
        *load.per_address.entry(address).or_default() += 1;
        let evicted = gateway.stop.child_token();
        load.before_login.insert(number, evicted.clone());
        drop(load);
        let place = Place { shared: Arc::clone(shared), number, address, evicted };
        if crowd || !room { Err(place) } else { Ok(place) }
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

/// A connection's place at its port; given back on drop.
pub struct Place {
    shared: Arc<Shared>,
    number: u64,
    address: IpAddr,
    evicted: CancellationToken,
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
        load.connections -= 1;
        load.before_login.remove(&self.number);
        if let Some(count) = load.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                load.per_address.remove(&self.address);
            }
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
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
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
