//! What differs between operating systems, in one place. The hard thing is the mode of a file: it must
//! be right from the first moment of the file's life.

mod child;
pub(crate) mod descriptors;
mod hold;
mod memory;
pub(crate) mod reach;

#[cfg(unix)]
use std::io::IsTerminal as _;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

pub(crate) use self::{
    child::{environment_of_program, hide},
    hold::hold_folder,
    memory::keep_private,
};

/// What a signal asks for; the text is the signal's name for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An orderly end.
    Stop(&'static str),
    /// The configuration is to be read again.
    Reload(&'static str),
}

/// The process's signals: Ctrl-C, the service manager's, and the end of the terminal or of the whole
/// system. They are listened for from the moment this exists: each of them would otherwise kill the
/// process on the spot, and with it a token refresh under way.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// `None` under `nohup` in a terminal, which asks to outlive it.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    /// What SIGHUP means.
    #[cfg(unix)]
    on_hangup: Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    close: tokio::signal::windows::CtrlClose,
    #[cfg(windows)]
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(unix)]
impl Signals {
    /// Starts to listen; needs a running tokio runtime. SIGHUP says that the terminal has gone where
    /// standard input is one, or else, where there is something to reload, that it is to be reloaded.
    ///
    /// # Errors
    /// The operating system does not let us.
    pub fn new(can_reload: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let reloads = can_reload && !io::stdin().is_terminal();
        let deaf = !reloads && is_hangup_ignored();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if deaf { None } else { Some(signal(SignalKind::hangup())?) },
            on_hangup: if reloads { Signal::Reload("SIGHUP") } else { Signal::Stop("SIGHUP") },
        })
    }

    /// Resolves when the next signal comes.
    pub async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop("Ctrl-C"),
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = hangup => self.on_hangup,
        }
    }
}

#[cfg(windows)]
impl Signals {
    /// Starts to listen; needs a running tokio runtime. No signal asks for a reload here.
    ///
    /// # Errors
    /// The operating system does not let us.
    pub fn new(_: bool) -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self { interrupt: ctrl_c()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
    }

    /// Resolves when the next signal comes.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop("Ctrl-C"),
            _ = self.close.recv() => Signal::Stop("the console was closed"),
            _ = self.shutdown.recv() => Signal::Stop("the system shuts down"),
        }
    }
}

impl Signals {
    /// Resolves when the next signal to stop comes, with its name.
    pub async fn next_stop(&mut self) -> &'static str {
        loop {
            if let Signal::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

/// Asks for something with Ctrl-C's signal caught: `rpassword` raises it before it gives the terminal its
/// echo and its lines back, and then says `Interrupted` if we still live. Afterwards the signal ends the
/// process, as ever.
///
/// # Errors
/// The operating system does not let us.
#[cfg(unix)]
pub(crate) fn survive_interrupt<T>(ask: impl FnOnce() -> T) -> io::Result<T> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    let answer = ask();
    // The handler stays for as long as the process does, so somebody must heed it.
    std::thread::spawn(move || {
        runtime.block_on(interrupts.recv());
        std::process::exit(130);
    });
    Ok(answer)
}

/// Elsewhere nothing has to be given back.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(crate) fn survive_interrupt<T>(ask: impl FnOnce() -> T) -> io::Result<T> {
    Ok(ask())
}

/// Opens a link in the system's browser, on a thread that nobody waits for: some launchers stay as long as
/// the browser does. No shell sees the link.
pub(crate) fn open_link(link: String, failed: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        if launch(&link).is_err() {
            failed();
        }
    });
}

/// The first launcher that starts and does not fail; in a group of its own, so that Ctrl-C here ends no browser.
#[cfg(unix)]
fn launch(link: &str) -> io::Result<()> {
    use std::{os::unix::process::CommandExt as _, process::Stdio};
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for mut launcher in open::commands(link) {
        launcher.env_clear().envs(child::environment_of_browser()).process_group(0);
        launcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match launcher.status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => last = io::Error::other(status.to_string()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The shell of Windows starts it, and not we: in the environment of the desktop.
#[cfg(not(unix))]
fn launch(link: &str) -> io::Result<()> {
    open::that_detached(link)
}

/// Whether a browser that is opened here would be seen by whoever types.
pub(crate) fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(any(windows, target_os = "macos")) {
        return !is_set("SSH_CONNECTION");
    }
    ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(is_set)
}

/// Whether who started us had SIGHUP ignored (`nohup`). Only Linux tells without unsafe code
/// (proc_pid_status(5): bit 0 of the mask is signal 1).
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// Creates a file that must not be there yet. `mode` counts on Unix; Windows keeps a user's folders
/// private by inheritance.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let file = options.open(path)?;
    take_over_owner(path, &file)?;
    Ok(file)
}

/// What root creates in the folder of another user (`sudo saslgate account password …` before the
/// service's first start) is to be that user's, or the service finds a key that it cannot read. Only
/// where nobody but root could have put another folder in this one's place meanwhile.
#[cfg(unix)]
fn take_over_owner(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o022;
    if file.metadata()?.uid() != 0 {
        return Ok(());
    }
    let named = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let named = std::path::absolute(named.unwrap_or_else(|| Path::new(".")))?;
    // Not through a link: what it leads to may have been another folder a moment ago.
    let folder = fs::symlink_metadata(&named)?;
    if folder.uid() == 0 || !folder.is_dir() {
        return Ok(());
    }
    for (height, above) in named.ancestors().skip(1).enumerate() {
        let above = fs::symlink_metadata(above)?;
        // Others may add to a sticky folder, but not replace what is root's.
        let sticky = height > 0 && above.mode() & STICKY != 0;
        let safe =
            above.is_dir() && above.uid() == 0 && (above.mode() & OTHERS_WRITE == 0 || sticky);
        if !safe {
            return Ok(());
        }
    }
    fchown(file, Some(folder.uid()), Some(folder.gid()))
}

#[cfg(not(unix))]
fn take_over_owner(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

/// Whether we may do everything here.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    {
        nix::unistd::geteuid().is_root()
    }
    #[cfg(not(unix))]
    {
        false
    }
}

