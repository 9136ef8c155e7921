//! Mail servers: honest ones, which do what a connection's plan says, and dishonest ones, which are wrong in one
//! way each, before anybody knows whose connection it is.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::{
    chance::Chance,
    plan::{Plan, Protocol, Refused, ServerFault},
    secrets::{PASSWORD, Scanner, TOKEN, from_base64},
    wire::{Stop, Tls, Wire, truncate},
};

/// What a connection's mail server has seen of it.
#[derive(Default)]
pub struct Seen {
    pub attempts: usize,
    pub let_in: usize,
    /// Sessions that have not ended.
    pub running: usize,
    /// Octets that came as planned, and octets of the answers that were sent.
    pub received: usize,
    pub sent: usize,
    /// What came instead of, or behind, what was planned.
    pub deviation: Option<String>,
    pub password_seen: bool,
    pub faults: Vec<String>,
}

/// All servers of a run.
pub struct Upstreams {
    pub seed: u64,
    pub tls: Arc<Tls>,
    pub seen: Mutex<HashMap<u64, Seen>>,
    pub ended: Notify,
    /// Connections that say a protocol wrong before anybody knows whose they are.
    pub strays: Mutex<Vec<String>>,
}

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// Does what the connection's plan says.
    Honest(Protocol),
    /// Lets everybody in, and answers every line; FETCH has no end.
    Plain(Protocol),
    Busy(Protocol),
    Aborting,
    Silent,
    Noise,
}

impl Upstreams {
    pub fn new(seed: u64, tls: Arc<Tls>) -> Arc<Self> {
        Arc::new(Self {
            seed,
            tls,
            seen: Mutex::default(),
            ended: Notify::new(),
            strays: Mutex::default(),
        })
    }

