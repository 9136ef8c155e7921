//! The daemon under a service manager that the tests play: notifications, watchdog, sockets and privileges, over the
//! real protocols, with the built program.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{
            fs::{MetadataExt as _, PermissionsExt as _},
            net::UnixDatagram,
        },
    },
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A manager with one service: a folder for it, and the socket at which it reports.
struct Manager {
    folder: tempfile::TempDir,
    notifications: UnixDatagram,
}

impl Manager {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("saslgate.toml"), config).unwrap();
        let notifications = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, notifications }
    }

    /// The daemon, with `$LISTEN_PID` set to its own process as a service manager does; `socket` becomes the
    /// descriptor 3.
    fn command(&self, socket: Option<OwnedFd>) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new("sh");
        let inherit =
            "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mail;";
        let inherit = if socket.is_some() { inherit } else { "" };
        command
            .args(["-c", &format!("{inherit} exec \"$0\" run"), env!("CARGO_BIN_EXE_saslgate")])
            .env("SASLGATE_CONFIG", folder.join("saslgate.toml"))
            .env("SASLGATE_STATE", folder.join("state"))
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .stdin(socket.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Lets another user pass through the folder, and report; what else is inside stays root's.
    fn open_to_others(&self) {
        let set = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(self.folder.path().to_owned(), 0o711);
        set(self.folder.path().join("notify"), 0o777);
    }

    /// The next notification, its assignments one a line.
    fn notified(&self) -> String {
        let mut buffer = [0; 4096];
        // A signal for another test of this process may interrupt it.
        let length = loop {
            match self.notifications.recv(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => break received.expect("a notification"),
            }
        };
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[track_caller]
    fn wait_for(&self, assignment: &str) -> String {
        loop {
            let notified = self.notified();
            if notified.lines().any(|line| line == assignment) {
                return notified;
            }
        }
    }
}

/// The daemon; ended with the test.
struct Daemon(Child);

impl Daemon {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// SIGTERM; what it had said, once it has ended well.
    fn stop(mut self) -> String {
        self.signal("TERM");
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn config(address: SocketAddr, more: &str) -> String {
    format!(
        "{more}\n[[listen]]\naddress = \"{address}\"\n[[account]]\nlogin = \"me@example.com\"\n\
         provider = \"microsoft365\"\ntenant = \"example.com\"\nclient_id = \"id\"\n"
    )
}

#[track_caller]
fn check_greeting(address: SocketAddr) {
    let mut greeting = String::new();
    let socket = TcpStream::connect(address).unwrap();
    BufReader::new(socket).read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("* OK "), "{greeting}");
}

const ANY_PORT: &str = "127.0.0.1:0";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn ready_alive_and_stopping_are_told() {
    let manager = Manager::new(&config(ANY_PORT.parse().unwrap(), ""));
    let mut command = manager.command(None);
    let daemon = Daemon::start(command.env("WATCHDOG_USEC", "200000"));
    let ready = manager.wait_for("READY=1");
    assert!(ready.contains("STATUS=serving 1 account on 1 port\n"), "{ready}");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    daemon.signal("TERM");
    let stopping = manager.wait_for("STOPPING=1");
    assert!(stopping.contains("\nEXTEND_TIMEOUT_USEC="), "{stopping}");
    daemon.stop();
}

#[test]
fn a_reload_is_told_from_its_beginning_to_its_end() {
    let manager = Manager::new(&config(ANY_PORT.parse().unwrap(), ""));
    let file = manager.folder.path().join("saslgate.toml");
    let written = fs::read_to_string(&file).unwrap();
    let daemon = Daemon::start(&mut manager.command(None));
    manager.wait_for("READY=1");
    let reload = |text: &str, expected: &str| {
        fs::write(&file, text).unwrap();
        daemon.signal("HUP");
        let begun = manager.wait_for("RELOADING=1");
        let time = begun.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{begun}");
        manager.wait_for(&format!("STATUS={expected}"));
    };
    let pop3 = "[[listen]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:0\"\n";
    reload(&format!("{written}{pop3}"), "serving 1 account on 2 ports");
    reload("[[acount]]\n", "serving 1 account on 2 ports");
    reload(&written, "serving 1 account on 1 port");
    daemon.stop();
}

#[test]
fn a_watchdog_of_another_process_is_not_ours() {
    let manager = Manager::new(&config(ANY_PORT.parse().unwrap(), ""));
    let mut command = manager.command(None);
    let daemon = Daemon::start(command.envs([("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]));
    manager.wait_for("READY=1");
    daemon.signal("TERM");
    let next = manager.notified();
    assert!(next.starts_with("STOPPING=1\n"), "{next}");
}

#[test]
fn a_start_that_fails_is_not_ready() {
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let manager = Manager::new(&config(taken.local_addr().unwrap(), ""));
    let mut daemon = Daemon::start(&mut manager.command(None));
    assert_eq!(daemon.0.wait().unwrap().code(), Some(1));
    manager.notifications.set_nonblocking(true).unwrap();
    assert!(manager.notifications.recv(&mut [0; 64]).is_err());
}

#[test]
fn a_socket_is_taken_over_by_its_address() {
    let socket = TcpListener::bind(ANY_PORT).unwrap();
    let address = socket.local_addr().unwrap();
    let manager = Manager::new(&config(address, ""));
    // Nobody else could open the port: the test holds it, too.
    let handed_over = socket.try_clone().unwrap();
    let daemon = Daemon::start(&mut manager.command(Some(handed_over.into())));
    manager.wait_for("READY=1");
    check_greeting(address);
    let said = daemon.stop();
    assert!(!said.contains("inherited"), "{said}");
}

#[test]
fn what_cannot_be_used_is_told() {
    let datagrams = UdpSocket::bind(ANY_PORT).unwrap();
    let elsewhere = TcpListener::bind(ANY_PORT).unwrap();
    let client = TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let cases: [(OwnedFd, &str); 4] = [
        (datagrams.into(), "descriptor 0 (mail) is not a TCP socket"),
        (file.into(), "descriptor 0 (mail) is not a TCP socket"),
        (client.into(), "socket 0 (mail) does not listen"),
        (elsewhere.into(), "is not used: no [[listen]] has this address"),
    ];
    for (descriptor, expected) in cases {
        let manager = Manager::new(&config(ANY_PORT.parse().unwrap(), ""));
        let daemon = Daemon::start(&mut manager.command(Some(descriptor)));
        manager.wait_for("READY=1");
        let said = daemon.stop();
        assert!(said.contains(expected), "{said}");
    }
}

/// The client secret's program is a child like any other.
#[test]
fn a_child_gets_neither_socket_nor_variables() {
    let socket = TcpListener::bind(ANY_PORT).unwrap();
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    let link = link.display().to_string();
    assert!(link.starts_with("socket:["), "{link}");
    let manager = Manager::new("");
    let seen = manager.folder.path().join("seen");
    let program = format!("echo secret; (ls -l /proc/self/fd/; env) > {}", seen.display());
    let config = config(socket.local_addr().unwrap(), "")
        + &format!("client_secret = {{ command = [\"sh\", \"-c\", {program:?}] }}\n");
    fs::write(manager.folder.path().join("saslgate.toml"), config).unwrap();
    let daemon = Daemon::start(&mut manager.command(Some(socket.into())));
    manager.wait_for("READY=1");
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("\nPATH="), "{seen}");
    for ours in ["LISTEN_", "NOTIFY_", "SASLGATE_"] {
        assert!(!seen.contains(&format!("\n{ours}")), "{seen}");
    }
    assert!(!seen.contains(&link), "{seen}");
    daemon.stop();
}

/// Only root has rights to drop, and a port below 1024 to show that it had them.
#[test]
fn roots_rights_are_dropped_for_good() {
    if !is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let (port, _) = (600..1024)
        .find_map(|port| Some((port, TcpListener::bind(("127.0.0.1", port)).ok()?)))
        .unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let manager = Manager::new(&config(address, "[service]\nuser = \"daemon\""));
    let folder = manager.folder.path();
    manager.open_to_others();
    let daemon = Daemon::start(&mut manager.command(None));
    manager.wait_for("READY=1");
    check_greeting(address);

    let process = format!("/proc/{}", daemon.0.id());
    let state = fs::metadata(folder.join("state")).unwrap();
    let (uid, gid) = (state.uid(), state.gid());
    assert_ne!(uid, 0);
    let threads = fs::read_dir(format!("{process}/task")).unwrap();
    let statuses = threads.map(|it| fs::read_to_string(it.unwrap().path().join("status")).unwrap());
    for status in statuses {
        for line in [
            format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
            format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}"),
            "CapPrm:\t0000000000000000".to_owned(),
            "CapEff:\t0000000000000000".to_owned(),
        ] {
            assert!(status.lines().any(|it| it == line), "{line} is not in\n{status}");
        }
        assert!(!status.lines().any(|it| it.starts_with("Groups:\t0")), "{status}");
    }
    for name in ["key", "store.sqlite"] {
        assert_eq!(fs::metadata(folder.join("state").join(name)).unwrap().uid(), uid, "{name}");
    }
    let said = daemon.stop();
    assert!(said.contains("running as daemon from here on"), "{said}");
    assert!(!said.contains("running as root"), "{said}");
}

/// A reload could not read it again: that is said at once, and not when a certificate ends.
#[test]
fn what_only_root_may_read_is_read_before() {
    if !is_root() {
        eprintln!("skipped: not root");
        return;
    }
    let tls = config(ANY_PORT.parse().unwrap(), "[service]\nuser = \"daemon\"")
        + "[[listen]]\n\
        address = \"127.0.0.1:0\"\nprotocol = \"pop3\"\ntls = \"implicit\"\n";
    let manager = Manager::new(&tls);
    manager.open_to_others();
    let made = Command::new(env!("CARGO_BIN_EXE_saslgate"))
        .args(["cert", "new", "--out"])
        .arg(manager.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let key = fs::metadata(manager.folder.path().join("saslgate-key.pem")).unwrap();
    assert_eq!((key.uid(), key.mode() & 0o777), (0, 0o600));
    let daemon = Daemon::start(&mut manager.command(None));
    manager.wait_for("READY=1");
    let said = daemon.stop();
    assert!(said.contains("listening for POP3"), "{said}");
    assert!(said.contains("as daemon the configuration cannot be read again"), "{said}");
    assert!(said.contains("saslgate-key.pem"), "{said}");
}

#[test]
fn a_user_who_is_not_there_stops_the_start() {
    let more = "[service]\nuser = \"no-such-user\"";
    let manager = Manager::new(&config(ANY_PORT.parse().unwrap(), more));
    let daemon = manager.command(None).output().unwrap();
    let said = String::from_utf8(daemon.stderr).unwrap();
    assert_eq!(daemon.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no user \"no-such-user\" here"), "{said}");
}

/// The lines are for the journal, then, whose socket may not be there: text stands in.
#[test]
fn a_standard_error_that_leads_to_the_journal_is_known() {
    let manager = Manager::new("[[acount]]\n");
    let log = manager.folder.path().join("log");
    let file = fs::File::create(&log).unwrap();
    let about = file.metadata().unwrap();
    let stream = format!("{}:{}", about.dev(), about.ino());
    for (stream, expected) in [(stream.as_str(), "<3>error: "), ("1:2", "error: "), ("", "error: ")]
    {
        let file = fs::File::create(&log).unwrap();
        let mut command = manager.command(None);
        command.env("JOURNAL_STREAM", stream).stderr(file).status().unwrap();
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.starts_with(expected), "{stream}: {said}");
    }
}
