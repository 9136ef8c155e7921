//! A thousand at once: everybody is greeted and let in, memory is bounded whatever they do, and nobody else
//! feels it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpSocket, task::JoinSet};

use crate::{
    chance::Chance,
    endpoint::Endpoint,
    gateway::Gateway,
    plan::{LocalTls, Protocol},
    secrets::{Scanner, TOKEN, base64},
    upstream::{Character, Upstreams},
    wire::{Tls, Wire},
};
use std::sync::Arc;

/// Both ends of every connection are in this process: whether it may have that many descriptors. If not, that is told.
fn has_room_for(count: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < count {
        crate::skip(&format!(
            "a crowd, which needs {count} file descriptors (ulimit -H -n: {hard})"
        ));
        return false;
    }
    if soft < hard.min(20_000) {
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard).unwrap();
    }
    true
}

/// A gateway with one account, `steady`, that everybody uses, each for a mailbox of its own.
pub struct Stage {
    pub tls: Arc<Tls>,
    pub gateway: Gateway,
}

impl Stage {
    /// Not started yet. `limit` is for `ulimit`.
    pub async fn new(head: &str, limit: &str) -> Self {
        let tls = Arc::new(Tls::new());
        let (token_address, _) = Endpoint::open(1, Arc::clone(&tls)).await;
        let upstreams = Upstreams::new(1, Arc::clone(&tls));
        let mut account = format!(
            "[[account]]\nlogin = \"steady\"\nmailbox = \"steady@soak.test\"\nprovider = \"custom\"\n\
             client_id = \"soak\"\nscopes = [\"mail\"]\nca_file = \"ca.pem\"\nmechanism = \"xoauth2\"\n\
             token_url = \"https://{token_address}/token/steady\"\n"
        );
        for protocol in Protocol::ALL {
            let server = upstreams.open(Character::Plain(protocol)).await;
            account += &format!(
                "[account.{}]\nhost = \"127.0.0.1\"\nport = {}\n",
                protocol.name(),
                server.port()
            );
        }
        let mut gateway = Gateway::new(&tls, head, &account);
        gateway.prepare("steady", PASSWORD, true);
        let become_it = format!("ulimit {limit}; exec \"$0\" \"$@\"");
        gateway.through = ["sh", "-c", &become_it].map(str::to_owned).to_vec();
        Self { tls, gateway }
    }

    /// A connection that nothing was read from.
    pub async fn connect(&self, protocol: Protocol, tls: LocalTls) -> Wire {
        connect(self.gateway.port(protocol, tls).unwrap()).await
    }

    /// This many, all at once.
    pub async fn burst(&self, count: usize, protocol: Protocol, tls: LocalTls) -> Vec<Wire> {
        let address = self.gateway.port(protocol, tls).unwrap();
        let mut connecting = JoinSet::new();
        for _ in 0..count {
            let tls = (tls == LocalTls::Implicit).then(|| Arc::clone(&self.tls));
            connecting.spawn(async move {
                let mut wire = connect(address).await;
                if let Some(tls) = tls {
                    wire.connect_tls(&tls).await.expect("TLS");
                }
                let greeting = wire.line().await.expect("a greeting");
                assert!(is_greeting(&greeting), "{greeting}");
                wire
            });
        }
        connecting.join_all().await
    }
}

async fn connect(address: SocketAddr) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    // What the system keeps for those who do not read is not what is measured.
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let socket = socket.connect(address).await.expect("connected");
    Wire::new(socket, Scanner::new(TOKEN), Chance::new(1, 1))
}

pub fn is_greeting(line: &str) -> bool {
    ["* OK ", "+OK ", "220 "].iter().any(|word| line.starts_with(word))
}

/// Logs in on a greeted connection; the line that decides.
pub async fn log_in(wire: &mut Wire, protocol: Protocol, number: usize) -> String {
    let login = format!("steady/n{number}@soak.test");
    let command = match protocol {
        Protocol::Imap => format!("l LOGIN {login} \"{PASSWORD}\"\r\n"),
        Protocol::Pop3 => format!("USER {login}\r\nPASS {PASSWORD}\r\n"),
        Protocol::Smtp => {
            let plain = base64(format!("\0{login}\0{PASSWORD}").as_bytes());
            format!("AUTH PLAIN {plain}\r\n")
        }
    };
    let gone = |stop| format!("{stop:?}");
    if let Err(stop) = wire.stream.write_all(command.as_bytes()).await {
        return stop.to_string();
    }
    let _ = wire.stream.flush().await;
    if protocol == Protocol::Pop3
        && let Err(stop) = wire.line().await
    {
        return gone(stop);
    }
    loop {
        match wire.line().await {
            Ok(line) if line.starts_with("* ") && !line.starts_with("* BYE") => {}
            Ok(line) => return line,
            Err(stop) => return gone(stop),
        }
    }
}

