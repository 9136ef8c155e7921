//! Another configuration, while sessions go on.

use std::{net::SocketAddr, path::Path, sync::Arc};

use saslgate::{
    config::Paths,
    reload::{Origin, ReloadError, Report},
    secret::Secret,
    token::ForcedRefresh,
};
use tokio::{join, net::TcpStream};

use super::tls::{certificate, secure};
use crate::support::{
    PASSWORD, Peer, Running,
    endpoint::Endpoint,
    in_time,
    upstream::{Session, Upstream},
};

const PORT: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
/// A port of its own address, where that is to be had: once it is closed, no other test gets its number.
const LONELY_PORT: &str =
    if cfg!(target_os = "linux") { "[[listen]]\naddress = \"127.0.0.78:0\"\n" } else { PORT };
const ALICE: &str = "[[account]]\nlogin = \"alice@example.org\"\n";
const BOB: &str = "[[account]]\nlogin = \"bob@example.org\"\n";

/// A gateway whose configuration stands in files.
struct Stage {
    running: Running,
    upstream: Upstream,
    endpoint: Endpoint,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn start(text: &str) -> Self {
        let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &upstream, &endpoint, text);
        let (origin, config) = read(folder.path());
        let running = Running::without_passwords(config, ForcedRefresh::default()).await;
        running.gateway.reload_from(origin);
        let stage = Self { running, upstream, endpoint, folder };
        stage.give_passwords().await;
        stage
    }

    /// Writes another configuration; it is not yet read.
    fn write(&self, text: &str) {
        write(self.folder.path(), &self.upstream, &self.endpoint, text);
    }

    async fn try_reload(&self, text: &str) -> Result<Report, ReloadError> {
        self.write(text);
        in_time(self.running.gateway.reload("the test")).await
    }

    async fn reload(&self, text: &str) -> Report {
        let report = self.try_reload(text).await.unwrap();
        self.give_passwords().await;
        report
    }

    async fn give_passwords(&self) {
        let gateway = &self.running.gateway;
        for account in &gateway.config().accounts {
            gateway.passwords.set(account, "test", &Secret::new(PASSWORD)).await.unwrap();
        }
    }

    /// Both ends of a session.
    async fn session(&self, login: &str) -> (Peer<TcpStream>, Session) {
        join!(self.running.logged_in(login), self.upstream.let_in(login, "good-token"))
    }

    /// What a login that reaches no upstream is answered.
    async fn refusal(&self, login: &str) -> String {
        let mut client = self.running.greeted().await;
        client.send(&format!("a LOGIN {login} \"{PASSWORD}\"\r\n")).await;
        client.expect("a NO ").await
    }
}

fn write(folder: &Path, upstream: &Upstream, endpoint: &Endpoint, text: &str) {
    let pin: String = upstream.pin.iter().map(|octet| format!("{octet:02x}")).collect();
    let text = format!(
        "{text}\n[defaults]\nprovider = \"custom\"\ntoken_url = \"{}\"\nclient_id = \"the-client\"\n\
         client_secret = {{ command = [\"echo\", \"secret\"] }}\ngrant = \"client_credentials\"\n\
         scopes = [\"mail\"]\nmechanism = \"xoauth2\"\n[defaults.imap]\nhost = \"127.0.0.1\"\n\
         port = {}\npin_sha256 = \"{pin}\"\n",
        endpoint.url, upstream.port,
    );
    // At once, since it may be looked at in any moment.
    std::fs::write(folder.join("next"), text).unwrap();
    std::fs::rename(folder.join("next"), folder.join("saslgate.toml")).unwrap();
}

fn read(folder: &Path) -> (Origin, saslgate::config::Config) {
    let paths = Paths { config: folder.join("saslgate.toml"), state: folder.join("state") };
    Origin::read(paths).unwrap()
}

/// A session that goes on.
async fn goes_on<S>(client: &mut Peer<S>, server: &mut Session)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    client.send("n NOOP\r\n").await;
    assert_eq!(server.line().await, "n NOOP");
    server.send("n OK still here\r\n").await;
    assert_eq!(client.line().await, "n OK still here");
}

fn address(port: &str) -> SocketAddr {
    port.split(' ').find_map(|word| word.parse().ok()).unwrap()
}

