//! A whole connection: both machines and the relay behind them, as `connection` drives them. The hard
//! thing is what no machine can promise alone: that a secret stays on its leg, and that the octets around
//! a verdict and a handshake are nobody's but their owner's.

mod rooms;

use self::rooms::{ROOMS, Rooms};
use super::{
    bounds, options,
    session::Watched,
    talk::{Act, acts},
    tls,
};
use crate::{
    proto::{
        BearerMechanism, Downstream, DownstreamEvent, Output, Refusal, RefusalReason, Rejection,
        Side, Upstream, UpstreamCredential, UpstreamEvent,
    },
    secret::Secret,
};

/// Drives a connection with `data`: three octets choose the protocol and the relay's upstream, TLS and
/// bounds on the local leg, STARTTLS and mechanism on the other; then both peers act, as
/// `proto::fuzz_logic::talk` reads it. A login with the right password opens an upstream.
///
/// # Panics
/// If a token reaches the client or a local password the upstream, if a token is sent before TLS, if
/// octets from before a handshake count after it, if octets get lost at the hand-over, if anything is
/// said behind the last word, or if the guard lets something slip past or a buffer outgrows its bound.
pub fn fuzz_connection(data: &[u8]) {
    let [kind, local, upstream, talk @ ..] = data else { return };
    let Some(rooms) = ROOMS.get(usize::from(kind % 3)) else { return };
    let downstream = (rooms.downstream)(tls(*local), bounds(*local));
    let mut connection = Connection {
        rooms,
        choice: [*kind, *local, *upstream],
        stage: Stage::Login(Local { machine: downstream, handshake: false, injected: false }),
        from_client: Vec::new(),
        read_ahead: Vec::new(),
    };
    connection.drain_client();
    acts(talk, &rooms.words).iter().for_each(|act| connection.act(act));
}

struct Connection<'a> {
    rooms: &'a Rooms,
    choice: [u8; 3],
    stage: Stage,
    /// Everything that the client has sent.
    from_client: Vec<u8>,
    /// What it sent while its login was decided on.
    read_ahead: Vec<u8>,
}

/// How far it is; what is over is dropped.
enum Stage {
    Login(Local),
    Opening(Local, Remote),
    Relay(Box<dyn Watched>),
    Over,
}

struct Local {
    machine: Box<dyn Downstream>,
    /// A TLS handshake is due.
    handshake: bool,
    /// Octets came where TLS should have begun.
    injected: bool,
}

struct Remote {
    machine: Box<dyn Upstream>,
    handshake: bool,
    injected: bool,
    secured: bool,
    /// The last line that we said.
    line: Option<String>,
}