pub fn is_let_in(line: &str) -> bool {
    ["l OK ", "+OK", "235 "].iter().any(|word| line.starts_with(word))
}

/// Asks something that the mail server answers.
pub async fn noop(wire: &mut Wire) {
    wire.stream.write_all(b"n NOOP\r\n").await.unwrap();
    wire.stream.flush().await.unwrap();
    assert_eq!(wire.line().await.unwrap(), "n OK done\r\n");
}

/// All of them log in at once; each must be let in.
async fn log_in_all(wires: Vec<Wire>, protocol: Protocol, first: usize) -> Vec<Wire> {
    let mut logins = JoinSet::new();
    for (at, mut wire) in wires.into_iter().enumerate() {
        logins.spawn(async move {
            let line = log_in(&mut wire, protocol, first + at).await;
            assert!(is_let_in(&line), "{line}");
            wire
        });
    }
    logins.join_all().await
}

/// email-oauth2-proxy leaves a third of such a burst without a greeting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_32_is_greeted_to_the_last_on_every_port() {
    let _turn = crate::TURN.lock().await;
    if !has_room_for(1024) {
        return;
    }
    let stage = Stage::new("", "-S -n 1024").await;
    stage.gateway.start();
    for protocol in Protocol::ALL {
        for tls in LocalTls::ALL {
            assert_eq!(stage.burst(32, protocol, tls).await.len(), 32);
        }
    }
}

