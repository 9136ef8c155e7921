//! Plays both peers of a transcript against the pure machines and joins the machines as
//! `connection.rs` does. It knows no protocol: whether the transcript is right depends on the transcript.
//!
//! Effects, as the machines' events are written in brackets: `starttls`, `login: USER PASSWORD
//! METHOD`, `close` (local); `starttls`, `ok: CAPABILITIES`, `reject: KIND WORDS` (upstream);
//! `end: SIDE WORDS`, `no farewell`, `silence`, `delivery: …`, `counts: …` (local, in the relay). A user or
//! password that is empty or holds a space stands in double quotes.

use bytes::{Buf, BytesMut};
use saslgate::{
    proto::{
        Counts, Credentials, Delivery, Downstream, DownstreamEvent, Output, Refusal, Rejection,
        Relay, Side, Step, Upstream, UpstreamCredential, UpstreamEvent, Welcome,
    },
    secret::Secret,
};

use super::{
    format::{Act, Credential, Leg, Protocol, Step as Line, Transcript},
    leg::LegState,
    machines,
    show::Mismatch,
    text,
};

/// How a peer's segments reach the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As the transcript writes them.
    Whole,
    /// Octet by octet.
    EveryOctet,
}

/// Runs a transcript from its first line to its last.
pub(crate) fn run(transcript: &Transcript, cut: Cut) -> Result<(), Box<Mismatch>> {
    let mut run = Run::new(transcript, cut);
    if !matches!(transcript.steps.first(), Some(Line { act: Act::Dismiss(_), .. })) {
        run.drain_downstream();
    }
    for line in &transcript.steps {
        if let Err(what) = run.step(line) {
            return Err(Box::new(run.mismatch(Some(line), &what)));
        }
    }
    run.nothing_left().map_err(|what| Box::new(run.mismatch(None, &what)))
}

struct Run<'t> {
    transcript: &'t Transcript,
    cut: Cut,
    local: LegState,
    upstream: LegState,
    downstream_machine: Option<Box<dyn Downstream>>,
    upstream_machine: Option<Box<dyn Upstream>>,
    credential: Option<(String, Credential)>,
    relay: Option<Joined>,
}

/// A relay with what was received and not yet decided on.
struct Joined {
    relay: Box<dyn Relay>,
    from_client: BytesMut,
    from_upstream: BytesMut,
}

impl<'t> Run<'t> {
    fn new(transcript: &'t Transcript, cut: Cut) -> Self {
        Self {
            transcript,
            cut,
            local: LegState::new('S'),
            upstream: LegState::new('C'),
            downstream_machine: Some(machines::downstream(&transcript.setup)),
            upstream_machine: None,
            credential: None,
            relay: None,
        }
    }

    fn step(&mut self, line: &Line) -> Result<(), String> {
        match &line.act {
            Act::Expect(pattern) => self.leg(line.leg).take(pattern, false),
            Act::Effect(pattern) => {
                if line.written.starts_with("[counts: ") {
                    self.count()?;
                }
                self.leg(line.leg).take(pattern, true)
            }
            act @ (Act::Send(_)
            | Act::Dial { .. }
            | Act::Refuse(_)
            | Act::Dismiss(_)
            | Act::Farewell(_)
            | Act::UpstreamGone) => {
                self.nothing_left()?;
                self.leg(line.leg).log.push(line.written.clone());
                self.act(line.leg, act)
            }
        }
    }

    /// The relay is asked what it has counted.
    fn count(&mut self) -> Result<(), String> {
        let joined = self.relay.as_ref().ok_or("the relay has not begun")?;
        let Counts { commands, guarded, messages, recipients } = joined.relay.counts();
        let mut told = format!("counts: commands {commands}, guarded {guarded}");
        if self.transcript.setup.protocol != Protocol::Imap {
            told += &format!(", messages {messages}, recipients {recipients}");
        }
        self.local.happen(told.as_bytes());
        Ok(())
    }

    fn act(&mut self, leg: Leg, act: &Act) -> Result<(), String> {
        match act {
            Act::Send(pieces) => {
                let octets = text::octets(pieces, &self.leg(leg).tags)?;
                self.send(leg, &octets)?;
            }
            Act::Dial { credential, user } => self.dial(user, credential),
            Act::Refuse(refusal) => {
                let machine = self.downstream_machine.as_mut().ok_or("nobody is logging in")?;
                machine.conclude(Err(refusal.clone()));
                self.drain_downstream();
            }
            Act::Dismiss(refusal) => {
                let machine = self.downstream_machine.as_mut().ok_or("the relay has begun")?;
                machine.close(refusal.clone());
                self.drain_downstream();
            }
            Act::Farewell(refusal) => self.farewell(refusal)?,
            Act::UpstreamGone => self.upstream_gone()?,
            Act::Expect(_) | Act::Effect(_) => (),
        }
        Ok(())
    }

