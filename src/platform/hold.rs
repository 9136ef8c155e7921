//! A folder held against other processes of this program. The hard thing is a process that is stopped while it
//! holds one: the others wait for a while, and then say so.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Holds a folder until what is returned is dropped: for what takes several steps, is over in a moment, and must not be
/// done by two at once. `None` where folders cannot be held (Windows, some network file systems).
///
/// # Errors
/// The folder cannot be opened, or another process holds it for longer than anything takes.
pub(crate) fn hold_folder(folder: &Path) -> io::Result<Option<File>> {
    hold(folder, PATIENCE)
}

#[expect(clippy::disallowed_methods, reason = "the system tells nobody within a bounded time")]
fn hold(folder: &Path, patience: Duration) -> io::Result<Option<File>> {
    if cfg!(windows) {
        return Ok(None);
    }
    let file = File::open(folder)?;
    let end = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(TURN),
            Err(TryLockError::WouldBlock) => {
                let text = "another saslgate is at work there: wait until it has ended";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_millis(20);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = hold_folder(folder.path()).unwrap();
        assert!(held.is_some());
        let error = hold(folder.path(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(held);
        assert!(hold(folder.path(), Duration::ZERO).unwrap().is_some());
    }
}
