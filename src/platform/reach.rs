//! Which folders this process may still open, once it has given up the rest (`service::sandbox`). The hard thing is
//! that the operating system says "permission denied" and no more, where a restart is the remedy and not a `chmod`:
//! so it is kept here for whoever explains an error.

#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Given up for good, so it is set once.
static REACH: OnceLock<Reach> = OnceLock::new();

/// The folders, as the kernel knows them: one that was made again under its name is another one.
#[derive(Debug)]
pub(crate) struct Reach(BTreeSet<(u64, u64)>);

impl Reach {
    /// Of those folders that are there.
    pub(crate) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().filter_map(|it| identity(&it)).collect())
    }

    /// Whether the file lies in one of them, wherever links lead.
    pub(crate) fn covers(&self, file: &Path) -> bool {
        resolved(file).ancestors().filter_map(identity).any(|it| self.0.contains(&it))
    }
}

/// The device and the number there; to look at these is never given up.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let seen = fs::metadata(path).ok()?;
    Some((seen.dev(), seen.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// What is left, if something was given up.
pub(crate) fn left() -> Option<&'static Reach> {
    REACH.get()
}

/// Says from now on what is left.
pub(crate) fn set(reach: Reach) {
    let _ = REACH.set(reach);
}

/// Where it really lies; of a file that is not there, where it would.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(resolved) = fs::canonicalize(&path) {
        return resolved;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path,
    }
}

/// What to do about a file that this process has given up.
pub(crate) const REMEDY: &str = "this saslgate gave up all folders but those that its configuration named when it \
    started: restart it (`systemctl restart saslgate`)";

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_count_by_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let [inside, outside] = ["inside", "outside"].map(|it| folder.path().join(it));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("out")).unwrap();
        std::os::unix::fs::symlink(&inside, outside.join("in")).unwrap();
        let reach = Reach::new([outside.join("in")]);
        assert!(reach.covers(&inside.join("not there yet")));
        assert!(reach.covers(&inside.join("nor/this")));
        assert!(reach.covers(&outside.join("in/key")));
        assert!(!reach.covers(&inside.join("out/file")));
        assert!(!reach.covers(&outside.join("file")));
        assert!(!reach.covers(&folder.path().join("inside too")));
    }

    #[test]
    fn a_folder_that_was_made_again_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, missing] = ["kept", "missing"].map(|it| folder.path().join(it));
        fs::create_dir(&kept).unwrap();
        let reach = Reach::new([kept.clone(), missing.clone()]);
        assert!(reach.covers(&kept.join("file")));
        assert!(!reach.covers(&missing.join("file")));
        // Moved and not removed, so that its number stays taken, as a rule for it does.
        let moved = folder.path().join("moved");
        fs::rename(&kept, &moved).unwrap();
        for made in [&kept, &missing] {
            fs::create_dir(made).unwrap();
            assert!(!reach.covers(&made.join("file")));
        }
        assert!(reach.covers(&moved.join("file")));
    }
}
