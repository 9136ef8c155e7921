//! Files that nobody else may read. The hard thing is that a new name in a folder is durable only once
//! the folder itself has been synced.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use crate::platform::{OWNER_ONLY, create_new, sync_folder_of};

/// Creates an empty file that only its owner may read and write, unless there is one already.
pub(super) fn create_private_file(path: &Path) -> io::Result<()> {
    match create_new(path, OWNER_ONLY) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a file with this content in place, durably and all at once. Fails with `AlreadyExists` if
/// the name is taken: of two processes that try, one wins and neither sees half a file.
pub(super) fn publish(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create_new(temporary, OWNER_ONLY)?;
    let published = (|| {
        file.write_all(content)?;
        file.sync_all()?;
        // Unlike a rename, a link never replaces what is there.
        fs::hard_link(temporary, path)
    })();
    let removed = fs::remove_file(temporary);
    published?;
    removed?;
    sync_folder_of(path)
}