impl Connection<'_> {
    fn act(&mut self, act: &Act) {
        if let Stage::Relay(session) = &mut self.stage {
            return match act {
                Act::Event(3) => {
                    session.lose_server();
                    self.stage = Stage::Over;
                }
                Act::Event(4) => {
                    session.stop();
                    self.stage = Stage::Over;
                }
                Act::Event(_) | Act::Say(..) | Act::Answer { .. } => session.act(act),
            };
        }
        match act {
            Act::Say(Side::Downstream, octets) => {
                // As they are read.
                octets.chunks(READ_AHEAD).for_each(|piece| self.client_says(piece));
            }
            Act::Say(Side::Upstream, octets) => self.server_says(octets),
            Act::Answer { .. } => self.server_answers(self.rooms.answer),
            Act::Event(0) => self.client_handshakes(),
            Act::Event(1) => self.server_handshakes(),
            Act::Event(2) => self.stage = Stage::Over,
            Act::Event(3) => self.refuse(&Rejection::Busy { text: "it is gone".into() }),
            Act::Event(4) => self.close(),
            Act::Event(_) => {
                let repeat = self.rooms.repeat;
                self.server_answers(move |line| line.map_or_else(String::new, repeat));
            }
        }
    }

    fn client_says(&mut self, octets: &[u8]) {
        match &mut self.stage {
            Stage::Login(local) => {
                self.from_client.extend_from_slice(octets);
                local.injected |= local.handshake;
                local.machine.handle_input(octets);
                self.drain_client();
            }
            // Nobody reads on without a bound.
            Stage::Opening(..) if self.read_ahead.len() < READ_AHEAD => {
                self.from_client.extend_from_slice(octets);
                self.read_ahead.extend_from_slice(octets);
            }
            Stage::Opening(..) | Stage::Relay(_) | Stage::Over => {}
        }
    }

    fn client_handshakes(&mut self) {
        let Stage::Login(local) = &mut self.stage else { return };
        if !std::mem::take(&mut local.handshake) {
            return;
        }
        let injected = std::mem::take(&mut local.injected);
        local.machine.handle_tls_established();
        self.drain_client();
        let over = matches!(self.stage, Stage::Over);
        assert!(over || !injected, "it goes on behind what came in clear");
    }

    /// Does what the machine for the client wants done.
    fn drain_client(&mut self) {
        while let Stage::Login(local) | Stage::Opening(local, _) = &mut self.stage {
            let Some(output) = local.machine.poll_output() else { return };
            match output {
                Output::Transmit(octets) => self.to_client(&octets),
                Output::Event(DownstreamEvent::StartTls) => local.handshake = true,
                Output::Event(DownstreamEvent::Close) => {
                    let nothing = local.machine.poll_output().is_none();
                    assert!(nothing, "it says more behind the last word");
                    self.stage = Stage::Over;
                }
                Output::Event(DownstreamEvent::Login(credentials)) => {
                    assert!(!local.handshake, "a login in a handshake");
                    if credentials.password.expose() == PASSWORD.as_bytes() {
                        self.dial();
                    } else {
                        let wrong = Refusal::new(RefusalReason::WrongLogin, "wrong");
                        local.machine.conclude(Err(wrong));
                    }
                }
            }
        }
    }

    fn dial(&mut self) {
        let Stage::Login(local) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        let [.., choice] = self.choice;
        let options = options(choice);
        let secured = !options.starttls;
        let machine = (self.rooms.upstream)(options);
        let remote = Remote { machine, handshake: false, injected: false, secured, line: None };
        self.stage = Stage::Opening(local, remote);
    }

    fn server_says(&mut self, octets: &[u8]) {
        let Stage::Opening(_, remote) = &mut self.stage else { return };
        remote.injected |= remote.handshake;
        remote.machine.handle_input(octets);
        self.drain_server(octets);
    }

    /// The server says what comes of our last line.
    fn server_answers(&mut self, answer: impl Fn(Option<&str>) -> String) {
        let Stage::Opening(_, remote) = &mut self.stage else { return };
        let answer = answer(remote.line.as_deref());
        self.server_says(answer.as_bytes());
    }

    fn server_handshakes(&mut self) {
        let Stage::Opening(_, remote) = &mut self.stage else { return };
        if !std::mem::take(&mut remote.handshake) {
            return;
        }
        let injected = std::mem::take(&mut remote.injected);
        remote.secured = true;
        remote.machine.handle_tls_established();
        self.drain_server(&[]);
        // A client that has sent another login already has had another connection dialled, which is not secured yet.
        let goes_on = matches!(&self.stage, Stage::Opening(_, remote) if remote.secured);
        assert!(!goes_on || !injected, "it goes on behind what came in clear");
    }

    /// Does what the machine for the server wants done; `input` is what it was given last.
    fn drain_server(&mut self, input: &[u8]) {
        let [.., choice] = self.choice;
        while let Stage::Opening(_, remote) = &mut self.stage {
            match remote.machine.poll_output() {
                None => return,
                Some(Output::Transmit(line)) => remote.sends(&line, choice),
                Some(Output::Event(UpstreamEvent::StartTls)) => remote.handshake = true,
                Some(Output::Event(UpstreamEvent::Ready)) => {
                    remote.machine.authenticate("user@example.test", credential(choice));
                }
                Some(Output::Event(UpstreamEvent::Reject(rejection))) => self.refuse(&rejection),
                Some(Output::Event(UpstreamEvent::Authenticated(welcome))) => {
                    self.let_in(welcome, input);
                }
            }
        }
    }

    /// The verdict is no; the client may try again.
    fn refuse(&mut self, rejection: &Rejection) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::Opening(mut local, _) = stage else {
            self.stage = stage;
            return;
        };
        // `upstream::open` takes out the words of a server that repeats the credential.
        let text = without_credential(&format!("{rejection:?}"), self.choice[2]);
        local.machine.conclude(Err(Refusal::new(RefusalReason::UpstreamRefused, text)));
        self.stage = Stage::Login(local);
        self.drain_client();
        let ahead = std::mem::take(&mut self.read_ahead);
        if let Stage::Login(local) = &mut self.stage {
            local.machine.handle_input(&ahead);
            self.drain_client();
        } else if let Stage::Opening(..) = &self.stage {
            self.read_ahead = ahead;
        }
    }

    /// The verdict is yes: the relay begins.
    fn let_in(&mut self, welcome: crate::proto::Welcome, input: &[u8]) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::Opening(mut local, remote) = stage else { return };
        assert!(remote.secured, "a login before TLS");
        local.machine.conclude(Ok(welcome));
        while let Some(output) = local.machine.poll_output() {
            match output {
                Output::Transmit(octets) => self.to_client(&octets),
                Output::Event(DownstreamEvent::Close) => return,
                Output::Event(DownstreamEvent::StartTls | DownstreamEvent::Login(_)) => {
                    assert!(local.handshake, "it goes on behind the verdict");
                }
            }
        }
        let mut early = local.machine.into_residue().to_vec();
        let most = bounds(self.choice[1]).total + READ_AHEAD;
        assert!(early.len() <= most, "more is kept than the bound and one read");
        early.append(&mut self.read_ahead);
        assert!(self.from_client.ends_with(&early), "octets got lost at the hand-over");
        let from_server = remote.machine.into_residue();
        assert!(input.ends_with(&from_server), "the server's octets got lost");
        let mut session = (self.rooms.session)(self.choice[0] / 3);
        session.act(&Act::Say(Side::Upstream, from_server.to_vec()));
        session.act(&Act::Say(Side::Downstream, early));
        self.stage = Stage::Relay(session);
    }

    fn close(&mut self) {
        let (Stage::Login(local) | Stage::Opening(local, _)) = &mut self.stage else { return };
        local.machine.close(Refusal::new(RefusalReason::ShuttingDown, "the gateway stops"));
        self.drain_client();
        assert!(matches!(self.stage, Stage::Over), "it does not close");
    }

    fn to_client(&self, octets: &[u8]) {
        let [.., choice] = self.choice;
        let knows = |secret: &Secret| holds_part(&self.from_client, secret);
        for secret in secrets(choice).iter().filter(|secret| !knows(secret)) {
            let shown = octets.escape_ascii();
            assert!(!holds_part(octets, secret), "the credential reaches the client: {shown}");
        }
    }
}

