//! The built program as a child process: its configuration, its commands, its log, and what the system says of
//! it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Once, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    plan::{LocalTls, Protocol},
    wire::Tls,
};

pub struct Gateway {
    folder: tempfile::TempDir,
    /// A program that becomes the gateway, with its arguments.
    pub through: Vec<String>,
    pub log_level: &'static str,
    running: Mutex<Option<Running>>,
    log: Arc<Mutex<Vec<String>>>,
}

struct Running {
    child: Child,
    ports: HashMap<(Protocol, LocalTls), SocketAddr>,
    reader: thread::JoinHandle<()>,
}

impl Gateway {
    /// `head` goes before the listeners, `accounts` behind them.
    pub fn new(tls: &Tls, head: &str, accounts: &str) -> Self {
        let gateway = Self {
            folder: tempfile::tempdir().unwrap(),
            through: Vec::new(),
            log_level: "info",
            running: Mutex::new(None),
            log: Arc::default(),
        };
        gateway.write("ca.pem", &tls.ca_pem);
        gateway.write("saslgate-cert.pem", &tls.certificate_pem);
        gateway.write("saslgate-key.pem", &tls.key_pem);
        let mut text = head.to_owned();
        for protocol in Protocol::ALL {
            for tls in LocalTls::ALL {
                text += &format!(
                    "[[listen]]\nprotocol = \"{}\"\naddress = \"127.0.0.1:0\"\ntls = \"{}\"\n",
                    protocol.name(),
                    tls.name()
                );
            }
        }
        gateway.write("saslgate.toml", &(text + accounts));
        gateway
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(self.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub fn config(&self) -> String {
        fs::read_to_string(self.path("saslgate.toml")).unwrap()
    }

    /// `saslgate WORDS`, with this on its standard input; what it printed.
    pub fn command(&self, words: &[&str], input: &str) -> String {
        let mut child = self
            .environment(Command::new(program()))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Status says with 1 that some account needs a person.
        assert!(output.status.code().is_some_and(|code| code < 2), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// An account's local password, and a sign-in where it has one.
    pub fn prepare(&self, login: &str, password: &str, signed_in: bool) {
        self.command(&["account", "password", login], password);
        if signed_in {
            self.command(&["account", "import-token", login], &format!("R3fresh-{login}-0"));
        }
    }

    fn environment(&self, mut command: Command) -> Command {
        command
            .env("SASLGATE_CONFIG", self.path("saslgate.toml"))
            .env("SASLGATE_STATE", self.path("state"))
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Returns when all ports are open.
    pub fn start(&self) {
        let words: Vec<String> = self.through.iter().cloned().chain([program()]).collect();
        let mut child = self
            .environment(Command::new(&words[0]))
            .args(&words[1..])
            .args(["run", "--log-level", self.log_level])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (log, file) = (Arc::clone(&self.log), self.path("log"));
        let (told, opened) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut file = File::options().append(true).create(true).open(file).unwrap();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, words)) = line.split_once("listening for ") {
                    let _ = told.send(words.to_owned());
                }
                let _ = writeln!(file, "{line}");
                log.lock().unwrap().push(line);
            }
        });
        let count = self.config().matches("[[listen]]").count();
        let ports = (0..count)
            .map(|_| match opened.recv_timeout(Duration::from_secs(60)) {
                Ok(words) => port(&words),
                Err(_) => panic!("it does not start: {:?}", self.log()),
            })
            .collect();
        *self.running.lock().unwrap() = Some(Running { child, ports, reader });
    }

    /// SIGKILL, and returns when it is gone.
    pub fn kill(&self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
            let _ = running.reader.join();
        }
    }

    /// SIGTERM; its exit code.
    pub fn stop(&self) -> Option<i32> {
        self.signal("TERM");
        let mut running = self.running.lock().unwrap().take()?;
        let status = running.child.wait().ok()?;
        let _ = running.reader.join();
        status.code()
    }

    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.running.lock().unwrap().as_ref().map_or(0, |running| running.child.id())
    }

    /// `None` while it does not run.
    pub fn port(&self, protocol: Protocol, tls: LocalTls) -> Option<SocketAddr> {
        self.running.lock().unwrap().as_ref().map(|running| running.ports[&(protocol, tls)])
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn logged(&self, words: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }

    /// What `saslgate status --json` says.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.command(&["status", "--json"], "")).unwrap()
    }

    pub fn sessions(&self) -> u64 {
        let status = self.status();
        let told = status["daemon"]["sessions"].as_u64();
        told.unwrap_or_else(|| panic!("no sessions in {status}"))
    }

    /// How many files, sockets among them, it has open; nothing, and that is told, where only root sees that: it
    /// hides from its own user.
    pub fn descriptors(&self) -> Option<usize> {
        match fs::read_dir(format!("/proc/{}/fd", self.pid())) {
            Ok(files) => Some(files.count()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                static TOLD: Once = Once::new();
                TOLD.call_once(|| {
                    crate::skip("root alone sees how many files the gateway has open")
                });
                None
            }
            Err(error) => panic!("its files cannot be counted: {error}"),
        }
    }

    /// Of its memory what is its own, now; and the most that it ever had in all (VmHWM). In kibioctets.
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
        };
        (value("RssAnon:"), value("VmHWM:"))
    }

    /// CPU time that it has used, in ticks.
    pub fn work(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, behind_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        [11, 12].iter().map(|&at| fields[at].parse::<u64>().unwrap()).sum()
    }

    /// Leaves the folder where it is, and says where.
    pub fn keep_folder(mut self) -> PathBuf {
        self.kill();
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `IMAP on 127.0.0.1:4711 (no TLS)`.
fn port(words: &str) -> ((Protocol, LocalTls), SocketAddr) {
    let mut parts = words.splitn(4, ' ');
    let protocol = match parts.next().unwrap().to_uppercase().as_str() {
        "IMAP" => Protocol::Imap,
        "POP3" => Protocol::Pop3,
        "SMTP" => Protocol::Smtp,
        other => panic!("what is {other}?"),
    };
    let address = parts.nth(1).unwrap().parse().unwrap();
    let tls = match parts.next().unwrap() {
        tls if tls.starts_with("(STARTTLS)") => LocalTls::StartTls,
        tls if tls.starts_with("(TLS)") => LocalTls::Implicit,
        _ => LocalTls::None,
    };
    ((protocol, tls), address)
}

/// Waits for something that comes by itself; fails after a minute.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "another process does not tell when it has got somewhere"
)]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The built program, or $SASLGATE_BIN.
fn program() -> String {
    std::env::var("SASLGATE_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_saslgate").to_owned())
}