#[tokio::test]
async fn accounts_come_and_go_and_only_their_own_sessions_feel_it() {
    let stage = Stage::start(&format!("{PORT}{ALICE}{BOB}")).await;
    let (mut alice, mut alice_upstream) = stage.session("alice@example.org").await;
    let (mut bob, _bob_upstream) = stage.session("bob@example.org").await;
    let carol = "[[account]]\nlogin = \"carol@example.org\"\n";
    let report = stage.reload(&format!("{PORT}{ALICE}{carol}")).await;
    assert_eq!(
        report.to_string(),
        "accounts added: carol@example.org; accounts removed: bob@example.org, their sessions end"
    );
    bob.expect("* BYE ").await;
    assert_eq!(bob.rest().await, b"");
    goes_on(&mut alice, &mut alice_upstream).await;
    let (mut carol, mut carol_upstream) = stage.session("carol@example.org").await;
    goes_on(&mut carol, &mut carol_upstream).await;
    let refusal = stage.refusal("bob@example.org").await;
    assert!(refusal.starts_with("a NO [AUTHENTICATIONFAILED] "), "{refusal}");
}

#[tokio::test]
async fn an_account_that_goes_during_its_login_opens_no_session_that_stays() {
    let stage = Stage::start(&format!("{PORT}{ALICE}{BOB}")).await;
    let mut client = stage.running.greeted().await;
    client.send(&format!("a LOGIN bob@example.org \"{PASSWORD}\"\r\n")).await;
    let (mut session, tag, _) = stage.upstream.asked().await;
    stage.reload(&format!("{PORT}{ALICE}")).await;
    session.send(&format!("{tag} OK done\r\n")).await;
    let tag = session.command("CAPABILITY").await;
    session.send(&format!("* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n")).await;
    client.expect("a OK ").await;
    client.expect("* BYE ").await;
}

#[tokio::test]
async fn a_changed_account_counts_from_its_next_login() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    let (mut before, mut before_upstream) = stage.session("alice@example.org").await;
    // A connection that is there already, and logs in later.
    let mut client = stage.running.greeted().await;
    let changed = format!("{ALICE}mailbox = \"shared@example.org\"\n");
    let report = stage.reload(&format!("{PORT}{changed}")).await;
    assert_eq!(report.to_string(), "accounts changed: alice@example.org (mailbox)");
    goes_on(&mut before, &mut before_upstream).await;
    client.send(&format!("a LOGIN alice@example.org \"{PASSWORD}\"\r\n")).await;
    stage.upstream.let_in("shared@example.org", "good-token").await;
    client.expect("a OK ").await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_while_sessions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = certificate(folder.path());
    let text = format!(
        "{PORT}tls = \"implicit\"\ncertificate = \"{}\"\nkey = \"{}\"\n{ALICE}",
        files.certificate.display(),
        files.key.display()
    );
    let stage = Stage::start(&text).await;
    let connect = || async { TcpStream::connect(stage.running.addresses[0]).await.unwrap() };
    let mut client = Peer::new(secure(connect().await, &old, None).await.unwrap());
    client.expect("* OK ").await;
    client.send(&format!("a LOGIN alice@example.org \"{PASSWORD}\"\r\n")).await;
    let mut server = stage.upstream.let_in("alice@example.org", "good-token").await;
    client.expect("a OK ").await;
    let (_, new) = certificate(folder.path());
    stage.reload(&text).await;
    let mut renewed = Peer::new(secure(connect().await, &new, None).await.unwrap());
    renewed.expect("* OK ").await;
    assert!(secure(connect().await, &old, None).await.is_err());
    goes_on(&mut client, &mut server).await;

    // The port keeps its socket whatever it is to be.
    let report = stage.reload(&format!("{PORT}{ALICE}")).await;
    let port = stage.running.addresses[0];
    assert_eq!(report.ports_changed, [format!("IMAP on {port} (no TLS)")]);
    stage.running.greeted().await;
    goes_on(&mut client, &mut server).await;
}

