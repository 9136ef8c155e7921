//! The daemon's end. The hard thing is the socket's first moment: it is made inside a folder that nobody
//! else may enter, closed, and only then moved to its name. Which daemon of a store may have that name
//! is settled by a lock that ends with its process, so a dead daemon's socket is replaced and a living
//! one's never.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    future::Future,
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    PATIENCE, RELOAD_PATIENCE, SOCKET,
    message::{Answer, ProcessStatus, ReloadReport, Request},
};
use crate::platform::{self, OWNER_ONLY};

/// What the daemon can do for whoever asks.
pub trait Handler: Send + Sync + 'static {
    /// How the process is.
    fn status(&self) -> Work<'_, ProcessStatus>;
    /// Reads the configuration again. It may be given up half-way if it takes minutes.
    fn reload(&self) -> Work<'_, ReloadReport>;
    /// Looks at what the store has of this account.
    fn changed<'a>(&'a self, account: &'a str) -> Work<'a, ()>;
    /// The last lines of the log.
    fn log(&self) -> Vec<String>;
}

/// What a [`Handler`] does, boxed so that `dyn Handler` works.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The socket of the one daemon that has it.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
    /// Held as long as the socket is ours.
    _lock: File,
}

impl ControlSocket {
    /// Opens the socket of this state folder; `None` if another daemon has it. Needs a running tokio
    /// runtime.
    ///
    /// # Errors
    /// The operating system's, with the path.
    pub fn bind(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(SOCKET);
        Self::open(folder, &path).map_err(|error| {
            let words = platform::explain(&path, &error);
            io::Error::new(error.kind(), format!("{}: {words}", path.display()))
        })
    }

    fn open(folder: &Path, path: &Path) -> io::Result<Option<Self>> {
        let Some(lock) = lock(&folder.join(LOCK))? else {
            return Ok(None);
        };
        let private = folder.join(PRIVATE);
        // Left behind by a process that was killed just here; the lock makes it nobody's.
        remove_private(&private)?;
        fs::DirBuilder::new().mode(0o700).create(&private)?;
        let made = make_at(&private.join(INNER), path);
        remove_private(&private)?;
        let listener = made?;
        let owner = fs::symlink_metadata(path)?.uid();
        Ok(Some(Self { listener, path: path.to_owned(), owner, _lock: lock }))
    }

    /// Answers until `stop`, then removes the socket. Few are answered at once, and nobody for long.
    pub async fn serve(self, handler: Arc<dyn Handler>, stop: CancellationToken) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let accepted = async {
                let turn = Arc::clone(&turns).acquire_owned().await;
                (turn, self.listener.accept().await)
            };
            let Some((Ok(turn), accepted)) = stop.run_until_cancelled(accepted).await else {
                break;
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!("the control socket does not accept: {error}");
                    tokio::time::sleep(AFTER_FAULT).await;
                    continue;
                }
            };
            if let Err(error) = self.admit(&stream) {
                debug!("sent away from the control socket: {error}");
                continue;
            }
            let (handler, stop) = (Arc::clone(&handler), stop.clone());
            tokio::spawn(async move {
                let _turn = turn;
                if let Some(Err(error)) =
                    stop.run_until_cancelled(converse(stream, handler.as_ref())).await
                {
                    debug!("a conversation on the control socket broke off: {error}");
                }
            });
        }
    }

    /// The socket's mode should do; some systems do not look at it.
    fn admit(&self, stream: &UnixStream) -> io::Result<()> {
        let user = stream.peer_cred()?.uid();
        if may_ask(user, self.owner) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {user}")))
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The lock is still ours, so it is still our socket.
        let _ = fs::remove_file(&self.path);
    }
}

/// The user that the daemon runs as, and root.
pub(super) fn may_ask(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

/// `None` if a living process holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match platform::create_new(path, OWNER_ONLY) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path)?
        }
        made => made?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn make_at(inner: &Path, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(inner)?;
    fs::set_permissions(inner, Permissions::from_mode(OWNER_ONLY))?;
    fs::rename(inner, path)?;
    Ok(listener)
}

fn remove_private(private: &Path) -> io::Result<()> {
    for removed in [fs::remove_file(private.join(INNER)), fs::remove_dir(private)] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn converse(stream: UnixStream, handler: &dyn Handler) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let answer = match tokio::time::timeout(PATIENCE, read_request(input)).await {
        Err(_) => error("nothing was asked in time"),
        Ok(Err(fault)) => return Err(fault),
        Ok(Ok(Err(text))) => error(text),
        Ok(Ok(Ok(request))) => answer(request, handler).await,
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    let written = async {
        output.write_all(&line).await?;
        output.shutdown().await
    };
    tokio::time::timeout(PATIENCE, written).await?
}

/// The request, or why there is none.
async fn read_request(
    input: impl tokio::io::AsyncRead + Unpin,
) -> io::Result<Result<Request, &'static str>> {
    let mut line = Vec::new();
    let mut input = BufReader::new(input).take(MAX_REQUEST + 1);
    input.read_until(b'\n', &mut line).await?;
    if line.len() as u64 > MAX_REQUEST {
        return Ok(Err("the request is too long"));
    }
    if line.last() != Some(&b'\n') {
        return Ok(Err("the request ends before its line does"));
    }
    Ok(serde_json::from_slice(&line).map_err(|_| "the request is not one of this protocol"))
}

async fn answer(request: Request, handler: &dyn Handler) -> Answer {
    let in_time = async {
        match request {
            Request::Status => Answer::Status(handler.status().await),
            Request::Reload => Answer::Reload(handler.reload().await),
            Request::Changed { account } => {
                handler.changed(&account).await;
                Answer::Changed
            }
            Request::Log => Answer::Log { lines: handler.log() },
            Request::Unknown => error("this version of saslgate does not know that request"),
        }
    };
    match tokio::time::timeout(RELOAD_PATIENCE, in_time).await {
        Ok(answer) => answer,
        Err(_) => error("it took too long"),
    }
}

fn error(text: impl Into<String>) -> Answer {
    Answer::Error { text: text.into() }
}

/// A login has at most 320 octets, and JSON writes each in six at most.
const MAX_REQUEST: u64 = 4096;

/// Who comes beyond waits in the operating system's queue.
const AT_ONCE: usize = 16;

/// Out of descriptors, most likely.
const AFTER_FAULT: Duration = Duration::from_millis(200);

/// Names beside the socket. They are short, since a socket's path has 104 octets on some systems.
const LOCK: &str = "control.lock";
const PRIVATE: &str = ".control";
const INNER: &str = "new";
