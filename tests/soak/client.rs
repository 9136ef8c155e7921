//! Mail programs, which do what a connection's plan says and write down what they got.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use saslgate::stream::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    chance::Chance,
    plan::{ClientFault, Form, Knows, LocalTls, Plan, Protocol, ServerFault},
    script::{Answer, Exchange},
    secrets::{Scanner, TOKEN, base64},
    wire::{PATIENCE, Stop, Tls, Wire, send},
};

/// What a login came to, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    LetIn,
    WrongPassword,
    /// Try again later, or call somebody: anything but a wrong password.
    NotNow,
    /// A goodbye, or no word at all.
    NoWord,
    /// It did not wait for one.
    Left,
}

pub struct Outcome {
    pub verdict: Verdict,
    /// The line that said so.
    pub words: String,
    /// Octets of the relay that it has sent.
    pub sent: usize,
    /// Answers that came whole, and octets of the next one.
    pub answers: usize,
    pub part: usize,
    /// What came instead, or behind all that was planned.
    pub deviation: Vec<u8>,
    /// How it ended.
    pub end: String,
    pub fault: Option<ClientFault>,
    pub token_seen: bool,
    pub late: bool,
}

pub async fn run(plan: &Plan, address: SocketAddr, tls: &Tls, password: &str) -> Outcome {
    let mut outcome = Outcome {
        verdict: Verdict::NoWord,
        words: String::new(),
        sent: 0,
        answers: 0,
        part: 0,
        deviation: Vec::new(),
        end: String::new(),
        fault: None,
        token_seen: false,
        late: false,
    };
    let socket = match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            outcome.end = format!("not connected: {error}");
            return outcome;
        }
        Err(_) => {
            outcome.late = true;
            return outcome;
        }
    };
    let mut wire = Wire::new(socket, Scanner::new(TOKEN), plan.cuts.clone());
    if matches!(plan.client_fault, Some((_, ClientFault::Reset))) {
        wire.reset_on_close();
    }
    let logged_in = log_in(plan, &mut wire, tls, password, &mut outcome).await;
    outcome.token_seen |= wire.scanner.found;
    match logged_in {
        Ok(()) if outcome.verdict == Verdict::LetIn => converse(plan, wire, &mut outcome).await,
        Ok(()) => drop(wire.stream.shutdown().await),
        Err(stop) => leave(stop, &mut wire, &mut outcome).await,
    }
    outcome
}

/// Before the relay: does what is left of a fault.
async fn leave(stop: Stop, wire: &mut Wire, outcome: &mut Outcome) {
    match stop {
        Stop::Late => outcome.late = true,
        Stop::Closed(error) => outcome.end = error,
        Stop::Fault(fault) => {
            outcome.fault = Some(fault);
            outcome.verdict = Verdict::Left;
            match fault {
                ClientFault::HalfClose => {
                    let _ = wire.stream.shutdown().await;
                    while matches!(wire.fill().await, Ok(1..)) {}
                }
                ClientFault::Garbage => {
                    wire.fault = None;
                    let _ = wire.send(GARBAGE).await;
                    let _ = wire.stream.shutdown().await;
                    while matches!(wire.fill().await, Ok(1..)) {}
                }
                ClientFault::Silence => sleep(SILENCE).await,
                ClientFault::Reset | ClientFault::Close => {}
            }
        }
    }
}

async fn log_in(
    plan: &Plan,
    wire: &mut Wire,
    tls: &Tls,
    password: &str,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    if plan.tls == LocalTls::Implicit {
        wire.connect_tls(tls).await?;
    }
    // Counted from here, so that it falls into what has a meaning.
    wire.fault = plan.client_fault;
    let first = wire.line().await?;
    if !["* OK", "+OK", "220 "].iter().any(|word| first.starts_with(word)) {
        outcome.words = first;
        return Ok(());
    }
    if plan.tls == LocalTls::StartTls {
        let command = match plan.protocol {
            Protocol::Imap => "s STARTTLS\r\n",
            Protocol::Pop3 => "STLS\r\n",
            Protocol::Smtp => {
                ehlo(wire).await?;
                "STARTTLS\r\n"
            }
        };
        wire.send(command.as_bytes()).await?;
        wire.line().await?;
        wire.connect_tls(tls).await?;
    }
    if plan.protocol == Protocol::Smtp {
        ehlo(wire).await?;
    }
    let last = present(plan, wire, password).await?;
    send_last(plan, wire, last, outcome).await?;
    loop {
        let line = wire.line().await?;
        let verdict = judge(plan.protocol, &line);
        outcome.words.push_str(&line);
        if let Some(verdict) = verdict {
            outcome.verdict = verdict;
            return Ok(());
        }
    }
}

