//! The built program, as a person or a script runs it: exit codes, what it prints and where.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A folder with a configuration, and the program in front of it.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("saslgate.toml"), config).unwrap();
        Self { folder }
    }

    /// Without a configuration.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saslgate"));
        command
            .env("SASLGATE_CONFIG", self.path("saslgate.toml"))
            .env("SASLGATE_STATE", self.path("state"))
            .env("NO_COLOR", "1")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, "")
    }

    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Ran {
        let mut child = self.command(words).spawn().unwrap();
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn check(&self, code: i32, out: &str, err: &str) -> &Self {
        let all = format!("exit code {}\n{}\n{}", self.code, self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        assert!(self.out.contains(out) && self.err.contains(err), "expected {out}{err}, got {all}");
        self
    }

    #[track_caller]
    pub(crate) fn check_hides(&self, secret: &str) {
        assert!(!self.out.contains(secret) && !self.err.contains(secret), "{secret} is shown");
    }
}

pub(crate) const CONFIG: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n[defaults]\nprovider = \"microsoft365\"\n\
    tenant = \"example.com\"\nclient_id = \"id\"\n[[account]]\nlogin = \"me@example.com\"\n\
    [[account]]\nlogin = \"you@example.com\"\n";

/// Tokens for reading, passwords for sending; one account does nothing but send.
pub(crate) const MIXED: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\nprotocol = \"smtp\"\n\
    address = \"127.0.0.1:0\"\n[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.com\"\n\
    client_id = \"id\"\n[[account]]\nlogin = \"me@example.com\"\nmailbox = \"box@example.com\"\n\
    [account.smtp]\nhost = \"mail.example.org\"\nauth = \"password\"\n[[account]]\n\
    login = \"scanner\"\nprovider = \"custom\"\n[account.smtp]\nhost = \"relay.example.org\"\n\
    tls = \"starttls\"\nauth = \"password\"\nuser = \"device7\"\n";

#[test]
fn help_on_every_level_shows_an_example() {
    let program = Program::new("");
    for level in [
        "",
        "run",
        "demo",
        "config",
        "config check",
        "config show",
        "status",
        "reload",
        "account",
        "account list",
        "account show",
        "account signout",
        "account remove",
        "account password",
        "account limit-password",
        "account remove-password",
        "account import-token",
        "signin",
        "account upstream-password",
        "account remove-upstream-password",
        "cert",
        "cert new",
        "completions",
        "man",
        "provider",
        "provider list",
        "provider show",
        "provider discover",
    ] {
        if level == "demo" && !cfg!(feature = "demo") {
            continue;
        }
        let words: Vec<&str> = level.split_whitespace().collect();
        for flag in ["--help", "-h"] {
            let ran = program.run(&[&words[..], &[flag]].concat());
            ran.check(0, "Example", "").check(0, &format!("Usage: saslgate {level}"), "");
            assert_eq!(ran.err, "", "{level}");
        }
    }
}

#[test]
fn a_check_tells_file_line_and_key() {
    let good = Program::new(CONFIG);
    good.run(&["config", "check"]).check(0, "no mistakes: 1 listener, 2 accounts", "");
    let bad = Program::new("[[account]]\nlogn = \"me\"\n");
    let ran = bad.run(&["config", "check"]);
    ran.check(2, "", "saslgate.toml:2: account.logn: unknown key `logn`: did you mean `login`?");
    assert_eq!(ran.out, "");
    let path = bad.path("elsewhere.toml");
    bad.run(&["--config", path.to_str().unwrap(), "config", "check"]).check(
        2,
        "",
        "elsewhere.toml: there is no such file: check the name after --config",
    );
    bad.run(&["config", "chek"]).check(2, "", "check");
}

#[test]
fn a_password_comes_from_standard_input_and_is_never_shown() {
    let program = Program::new(CONFIG);
    let secret = "a long password nobody guesses";
    let words = ["account", "password", "ME@example.com", "--name", "printer"];
    let ran = program.run_with(&words, &format!("{secret}\n"));
    ran.check(0, "The password \"printer\" of me@example.com is set.", "").check_hides(secret);
    let list = program.run(&["account", "list"]);
    list.check(0, "passwords  printer (", "").check_hides(secret);
    list.check(0, "none yet: run `saslgate account password you@example.com`", "");

    let made = program.run(&["account", "password", "me@example.com", "--generate"]);
    made.check(0, "", "(shown once)");
    let made = made.out.trim().to_owned();
    assert_eq!(made.len(), 16, "{made}");
    program.run(&["account", "list"]).check(0, "default (", "").check_hides(&made);

    let two_lines = program.run_with(&words, &format!("{secret}\nmore\n"));
    two_lines.check(2, "", "more than one line").check_hides(secret);
    program.run_with(&words, "").check(2, "", "");
    program
        .run_with(&["account", "password", "nobody@example.com"], secret)
        .check(2, "", "there is no account nobody@example.com")
        .check_hides(secret);
}

#[test]
fn limits_are_set_shown_changed_and_lifted() {
    let program = Program::new(CONFIG);
    let password = |options: &[&str]| {
        let words = ["account", "password", "me@example.com", "--name", "printer", "--generate"];
        program.run(&[&words, options].concat())
    };
    let limit = |options: &[&str]| {
        let words = ["account", "limit-password", "me@example.com", "--name", "printer"];
        program.run(&[&words, options].concat())
    };
    let shown = |words: &str| {
        program.run(&["account", "list"]).check(0, words, "");
        program.run(&["account", "show", "me@example.com"]).check(0, words, "");
    };
    limit(&["--protocol", "smtp"]).check(2, "", "me@example.com has no password \"printer\"");
    password(&["--protocol", "smtp", "--network", "192.168.1.7/24,10.0.0.7"]).check(
        0,
        "",
        "of me@example.com, only for SMTP from 192.168.1.0/24 and 10.0.0.7 (shown once)",
    );
    shown("only for SMTP from 192.168.1.0/24 and 10.0.0.7");
    // Another one keeps what is not said anew.
    password(&["--protocol", "imap", "--protocol", "smtp"]).check(0, "", "");
    shown("only for IMAP and SMTP from 192.168.1.0/24 and 10.0.0.7");
    limit(&["--network", "any"]).check(
        0,
        "The password \"printer\" of me@example.com works only for IMAP and SMTP.",
        "",
    );
    shown("only for IMAP and SMTP");
    limit(&["--protocol", "any"]).check(0, "of me@example.com works without limits.", "");
    assert!(!program.run(&["account", "list"]).out.contains("only"));

    // The configuration has no port beyond this machine.
    let unreachable = "No client can come from there yet";
    limit(&["--network", "192.168.1.0/24"]).check(0, "", unreachable);
    password(&["--network", "2001:db8::/32"]).check(0, "", unreachable);
    for here in ["127.0.0.0/8", "::1", "0.0.0.0/0", "192.168.1.0/24,127.0.0.1"] {
        assert_eq!(limit(&["--network", here]).err, "", "{here}");
    }

    limit(&[]).check(2, "", "--protocol");
    limit(&["--protocol", "any,smtp"]).check(2, "", "--protocol any stands alone");
    limit(&["--protocol", "ftp"]).check(2, "", "it is imap, pop3, smtp or any");
    limit(&["--network", "192.168.1.0/33"]).check(2, "", "it is a network, as 192.168.1.0/24");
    password(&["--network", "printer.example.com"]).check(2, "", "it is a network");
}

#[test]
fn an_imported_token_is_listed_and_never_shown() {
    let program = Program::new(CONFIG);
    let secret = "0.AXoA-refresh-token";
    program.run(&["account", "list"]).check(0, "sign-in    none yet", "");
    let words = ["account", "import-token", "me@example.com"];
    let ran = program.run_with(&words, &format!("\u{FEFF}{secret}\r\n"));
    ran.check(0, "The refresh token of me@example.com is in the store.", "").check_hides(secret);
    program.run(&["account", "list"]).check(0, "sign-in    signed in", "").check_hides(secret);
    program.run(&["config", "show"]).check(0, "provider", "").check_hides(secret);
    for name in ["store.sqlite", "store.sqlite-wal"] {
        let Ok(content) = fs::read(program.path("state").join(name)) else { continue };
        assert!(!content.windows(secret.len()).any(|it| it == secret.as_bytes()), "{name}");
    }
    program.run_with(&words, "two words \u{1}\n").check(2, "", "this is not a refresh token");
}

#[test]
fn a_password_for_a_server_is_kept_listed_removed_and_never_shown() {
    let program = Program::new(MIXED);
    let secret = "the relay's own password";
    let list = |expected: &str| {
        program.run(&["account", "list"]).check(0, expected, "").check_hides(secret);
    };
    list("imap       outlook.office365.com:993, OAuth\n");
    list("pop3       outlook.office365.com:995 (no listener), OAuth\n");
    list(
        "smtp       mail.example.org:465, password of box@example.com: none yet: run `saslgate account \
         upstream-password me@example.com --protocol smtp`\n",
    );
    list("scanner\n  smtp       relay.example.org:587, password of device7: none yet");
    list("sign-in    not needed: its servers take passwords\n");

    let words = ["account", "upstream-password", "ME@example.com", "--protocol", "smtp"];
    let said = "The password of box@example.com at mail.example.org:465, for the SMTP of me@example.com, \
                is in the store.";
    program.run_with(&words, &format!("{secret}\r\n")).check(0, said, "").check_hides(secret);
    list("mail.example.org:465, password of box@example.com: in the store\n");
    list("relay.example.org:587, password of device7: none yet");
    program.run(&["config", "show"]).check(0, "smtp.user", "").check_hides(secret);
    for name in ["store.sqlite", "store.sqlite-wal"] {
        let Ok(content) = fs::read(program.path("state").join(name)) else { continue };
        assert!(!content.windows(secret.len()).any(|it| it == secret.as_bytes()), "{name}");
    }

    let remove = ["account", "remove-upstream-password", "me@example.com", "--protocol", "smtp"];
    program.run(&remove).check(0, "The SMTP password of me@example.com is removed.", "");
    program.run(&remove).check(2, "", "me@example.com has no stored SMTP password; `saslgate");
    list("mail.example.org:465, password of box@example.com: none yet");
}

#[test]
fn a_password_that_nobody_would_use_is_refused() {
    let program = Program::new(MIXED);
    let secret = "not for tokens";
    let refused = |login: &str, protocol: &str, input: &str, expected: &str| {
        let words = ["account", "upstream-password", login, "--protocol", protocol];
        program.run_with(&words, input).check(2, "", expected).check_hides(secret);
    };
    refused(
        "me@example.com",
        "imap",
        secret,
        "the IMAP server outlook.office365.com:993 of me@example.com takes tokens, no password: if it",
    );
    refused(
        "me@example.com",
        "imap",
        secret,
        "set auth = \"password\" in the account's table [account.i",
    );
    refused("scanner", "pop3", secret, "scanner has no POP3 server: write its host, with auth = ");
    refused("nobody", "smtp", secret, "there is no account nobody in the configuration");
    refused("scanner", "nntp", secret, "[possible values: imap, pop3, smtp]");
    refused("scanner", "smtp", "", "the password is empty: nothing was changed");
    refused("scanner", "smtp", &format!("{secret}\0\n"), "contains a line end or NUL");
    refused("scanner", "smtp", &format!("{secret}\n\n"), "more than one line");
    refused("scanner", "smtp", &"x".repeat(4097), "longer than 4096 octets");
    program.run(&["account", "list"]).check(0, "password of device7: none yet", "");
}

#[test]
fn a_start_tells_of_missing_passwords_for_servers() {
    let program = Program::new(MIXED);
    let words = ["account", "upstream-password", "me@example.com", "--protocol", "smtp"];
    program.run_with(&words, "secret").check(0, "", "");
    let (mut child, said) = start(&program);
    child.kill().unwrap();
    child.wait().unwrap();
    let expected = "there is no password for the SMTP server relay.example.org:587 yet; set it with: \
                    saslgate account upstream-password scanner --protocol smtp";
    assert!(said.contains(expected), "{said}");
    assert_eq!(said.matches("there is no password").count(), 1, "{said}");
}

#[test]
fn a_sign_in_prints_its_link_alone() {
    let program = Program::new(CONFIG);
    let words = ["signin", "me@example.com", "--paste"];
    let ran = program.run_with(&words, "two words\n");
    ran.check(1, "", "nobody has signed in: this is neither an address nor a code");
    let link = ran.out.strip_suffix('\n').unwrap();
    assert!(link.starts_with("https://login.microsoftonline.com/"), "{link}");
    assert!(!link.contains(char::is_whitespace), "{link}");
    let (_, query) = link.split_once('?').unwrap();
    let redirect = query.split('&').find(|it| it.starts_with("redirect_uri=")).unwrap();
    assert_eq!(redirect, "redirect_uri=http%3A%2F%2Flocalhost", "as it is registered");

    let again = program.run_with(&words, &format!("{link}\n"));
    again.check(1, "", "this is the link to the sign-in page");
    let both = [&words[..], &["--device"]].concat();
    program.run(&both).check(2, "", "cannot be used with");
    program.run(&["signin", "nobody@example.com"]).check(2, "", "there is no account");
}

#[tokio::test]
async fn a_list_goes_on_past_an_account_that_does_not_open() {
    use sqlx::{ConnectOptions as _, Connection as _};
    let program = Program::new(CONFIG);
    for login in ["me@example.com", "you@example.com"] {
        program.run_with(&["account", "import-token", login], "token").check(0, "", "");
    }
    let path = program.path("state").join("store.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("UPDATE grants SET refresh_token = x'00' WHERE account = 'me@example.com'")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let list = program.run(&["account", "list"]);
    let complaint = "the store could not say everything";
    list.check(1, "sign-in    error: What the store", complaint).check(
        1,
        "sign-in    signed in",
        complaint,
    );
}

#[test]
fn a_test_mail_goes_to_an_address_or_nowhere() {
    let program = Program::new(CONFIG);
    for to in ["", "@", "-f@x", "a@b@c", "a@b\r\nRCPT TO:<c@d>"] {
        let option = format!("--send-to={to}");
        let ran = program.run(&["check", "me@example.com", &option]);
        // Before any step.
        ran.check(2, "", "is no mail address");
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_certificate_is_not_replaced_unasked() {
    let program = Program::new(&format!("{CONFIG}[[listen]]\ntls = \"implicit\"\n"));
    program.run(&["config", "check"]).check(2, "", "make a certificate with `saslgate cert new`");
    program.run(&["cert", "new"]).check(0, "saslgate-authority.pem", "").check_hides("PRIVATE KEY");
    let read = || fs::read(program.path("saslgate-cert.pem")).unwrap();
    let first = read();
    program.run(&["config", "check"]).check(0, "2 listeners", "");
    program.run(&["cert", "new"]).check(2, "", "say --force to replace it");
    assert_eq!(read(), first);
    program.run(&["cert", "new", "--force"]).check(0, "", "");
    assert_ne!(read(), first);
    fs::copy(program.path("saslgate-authority.pem"), program.path("saslgate-cert.pem")).unwrap();
    program.run(&["config", "check"]).check(2, "", "saslgate-key.pem: does not fit");
}

/// Starts the daemon; what it said until it listened.
pub(crate) fn start(program: &Program) -> (Child, String) {
    let mut child = program.command(&["run"]).spawn().unwrap();
    let said = said(&mut child, "listening for");
    (child, said)
}

#[cfg(unix)]
fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

/// Reads what the daemon says until a line has these words.
fn said(child: &mut Child, words: &str) -> String {
    let (mut said, mut octet) = (String::new(), [0]);
    // Octet by octet, so that what it says later stays for the caller.
    while !(said.contains(words) && said.ends_with('\n')) {
        let read = child.stderr.as_mut().unwrap().read(&mut octet).unwrap();
        assert_ne!(read, 0, "it ended before it said {words:?}: {said}");
        said.push(char::from(octet[0]));
    }
    said
}

#[cfg(unix)]
#[test]
fn a_hangup_reloads_where_there_is_no_terminal() {
    let program = Program::new(CONFIG);
    let (mut child, _) = start(&program);
    let config = program.path("saslgate.toml");
    fs::write(&config, format!("{CONFIG}lgin = 1\n")).unwrap();
    send(&child, "HUP");
    let line = said(&mut child, "(SIGHUP)");
    assert!(line.contains("the configuration stays as it was"), "{line}");
    assert!(line.contains("account.lgin: unknown key `lgin`: did you mean `login`?"), "{line}");
    fs::write(&config, CONFIG.replace("you@", "them@")).unwrap();
    send(&child, "HUP");
    let line = said(&mut child, "accounts added: them@example.com");
    assert!(line.contains("accounts removed: you@example.com"), "{line}");
    send(&child, "TERM");
    said(&mut child, "stopped");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A service manager's stop is an orderly one.
#[cfg(unix)]
#[test]
fn a_stop_signal_ends_it_in_order() {
    for signal in ["TERM", "INT"] {
        // Nobody is there for whom the time would be taken.
        let program = Program::new(&format!("{CONFIG}[deadlines]\ndrain = \"1h\"\n"));
        let (mut child, _) = start(&program);
        let mut lines = child.stderr.take().unwrap();
        send(&child, signal);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}: {rest}");
        assert!(rest.contains("stopped"), "{signal}: {rest}");
    }
}

#[test]
fn providers_are_listed_and_shown() {
    let program = Program::new(CONFIG);
    let nowhere = program.path("nowhere.toml");
    let ran = program.run(&["--config", nowhere.to_str().unwrap(), "provider", "list"]);
    ran.check(0, "microsoft365-gcc-high  mailboxes of an organization", "");
    assert!(ran.out.lines().all(|line| line.len() <= 100), "{}", ran.out);
    let ran = program.run(&["--config", nowhere.to_str().unwrap(), "provider", "show", "Google"]);
    ran.check(0, "imap.gmail.com:993, TLS", "").check(0, "login = \"YOUR-LOGIN\"", "");
    let ran = program.run(&["provider", "show", "--login", "me@example.com"]);
    ran.check(0, "adminconsent?client_id=id\n", "").check(0, "saslgate signin me@example.com", "");
    assert!(!ran.out.contains("YOUR-"), "{}", ran.out);
    let ran = program.run(&["provider", "show", "microsoft365", "--app-only", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.check(0, "", "").out).unwrap();
    assert_eq!(shown["servers"][2]["host"], "smtp.office365.com");
    assert_eq!(shown["scopes"][0], "https://outlook.office365.com/.default");
    assert_eq!(shown["guide"]["steps"][0]["title"], "Register the application");
}

#[test]
fn a_provider_that_does_not_fit_is_said() {
    let program = Program::new(CONFIG);
    for (words, expected) in [
        (
            &["show", "gmail"][..],
            "there is no provider gmail: did you mean google?\n       Known: microsoft365,",
        ),
        (&["show", "yahoo", "--app-only"], "Yahoo lets no application into mailboxes by itself"),
        (
            &["show", "aol", "--login", "me@example.com"],
            "the provider of me@example.com is not AOL, but Microsoft 365",
        ),
        (&["show", "--login", "nobody"], "there is no account nobody"),
        (&["show"], "required"),
        (&["discover", "http://id.example.test"], "begins with https://"),
        (&["discover", "id.example.test", "--proxy", "socks5://x"], "write it as http://host:port"),
    ] {
        program.run(&[&["provider"], words].concat()).check(2, "", expected);
    }
}

/// Answers one request with this document about itself.
fn one_answer(document: &'static str) -> (String, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let body = document.replace("ORIGIN", &origin);
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            peer.read_exact(&mut octet).unwrap();
            head.extend(octet);
        }
        assert!(head.starts_with(b"GET /.well-known/openid-configuration HTTP/1.1\r\n"));
        let length = body.len();
        write!(peer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    });
    (origin, server)
}

#[test]
fn an_unknown_provider_says_what_to_write() {
    let program = Program::new("");
    let (origin, server) = one_answer(
        r#"{"issuer":"ORIGIN","token_endpoint":"ORIGIN/token","authorization_endpoint":"ORIGIN/auth",
            "scopes_supported":["openid","profile"],"subject_types_supported":["public"],
            "code_challenge_methods_supported":["plain"]}"#,
    );
    let ran = program.run(&["provider", "discover", &origin]);
    server.join().unwrap();
    ran.check(0, "provider          = \"custom\"\n", "Warning: the provider does not offer PKCE");
    ran.check(0, &format!("token_url         = \"{origin}/token\"\n"), "");
    ran.check(0, "signin_scopes     = [\"openid\", \"profile\"]\n", "");
    let (origin, server) =
        one_answer(r#"{"issuer":"https://evil.example","token_endpoint":"ORIGIN/token"}"#);
    let ran = program.run(&["provider", "discover", &origin]);
    server.join().unwrap();
    ran.check(
        1,
        "",
        "is about another issuer and must not be believed; it says: https://evil.example",
    );
}