/// Gives a file with a secret to the user that the packaged service runs as, where there is one.
pub(crate) fn give_to_service(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if is_root()
        && let Ok(Some(user)) = nix::unistd::User::from_name("saslgate")
    {
        return std::os::unix::fs::lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Says of a file why it cannot be read; where rights are the reason, whose it is and what to do.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot be read: {}", path.display(), explain(path, error))
}

/// An error of the operating system about this file; where rights are the reason, with whose it is and
/// what to do.
pub(crate) fn explain(path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    if reach::left().is_some_and(|left| !left.covers(path)) {
        return format!("{error}; {}", reach::REMEDY);
    }
    format!("{error}; {}", remedy(path))
}

/// What to do about a file that belongs to another user. A file that cannot even be looked at lies in
/// a folder that is closed to us, and that one is named.
#[cfg(unix)]
pub(crate) fn remedy(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let seen = path.ancestors().find_map(|it| Some((it, fs::metadata(it).ok()?.uid())));
    let Some((path, owner)) = seen else {
        return REMEDY.to_owned();
    };
    if owner != 0 && owner == nix::unistd::geteuid().as_raw() {
        return format!("{} is yours, but its mode forbids it: chmod u+rwX", path.display());
    }
    // What all programs and people share is given to nobody.
    if owner == 0 && path.is_dir() && path.components().count() <= 2 {
        return format!(
            "it would lie in {}, which belongs to root: name a place of your own with --config and --state",
            path.display()
        );
    }
    let owner = if owner == 0 { "root".to_owned() } else { format!("the user with id {owner}") };
    format!("{} belongs to {owner}: {REMEDY}", path.display())
}

#[cfg(not(unix))]
pub(crate) fn remedy(_: &Path) -> String {
    REMEDY.to_owned()
}

/// Creates the folder and what is missing above it, open to its owner only. One that exists is left
/// as it is: who made it chose its mode.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether someone beside the owner may read or write the file. On Windows a mode cannot tell.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        Ok(metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Ok(false)
    }
}

/// Whether every user of this machine may change the file, or what is in the folder. Links count as what they
/// lead to. A group may: on many systems each user has one alone.
pub(crate) fn is_writable_by_all(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        Ok(metadata.permissions().mode() & 0o002 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Ok(false)
    }
}

/// Whether every user of this machine may read the file.
pub(crate) fn is_readable_by_all(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes a change of names in the folder of `path` durable. Only Unix has a call for it; elsewhere
/// the file system's journal does it.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        // The parent of a bare name is empty, and stands for here.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The configuration and the state folder of a service, where a place exists that only an administrator
/// can create. On Windows there is none: any local user may make `C:\etc` and `C:\ProgramData\saslgate`.
pub(crate) const SYSTEM_PLACES: Option<[&str; 2]> =
    if cfg!(unix) { Some(["/etc/saslgate/saslgate.toml", "/var/lib/saslgate"]) } else { None };

/// The mode of what only its owner may read and write.
pub(crate) const OWNER_ONLY: u32 = 0o600;

const REMEDY: &str = "give it to the user that the saslgate service runs as (chown), or run the command \
    as that user";

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn denied_is_told_with_the_owner_and_the_remedy() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            unreadable(Path::new("/no-such-folder/key"), &error),
            "/no-such-folder/key: cannot be read: permission denied; it would lie in /, which belongs to root: name a \
             place of your own with --config and --state"
        );
        let other = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(explain(Path::new("/"), &other), other.to_string());
    }

    #[test]
    fn what_root_creates_belongs_to_the_owner_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        let me = fs::metadata(&own).unwrap().uid();
        let made = create_new(&own.join("file"), OWNER_ONLY).unwrap();
        assert_eq!(made.metadata().unwrap().uid(), me);
        // Only root can go on: nobody else may give files away.
        if me != 0 || chown(&own, Some(4242), Some(4243)).is_err() {
            return;
        }
        let made = create_new(&own.join("theirs"), OWNER_ONLY).unwrap().metadata().unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (4242, 4243, 0o600));
        // What a link leads to may be exchanged behind it.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        let made = create_new(&link.join("linked"), OWNER_ONLY).unwrap();
        assert_eq!(made.metadata().unwrap().uid(), 0);
        // Where others could exchange the folder, root keeps what it makes.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let made = create_new(&own.join("kept"), OWNER_ONLY).unwrap();
        assert_eq!(made.metadata().unwrap().uid(), 0);
    }
}
