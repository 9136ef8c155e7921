#[cfg(target_os = "linux")]
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

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
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let (paths, loaded) = loaded(folder.path(), &format!("token_file = '{}'", token.display()));
    let needs = Needs::of(&paths, &loaded);
    assert!(needs.files.contains(&token) && needs.files.contains(&paths.config));
    assert!(needs.files.contains(&folder.path().join("conf/accounts.d")));
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

#[cfg(target_os = "linux")]
#[test]
fn files_of_accounts_that_are_linked_are_needed_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let [conf, elsewhere] = ["conf/accounts.d", "elsewhere"].map(|it| folder.path().join(it));
    fs::create_dir_all(&conf).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("one.toml"), "").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("one.toml"), conf.join("one.toml")).unwrap();
    let (paths, loaded) = loaded(folder.path(), "token_file = '/etc/token'");
    assert!(Needs::of(&paths, &loaded).folders().contains(&elsewhere));
}

#[test]
fn of_what_is_missing_the_nearest_folder_counts_and_never_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let near = |it: &Path| nearest(&place(it));
    assert_eq!(near(&folder.path().join("a/b/c")).as_deref(), Some(folder.path()));
    assert_eq!(near(&folder.path().join("a")).as_deref(), Some(folder.path()));
    #[cfg(unix)]
    for nowhere in ["/no-such-folder/file", "/no-such-file", "/"] {
        assert_eq!(near(Path::new(nowhere)), None);
    }
}

/// Runs it in a thread that is confined, which this process can do without: it cannot be taken back.
#[cfg(target_os = "linux")]
fn confined(
    folders: BTreeSet<PathBuf>,
    state: PathBuf,
    what: impl FnOnce() + Send + 'static,
) -> JoinHandle<()> {
    use landlock::{ABI, LandlockStatus, RulesetStatus};

    thread::spawn(move || {
        let status = linux::restrict(&folders, &state).unwrap();
        match (status.ruleset, status.landlock) {
            (
                RulesetStatus::NotEnforced,
                LandlockStatus::NotEnabled
                | LandlockStatus::NotImplemented
                | LandlockStatus::Available { effective_abi: ABI::V1, .. },
            ) => eprintln!("this kernel has no Landlock, or the first one: nothing was seen here"),
            (RulesetStatus::NotEnforced, there) => panic!("{there:?}, and not confined"),
            _ => what(),
        }
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_can_be_switched_to_a_new_folder() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let write = |name: &str| {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, name).unwrap();
    };
    for name in ["certs/1/pem", "versions/1/key", "other/file", "state/file"] {
        write(name);
    }
    for name in ["live", "keys"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    // A link to a folder; one to a link to a folder; and one that cannot end.
    symlink("../certs/1", root.join("live/now")).unwrap();
    symlink("stable", root.join("keys/now")).unwrap();
    symlink("../versions/1", root.join("keys/stable")).unwrap();
    symlink("endless/x", root.join("keys/endless")).unwrap();
    let files = ["live/now/pem", "keys/now/key", "keys/endless"].map(|it| root.join(it));
    let needs = Needs { files: files.into(), ..Needs::default() };
    let (confirm, is_confined) = mpsc::channel();
    let (switch, is_switched) = mpsc::channel();
    let thread = confined(needs.folders(), root.join("state"), {
        let root = root.clone();
        move || {
            let read = |name: &str| fs::read_to_string(root.join(name));
            assert_eq!(read("live/now/pem").unwrap(), "certs/1/pem");
            confirm.send(()).unwrap();
            is_switched.recv().unwrap();
            assert_eq!(read("live/now/pem").unwrap(), "certs/2/pem");
            assert_eq!(read("keys/now/key").unwrap(), "versions/2/key");
            assert!(read("other/file").is_err());
        }
    });
    if is_confined.recv().is_ok() {
        write("certs/2/pem");
        write("versions/2/key");
        for (target, link) in [("../certs/2", "live/now"), ("../versions/2", "keys/stable")] {
            symlink(target, root.join("live/new")).unwrap();
            fs::rename(root.join("live/new"), root.join(link)).unwrap();
        }
        switch.send(()).unwrap();
    }
    thread.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_refuses_everything_else() {
    use std::io::ErrorKind::PermissionDenied;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let path = move |name: &str| root.join(name);
    for made in ["read", "state", "other"] {
        fs::create_dir(path(made)).unwrap();
        fs::write(path(made).join("file"), made).unwrap();
    }
    let folders: BTreeSet<_> =
        [path("read"), PathBuf::from("/usr"), PathBuf::from("/lib")].into_iter().collect();
    let thread = confined(folders, path("state"), move || {
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
        assert!(thread::spawn(move || fs::read(other).is_err()).join().unwrap());
    });
    thread.join().unwrap();
}