/// The login's last part, with the first commands behind it where the plan is eager.
async fn send_last(
    plan: &Plan,
    wire: &mut Wire,
    mut last: Vec<u8>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let login = last.len();
    if plan.eager {
        last.extend(first_batch(&plan.exchanges).iter().flat_map(|it| it.client.clone()));
    }
    let before = wire.written;
    let sent = wire.send(&last).await;
    let written = wire.written - before;
    outcome.sent = written.saturating_sub(login);
    match sent {
        // The login is out, the fault comes behind it: the verdict counts.
        Err(Stop::Fault(fault)) if written >= login => {
            outcome.fault = Some(fault);
            match fault {
                ClientFault::HalfClose => Ok(wire.stream.shutdown().await?),
                ClientFault::Garbage => {
                    wire.fault = None;
                    wire.send(GARBAGE).await?;
                    Ok(wire.stream.shutdown().await?)
                }
                ClientFault::Silence => Ok(()),
                ClientFault::Reset | ClientFault::Close => Err(Stop::Fault(fault)),
            }
        }
        sent => sent,
    }
}

async fn ehlo(wire: &mut Wire) -> Result<(), Stop> {
    wire.send(b"EHLO soak.test\r\n").await?;
    while !wire.line().await?.starts_with("250 ") {}
    Ok(())
}

/// Says all of a login but its last part, which is returned.
async fn present(plan: &Plan, wire: &mut Wire, password: &str) -> Result<Vec<u8>, Stop> {
    let login = plan.login();
    let plain = base64(format!("\0{login}\0{password}").as_bytes());
    let last = match (plan.protocol, plan.form) {
        (Protocol::Imap, Form::Words) => {
            let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{TAG} LOGIN \"{login}\" \"{quoted}\"\r\n")
        }
        (Protocol::Imap, Form::Literals) => {
            wire.send(format!("{TAG} LOGIN {{{}}}\r\n", login.len()).as_bytes()).await?;
            wire.line().await?;
            wire.send(format!("{login} {{{}}}\r\n", password.len()).as_bytes()).await?;
            wire.line().await?;
            format!("{password}\r\n")
        }
        (Protocol::Imap, Form::LiteralsPlus) => format!(
            "{TAG} LOGIN {{{}+}}\r\n{login} {{{}+}}\r\n{password}\r\n",
            login.len(),
            password.len()
        ),
        (Protocol::Imap, Form::PlainInitial) => format!("{TAG} AUTHENTICATE PLAIN {plain}\r\n"),
        (Protocol::Imap, Form::Plain) => {
            wire.send(format!("{TAG} AUTHENTICATE PLAIN\r\n").as_bytes()).await?;
            wire.line().await?;
            format!("{plain}\r\n")
        }
        (Protocol::Pop3, Form::Plain) => {
            wire.send(b"AUTH PLAIN\r\n").await?;
            wire.line().await?;
            format!("{plain}\r\n")
        }
        (Protocol::Pop3, Form::PlainInitial) => format!("AUTH PLAIN {plain}\r\n"),
        (Protocol::Pop3, _) => {
            wire.send(format!("USER {login}\r\n").as_bytes()).await?;
            wire.line().await?;
            format!("PASS {password}\r\n")
        }
        (Protocol::Smtp, Form::Plain) => {
            wire.send(b"AUTH PLAIN\r\n").await?;
            wire.line().await?;
            format!("{plain}\r\n")
        }
        (Protocol::Smtp, Form::PlainInitial) => format!("AUTH PLAIN {plain}\r\n"),
        (Protocol::Smtp, _) => {
            wire.send(b"AUTH LOGIN\r\n").await?;
            wire.line().await?;
            wire.send(format!("{}\r\n", base64(login.as_bytes())).as_bytes()).await?;
            wire.line().await?;
            format!("{}\r\n", base64(password.as_bytes()))
        }
    };
    Ok(last.into_bytes())
}

fn judge(protocol: Protocol, line: &str) -> Option<Verdict> {
    let begins = |word: &str| line.starts_with(word);
    Some(match protocol {
        Protocol::Imap if begins("l OK ") => Verdict::LetIn,
        Protocol::Imap if begins("l NO [AUTHENTICATIONFAILED]") => Verdict::WrongPassword,
        Protocol::Imap if begins("l ") => Verdict::NotNow,
        Protocol::Imap if begins("* BYE") => Verdict::NoWord,
        Protocol::Pop3 if begins("+OK") => Verdict::LetIn,
        Protocol::Pop3 if begins("-ERR [AUTH]") => Verdict::WrongPassword,
        Protocol::Pop3 => Verdict::NotNow,
        Protocol::Smtp if begins("235") => Verdict::LetIn,
        Protocol::Smtp if begins("535") => Verdict::WrongPassword,
        Protocol::Smtp if begins("454") => Verdict::NotNow,
        Protocol::Smtp => Verdict::NoWord,
        Protocol::Imap => return None,
    })
}

