//! Files that nobody else may read. The hard thing is that the mode must be right from the first
//! moment of a file's life, and that a new name in a folder is durable only once the folder itself
//! has been synced. All that differs between operating systems stands here.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Creates the folder and what is missing above it, open to its owner only. One that exists is left
/// as it is: who made it chose its mode.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates an empty file that only its owner may read and write, unless there is one already.
pub(super) fn create_private_file(path: &Path) -> io::Result<()> {
    match create_new(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a file with this content in place, durably and all at once. Fails with `AlreadyExists` if
/// the name is taken: of two processes that try, one wins and neither sees half a file.
pub(super) fn publish(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create_new(temporary)?;
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

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a change of names in the folder of `path` durable. Only Unix has a call for it; elsewhere
/// the file system's journal does it.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Whether someone beside the owner may read or write the file. Windows keeps a user's folders
/// private by inheritance, which a mode cannot tell.
pub(super) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path)?;
        Ok(false)
    }
}
