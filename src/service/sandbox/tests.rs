use std::{fs, path::Path};

use super::*;
use crate::config::{Secrets, load};

fn loaded(folder: &Path, more: &str) -> (Paths, Loaded) {
    let paths = Paths { config: folder.join("conf/saslgate.toml"), state: folder.join("state") };
    let account =
        "[[account]]\nlogin = \"me@example.com\"\nprovider = \"custom\"\ngrant = \"external\"\n";
    fs::create_dir_all(folder.join("conf")).unwrap();
    fs::write(
        &paths.config,
        format!("{account}{more}\n[account.imap]\nhost = \"imap.example.com\"\n"),
    )
    .unwrap();
    let loaded = load(&paths, Secrets::Read).unwrap();
    (paths, loaded)
}

#[test]
fn what_comes_later_is_needed_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("tokens/late");
    let (paths, loaded) = loaded(folder.path(), &format!("token_file = '{}'", token.display()));
    let needs = Needs::of(&paths, &loaded);
    assert!(needs.files.contains(&token) && needs.files.contains(&paths.config));
    assert!(needs.programs.is_empty());
    let folders = needs.folders();
    assert!(folders.contains(&folder.path().join("tokens")));
    assert!(folders.contains(&folder.path().join("conf")));
    assert!(folders.contains(Path::new("/etc")));
}

#[test]
fn a_program_is_named_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let (_, loaded) = loaded(folder.path(), "token_command = [\"print-token\", \"--secret\"]");
    assert_eq!(loaded.programs, ["token_command (print-token)"]);
}

/// Of a thread that this process can do without: it cannot be taken back.
#[cfg(target_os = "linux")]
#[test]
fn the_kernel_refuses_everything_else() {
    use std::io::ErrorKind::PermissionDenied;

    use landlock::RulesetStatus;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let path = move |name: &str| root.join(name);
    for made in ["read", "state", "other"] {
        fs::create_dir(path(made)).unwrap();
        fs::write(path(made).join("file"), made).unwrap();
    }
    let folders: BTreeSet<_> =
        [path("read"), PathBuf::from("/usr"), PathBuf::from("/lib")].into_iter().collect();
    let confined = std::thread::spawn(move || {
        let status = linux::restrict(&folders, &path("state")).unwrap();
        if status.ruleset == RulesetStatus::NotEnforced {
            eprintln!("this kernel has no Landlock: nothing was seen here");
            return;
        }
        let refused = |what: std::io::Result<()>| what.unwrap_err().kind() == PermissionDenied;
        let read = |name: &str| fs::read(path(name)).map(|_| ());
        read("read/file").unwrap();
        assert!(refused(read("other/file")));
        assert!(refused(fs::read_dir(path("other")).map(|_| ())));
        assert!(refused(fs::write(path("read/file"), "")));
        assert!(refused(fs::write(path("read/new"), "")));
        assert!(refused(fs::remove_file(path("other/file"))));
        assert!(refused(std::process::Command::new("/usr/bin/env").status().map(|_| ())));
        // What takes a file's place in a folder that is left can be read.
        fs::write(path("state/new"), "new").unwrap();
        fs::create_dir(path("state/inner")).unwrap();
        fs::rename(path("state/new"), path("state/inner/new")).unwrap();
        fs::rename(path("state/inner/new"), path("state/file")).unwrap();
        assert_eq!(fs::read(path("state/file")).unwrap(), b"new");
        fs::remove_file(path("state/file")).unwrap();
        // And a thread of this thread is confined as it is.
        let other = path("other/file");
        assert!(std::thread::spawn(move || fs::read(other).is_err()).join().unwrap());
    });
    confined.join().unwrap();
}
