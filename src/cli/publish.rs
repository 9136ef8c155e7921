//! A new file in its place. The hard thing is to appear all at once, in the place of nothing else, and to go on where a
//! run before was killed: what is there already with the same content counts as written.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::rand;

use crate::platform;

/// How the file came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It is new.
    New,
    /// It was there, and holds just this.
    Same,
}

/// Puts a file in place, unless there is one that holds something else. `mode` counts on Unix.
pub(super) fn publish(path: &Path, content: &[u8], mode: u32) -> io::Result<Published> {
    sweep(path);
    let temporary = temporary_beside(path)?;
    let mut file = platform::create_new(&temporary, mode)?;
    let linked = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| {
        // Unlike a rename, a link never replaces what is there.
        fs::hard_link(&temporary, path)
    });
    let removed = fs::remove_file(&temporary);
    let published = match linked {
        Ok(()) => Published::New,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !holds(path, content) {
                let text = "it is there already and holds something else: take it away first";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            Published::Same
        }
        Err(error) => return Err(error),
    };
    removed?;
    platform::sync_folder_of(path)?;
    Ok(published)
}

/// A name of its own for each attempt: another process may be at the same file.
pub(super) fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let mut end = [0; 8];
    rand::fill(&mut end).map_err(|_| io::Error::other("no random numbers"))?;
    let mut temporary = OsString::from(path);
    temporary.push(format!(".{MARK}{:016x}", u64::from_be_bytes(end)));
    Ok(PathBuf::from(temporary))
}

/// Removes what a run that was killed has left beside this file: it may hold a secret. Only what has long been
/// there: the rest may be another process's that is at it just now.
pub(super) fn sweep(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
    else {
        return;
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // What cannot be read or removed now is there the next time.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let of_ours = entry.file_name().to_str().is_some_and(|it| {
            let end = it.strip_prefix(name).and_then(|it| it.strip_prefix('.')?.strip_prefix(MARK));
            end.is_some_and(|end| end.len() == 16 && end.bytes().all(|it| it.is_ascii_hexdigit()))
        });
        let written = entry.metadata().and_then(|it| it.modified());
        if of_ours && written.is_ok_and(|it| it.elapsed().is_ok_and(|age| age > ABANDONED)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

const MARK: &str = "new-";
/// To write a file takes no second.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Whether there is a file that holds just this.
pub(super) fn holds(path: &Path, content: &[u8]) -> bool {
    // Opening a pipe would wait for its other end, for ever.
    let is_like =
        fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() == content.len() as u64);
    is_like && fs::read(path).is_ok_and(|there| there == content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_in_the_place_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(publish(&path, b"one", 0o600).unwrap(), Published::New);
        assert_eq!(publish(&path, b"one", 0o600).unwrap(), Published::Same);
        let error = publish(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    #[test]
    fn what_was_left_behind_long_ago_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let leave = |name: &str, age: Duration| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        };
        leave("file.new-0123456789abcdef", ABANDONED * 2);
        // Another process's, of another file, and other people's.
        leave("file.new-0123456789abcde0", ABANDONED / 2);
        for name in ["other.new-0123456789abcdef", "file.new", "file.new-mine", "file.new-01234567"]
        {
            leave(name, ABANDONED * 2);
        }
        publish(&folder.path().join("file"), b"one", 0o600).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "file",
                "file.new",
                "file.new-01234567",
                "file.new-0123456789abcde0",
                "file.new-mine",
                "other.new-0123456789abcdef"
            ]
        );
    }

    /// Each writes and is told that it has, or that another one was faster; none takes away the other's.
    #[test]
    fn two_at_once_are_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("file{round}"));
            let published: Vec<_> = std::thread::scope(|scope| {
                let start = |_| scope.spawn(|| publish(&path, b"one", 0o600).unwrap());
                let threads: Vec<_> = (0..4).map(start).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert_eq!(published.iter().filter(|it| **it == Published::New).count(), 1);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 20);
    }
}
