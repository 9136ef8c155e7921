//! Which ports are open, and how that changes while they are in use. The hard thing is all or nothing:
//! everything that can fail is done before anything is changed.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use socket2::SockRef;
use tokio::{net::TcpListener, task::spawn_blocking};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Listener, Load, Shared, Terms, alpn, cannot_listen, shortage::Shortage};
use crate::{
    config::{ListenConfig, Protocol},
    gateway::Gateway,
};

/// The ports that are open.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    open: Mutex<Vec<Port>>,
    /// Kept for as long as the process lives, since whoever handed them over has them open too: a port
    /// that is closed and opened again cannot be bound.
    inherited: Mutex<Vec<StdListener>>,
    /// Descriptors are the process's, not a port's.
    pub(super) shortage: Shortage,
}

/// An open port.
#[derive(Clone, Debug)]
struct Port {
    shared: Arc<Shared>,
    /// The address that the system gave, where the configuration says port 0.
    address: SocketAddr,
}

/// A change of ports that cannot fail any more.
pub(crate) struct Change {
    kept: Vec<(Port, Terms)>,
    opened: Vec<(Listener, SocketAddr)>,
    gone: Vec<Port>,
}

/// What became of ports.
#[derive(Default)]
pub(crate) struct Changed {
    /// New ones; they wait for [`Listener::serve`].
    pub(crate) opened: Vec<Listener>,
    /// In words.
    pub(crate) opened_names: Vec<String>,
    /// Those that serve otherwise than before.
    pub(crate) changed: Vec<String>,
    /// Those that accept nobody any more.
    pub(crate) closed: Vec<String>,
    closing: Vec<Port>,
}

impl Ports {
    /// Which are open, and for what.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the control socket tells"))]
    pub(crate) fn listing(&self) -> Vec<(Protocol, SocketAddr)> {
        let open = self.open();
        open.iter().map(|port| (port.shared.terms().config.protocol, port.address)).collect()
    }

    /// Takes sockets over, and tells of those that nobody wants.
    pub(super) fn inherit(&self, sockets: Vec<StdListener>, wanted: &[ListenConfig]) {
        for address in sockets.iter().filter_map(|socket| socket.local_addr().ok()) {
            if wanted.iter().all(|listen| listen.address != address) {
                warn!("the inherited socket {address} is not used: no [[listen]] has this address");
            }
        }
        *self.inherited() = sockets;
    }

    /// Closes what was handed over and is not in use, or clients would wait there for nobody.
    pub(crate) fn disinherit(&self) {
        self.inherited().clear();
    }

    /// Where descriptors are short: whoever has waited longest without a login, at any port, makes room.
    pub(super) fn make_room(&self) -> bool {
        let open = self.open().clone();
        let oldest = open
            .iter()
            .filter_map(|port| Some((port.shared.load().oldest()?, port)))
            .min_by_key(|(number, _)| *number);
        oldest.is_some_and(|(_, port)| port.shared.load().push_out())
    }

