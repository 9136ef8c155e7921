//! Server and client against each other, and the server against who does not keep to the protocol.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener as StdListener},
    path::Path,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    ControlError, SOCKET,
    client::ask,
    message::{Answer, ProcessStatus, ReloadReport, Request},
    server::{ControlSocket, Handler, Work, may_ask},
};

#[derive(Default)]
struct Daemon {
    changed: Mutex<Vec<String>>,
}

impl Handler for Daemon {
    fn status(&self) -> Work<'_, ProcessStatus> {
        Box::pin(async { ProcessStatus { pid: 7, ..ProcessStatus::default() } })
    }

    fn reload(&self) -> Work<'_, ReloadReport> {
        let mistakes = vec!["line 1".to_owned()];
        Box::pin(async { ReloadReport { mistakes, ..ReloadReport::default() } })
    }

    fn changed<'a>(&'a self, account: &'a str) -> Work<'a, ()> {
        self.changed.lock().unwrap().push(account.to_owned());
        Box::pin(async {})
    }

    fn log(&self) -> Vec<String> {
        vec!["\u{1}".repeat(2000); 500]
    }
}

struct Served {
    folder: tempfile::TempDir,
    daemon: Arc<Daemon>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, stop) = (Arc::new(Daemon::default()), CancellationToken::new());
        let socket = ControlSocket::bind(folder.path()).unwrap().unwrap();
        let handler: Arc<dyn Handler> = Arc::clone(&daemon) as _;
        let task = AbortOnDropHandle::new(tokio::spawn(socket.serve(handler, stop.clone())));
        Self { folder, daemon, stop, task }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path().join(SOCKET)).await.unwrap()
    }

    /// What it answers to these octets.
    async fn say(&self, octets: &[u8], close: bool) -> String {
        let mut stream = self.connect().await;
        // It may have heard enough before the end.
        let _ = stream.write_all(octets).await;
        if close {
            let _ = stream.shutdown().await;
        }
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }
}

#[tokio::test]
async fn each_request_has_its_answer() {
    let served = Served::start();
    let status = ask(served.path(), &Request::Status).await.unwrap();
    assert_eq!(status, Answer::Status(ProcessStatus { pid: 7, ..ProcessStatus::default() }));
    let reload = ask(served.path(), &Request::Reload).await.unwrap();
    let report = ReloadReport { mistakes: vec!["line 1".into()], changes: Vec::new() };
    assert_eq!(reload, Answer::Reload(report));
    let changed = Request::Changed { account: "me@example.com".to_owned() };
    assert_eq!(ask(served.path(), &changed).await, Ok(Answer::Changed));
    assert_eq!(*served.daemon.changed.lock().unwrap(), ["me@example.com"]);
    // As much as it can be, and each character as long as it can be.
    let log = ask(served.path(), &Request::Log).await;
    assert_eq!(log, Ok(Answer::Log { lines: served.daemon.log() }));
    let unknown = ask(served.path(), &Request::Unknown).await;
    let text = "this version of saslgate does not know that request".to_owned();
    assert_eq!(unknown, Err(ControlError::Refused(text)));
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let served = Served::start();
    for (octets, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], "the request is not one of this protocol"),
        (b"\n", "the request is not one of this protocol"),
        (b"\xff\x00\n", "the request is not one of this protocol"),
        (b"{\"request\":\"changed\"}\n", "the request is not one of this protocol"),
        (b"{\"request\":\"dance\"}\n", "does not know that request"),
        (b"{\"request\":\"status\"}", "the request ends before its line does"),
        (b"", "the request ends before its line does"),
    ] {
        let answer = served.say(octets, true).await;
        assert!(answer.contains(expected), "{octets:?}: {answer}");
    }
    // A newer command's members are skipped.
    let answer = served.say(b"{\"request\":\"status\",\"depth\":3}\n", false).await;
    assert!(answer.starts_with("{\"answer\":\"status\",") && answer.ends_with("}\n"), "{answer}");
    let long = served.say(&vec![b' '; 5000], false).await;
    assert_eq!(long, "{\"answer\":\"error\",\"text\":\"the request is too long\"}\n");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_sent_away() {
    let served = Served::start();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(served.connect().await);
    }
    for mut silent in silent {
        let mut answer = String::new();
        silent.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("nothing was asked in time"), "{answer}");
    }
}

#[tokio::test]
async fn a_hundred_at_once_are_all_answered() {
    let served = Served::start();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let folder = served.path().to_owned();
            tokio::spawn(async move { ask(&folder, &Request::Status).await })
        })
        .collect();
    for asking in asking {
        assert!(matches!(asking.await.unwrap(), Ok(Answer::Status(_))));
    }
}

#[tokio::test]
async fn the_socket_is_closed_to_others_and_goes_with_its_daemon() {
    let served = Served::start();
    let socket = served.path().join(SOCKET);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(served.path()).unwrap().count(), 2, "the socket and its lock");
    let Served { folder, stop, task, .. } = served;
    stop.cancel();
    task.await.unwrap();
    assert!(!socket.exists());
    assert_eq!(ask(folder.path(), &Request::Status).await, Err(ControlError::NotRunning));
}

#[tokio::test]
async fn a_living_daemon_keeps_its_socket_and_a_dead_ones_is_replaced() {
    let served = Served::start();
    assert!(ControlSocket::bind(served.path()).unwrap().is_none());
    assert!(ask(served.path(), &Request::Status).await.is_ok(), "and it still answers");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    drop(StdListener::bind(&path).unwrap());
    fs::create_dir(folder.path().join(".control")).unwrap();
    assert_eq!(ask(folder.path(), &Request::Status).await, Err(ControlError::NotRunning));
    let socket = ControlSocket::bind(folder.path()).unwrap().expect("it is free");
    assert!(UnixStream::connect(&path).await.is_ok());
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn an_answer_of_another_version_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    for (answer, expected) in [
        ("", "saslgate has hung up without an answer"),
        ("hello\n", "saslgate answers in a way that this version does not understand"),
    ] {
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (asked, ()) = tokio::join!(ask(folder.path(), &Request::Status), server);
        let error = asked.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn only_the_daemons_user_and_root_may_ask() {
    assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
    assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
}

#[tokio::test]
async fn a_path_that_is_too_long_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let error = ControlSocket::bind(&long).map(|it| it.is_some()).unwrap_err().to_string();
    assert!(error.contains("/control.sock: "), "{error}");
}