/// Started as most shells start it, with a soft limit of 1024 descriptors: others meet a wall at 507 sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_are_greeted_and_let_in_and_stalled_readers_hold_up_nobody() {
    let _turn = crate::TURN.lock().await;
    if !has_room_for(4000) {
        return;
    }
    let of_others = kernel_memory();
    let stage =
        Stage::new("[deadlines]\nverdict = \"3m\"\nupstream_answer = \"2m\"\n", "-S -n 1024").await;
    stage.gateway.start();
    let mut witness = stage.burst(1, Protocol::Imap, LocalTls::StartTls).await;
    assert!(is_let_in(&log_in(&mut witness[0], Protocol::Imap, 0).await));
    let readers = stage.burst(1000, Protocol::Imap, LocalTls::None).await;
    let mut others = Vec::new();
    for protocol in Protocol::ALL {
        others.extend(stage.burst(167, protocol, LocalTls::Implicit).await);
        others.extend(stage.burst(167, protocol, LocalTls::StartTls).await);
    }
    println!("{} are greeted beside 1000", others.len());
    drop(others);

    let mut readers = log_in_all(readers, Protocol::Imap, 1).await;
    assert_eq!(stage.gateway.sessions(), 1001);
    let (before, _) = stage.gateway.memory();
    for reader in &mut readers {
        reader.stream.write_all(b"f FETCH 1 BODY[]\r\n").await.unwrap();
    }
    // Each has the beginning of what it does not go on reading, and the gateway has all that it takes.
    for reader in &mut readers {
        assert_eq!(reader.line().await.unwrap(), "* 1 FETCH (BODY[] {4000000000}\r\n");
    }
    // The gateway rests when it has taken all that it takes.
    let mut worked = (0, stage.gateway.work());
    while worked.1.abs_diff(worked.0) > 10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        worked = (worked.1, stage.gateway.work());
    }
    for _ in 0..100 {
        noop(&mut witness[0]).await;
    }
    let (after, _) = stage.gateway.memory();
    // What else the machine holds is not ours; it may have become less.
    let kernel = kernel_memory().saturating_sub(of_others);
    println!(
        "1000 sessions take {before} KiB, 1000 stalled readers {after} KiB; TCP has {kernel} KiB more, of all"
    );
    // What the test's own servers and clients have in their queues counts as well.
    assert!(kernel < 1000 * QUEUED, "TCP takes {kernel} KiB");
    assert!(after - before < 1000 * STALLED, "{before} KiB became {after} KiB");
    // Whoever was stalled is there as before.
    assert_eq!(stage.gateway.sessions(), 1001);
    drop(readers);
    crate::gateway::wait_until("their sessions end", || stage.gateway.sessions() == 1);
    noop(&mut witness[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_send_nonsense_before_a_login_cost_little_and_hold_up_nobody() {
    let _turn = crate::TURN.lock().await;
    if !has_room_for(2500) {
        return;
    }
    let stage = Stage::new("", "-S -n 1024").await;
    stage.gateway.start();
    let mut witness = stage.burst(1, Protocol::Imap, LocalTls::Implicit).await;
    assert!(is_let_in(&log_in(&mut witness[0], Protocol::Imap, 0).await));
    let (before, _) = stage.gateway.memory();
    let mut held = Vec::new();
    // As much as is held: a line that is nearly too long, and a literal that is nearly whole.
    let line = [b"a LOGIN ".to_vec(), vec![b'x'; 16_000]].concat();
    let literal = [b"a LOGIN {8000+}\r\n".to_vec(), vec![b'x'; 7_999]].concat();
    let longer = [b'x'; 20_000];
    for protocol in Protocol::ALL {
        let wires = stage.burst(333, protocol, LocalTls::None).await;
        for (at, mut wire) in wires.into_iter().enumerate() {
            let nonsense: &[u8] = match (protocol, at % 3) {
                (_, 0) => &longer,
                (Protocol::Imap, 1) => &literal,
                _ => &line,
            };
            // Some are sent away in the middle of it.
            let _ = wire.stream.write_all(nonsense).await;
            held.push(wire);
        }
    }
    for _ in 0..100 {
        noop(&mut witness[0]).await;
    }
    let (after, _) = stage.gateway.memory();
    println!("before {before} KiB, with a thousand {after} KiB");
    assert!(after - before < 1000 * NONSENSE, "{before} KiB became {after} KiB");
    let mut ended = 0;
    for wire in &mut held {
        ended += usize::from(
            tokio::time::timeout(Duration::ZERO, wire.line()).await.is_ok_and(|line| line.is_ok()),
        );
    }
    assert!(ended >= 330, "a line of 20,000 octets is cut off, and {ended} are");
}

/// 70 MB of a line cost others 39 seconds of CPU time, since it was searched from its beginning each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_without_an_end_costs_no_more_than_its_octets_and_holds_up_nobody() {
    let _turn = crate::TURN.lock().await;
    if !has_room_for(1024) {
        return;
    }
    let stage = Stage::new("", "-S -n 1024").await;
    stage.gateway.start();
    let mut wires = stage.burst(2, Protocol::Imap, LocalTls::None).await;
    for (number, wire) in wires.iter_mut().enumerate() {
        assert!(is_let_in(&log_in(wire, Protocol::Imap, number).await));
    }
    let (mut hog, mut other) = (wires.pop().unwrap(), wires.pop().unwrap());
    let is_served = AtomicBool::new(false);
    let chunk = vec![b'x'; 64 * 1024];
    let mut work = Vec::new();
    hog.stream.write_all(b"a SEARCH SUBJECT ").await.unwrap();
    let hogging = async {
        for megabytes in [4, 16] {
            let before = stage.gateway.work();
            for _ in 0..megabytes * 16 {
                hog.stream.write_all(&chunk).await.expect("IMAP lines may be long");
            }
            work.push(stage.gateway.work() - before);
        }
        while !is_served.load(Ordering::SeqCst) {
            hog.stream.write_all(&chunk).await.unwrap();
        }
    };
    let asking = async {
        for _ in 0..200 {
            noop(&mut other).await;
        }
        is_served.store(true, Ordering::SeqCst);
    };
    tokio::join!(hogging, asking);
    println!("4 MB take {} ticks, 16 MB {}", work[0], work[1]);
    // Four times as much, and the other one's commands; were it searched again and again, sixteen times.
    assert!(work[1] <= work[0] * 8 + 50, "{work:?}");
}

/// What TCP takes for all queues of the whole machine, in KiB: unlike the numbers of sockets beside it, this one is not
/// of the network namespace.
fn kernel_memory() -> u64 {
    let statistics = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let tcp = statistics.lines().find_map(|line| line.strip_prefix("TCP: ")).unwrap();
    let pages: u64 = tcp.rsplit(' ').next().unwrap().parse().unwrap();
    pages * 4
}

const PASSWORD: &str = "L0cal-steady";
/// KiB for a stalled reader: 64 in one direction's buffer, some 20 to 40 in the TLS engine's, and what the
/// allocator loses.
const STALLED: u64 = 160;
/// KiB in the kernel for a stalled reader: 128 unsent towards it, as much on its way or received and not read, and
/// the same again from the mail server. It was 1700.
const QUEUED: u64 = 800;
/// KiB for one before its login: a line or a literal, twice while a buffer grows, what is read at once, and the
/// connection itself.
const NONSENSE: u64 = 64;