/// What may be sent without waiting for an answer.
pub fn first_batch(exchanges: &[Exchange]) -> &[Exchange] {
    let end = exchanges.iter().position(|it| it.waits).map_or(exchanges.len(), |at| at + 1);
    // A guarded command first, and the place of its answer is not known.
    &exchanges[..end]
}

/// What is expected, and how far it has come.
struct Expected<'a> {
    exchanges: &'a [Exchange],
    at: usize,
    part: usize,
    /// The line that is being read, so that a goodbye which begins like the answer is seen as one.
    line: Vec<u8>,
    deviation: Vec<u8>,
}

impl Expected<'_> {
    fn see(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            if !self.deviation.is_empty() || self.at == self.exchanges.len() {
                if self.deviation.len() < 100_000 {
                    self.deviation.extend_from_slice(octets);
                }
                return;
            }
            let taken = match &self.exchanges[self.at].answer {
                Answer::Upstream(answer) => {
                    let rest = &answer[self.part..];
                    let same = rest.iter().zip(octets).take_while(|(a, b)| a == b).count();
                    if same < rest.len() && same < octets.len() {
                        self.keep(&octets[..same]);
                        self.part += same;
                        self.deviate(&octets[same..]);
                        return;
                    }
                    self.part += same;
                    if self.part == answer.len() {
                        self.next();
                    }
                    same
                }
                Answer::Gateway(beginnings) => {
                    let end = memchr::memchr(b'\n', octets);
                    let count = end.map_or(octets.len(), |end| end + 1);
                    let mut line = std::mem::take(&mut self.line);
                    line.extend_from_slice(&octets[..count]);
                    let is_right = |line: &[u8]| {
                        beginnings.iter().any(|it| {
                            let count = it.len().min(line.len());
                            line[..count] == it.as_bytes()[..count]
                        })
                    };
                    self.part += count;
                    if !is_right(&line) {
                        line.extend_from_slice(&octets[count..]);
                        self.deviation = line;
                        self.part = 0;
                        return;
                    }
                    self.line = line;
                    if end.is_some() {
                        self.next();
                    }
                    octets = &octets[count..];
                    if end.is_some() {
                        self.line.clear();
                    }
                    continue;
                }
            };
            self.keep(&octets[..taken]);
            octets = &octets[taken..];
        }
    }

    fn next(&mut self) {
        self.at += 1;
        self.part = 0;
        while matches!(self.exchanges.get(self.at).map(|it| &it.answer),
            Some(Answer::Upstream(answer)) if answer.is_empty())
        {
            self.at += 1;
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        match memchr::memrchr(b'\n', octets) {
            Some(end) => self.line = octets[end + 1..].to_vec(),
            None => self.line.extend_from_slice(octets),
        }
    }

    fn deviate(&mut self, octets: &[u8]) {
        let line = std::mem::take(&mut self.line);
        self.part = self.part.saturating_sub(line.len());
        self.deviation = line;
        self.deviation.extend_from_slice(octets);
    }
}

#[derive(Default)]
struct Progress {
    answers: AtomicUsize,
    more: Notify,
}

impl Progress {
    async fn wait_for(&self, answers: usize) {
        loop {
            let more = self.more.notified();
            if self.answers.load(Ordering::SeqCst) >= answers {
                return;
            }
            more.await;
        }
    }
}

async fn converse(plan: &Plan, mut wire: Wire, outcome: &mut Outcome) {
    let mut expected = Expected {
        exchanges: &plan.exchanges,
        at: 0,
        part: 0,
        line: Vec::new(),
        deviation: Vec::new(),
    };
    expected.see(&std::mem::take(&mut wire.read));
    let progress = Progress { answers: AtomicUsize::new(expected.at), more: Notify::new() };
    let stream = std::mem::replace(&mut wire.stream, Stream::Broken);
    let (reader, writer) = tokio::io::split(stream);
    let mut scanner = std::mem::replace(&mut wire.scanner, Scanner::new(TOKEN));
    let earlier = outcome.fault;
    let mut out = Outgoing {
        writer,
        written: wire.written,
        relayed: outcome.sent,
        fault: wire.fault,
        cuts: wire.cuts,
    };
    let all = async {
        let reading = read(reader, plan, &mut expected, &progress, &mut scanner);
        let writing = out.write(plan, &progress, earlier);
        tokio::pin!(reading, writing);
        tokio::select! {
            end = &mut reading => (end, None),
            stopped = &mut writing => match stopped {
                Err(Stop::Fault(ClientFault::Reset | ClientFault::Close | ClientFault::Silence)) => {
                    (String::from("left"), stopped.err())
                }
                stopped => (reading.await, stopped.err()),
            },
        }
    };
    let silent = matches!(plan.server_fault, Some((_, ServerFault::Silence)));
    let patience = if silent { SILENCE } else { PATIENCE };
    match timeout(patience, all).await {
        Ok((end, stopped)) => {
            outcome.end = end;
            match stopped {
                Some(Stop::Fault(fault)) => outcome.fault = Some(fault),
                Some(Stop::Late) => outcome.late = true,
                _ => {}
            }
        }
        Err(_) => outcome.late = !silent,
    }
    outcome.sent = out.relayed;
    outcome.answers = expected.at;
    outcome.part = expected.part;
    outcome.deviation = expected.deviation;
    outcome.token_seen |= scanner.found;
}

