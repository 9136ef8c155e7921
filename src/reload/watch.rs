//! Whether files have changed. The hard thing is the moment: a file that is being written is a broken
//! configuration, so a change counts when it has been left alone from one look to the next.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::config::{Paths, written_files};

/// How files looked: when each was changed and how long it is; `None` if it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture(BTreeMap<PathBuf, Option<(SystemTime, u64)>>);

impl Picture {
    /// Of the configuration's own files and these. Blocks on them.
    pub(super) fn of(paths: &Paths, files: &[PathBuf]) -> Self {
        let mut picture = Self::default();
        picture.look_at(&written_files(paths));
        picture.look_at(files);
        picture
    }

    /// Adds files that are not yet in it.
    pub(super) fn look_at(&mut self, files: &[PathBuf]) {
        for file in files {
            self.0.entry(file.clone()).or_insert_with(|| stamp(file));
        }
    }
}

fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Looks at files again and again.
#[derive(Debug)]
pub(super) struct Watch {
    /// Those that the configuration names.
    files: Vec<PathBuf>,
    /// When they were read.
    read: Picture,
    /// At the last look.
    last: Picture,
}

impl Watch {
    /// They looked so when they were read.
    pub(super) fn new(read: Picture, mut files: Vec<PathBuf>) -> Self {
        // A configuration that stays broken names the same ones again at each reload.
        files.sort_unstable();
        files.dedup();
        Self { files, last: read.clone(), read }
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether it is time to read them, since they now look so.
    pub(super) fn settles_on(&mut self, now: Picture) -> bool {
        let settled = now == self.last && now != self.read;
        self.last = now;
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(stamps: &[(&str, u64)]) -> Picture {
        let stamp = |length| Some((SystemTime::UNIX_EPOCH, length));
        Picture(stamps.iter().map(|&(name, length)| (name.into(), stamp(length))).collect())
    }

    #[test]
    fn a_change_counts_when_it_is_left_alone() {
        let (old, half, whole) =
            (picture(&[("a", 9)]), picture(&[("a", 1)]), picture(&[("a", 12)]));
        let mut watch = Watch::new(old.clone(), Vec::new());
        assert!(!watch.settles_on(old.clone()));
        assert!(!watch.settles_on(half));
        assert!(!watch.settles_on(whole.clone()));
        assert!(watch.settles_on(whole.clone()));
        // Once read, it is what it was.
        let mut watch = Watch::new(whole.clone(), Vec::new());
        assert!(!watch.settles_on(whole.clone()));
        // However often it is read.
        let again =
            Watch::new(whole.clone(), [[PathBuf::from("a")], [PathBuf::from("a")]].concat());
        assert_eq!(again.files(), [PathBuf::from("a")]);
        // There and back is no change.
        assert!(!watch.settles_on(old));
        assert!(!watch.settles_on(whole.clone()));
        assert!(!watch.settles_on(whole));
    }

    #[test]
    fn names_sizes_and_times_make_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("accounts.d");
        fs::create_dir(&accounts).unwrap();
        let paths = Paths {
            config: folder.path().join("saslgate.toml"),
            state: folder.path().join("state"),
        };
        let key = [folder.path().join("key.pem")];
        let mut seen = vec![Picture::of(&paths, &key)];
        let mut changed = |what: &str| {
            let now = Picture::of(&paths, &key);
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(&paths.config, "a").unwrap();
        changed("a file that comes");
        fs::write(&paths.config, "bc").unwrap();
        changed("its length");
        fs::File::open(&paths.config).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        changed("its time");
        fs::write(accounts.join("a.toml"), "").unwrap();
        changed("another file of accounts");
        fs::write(&key[0], "").unwrap();
        changed("a file that is named");
        fs::rename(accounts.join("a.toml"), accounts.join("b.toml")).unwrap();
        changed("a name");
        fs::write(accounts.join("b.toml.bak"), "").unwrap();
        assert_eq!(Some(&Picture::of(&paths, &key)), seen.last(), "a file that is none of ours");
    }
}