#[tokio::test]
async fn ports_come_and_go_and_sessions_stay() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    let report = stage.reload(&format!("{PORT}{LONELY_PORT}{ALICE}")).await;
    let [name] = &report.ports_opened[..] else { panic!("{report}") };
    let second = address(name);
    let mut client = Peer::new(TcpStream::connect(second).await.unwrap());
    client.expect("* OK ").await;
    client.send(&format!("a LOGIN alice@example.org \"{PASSWORD}\"\r\n")).await;
    let mut server = stage.upstream.let_in("alice@example.org", "good-token").await;
    client.expect("a OK ").await;
    let report = stage.reload(&format!("{PORT}{ALICE}")).await;
    assert_eq!(report.to_string(), format!("ports closed: {name}, their sessions go on"));
    goes_on(&mut client, &mut server).await;
    // By its number it can be opened again: nobody has it any more.
    let again = format!("{PORT}[[listen]]\naddress = \"{second}\"\n{ALICE}");
    let report = stage.reload(&again).await;
    assert_eq!(report.to_string(), format!("ports opened: {name}"));
    Peer::new(TcpStream::connect(second).await.unwrap()).expect("* OK ").await;
    stage.running.greeted().await;
    goes_on(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_says_why() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    let before = stage.running.gateway.in_force();
    let (mut client, mut server) = stage.session("alice@example.org").await;

    let error = stage.try_reload(&format!("{PORT}{BOB}logn = \"x\"\n")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("saslgate.toml:5: account.logn: unknown key `logn`"), "{text}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let wanted = format!("{PORT}[[listen]]\naddress = \"{port}\"\n{BOB}");
    let text = stage.try_reload(&wanted).await.unwrap_err().to_string();
    assert!(text.starts_with(&format!("cannot listen on {port}: another program")), "{text}");

    let missing = format!("{PORT}tls = \"implicit\"\n{BOB}");
    let text = stage.try_reload(&missing).await.unwrap_err().to_string();
    assert!(text.contains("listen.certificate: the file "), "{text}");

    assert!(Arc::ptr_eq(&before, &stage.running.gateway.in_force()));
    goes_on(&mut client, &mut server).await;
    stage.session("alice@example.org").await;
    let refusal = stage.refusal("bob@example.org").await;
    assert!(refusal.starts_with("a NO [AUTHENTICATIONFAILED] "), "{refusal}");
    // And the way back is open.
    let report = stage.reload(&format!("{PORT}{ALICE}{BOB}")).await;
    assert_eq!(report.to_string(), "accounts added: bob@example.org");
}

/// On an address that no other test uses.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_port_is_left_open_beside_one_that_cannot_be() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    let taken = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
    let [taken_port, free_port] = [&taken, &free].map(|socket| socket.local_addr().unwrap());
    drop(free);
    let both = format!(
        "{PORT}[[listen]]\naddress = \"{free_port}\"\n[[listen]]\naddress = \"{taken_port}\"\n{ALICE}"
    );
    stage.try_reload(&both).await.unwrap_err();
    std::net::TcpListener::bind(free_port).unwrap();
    drop(taken);
    assert_eq!(stage.reload(&both).await.ports_opened.len(), 2);

    let anywhere = format!(
        "{PORT}[[listen]]\naddress = \"0.0.0.0:{}\"\nallow_clear_network = true\n{ALICE}",
        free_port.port()
    );
    let text = stage.try_reload(&anywhere).await.unwrap_err().to_string();
    let expected = format!("cannot listen on 0.0.0.0:{} while {free_port} is ", free_port.port());
    assert!(text.starts_with(&expected), "{text}");
}

/// What the issue asks for, at once.
#[tokio::test]
async fn two_hundred_idle_sessions_feel_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = certificate(folder.path());
    let port = format!(
        "{PORT}tls = \"implicit\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        files.certificate.display(),
        files.key.display()
    );
    let alice = format!("{ALICE}connection_limit = 300\n");
    let stage = Stage::start(&format!("{port}{alice}{BOB}")).await;
    let connect = || async { TcpStream::connect(stage.running.addresses[0]).await.unwrap() };
    let log_in = async |pem: &str, login: &str| {
        let mut client = Peer::new(secure(connect().await, pem, None).await.unwrap());
        client.send(&format!("a LOGIN {login} \"{PASSWORD}\"\r\nb IDLE\r\n")).await;
        let mut server = stage.upstream.let_in(login, "good-token").await;
        client.expect("* OK ").await;
        client.expect("a OK ").await;
        assert_eq!(server.line().await, "b IDLE");
        server.send("+ idling\r\n").await;
        client.expect("+ idling").await;
        (client, server)
    };
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(log_in(&old, "alice@example.org").await);
    }
    let (mut bob, _bob_upstream) = log_in(&old, "bob@example.org").await;
    let carol = "[[account]]\nlogin = \"carol@example.org\"\n";
    let (_, new) = certificate(folder.path());
    stage.reload(&format!("{port}{alice}{carol}")).await;
    bob.expect("* BYE ").await;
    log_in(&new, "carol@example.org").await;
    for (client, server) in &mut idle {
        server.send("* 1 EXISTS\r\n").await;
        client.expect("* 1 EXISTS").await;
        client.send("DONE\r\n").await;
        assert_eq!(server.line().await, "DONE");
        server.send("b OK done\r\n").await;
        client.expect("b OK done").await;
        goes_on(client, server).await;
    }
}