    pub async fn open(self: &Arc<Self>, character: Character) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let servers = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let servers = Arc::clone(&servers);
                tokio::spawn(async move { servers.serve(character, socket).await });
            }
        });
        address
    }

    /// Waits until all sessions of a connection have ended.
    pub async fn wait_for_end(&self, number: u64) {
        loop {
            let ended = self.ended.notified();
            let running = self.with(number, |seen| seen.running);
            if running == 0 {
                return;
            }
            ended.await;
        }
    }

    pub fn with<T>(&self, number: u64, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(self.seen.lock().unwrap().entry(number).or_default())
    }

    pub fn take(&self, number: u64) -> Seen {
        self.seen.lock().unwrap().remove(&number).unwrap_or_default()
    }

    async fn serve(&self, character: Character, mut socket: TcpStream) {
        let mut chance =
            Chance::new(self.seed, u64::from(socket.peer_addr().map_or(0, |it| it.port())));
        match character {
            Character::Aborting => {
                let mut hello = [0; 64];
                let _ = socket.read(&mut hello).await;
                if chance.percent(50) {
                    let _ = socket.set_zero_linger();
                } else {
                    // An alert: handshake_failure.
                    let _ = socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
                }
            }
            Character::Silent => {
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
            Character::Noise => {
                let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
            Character::Busy(protocol) => {
                if let Ok(mut wire) = self.secure(socket, chance).await {
                    let words: &[u8] = match protocol {
                        Protocol::Imap => b"* BYE Server Unavailable. 15\r\n",
                        Protocol::Pop3 => b"-ERR [SYS/TEMP] busy\r\n",
                        Protocol::Smtp => b"421 4.3.2 busy\r\n",
                    };
                    let _ = wire.send(words).await;
                    let _ = wire.stream.shutdown().await;
                    while matches!(wire.fill().await, Ok(1..)) {}
                }
            }
            Character::Plain(protocol) => {
                // What the system keeps of a flood is not what is measured.
                let _ = SockRef::from(&socket).set_send_buffer_size(64 * 1024);
                if let Ok(wire) = self.secure(socket, chance).await {
                    let _ = be_plain(protocol, wire).await;
                }
            }
            Character::Honest(protocol) => {
                if let Ok(wire) = self.secure(socket, chance).await {
                    self.log_in_and_play(protocol, wire).await;
                }
            }
        }
    }

    async fn secure(&self, socket: TcpStream, cuts: Chance) -> Result<Wire, Stop> {
        let mut wire = Wire::new(socket, Scanner::new(PASSWORD), cuts);
        wire.stream.accept_tls(&self.tls.acceptor).await?;
        Ok(wire)
    }

    async fn log_in_and_play(&self, protocol: Protocol, mut wire: Wire) {
        let response = match ask(protocol, &mut wire).await {
            Ok(Some(response)) => response,
            Err(_) => return,
            Ok(None) => {
                let read = String::from_utf8_lossy(&wire.read).into_owned();
                self.strays.lock().unwrap().push(format!("{protocol:?}: odd login {read:?}"));
                return;
            }
        };
        let Some((number, token)) = number_and_token(&response) else {
            self.strays.lock().unwrap().push(format!("{protocol:?}: odd response {response:?}"));
            return;
        };
        let plan = Plan::new(self.seed, number);
        let attempt = self.with(number, |seen| {
            if !token.starts_with(TOKEN) || plan.protocol != protocol {
                seen.faults.push(format!("logged in by {protocol:?} with {token:?}"));
            }
            seen.attempts += 1;
            seen.running += 1;
            seen.attempts
        });
        let refuses = match plan.refused {
            Refused::Never => false,
            Refused::Once => attempt == 1,
            Refused::Always => true,
        };
        wire.cuts = plan.cuts.clone();
        let _ = self.decide_and_play(&plan, refuses, &mut wire).await;
        self.with(number, |seen| {
            seen.running -= 1;
            seen.password_seen |= wire.scanner.found;
        });
        drop(wire);
        self.ended.notify_waiters();
    }

    async fn decide_and_play(
        &self,
        plan: &Plan,
        refuses: bool,
        wire: &mut Wire,
    ) -> Result<(), Stop> {
        if refuses {
            return refuse(plan.protocol, wire).await;
        }
        if let Some(fault) = plan.server_login_fault() {
            return fail_login(plan.protocol, fault, wire).await;
        }
        admit(plan.protocol, wire).await?;
        self.with(plan.number, |seen| seen.let_in += 1);
        self.play(plan, wire).await
    }

    /// Plays the plan's part of a mail server.
    async fn play(&self, plan: &Plan, wire: &mut Wire) -> Result<(), Stop> {
        let mut left = plan.server_relay_fault();
        for exchange in plan.exchanges.iter().filter(|it| it.reaches_upstream()) {
            if !self.expect(plan.number, &exchange.client, wire).await? {
                return self.end_with_the_client(plan.number, wire).await;
            }
            if plan.slow_server {
                let pause = 1 + wire.cuts.below(200) as u64;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            let answer = exchange.answer();
            let until = left.map_or(answer.len(), |(at, _)| at.min(answer.len()));
            // Counted before it is sent: the client may have it before we go on.
            self.with(plan.number, |seen| seen.sent += until);
            wire.send(&answer[..until]).await?;
            if let Some((at, fault)) = &mut left {
                *at -= until;
                if *at == 0 {
                    return self.fail(plan.number, *fault, wire).await;
                }
            }
        }
        if plan.polite {
            wire.stream.shutdown().await?;
        }
        self.end_with_the_client(plan.number, wire).await
    }

    /// Reads what the client should send; false where something else comes, or nothing more.
    async fn expect(&self, number: u64, octets: &[u8], wire: &mut Wire) -> Result<bool, Stop> {
        let mut matched = 0;
        loop {
            let count = wire.read.len().min(octets.len() - matched);
            let same = wire.read[..count]
                .iter()
                .zip(&octets[matched..])
                .take_while(|(one, other)| one == other)
                .count();
            matched += same;
            self.with(number, |seen| seen.received += same);
            wire.read.drain(..same);
            if same < count {
                return Ok(false);
            }
            if matched == octets.len() {
                return Ok(true);
            }
            if wire.fill_for_long().await? == 0 {
                return Ok(false);
            }
        }
    }

    /// Whatever comes now is not as planned.
    async fn end_with_the_client(&self, number: u64, wire: &mut Wire) -> Result<(), Stop> {
        loop {
            if !wire.read.is_empty() {
                let odd = wire.read.drain(..).take(200).collect::<Vec<u8>>();
                self.with(number, |seen| {
                    seen.deviation.get_or_insert_with(|| odd.escape_ascii().to_string());
                });
                wire.read.clear();
            }
            if wire.fill_for_long().await? == 0 {
                break;
            }
        }
        wire.stream.shutdown().await?;
        Ok(())
    }

    async fn fail(&self, number: u64, fault: ServerFault, wire: &mut Wire) -> Result<(), Stop> {
        match fault {
            ServerFault::Reset => {
                wire.reset_on_close();
                return Ok(());
            }
            ServerFault::Close => wire.stream.shutdown().await?,
            ServerFault::Truncation => truncate(&mut wire.stream).await,
            ServerFault::Garbage => {
                wire.send(b"\0\xff\xfe nonsense {9999}\r\n\r\n* BYE\r\n250\r\n+OK\r\n").await?;
                wire.stream.shutdown().await?;
            }
            _ => {}
        }
        // The client may still send what it had planned, and it is dropped.
        loop {
            wire.read.clear();
            if wire.fill_for_long().await? == 0 {
                self.with(number, |_| ());
                return Ok(());
            }
        }
    }
}

impl Wire {
    /// For a server, which waits for as long as the gateway keeps the connection.
    async fn fill_for_long(&mut self) -> Result<usize, Stop> {
        let mut chunk = vec![0; 16 * 1024];
        let count = self.stream.read(&mut chunk).await?;
        self.scanner.see(&chunk[..count]);
        self.read.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// The dialogue up to the SASL response; `None` where it is not as it should be.
async fn ask(protocol: Protocol, wire: &mut Wire) -> Result<Option<String>, Stop> {
    match protocol {
        Protocol::Imap => {
            wire.send(b"* OK ready\r\n").await?;
            let Some(tag) = tag_of(&wire.line().await?, "CAPABILITY\r\n") else { return Ok(None) };
            let offer = format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n{tag} OK\r\n");
            wire.send(offer.as_bytes()).await?;
            let line = wire.line().await?;
            Ok(line.split_once(" AUTHENTICATE XOAUTH2 ").map(|(tag, response)| {
                wire.read.clear();
                wire.read.extend(tag.bytes());
                response.to_owned()
            }))
        }
        Protocol::Pop3 => {
            wire.send(b"+OK ready\r\n").await?;
            if wire.line().await? != "CAPA\r\n" {
                return Ok(None);
            }
            wire.send(b"+OK\r\nTOP\r\nUIDL\r\nPIPELINING\r\nSASL PLAIN XOAUTH2\r\n.\r\n").await?;
            if wire.line().await? != "AUTH XOAUTH2\r\n" {
                return Ok(None);
            }
            wire.send(b"+ \r\n").await?;
            wire.line().await.map(Some)
        }
        Protocol::Smtp => {
            wire.send(b"220 ready\r\n").await?;
            if !wire.line().await?.starts_with("EHLO ") {
                return Ok(None);
            }
            wire.send(
                b"250-soak.test\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n\
                250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH XOAUTH2\r\n",
            )
            .await?;
            if wire.line().await? != "AUTH XOAUTH2\r\n" {
                return Ok(None);
            }
            wire.send(b"334 \r\n").await?;
            wire.line().await.map(Some)
        }
    }
}

fn tag_of(line: &str, command: &str) -> Option<String> {
    let (tag, rest) = line.split_once(' ')?;
    (rest == command).then(|| tag.to_owned())
}

/// The IMAP tag that [`ask`] has left.
fn left_tag(wire: &mut Wire) -> String {
    String::from_utf8_lossy(&std::mem::take(&mut wire.read)).into_owned()
}

fn number_and_token(response: &str) -> Option<(u64, String)> {
    let decoded = String::from_utf8(from_base64(response.trim_end().as_bytes())?).ok()?;
    let (user, token) = decoded.strip_prefix("user=")?.split_once("\x01auth=Bearer ")?;
    let number = user.strip_prefix('n')?.strip_suffix("@soak.test")?.parse().ok()?;
    Some((number, token.strip_suffix("\x01\x01")?.to_owned()))
}

async fn admit(protocol: Protocol, wire: &mut Wire) -> Result<(), Stop> {
    match protocol {
        Protocol::Imap => {
            let tag = left_tag(wire);
            wire.send(format!("{tag} OK in\r\n").as_bytes()).await?;
            let line = wire.line().await?;
            let tag = tag_of(&line, "CAPABILITY\r\n").unwrap_or_default();
            let capabilities = "IMAP4rev1 IDLE LITERAL+ UIDPLUS";
            wire.send(format!("* CAPABILITY {capabilities}\r\n{tag} OK\r\n").as_bytes()).await
        }
        Protocol::Pop3 => wire.send(b"+OK in\r\n").await,
        Protocol::Smtp => wire.send(b"235 2.7.0 in\r\n").await,
    }
}

async fn refuse(protocol: Protocol, wire: &mut Wire) -> Result<(), Stop> {
    match protocol {
        Protocol::Imap => {
            let tag = left_tag(wire);
            wire.send(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n").await?;
            wire.line().await?;
            wire.send(format!("{tag} NO AUTHENTICATE failed.\r\n").as_bytes()).await?;
        }
        Protocol::Pop3 => wire.send(b"-ERR Authentication failure: bad password.\r\n").await?,
        Protocol::Smtp => wire.send(b"535 5.7.3 Authentication unsuccessful\r\n").await?,
    }
    while wire.fill().await? > 0 {}
    Ok(())
}

async fn fail_login(protocol: Protocol, fault: ServerFault, wire: &mut Wire) -> Result<(), Stop> {
    let tag = if protocol == Protocol::Imap { left_tag(wire) } else { String::new() };
    match fault {
        ServerFault::LoginReset => {
            wire.reset_on_close();
            return Ok(());
        }
        ServerFault::LoginClose => wire.stream.shutdown().await?,
        ServerFault::LoginGarbage => wire.send(b"\0\x01nonsense\xff\r\n").await?,
        ServerFault::LoginBusy => {
            let words = match protocol {
                Protocol::Imap => format!("{tag} NO [UNAVAILABLE] busy\r\n"),
                Protocol::Pop3 => "-ERR [SYS/TEMP] busy\r\n".to_owned(),
                Protocol::Smtp => "451 4.7.500 Server busy\r\n".to_owned(),
            };
            wire.send(words.as_bytes()).await?;
        }
        _ => {}
    }
    while wire.fill().await? > 0 {}
    Ok(())
}

async fn be_plain(protocol: Protocol, mut wire: Wire) -> Result<(), Stop> {
    if ask(protocol, &mut wire).await?.is_none() {
        return Ok(());
    }
    admit(protocol, &mut wire).await?;
    loop {
        while let Some(end) = memchr::memchr(b'\n', &wire.read) {
            let line: Vec<u8> = wire.read.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let tag = line.split(' ').next().unwrap_or_default();
            if line.contains(" FETCH ") {
                flood(&mut wire).await?;
            }
            let answer = match protocol {
                Protocol::Imap => format!("{tag} OK done\r\n"),
                Protocol::Pop3 => "+OK\r\n".to_owned(),
                Protocol::Smtp => "250 2.0.0 Ok\r\n".to_owned(),
            };
            wire.stream.write_all(answer.as_bytes()).await?;
            wire.stream.flush().await?;
        }
        // Of a line without an end only the end would matter.
        if wire.read.len() > 100_000 {
            wire.read.clear();
        }
        if wire.fill_for_long().await? == 0 {
            return Ok(wire.stream.shutdown().await?);
        }
    }
}

/// Until the gateway is gone.
async fn flood(wire: &mut Wire) -> Result<(), Stop> {
    let chunk = [b'x'; 16 * 1024];
    wire.stream.write_all(b"* 1 FETCH (BODY[] {4000000000}\r\n").await?;
    loop {
        wire.stream.write_all(&chunk).await?;
    }
}
