//! The way to the provider: resolve, dial. The hard thing is a first address that is dead: the next
//! one is tried a quarter of a second later, beside it, and the first that answers wins (RFC 8305).

mod echo;
mod open;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

pub(crate) use self::open::{Arrived, OpenError, OpenUpstream, Route, another_token, arrive, open};
use crate::{
    config::{Deadlines, TcpWaits},
    resolver::resolve,
};

/// Why no connection came about.
#[derive(Debug)]
pub enum DialError {
    /// The name cannot be resolved.
    Resolve(io::Error),
    /// The name resolves to nothing.
    NoAddress,
    /// No address answered; the last error.
    Connect(io::Error),
    /// Time ran out.
    Timeout,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "its name cannot be resolved ({error})"),
            Self::NoAddress => f.write_str("its name has no address"),
            Self::Connect(error) => write!(f, "{error}"),
            Self::Timeout => f.write_str("it did not answer in time"),
        }
    }
}

impl std::error::Error for DialError {}

/// Connects to the first address of `host` that answers within the deadline, resolution included.
///
/// # Errors
/// What stood in the way; the last address's error where there were several.
pub async fn dial(host: &str, port: u16, deadlines: &Deadlines) -> Result<TcpStream, DialError> {
    let until = Instant::now() + deadlines.connect;
    let resolved = timeout_at(until, resolve(host, port)).await;
    let addresses = resolved.map_err(|_| DialError::Timeout)?.map_err(DialError::Resolve)?;
    let addresses = interleave(addresses);
    let stream = timeout_at(until, race(addresses)).await.map_err(|_| DialError::Timeout)??;
    // Without them a dead peer is noticed by nobody; a failure to set them is no reason to
    // refuse the mail.
    let _ = prepare(&stream, deadlines.tcp);
    Ok(stream)
}

/// No delay for small commands, and an end within some minutes for a connection whose peer has vanished
/// behind a firewall: keepalive probes find it in the silence of IDLE, the user timeout where something
/// was sent, since no probe goes out while data waits. On Linux the latter also ends the probes.
///
/// # Errors
/// The operating system refuses an option.
pub fn prepare(stream: &TcpStream, waits: TcpWaits) -> io::Result<()> {
    let TcpWaits { keepalive, unanswered } = waits;
    stream.set_nodelay(true)?;
    // Where the system does not know it, the others are set all the same.
    let _ = bound_unsent(stream);
    let interval = (keepalive / 4).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    // Elsewhere their number does.
    let probes = unanswered.saturating_sub(keepalive).as_secs() / interval.as_secs().max(1);
    let probes = u32::try_from(probes).unwrap_or(u32::MAX).clamp(1, MOST_PROBES);
    let keepalive =
        TcpKeepalive::new().with_time(keepalive).with_interval(interval).with_retries(probes);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(stream).set_tcp_user_timeout(Some(unanswered))?;
    Ok(())
}

/// Has the system take no more than what keeps the line busy. Without it the queue of a peer that does not read
/// grows to some megaoctets in the kernel, and with a thousand such peers TCP runs out of memory for the whole
/// machine; ours would never show it.
fn bound_unsent(stream: &TcpStream) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
    Ok(())
}

/// Tries the addresses in order, a new one whenever [`STAGGER`] passes or one fails.
async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last = DialError::NoAddress;
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = DialError::Connect(error),
                Err(error) => last = DialError::Connect(error.into()),
            },
            () = sleep(STAGGER), if next.is_some() => {}
            else => return Err(last),
        }
    }
}

/// IPv6 first as resolved, then alternating families (RFC 8305 section 4): a broken family costs one
/// step, not all of them.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut ours, mut others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    ours.reverse();
    others.reverse();
    let mut mixed = Vec::with_capacity(ours.len() + others.len());
    while !ours.is_empty() || !others.is_empty() {
        mixed.extend(ours.pop());
        mixed.extend(others.pop());
    }
    mixed
}

/// Whether an address is of this machine only, IPv4 in IPv6 included.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whose address this is, as far as a limit can tell: a site has at least an IPv6 /64 to itself (RFC
/// 6177), and changes the rest at will; IPv4 in IPv6 counts as IPv4.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Octets that wait in the kernel beside those that are on their way: two of the relay's buffers. The system
/// asks for more when half of them are gone.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;
/// RFC 8305 section 8, "Connection Attempt Delay".
const STAGGER: Duration = Duration::from_millis(250);
/// From one keepalive probe to the next; whole seconds are all that some systems know.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);
/// Linux takes no more.
const MOST_PROBES: u32 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate() {
        let list = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(
            interleave(list(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"])),
            list(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]),
        );
        assert_eq!(interleave(list(&["127.0.0.1:1"])), list(&["127.0.0.1:1"]));
    }

    #[test]
    fn a_site_is_a_64_or_an_ipv4_address() {
        for (address, expected) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8:1:3::6", "2001:db8:1:3::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(site(address.parse().unwrap()).to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_dead_first_address_costs_a_step() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = closed.local_addr().unwrap();
        drop(closed);
        let stream = race(vec![dead, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(matches!(race(vec![dead]).await, Err(DialError::Connect(_))));
        assert!(matches!(race(vec![]).await, Err(DialError::NoAddress)));
    }
}
