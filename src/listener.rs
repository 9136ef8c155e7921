//! Local ports: bind, accept, hand over. The hard thing is pressure: a burst must not keep anybody
//! waiting without an answer, and connections that never log in must not lock out those that would.

mod load;
mod ports;
mod shortage;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, error, info, warn};

use self::load::{Admission, Load};
pub(crate) use self::ports::{Change, Ports};
use crate::{
    config::{Limits, ListenConfig, ListenTls, Protocol},
    connection::{self, Client},
    gateway::Gateway,
    platform::descriptors,
    upstream::prepare,
};

/// One open port.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
    /// Tells when the socket is closed.
    _open: DropGuard,
}

/// What a port's connections share.
#[derive(Debug)]
struct Shared {
    /// A reload may change them; a connection keeps those that it was accepted under.
    terms: RwLock<Arc<Terms>>,
    load: Mutex<Load>,
    /// Cancelled when the port is to close.
    close: CancellationToken,
    /// Cancelled when it has.
    closed: CancellationToken,
}

/// How a port serves.
struct Terms {
    config: ListenConfig,
    acceptor: Option<TlsAcceptor>,
}

/// Opens every port of the configuration, or none. `inherited` are open already, as a service manager
/// hands them over: where one has the address of a `[[listen]]`, it is taken.
///
/// # Errors
/// Names the port that cannot be opened, or the certificate that cannot be used.
pub async fn bind(
    gateway: &Arc<Gateway>,
    inherited: Vec<std::net::TcpListener>,
) -> io::Result<Vec<Listener>> {
    let wanted = &gateway.config().listeners;
    gateway.ports.inherit(inherited, wanted);
    Ok(Change::prepare(gateway, wanted).await?.apply(gateway).opened)
}

impl Listener {
    /// Where clients connect: the port that the system chose if the configuration says 0.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the port is to close. A fault in accepting ends nothing: descriptors may be free
    /// again in a moment.
    pub async fn serve(self, gateway: Arc<Gateway>) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.shared.close.run_until_cancelled(self.socket.accept()).await {
                None => return,
                Some(Ok((socket, address))) => {
                    pause = SHORTEST_PAUSE;
                    self.hand_over(&gateway, socket, address);
                }
                Some(Err(error)) if shortage::is_of_one_connection(&error) => {}
                Some(Err(error)) => {
                    if descriptors::are_used_up(&error) {
                        gateway.ports.shortage.met();
                        gateway.ports.make_room();
                    } else {
                        error!("cannot accept connections, trying again in {pause:?}: {error}");
                    }
                    let waited = tokio::time::sleep(pause);
                    if self.shared.close.run_until_cancelled(waited).await.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn hand_over(&self, gateway: &Arc<Gateway>, socket: TcpStream, address: SocketAddr) {
        let number = gateway.next_connection();
        let (terms, config) = (self.shared.terms(), gateway.config());
        let is_short = descriptors::only_reserve_is_left(&socket);
        if is_short {
            gateway.ports.shortage.met();
        } else {
            gateway.ports.shortage.over();
        }
        // A crowd that is sent away anyway costs nobody else their place.
        let is_crowd = self.shared.load().is_crowd(&config.limits, address.ip());
        let room = is_short.then(|| !is_crowd && gateway.ports.make_room());
        let place =
            Shared::admit(&self.shared, gateway, &config.limits, number, address.ip(), room);
        self.tell_of_crowd(&terms, address);
        let Some(place) = place else {
            debug!(connection = number, client = %address, "too many connections, cut off");
            return;
        };
        let admitted = place.admitted;
        if !admitted {
            debug!(connection = number, client = %address, "too many connections, sent away");
        }
        let (limits, deadlines) = (config.limits.clone(), config.deadlines.clone());
        let connection_gateway = Arc::clone(gateway);
        gateway.tasks.spawn(async move {
            // Options that cannot be set are no reason to refuse mail.
            let _ = prepare(&socket, deadlines.tcp);
            let implicit_tls = terms.begin_with_tls(&socket).await;
            let client = Client {
                number,
                address,
                limits,
                deadlines,
                protocol: terms.config.protocol,
                acceptor: terms.acceptor.clone(),
                implicit_tls,
                login_in_clear: terms.login_in_clear(),
                obsolete_auth_line: terms.config.obsolete_auth_line,
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

impl Listener {
    /// The lines of single connections are for those who look closer: a flood has thousands.
    fn tell_of_crowd(&self, terms: &Terms, last: SocketAddr) {
        let Some((crowd, connected)) = self.shared.load().news(Instant::now()) else { return };
        let at = self.socket.local_addr().unwrap_or(terms.config.address);
        warn!(
            connected,
            pushed_out = crowd.pushed_out,
            sent_away = crowd.sent_away,
            last = %last.ip(),
            "too many connections for {}: who had not logged in makes room for others, and whoever \
             finds none is sent away; see connections_per_listener and connections_per_address in \
             [limits] (told once a minute)",
            terms.at(at),
        );
    }
}

impl Shared {
    /// Counts a connection in; `None`: not even a word can be spared for it. `room` says whether there is some
    /// where descriptors are short.
    fn admit(
        shared: &Arc<Self>,
        gateway: &Gateway,
        limits: &Limits,
        number: u64,
        address: IpAddr,
        room: Option<bool>,
    ) -> Option<Place> {
        let evicted = gateway.closing.child_token();
        let admission = match room {
            Some(false) => shared.load().turn_away(),
            Some(true) | None => shared.load().admit(limits, number, address, evicted.clone()),
        };
        let admitted = match admission {
            Admission::Welcome => true,
            Admission::SendAway => false,
            Admission::CutOff => return None,
        };
        Some(Place { shared: Arc::clone(shared), number, address, evicted, admitted })
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terms {
    /// Whether the client opens with a ClientHello. Only `auto` has to look: it waits a moment, since
    /// a client in clear says nothing before it is greeted.
    async fn begin_with_tls(&self, socket: &TcpStream) -> bool {
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
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

impl Terms {
    /// In words; the address is the one that the system gave.
    fn at(&self, address: SocketAddr) -> String {
        let tls = match self.config.tls {
            ListenTls::None => "no TLS",
            ListenTls::StartTls { .. } => "STARTTLS",
            ListenTls::Implicit { .. } => "TLS",
            ListenTls::Auto { .. } => "TLS or STARTTLS",
        };
        format!("{} on {address} ({tls})", self.config.protocol)
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
    pub fn shelter(&self) -> bool {
        self.shared.load().shelter(self.number)
    }

    /// It is again, if it was not.
    pub fn expose(&self) {
        self.shared.load().expose(self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut load = self.shared.load();
        if self.admitted {
            load.leave(self.number, self.address);
        } else {
            load.sent();
        }
    }
}

/// Tells where the gateway listens, for the log and for whoever waits for it.
///
/// # Errors
/// The operating system's.
pub fn announce(listeners: &[Listener]) -> io::Result<()> {
    for listener in listeners {
        let terms = listener.shared.terms();
        info!("listening for {}", terms.at(listener.local_addr()?));
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
