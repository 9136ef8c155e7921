//! Ports that somebody else has opened for us (sd_listen_fds(3)). The hard thing is that the descriptors are
//! just numbers: whatever is not a listening TCP socket must not be taken for one, nor reach our children.

use std::{
    env, io,
    net::{SocketAddr, TcpListener},
    process,
};

/// What the service manager handed over.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Listening TCP sockets.
    pub listeners: Vec<TcpListener>,
    /// What could not be used, in words for the log.
    pub remarks: Vec<String>,
}

/// Takes over the sockets of `$LISTEN_FDS`, and takes the variable out of the environment. To be called once,
/// before there are threads or children.
pub fn inherited() -> Inherited {
    let variable = |name| env::var(name).ok();
    let Some(count) = handed_over(variable("LISTEN_PID"), variable("LISTEN_FDS"), process::id())
    else {
        return Inherited::default();
    };
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let count = match count {
        Ok(count) => count,
        Err(remark) => return Inherited { remarks: vec![remark], ..Inherited::default() },
    };
    take(count, &names)
}

/// How many descriptors are for the process with this id, if any.
fn handed_over(
    for_process: Option<String>,
    count: Option<String>,
    own: u32,
) -> Option<Result<usize, String>> {
    // A child inherits the variables of its parent; they are not for it.
    if for_process?.parse() != Ok(own) {
        return None;
    }
    let count = count?;
    Some(match count.parse() {
        Ok(number) if number <= MOST => Ok(number),
        _ => Err(format!(
            "no socket is taken over: LISTEN_FDS={count:?} is not a number up to {MOST}"
        )),
    })
}

#[cfg(unix)]
fn take(count: usize, names: &str) -> Inherited {
    let mut taken = Inherited::default();
    let mut descriptors = listenfd::ListenFd::from_env();
    let mut names = names.split(':');
    for index in 0..count.min(descriptors.len()) {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unnamed");
        match descriptors.take_tcp_listener(index) {
            Ok(Some(listener)) if listens(&listener) => taken.listeners.push(listener),
            Ok(_) => taken.remarks.push(format!(
                "the inherited socket {index} ({name}) does not listen and is not used: leave Accept= at \
                 no in the .socket unit"
            )),
            Err(_) => {
                close(&mut descriptors, index);
                taken.remarks.push(format!(
                    "the inherited descriptor {index} ({name}) is not a TCP socket and is not used: take it \
                     out of the .socket unit"
                ));
            }
        }
    }
    taken
}

/// Where it can be closed safely, it is not passed on to our children.
#[cfg(unix)]
fn close(descriptors: &mut listenfd::ListenFd, index: usize) {
    let _ = descriptors.take_unix_listener(index);
    let _ = descriptors.take_udp_socket(index);
    let _ = descriptors.take_unix_datagram(index);
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listens(socket: &TcpListener) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

/// Nobody hands over anything else there.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
fn listens(_: &TcpListener) -> bool {
    true
}

#[cfg(not(unix))]
fn take(_: usize, _: &str) -> Inherited {
    Inherited::default()
}

/// Opens those addresses that nobody has handed over, for a process that is about to lose the right to. A port
/// that the operating system is to choose needs no right, and is opened later.
///
/// # Errors
/// Names the address that cannot be opened.
pub fn open(
    addresses: impl IntoIterator<Item = SocketAddr>,
    listeners: &mut Vec<TcpListener>,
) -> Result<(), (SocketAddr, io::Error)> {
    for address in addresses {
        let is_open =
            listeners.iter().any(|listener| listener.local_addr().is_ok_and(|it| it == address));
        if address.port() != 0 && !is_open {
            listeners.push(TcpListener::bind(address).map_err(|error| (address, error))?);
        }
    }
    Ok(())
}

/// Nobody needs more ports.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(process: Option<&str>, count: Option<&str>, expected: Option<Option<usize>>) {
        let seen = handed_over(process.map(str::to_owned), count.map(str::to_owned), 42);
        assert_eq!(seen.map(Result::ok), expected);
    }

    #[test]
    fn only_what_is_for_this_process_is_taken() {
        check(Some("42"), Some("3"), Some(Some(3)));
        check(Some("42"), Some("0"), Some(Some(0)));
        check(Some("41"), Some("3"), None);
        check(Some(""), Some("3"), None);
        check(None, Some("3"), None);
        check(Some("42"), None, None);
    }

    #[test]
    fn what_is_no_number_is_told() {
        check(Some("42"), Some("-1"), Some(None));
        check(Some("42"), Some("three"), Some(None));
        check(Some("42"), Some("257"), Some(None));
        check(Some("42"), Some("99999999999999999999"), Some(None));
    }

    #[test]
    fn what_is_open_already_is_not_opened_again() {
        let handed_over = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = handed_over.local_addr().unwrap();
        let mut listeners = vec![handed_over];
        open([address, "127.0.0.1:0".parse().unwrap()], &mut listeners).unwrap();
        assert_eq!(listeners.len(), 1);
        let (refused, error) = open([address], &mut Vec::new()).unwrap_err();
        assert_eq!((refused, error.kind()), (address, io::ErrorKind::AddrInUse));
    }
}