    fn send(&mut self, leg: Leg, octets: &[u8]) -> Result<(), String> {
        if self.leg(leg).closed {
            return Err("the gateway has closed this leg".into());
        }
        let size = if self.cut == Cut::Whole { octets.len() } else { 1 };
        for chunk in octets.chunks(size.max(1)) {
            if self.leg(leg).closed {
                break;
            }
            self.receive(leg, chunk)?;
        }
        if std::mem::take(&mut self.leg(leg).handshake) {
            self.handshake_done(leg);
        }
        Ok(())
    }

    fn receive(&mut self, leg: Leg, octets: &[u8]) -> Result<(), String> {
        if let Some(joined) = &mut self.relay {
            match leg {
                Leg::Local => joined.from_client.extend_from_slice(octets),
                Leg::Upstream => joined.from_upstream.extend_from_slice(octets),
            }
            self.pass();
            return Ok(());
        }
        match leg {
            Leg::Local => {
                let machine = self.downstream_machine.as_mut().ok_or("the login is over")?;
                machine.handle_input(octets);
                self.drain_downstream();
            }
            Leg::Upstream => {
                let machine = self.upstream_machine.as_mut().ok_or("nothing is dialled")?;
                machine.handle_input(octets);
                self.drain_upstream();
            }
        }
        Ok(())
    }

    fn handshake_done(&mut self, leg: Leg) {
        match (leg, &mut self.downstream_machine, &mut self.upstream_machine) {
            (Leg::Local, Some(machine), _) => machine.handle_tls_established(),
            (Leg::Upstream, _, Some(machine)) => machine.handle_tls_established(),
            (Leg::Local | Leg::Upstream, _, _) => (),
        }
        self.drain_downstream();
        self.drain_upstream();
    }

    fn drain_downstream(&mut self) {
        while let Some(output) = self.downstream_machine.as_mut().and_then(|m| m.poll_output()) {
            match output {
                Output::Transmit(octets) => self.local.say(&octets),
                Output::Event(DownstreamEvent::StartTls) => self.local.begin_handshake(),
                Output::Event(DownstreamEvent::Login(credentials)) => {
                    self.local.happen(&login(&credentials));
                }
                Output::Event(DownstreamEvent::Close) => self.local.close(b"close"),
            }
        }
    }

    fn drain_upstream(&mut self) {
        while let Some(output) = self.upstream_machine.as_mut().and_then(|m| m.poll_output()) {
            match output {
                Output::Transmit(octets) => self.upstream.say(&octets),
                Output::Event(UpstreamEvent::StartTls) => self.upstream.begin_handshake(),
                Output::Event(UpstreamEvent::Ready) => self.authenticate(),
                Output::Event(UpstreamEvent::Authenticated(welcome)) => {
                    let separator = self.transcript.setup.protocol.separator();
                    let told = format!("ok: {}", welcome.capabilities.join(separator));
                    self.upstream.happen(told.as_bytes());
                    self.begin_relay(welcome.capabilities);
                }
                Output::Event(UpstreamEvent::Reject(rejection)) => {
                    self.upstream.close(reject(&rejection).as_bytes());
                }
            }
        }
    }

    fn dial(&mut self, user: &str, credential: &Credential) {
        self.credential = Some((user.to_string(), credential.clone()));
        self.upstream.closed = false;
        self.upstream.tags.clear();
        self.upstream_machine = Some(machines::upstream(&self.transcript.setup));
        self.drain_upstream();
    }

    fn authenticate(&mut self) {
        if let (Some(machine), Some((user, credential))) =
            (&mut self.upstream_machine, self.credential.take())
        {
            let credential = match credential {
                Credential::Token(token) => UpstreamCredential::Bearer(Secret::new(token)),
                Credential::Password(word) => UpstreamCredential::Password(Secret::new(word)),
            };
            machine.authenticate(&user, credential);
        }
    }

    fn begin_relay(&mut self, capabilities: Vec<String>) {
        let (relay, capabilities) = machines::relay(&self.transcript.setup, capabilities);
        if let Some(machine) = &mut self.downstream_machine {
            machine.conclude(Ok(Welcome { capabilities }));
        }
        self.drain_downstream();
        let (Some(downstream), Some(upstream)) =
            (self.downstream_machine.take(), self.upstream_machine.take())
        else {
            return;
        };
        self.relay = Some(Joined {
            relay,
            from_client: downstream.into_residue(),
            from_upstream: upstream.into_residue(),
        });
        self.pass();
    }

    /// Passes on what the relay lets pass, until neither direction moves.
    fn pass(&mut self) {
        let Some(joined) = &mut self.relay else { return };
        let mut moved = true;
        while moved && !self.local.closed {
            let from_upstream = joined.relay.inspect_upstream(&joined.from_upstream);
            moved = take_step(from_upstream, &mut joined.from_upstream, &mut self.local);
            if !joined.from_client.is_empty() {
                let from_client = joined.relay.inspect_downstream(&joined.from_client);
                moved |= take_step(from_client, &mut joined.from_client, &mut self.upstream);
            }
            if let Some(ended) = self.upstream.ended() {
                self.local.close(&ended);
            }
            while let Some(delivery) = joined.relay.poll_delivery() {
                self.local.happen(told(&delivery).as_bytes());
            }
        }
    }