    /// A socket for this address: an inherited one, or a new one.
    async fn socket(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let inherited = self
            .inherited()
            .iter()
            .find(|socket| socket.local_addr().is_ok_and(|it| it == address))
            .map(StdListener::try_clone);
        match inherited {
            Some(socket) => {
                let socket = socket?;
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            }
            None => TcpListener::bind(address).await,
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Port>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inherited(&self) -> MutexGuard<'_, Vec<StdListener>> {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    /// Reads certificates and opens new ports; changes nothing that is in use.
    ///
    /// # Errors
    /// Names the port that cannot be opened, or the certificate that cannot be used.
    pub(crate) async fn prepare(
        gateway: &Arc<Gateway>,
        wanted: &[ListenConfig],
    ) -> io::Result<Self> {
        let open = gateway.ports.open().clone();
        let before: Vec<_> = open.iter().map(|port| port.shared.terms()).collect();
        let partners =
            partners(&before.iter().map(|terms| &terms.config).collect::<Vec<_>>(), wanted);
        let mut change = Self { kept: Vec::new(), opened: Vec::new(), gone: Vec::new() };
        for (config, partner) in wanted.iter().zip(&partners) {
            let partner = partner.and_then(|at| Some((open.get(at)?, before.get(at)?)));
            let acceptor = match partner {
                // With the acceptor its sessions would be forgotten, which clients resume.
                Some((_, before)) if before.same_acceptor(config) => before.acceptor.clone(),
                _ => acceptor(gateway, config).await?,
            };
            let terms = Terms { config: config.clone(), acceptor };
            match partner {
                Some((port, _)) => change.kept.push((port.clone(), terms)),
                None => {
                    let socket = gateway.ports.socket(config.address).await;
                    let socket = socket.map_err(|error| refused(config.address, &open, &error))?;
                    change.opened.push(listener(gateway, socket, terms)?);
                }
            }
        }
        let kept = |at: &usize| partners.contains(&Some(*at));
        change.gone = open
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !kept(at))
            .map(|(_, port)| port)
            .collect();
        Ok(change)
    }

    /// Does it. Connections go on as they were accepted.
    pub(crate) fn apply(self, gateway: &Gateway) -> Changed {
        let mut changed = Changed::default();
        let mut open = Vec::new();
        for (port, terms) in self.kept {
            let name = terms.at(port.address);
            let mut current = port.shared.terms.write().unwrap_or_else(PoisonError::into_inner);
            if current.config != terms.config {
                changed.changed.push(name);
            }
            *current = Arc::new(terms);
            drop(current);
            open.push(port);
        }
        for (listener, address) in self.opened {
            changed.opened_names.push(listener.shared.terms().at(address));
            open.push(Port { shared: Arc::clone(&listener.shared), address });
            changed.opened.push(listener);
        }
        for port in self.gone {
            port.shared.close.cancel();
            changed.closed.push(port.shared.terms().at(port.address));
            changed.closing.push(port);
        }
        let terms: Vec<_> = open.iter().map(|port| port.shared.terms()).collect();
        gateway.certificates.retain(|files| {
            terms.iter().any(|terms| terms.config.tls.certificate() == Some(files))
        });
        *gateway.ports.open() = open;
        changed
    }
}

impl Changed {
    /// Waits until the closed ports can be opened by somebody else.
    pub(crate) async fn closed(&self) {
        for port in &self.closing {
            port.shared.closed.cancelled().await;
        }
    }
}

impl Terms {
    /// Whether an acceptor for `config` would be the one that is here.
    fn same_acceptor(&self, config: &ListenConfig) -> bool {
        self.config.protocol == config.protocol
            && self.config.tls.certificate() == config.tls.certificate()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("kept", &self.kept).field("gone", &self.gone).finish()
    }
}

/// For each port that is wanted the open one that becomes it: the one at the same address. Where the
/// system chooses the port there may be several, and the protocol tells them apart.
fn partners(open: &[&ListenConfig], wanted: &[ListenConfig]) -> Vec<Option<usize>> {
    let mut partners = vec![None; wanted.len()];
    for by_protocol in [true, false] {
        for at in 0..wanted.len() {
            let Some((config, None)) = wanted.get(at).zip(partners.get(at).copied()) else {
                continue;
            };
            let found = open.iter().enumerate().position(|(candidate, open)| {
                open.address == config.address
                    && (!by_protocol || open.protocol == config.protocol)
                    && !partners.contains(&Some(candidate))
            });
            if let Some(partner) = partners.get_mut(at) {
                *partner = found;
            }
        }
    }
    partners
}

/// Reads files, so not on a thread that connections need.
async fn acceptor(
    gateway: &Arc<Gateway>,
    config: &ListenConfig,
) -> io::Result<Option<TlsAcceptor>> {
    let Some(files) = config.tls.certificate().cloned() else { return Ok(None) };
    let (gateway, alpn) = (Arc::clone(gateway), alpn(config.protocol));
    let made = spawn_blocking(move || gateway.certificates.acceptor(&files, alpn)).await;
    Ok(Some(made.map_err(io::Error::other)??))
}

fn listener(
    gateway: &Gateway,
    socket: TcpListener,
    terms: Terms,
) -> io::Result<(Listener, SocketAddr)> {
    let address = socket.local_addr()?;
    // Again, for inherited ones as well; if that fails, the queue is as long as it was.
    let _ = SockRef::from(&socket).listen(BACKLOG);
    let shared = Arc::new(Shared {
        terms: RwLock::new(Arc::new(terms)),
        load: Mutex::new(Load::default()),
        close: gateway.closing.child_token(),
        closed: CancellationToken::new(),
    });
    let open = shared.closed.clone().drop_guard();
    Ok((Listener { socket, shared, _open: open }, address))
}

/// A port of ours may be what stands in the way: `0.0.0.0:143` cannot be opened beside `127.0.0.1:143`.
fn refused(address: SocketAddr, open: &[Port], error: &io::Error) -> io::Error {
    let ours = open.iter().find(|port| port.address.port() == address.port());
    match ours {
        Some(ours) if error.kind() == io::ErrorKind::AddrInUse => io::Error::new(
            error.kind(),
            format!(
                "cannot listen on {address} while {} is open here; restart saslgate to change the one \
                 for the other ({error})",
                ours.address
            ),
        ),
        _ => cannot_listen(address, error),
    }
}

/// Connections that may wait to be accepted; the system allows no more than its own maximum (on Linux
/// `net.core.somaxconn`, 4096). One that finds the queue full believes that it is connected and waits for a
/// greeting, which nobody sends: the system has forgotten it, and remembers only those that speak first.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ListenTls, Protocol};