async fn read(
    mut reader: ReadHalf<Stream<TcpStream>>,
    plan: &Plan,
    expected: &mut Expected<'_>,
    progress: &Progress,
    scanner: &mut Scanner,
) -> String {
    let mut chance = Chance::new(plan.number, 1);
    let mut chunk = vec![0; 32 * 1024];
    loop {
        // Whoever does not say goodbye leaves when there is nothing more to hear.
        if !plan.polite && expected.at == plan.exchanges.len() {
            return "done".to_owned();
        }
        let most = if plan.slow_reader { 1 + chance.below(chunk.len()) } else { chunk.len() };
        match reader.read(&mut chunk[..most]).await {
            Ok(0) => return "end of file".to_owned(),
            Err(error) => return error.to_string(),
            Ok(count) => {
                scanner.see(&chunk[..count]);
                expected.see(&chunk[..count]);
                progress.answers.store(expected.at, Ordering::SeqCst);
                progress.more.notify_waiters();
            }
        }
        if plan.slow_reader {
            sleep(Duration::from_millis(chance.below(15) as u64)).await;
        }
    }
}

struct Outgoing {
    writer: WriteHalf<Stream<TcpStream>>,
    written: usize,
    relayed: usize,
    fault: Option<(usize, ClientFault)>,
    cuts: Chance,
}

impl Outgoing {
    async fn write(
        &mut self,
        plan: &Plan,
        progress: &Progress,
        earlier: Option<ClientFault>,
    ) -> Result<(), Stop> {
        if let Some(fault) = earlier {
            if fault == ClientFault::Silence {
                sleep(SILENCE).await;
            }
            return Err(Stop::Fault(fault));
        }
        let mut left = plan.exchanges.as_slice();
        let mut answers = 0;
        let mut sent_already = self.relayed;
        while !left.is_empty() {
            let batch = first_batch(left);
            left = &left[batch.len()..];
            let octets: Vec<u8> = batch.iter().flat_map(|it| it.client.clone()).collect();
            let octets = &octets[sent_already.min(octets.len())..];
            sent_already = 0;
            if !octets.is_empty() {
                let before = self.written;
                let (writer, cuts) = (&mut self.writer, &mut self.cuts);
                let sent = send(writer, octets, &mut self.written, self.fault, cuts).await;
                self.relayed += self.written - before;
                if let Err(Stop::Fault(fault)) = &sent {
                    self.fail(*fault).await?;
                }
                sent?;
            }
            answers += batch.len();
            progress.wait_for(answers).await;
        }
        Ok(())
    }

    async fn fail(&mut self, fault: ClientFault) -> Result<(), Stop> {
        match fault {
            ClientFault::HalfClose => self.writer.shutdown().await?,
            ClientFault::Garbage => {
                self.writer.write_all(GARBAGE).await?;
                self.writer.shutdown().await?;
            }
            ClientFault::Silence => sleep(SILENCE).await,
            ClientFault::Reset | ClientFault::Close => {}
        }
        Ok(())
    }
}

/// The account's password as this plan knows it; `revocable` is the one that is revoked some day.
pub fn password(plan: &Plan, revocable: &str) -> String {
    match plan.knows {
        Knows::Right | Knows::NoSuchName => plan.account.password(),
        Knows::WrongPassword => "L0cal-wrong".to_owned(),
        Knows::Revocable => revocable.to_owned(),
    }
}

const TAG: &str = "l";
const GARBAGE: &[u8] = b"\x16\x03\0\xff {12}\r\n\0 \"\r\r\nGET / HTTP/1.1\r\n\r\n";
/// How long a silent one is silent, and how long one waits for a silent server.
const SILENCE: Duration = Duration::from_secs(3);