impl Remote {
    fn sends(&mut self, line: &[u8], choice: u8) {
        let shown = line.escape_ascii();
        for password in [PASSWORD, "TDBjYWwtUDRzc3dvcmQ", "AHUATDBjYWwtUDRzc3dvcmQ"] {
            let found = memchr::memmem::find(line, password.as_bytes());
            assert_eq!(found, None, "the local password reaches the upstream: {shown}");
        }
        let secret = secrets(choice).iter().any(|secret| holds_part(line, secret));
        assert!(self.secured || !secret, "the credential in clear: {shown}");
        let line = String::from_utf8_lossy(line).into_owned();
        self.line = line.strip_suffix("\r\n").map(str::to_owned);
    }
}

/// What the driver does: the words go, if a part of the credential is among them.
fn without_credential(text: &str, choice: u8) -> String {
    let repeats = secrets(choice).iter().any(|secret| holds_part(text.as_bytes(), secret));
    if repeats { "it repeated the credential".to_owned() } else { text.to_owned() }
}

/// Whether twelve octets of a secret stand together in the text.
fn holds_part(text: &[u8], secret: &Secret) -> bool {
    secret.expose().windows(12).any(|part| memchr::memmem::find(text, part).is_some())
}

/// The credential, and what it looks like on the wire.
fn secrets(choice: u8) -> Vec<Secret> {
    match credential(choice) {
        UpstreamCredential::Password(password) => vec![password],
        UpstreamCredential::Bearer(token) => {
            let both = [BearerMechanism::XOAuth2, BearerMechanism::OAuthBearer];
            let sent =
                both.map(|one| options(choice).bearer_response(one, "user@example.test", &token));
            sent.into_iter().flatten().chain([token]).collect()
        }
    }
}

fn credential(choice: u8) -> UpstreamCredential {
    match choice & 8 {
        0 => UpstreamCredential::Bearer(Secret::new("t0k3n-that-n0body-may-see")),
        _ => UpstreamCredential::Password(Secret::new("n0body-knows-this-p4ss")),
    }
}

/// The client's.
const PASSWORD: &str = "L0cal-P4ssword";

/// Octets that are read at once, and while a login is decided on.
const READ_AHEAD: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// `answers` good answers of the server's, with handshakes between.
    fn welcome(answers: usize) -> Vec<u8> {
        [4, 0, 0, 12, 1].repeat(answers)
    }

    #[test]
    fn seeds() {
        for kind in 0..3 {
            for (local, upstream) in [(0, 2), (1, 3), (2, 4), (7, 8), (3, 9)] {
                let login: &[u8] = if kind == 2 { &[8, 0, 0, 8, 1, 0] } else { &[8, 0, 0] };
                for talk in [
                    [login, &[1], &welcome(8), &[8, 17, 0, 1, 4, 0, 0, 12, 4]].concat(),
                    [login, &welcome(3), &[12, 5, 12, 3]].concat(),
                    [login, &welcome(4), &[12, 5], &welcome(9), &[8, 18, 0]].concat(),
                    [&[8, 13, 0, 1, 12, 0], login, &welcome(9)].concat(),
                    [&[8, 10, 0, 8, 13, 0, 8, 0, 0, 1, 12, 0], login].concat(),
                    [login, &[12, 4]].concat(),
                    // Behind the go-ahead, in another piece.
                    [&[8, 13, 0, 1], login, &[1, 12, 0], login].concat(),
                    [&[8, 10, 0, 1], login, &[1, 12, 0], login].concat(),
                    [&[8, 11, 0, 1], login, &[1, 12, 0], login].concat(),
                    [&[8, 11, 0, 1, 8, 11, 0, 1, 12, 0], login, &welcome(2)].concat(),
                ] {
                    fuzz_connection(&[&[kind, local, upstream], talk.as_slice()].concat());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_invariants_hold_for_anything(data in vec(any::<u8>(), 0..200)) {
            fuzz_connection(&data);
        }
    }
}