    fn farewell(&mut self, refusal: &Refusal) -> Result<(), String> {
        let joined = self.relay.as_mut().ok_or("the relay has not begun")?;
        match joined.relay.farewell(refusal) {
            Some(octets) => self.local.say(&octets),
            None => self.local.happen(b"no farewell"),
        }
        Ok(())
    }

    fn upstream_gone(&mut self) -> Result<(), String> {
        let joined = self.relay.as_mut().ok_or("the relay has not begun")?;
        match joined.relay.upstream_lost() {
            Some(octets) => self.local.say(&octets),
            None => self.local.happen(b"silence"),
        }
        Ok(())
    }

    fn leg(&mut self, leg: Leg) -> &mut LegState {
        match leg {
            Leg::Local => &mut self.local,
            Leg::Upstream => &mut self.upstream,
        }
    }

    /// What the gateway says must stand in the transcript before a peer goes on.
    fn nothing_left(&self) -> Result<(), String> {
        for (leg, state) in [("local", &self.local), ("upstream", &self.upstream)] {
            if !state.said.is_empty() {
                return Err(format!("the gateway said more on the {leg} leg than is written"));
            }
        }
        Ok(())
    }

    fn mismatch(&mut self, line: Option<&Line>, what: &str) -> Mismatch {
        let more = line.is_none_or(|line| !matches!(line.act, Act::Expect(_) | Act::Effect(_)));
        let leg = match line {
            _ if more && !self.local.said.is_empty() => Leg::Local,
            _ if more && !self.upstream.said.is_empty() => Leg::Upstream,
            Some(line) => line.leg,
            None => Leg::Local,
        };
        self.leg(leg).log_rest();
        let lines = self.transcript.steps.iter().filter(|step| step.leg == leg);
        Mismatch {
            line: line.map_or(0, |line| line.line),
            what: what.to_string(),
            leg,
            expected: lines.map(|step| step.written.clone()).collect(),
            actual: std::mem::take(&mut self.leg(leg).log),
        }
    }
}

/// Does what the relay decided; whether anything moved.
fn take_step(step: Step, input: &mut BytesMut, to: &mut LegState) -> bool {
    let length = match &step {
        Step::Forward(length) | Step::Discard(length) | Step::Replace { length, .. } => *length,
        Step::Insert(_) | Step::Hold | Step::End(_) => 0,
    };
    let consumes = !matches!(step, Step::Insert(_) | Step::Hold | Step::End(_));
    if length > input.len() || (consumes && length == 0) {
        to.close(b"broken contract: a step beyond the input or of no octets");
        return true;
    }
    match step {
        Step::Forward(length) => to.say(&input.split_to(length)),
        Step::Discard(length) => input.advance(length),
        Step::Replace { length, with } => {
            input.advance(length);
            to.say(&with);
        }
        Step::Insert(octets) => to.say(&octets),
        Step::Hold => return false,
        Step::End(fault) => {
            let side = if fault.side == Side::Downstream { "downstream" } else { "upstream" };
            to.close(format!("end: {side} {}", fault.what).as_bytes());
            return true;
        }
    }
    true
}

fn told(delivery: &Delivery) -> String {
    let Delivery { sender, recipients, accepted, refused, octets, code, queue_id, words } =
        delivery;
    let recipients: String = recipients.iter().map(|one| format!(" <{one}>")).collect();
    let id = queue_id.as_ref().map_or_else(|| "no id".to_string(), |id| format!("id {id}"));
    let words = if words.is_empty() { String::new() } else { format!(" words {words}") };
    format!(
        "delivery: {code} from <{sender}> to{recipients}; accepted {accepted}, refused {refused}, \
         octets {octets}, {id}{words}"
    )
}

fn login(credentials: &Credentials) -> Vec<u8> {
    let quote = |octets: &[u8]| {
        let bare = !octets.is_empty() && !octets.contains(&b' ');
        if bare { octets.to_vec() } else { [b"\"", octets, b"\""].concat() }
    };
    let method = format!("{:?}", credentials.method).to_ascii_uppercase();
    let user = quote(&credentials.login);
    let password = quote(credentials.password.expose());
    [b"login: ", &user[..], b" ", &password, b" ", method.as_bytes()].concat()
}

fn reject(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Busy { text } => format!("reject: busy {text}"),
        Rejection::Protocol { fault } => format!("reject: protocol {fault}"),
        Rejection::StartTls { text } => format!("reject: starttls {text}"),
        Rejection::NoMechanism { offered } => format!("reject: no mechanism {offered}"),
        Rejection::Credential { text } => format!("reject: credential {text}"),
        Rejection::NotConnected { text } => format!("reject: not connected {text}"),
    }
}
