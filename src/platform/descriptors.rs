//! How many files, sockets among them, the process may have open. The hard thing is that nobody is told
//! before they are used up, and then everything fails at once: so a reserve is kept, and the number of a new
//! socket says how near the end is, since the system always gives the lowest one that is free.

use std::io;

#[cfg(unix)]
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpStream;

/// Raises the soft limit towards the hard one. It is 1024 in most shells, for the sake of programs that use
/// select(2), and a session takes two: mail programs would meet a wall at some 500 sessions.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(ENOUGH);
    if soft < wanted {
        // macOS has a lower bound for one process, and says so only by refusing.
        if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() && soft < MODEST {
            // What cannot be raised is what we have.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(MODEST), hard);
        }
    }
}

/// Elsewhere there is no such limit to raise.
#[cfg(not(unix))]
pub(crate) fn raise_limit() {}

/// How many may be open; `None` where the system does not say.
pub(crate) fn limit() -> Option<u64> {
    #[cfg(unix)]
    {
        getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft)
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// Whether what is left beyond this new socket is to be kept for the connections that are there already:
/// mail servers, the token endpoint, the store.
pub(crate) fn only_reserve_is_left(socket: &TcpStream) -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsRawFd as _;
        let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
        limit().is_some_and(|limit| number.saturating_add(reserve(limit)) >= limit)
    }
    #[cfg(not(unix))]
    {
        let _ = socket;
        false
    }
}

/// Whether this is what the system says when there are none left, for the process or altogether.
pub(crate) fn are_used_up(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use nix::errno::Errno;
        error
            .raw_os_error()
            .is_some_and(|it| [Errno::EMFILE, Errno::ENFILE].contains(&Errno::from_raw(it)))
    }
    #[cfg(windows)]
    {
        /// WSAEMFILE.
        const USED_UP: i32 = 10024;
        error.raw_os_error() == Some(USED_UP)
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = error;
        false
    }
}

#[cfg(unix)]
fn reserve(limit: u64) -> u64 {
    (limit / 4).min(LARGEST_RESERVE)
}

/// What to do about it.
pub(crate) const REMEDY: &str = "raise LimitNOFILE= in the service's unit, or `ulimit -n` where saslgate is \
     started by hand";

/// As in the packaged unit. Children inherit it, and some programs close every descriptor up to their limit,
/// which takes minutes where it is a billion.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;
/// macOS's OPEN_MAX.
#[cfg(unix)]
const MODEST: u64 = 10_240;
#[cfg(unix)]
const LARGEST_RESERVE: u64 = 256;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_leaves_room_for_clients() {
        for (limit, expected) in [(64, 16), (1024, 256), (65_536, 256), (u64::MAX, 256)] {
            assert_eq!(reserve(limit), expected, "{limit}");
        }
    }

    #[test]
    fn what_the_system_says_is_understood() {
        for (code, expected) in [(24, true), (23, true), (111, false)] {
            assert_eq!(are_used_up(&io::Error::from_raw_os_error(code)), expected, "{code}");
        }
    }
}
