//! A new file in its place. The hard thing is to appear all at once, in the place of nothing else, and to go on where a
//! run before was killed: what is there already with the same content counts as written.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

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
    let mut temporary = OsString::from(path);
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    // Left behind by a run that was killed.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = platform::create_new(temporary, mode)?;
    let linked = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| {
        // Unlike a rename, a link never replaces what is there.
        fs::hard_link(temporary, path)
    });
    fs::remove_file(temporary)?;
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
    platform::sync_folder_of(path)?;
    Ok(published)
}

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
        // Of a run that was killed.
        fs::write(folder.path().join("file.new"), "half").unwrap();
        assert_eq!(publish(&path, b"one", 0o600).unwrap(), Published::New);
        assert_eq!(publish(&path, b"one", 0o600).unwrap(), Published::Same);
        let error = publish(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