#[tokio::test]
async fn limits_change_under_running_sessions() {
    let text = |limit: usize, port: usize| {
        format!(
            "{PORT}{ALICE}connection_limit = {limit}\n[limits]\nconnections_per_listener = {port}\n"
        )
    };
    let stage = Stage::start(&text(1, 100)).await;
    let (mut first, mut first_upstream) = stage.session("alice@example.org").await;
    let refusal = stage.refusal("alice@example.org").await;
    assert!(refusal.starts_with("a NO [LIMIT] "), "{refusal}");
    stage.reload(&text(2, 100)).await;
    let (mut second, mut second_upstream) = stage.session("alice@example.org").await;
    // Both keep their places; and when one goes, the lower limit is reached, not undercut.
    stage.reload(&text(1, 100)).await;
    goes_on(&mut first, &mut first_upstream).await;
    goes_on(&mut second, &mut second_upstream).await;
    second.close().await;
    join!(second.rest(), async {
        second_upstream.rest().await;
        second_upstream.close().await;
    });
    let refusal = stage.refusal("alice@example.org").await;
    assert!(refusal.starts_with("a NO [LIMIT] "), "{refusal}");
    // The port's own limit: the session has the one place.
    let report = stage.reload(&text(1, 1)).await;
    assert_eq!(report.to_string(), "settings changed: limits.connections_per_listener");
    in_time(async {
        // Until those that were refused have gone.
        while stage.running.connect().await.line().await.starts_with("* OK ") {}
    })
    .await;
    goes_on(&mut first, &mut first_upstream).await;
}

#[tokio::test]
async fn changed_files_are_noticed() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    let folder = stage.folder.path().join("accounts.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("bob.toml"), BOB).unwrap();
    in_time(async {
        while stage.running.gateway.config().accounts.len() < 2 {
            // A login that is refused, to let some time pass.
            stage.refusal("bob@example.org").await;
        }
    })
    .await;
    stage.give_passwords().await;
    stage.session("bob@example.org").await;
}

#[tokio::test]
async fn reloads_that_are_asked_for_at_once_come_one_after_the_other() {
    let stage = Stage::start(&format!("{PORT}{ALICE}")).await;
    stage.write(&format!("{PORT}{PORT}{ALICE}{BOB}"));
    let gateway = &stage.running.gateway;
    let reports = join!(gateway.reload("one"), gateway.reload("two"), gateway.reload("three"));
    let added = [reports.0, reports.1, reports.2].map(|report| {
        let report = report.unwrap();
        (report.accounts_added.len(), report.ports_opened.len())
    });
    assert_eq!(added.iter().filter(|counts| **counts == (1, 1)).count(), 1, "{added:?}");
    assert_eq!(added.iter().filter(|counts| **counts == (0, 0)).count(), 2, "{added:?}");
}

#[tokio::test]
async fn inherited_sockets_are_used_and_outlive_their_table() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap();
    let (upstream, endpoint) = (Upstream::start().await, Endpoint::good().await);
    let folder = tempfile::tempdir().unwrap();
    let here = format!("[[listen]]\naddress = \"{port}\"\n");
    write(folder.path(), &upstream, &endpoint, &format!("{here}{ALICE}"));
    let (origin, config) = read(folder.path());
    let running = Running::with_sockets(config, vec![unused, socket]).await;
    running.gateway.reload_from(origin);
    assert_eq!(running.addresses, [port]);
    running.greeted().await;
    for (text, opened, closed) in [(PORT, 1, 1), (&here, 1, 1)] {
        write(folder.path(), &upstream, &endpoint, &format!("{text}{ALICE}"));
        let report = running.gateway.reload("the test").await.unwrap();
        assert_eq!((report.ports_opened.len(), report.ports_closed.len()), (opened, closed));
    }
    running.greeted().await;
}

#[tokio::test]
async fn a_closing_gateway_greets_nobody_and_sessions_go_on() {
    let stage = Stage::start(&format!("{LONELY_PORT}{ALICE}")).await;
    let (mut inside, mut server) = stage.session("alice@example.org").await;
    let mut outside = stage.running.greeted().await;
    stage.running.gateway.close();
    outside.expect("* BYE ").await;
    goes_on(&mut inside, &mut server).await;
    in_time(async { while TcpStream::connect(stage.running.addresses[0]).await.is_ok() {} }).await;
    let text = stage.try_reload(&format!("{PORT}{ALICE}{BOB}")).await.unwrap_err().to_string();
    assert_eq!(text, "the gateway is stopping: start it again instead");
    goes_on(&mut inside, &mut server).await;
    let drained = stage.running.gateway.drain(std::time::Duration::from_millis(1));
    let (last, ()) = join!(inside.line(), in_time(drained));
    assert!(last.starts_with("* BYE "), "{last}");
}