    fn listen(protocol: Protocol, address: &str) -> ListenConfig {
        let address = address.parse().unwrap();
        ListenConfig { protocol, address, tls: ListenTls::None, obsolete_auth_line: false }
    }

    #[track_caller]
    fn check(open: &[ListenConfig], wanted: &[ListenConfig], expected: &[Option<usize>]) {
        assert_eq!(partners(&open.iter().collect::<Vec<_>>(), wanted), expected);
    }

    #[test]
    fn a_port_is_kept_by_its_address() {
        use Protocol::{Imap, Pop3, Smtp};
        let (imap, pop3) = (listen(Imap, "127.0.0.1:1143"), listen(Pop3, "127.0.0.1:1110"));
        check(&[], &[imap.clone(), pop3.clone()], &[None, None]);
        check(&[imap.clone(), pop3.clone()], &[pop3.clone(), imap.clone()], &[Some(1), Some(0)]);
        let open = [imap];
        check(&open, &[pop3], &[None]);
        // Everything else may change.
        check(&open, &[listen(Smtp, "127.0.0.1:1143")], &[Some(0)]);
        // An address is another one, however near.
        check(&open, &[listen(Imap, "0.0.0.0:1143")], &[None]);
        check(&open, &[listen(Imap, "[::1]:1143")], &[None]);
    }

    #[test]
    fn ports_that_the_system_chooses_are_told_apart_by_protocol() {
        use Protocol::{Imap, Pop3, Smtp};
        let any = |protocol| listen(protocol, "127.0.0.1:0");
        check(
            &[any(Imap), any(Pop3)],
            &[any(Pop3), any(Smtp), any(Imap)],
            &[Some(1), None, Some(0)],
        );
        check(&[any(Imap), any(Imap)], &[any(Imap)], &[Some(0)]);
        check(&[any(Imap)], &[any(Imap), any(Imap)], &[Some(0), None]);
        check(&[any(Imap), any(Pop3)], &[any(Smtp), any(Pop3)], &[Some(0), Some(1)]);
    }
}
