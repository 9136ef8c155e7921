//! What must hold for every protocol's machines, whatever their peer says: the part of
//! each `fuzz_logic` that is the same. The hard thing is the cutting: a stream may arrive in any pieces,
//! and only at a STARTTLS, or behind an answer that nobody has asked for yet, may it matter.

mod connection;
mod framing;
pub(crate) mod session;
pub(crate) mod talk;

pub use self::{connection::fuzz_connection, framing::fuzz_framing};
use super::{
    BearerMechanism, Downstream, DownstreamEvent, LocalTls, LoginBounds, Output, Refusal,
    RefusalReason, Side, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions, Welcome,
};
use crate::secret::Secret;

/// Drives a server before its client's login with `data`: the first octet chooses TLS, bounds and
/// verdict, and goes to `make`; the rest is the client's. `check` is shown all that the machine says.
///
/// # Panics
/// If cutting the input elsewhere changes what the machine does, if anything comes after the close, if a
/// login is taken in clear where TLS is demanded, or if bytes behind a login get lost.
pub(crate) fn fuzz_downstream<D: Downstream>(
    data: &[u8],
    make: impl Fn(u8, LocalTls, LoginBounds) -> D,
    check: impl Fn(&[u8]),
) {
    let Some((&choice, client)) = data.split_first() else { return };
    let serve = |cut| {
        let machine = Box::new(make(choice, tls(choice), bounds(choice)));
        Server { machine, choice, at: Client::Login, trace: Served::default() }.run(client, cut)
    };
    let whole = serve(client.len().max(1));
    check(&whole.replies);
    for cut in [1, 2, 7] {
        assert_eq!(serve(cut), whole, "cut every {cut} octets");
    }
}

struct Server<D> {
    machine: Box<D>,
    choice: u8,
    at: Client,
    trace: Served,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Login,
    Handshake,
    Relay,
    End,
}

/// What a server did, and what is left for the relay.
#[derive(Debug, Default, PartialEq, Eq)]
struct Served {
    replies: Vec<u8>,
    events: Vec<String>,
    residue: Option<Vec<u8>>,
}

impl<D: Downstream> Server<D> {
    fn run(mut self, client: &[u8], cut: usize) -> Served {
        let mut rest = client;
        while !rest.is_empty() && matches!(self.at, Client::Login | Client::Handshake) {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            rest = behind;
            self.machine.handle_input(piece);
            self.drain();
        }
        // All of the input came in clear, so the handshake ends only behind it.
        if self.at == Client::Handshake {
            self.machine.handle_tls_established();
            self.at = Client::Login;
            self.drain();
        }
        if self.at == Client::Relay {
            let mut residue = self.machine.into_residue().to_vec();
            residue.extend_from_slice(rest);
            assert!(client.ends_with(&residue), "the residue is not what the client sent last");
            self.trace.residue = Some(residue);
        }
        self.trace
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            assert_ne!(self.at, Client::End, "an output after the close");
            match output {
                Output::Transmit(octets) => self.trace.replies.extend_from_slice(&octets),
                Output::Event(event) => self.act(event),
            }
        }
    }

    fn act(&mut self, event: DownstreamEvent) {
        let (shown, at) = match event {
            DownstreamEvent::StartTls => ("starttls".to_owned(), Client::Handshake),
            DownstreamEvent::Close => ("close".to_owned(), Client::End),
            DownstreamEvent::Login(credentials) => {
                assert_ne!(tls(self.choice), LocalTls::Offer { login_in_clear: false });
                let password = credentials.password.expose().escape_ascii();
                let (login, method) = (credentials.login.escape_ascii(), credentials.method);
                (format!("{login} {password} {method:?}"), self.conclude())
            }
        };
        self.trace.events.push(shown);
        self.at = at;
    }

    fn conclude(&mut self) -> Client {
        if self.choice & 8 == 0 {
            self.machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "wrong")));
            return Client::Login;
        }
        self.machine.conclude(Ok(Welcome { capabilities: vec!["IMAP4rev1".into()] }));
        Client::Relay
    }
}

fn tls(choice: u8) -> LocalTls {
    match choice & 3 {
        0 => LocalTls::Unavailable,
        1 => LocalTls::Established,
        2 => LocalTls::Offer { login_in_clear: false },
        _ => LocalTls::Offer { login_in_clear: true },
    }
}

/// Bounds that the fuzzer can reach.
fn bounds(choice: u8) -> LoginBounds {
    if choice & 4 == 0 {
        return LoginBounds::default();
    }
    LoginBounds { line: 64, literal: 16, total: 256, faults: 3 }
}

/// Drives a client before its login with `data`: the first octet chooses options and credential, the rest
/// is the server's. What stands before the first octet 0x16, a TLS record's, comes before the handshake.
/// `may_say` judges each line without its CRLF, and hears whether it is sent before the driver's word to
/// log in.
///
/// Whether having several answers at once made no difference.
///
/// # Panics
/// If cutting a line changes what the machine does, if having several answers at once makes it do more
/// than to end sooner, if it does anything after its last word, if it sends more than it may before a
/// login, or more than a line at a time, or if bytes get lost behind a login.
pub(crate) fn fuzz_upstream<U: Upstream>(
    data: &[u8],
    make: impl Fn(UpstreamOptions) -> U,
    may_say: impl Fn(&[u8], bool) -> bool + Copy,
) -> bool {
    let Some((&choice, server)) = data.split_first() else { return true };
    let log_in = |cut, split| {
        let machine = Box::new(make(options(choice)));
        Login { machine, choice, may_say, trace: LoggedIn::default() }.run(server, cut, split)
    };
    let by_line = log_in(usize::MAX, Split::Lines);
    for cut in [1, 2, 7] {
        assert_eq!(log_in(cut, Split::Lines), by_line, "cut every {cut} octets");
    }
    // An answer that comes together with the one before it comes before it was asked for.
    let whole = log_in(usize::MAX, Split::Nowhere);
    if whole == by_line {
        return true;
    }
    let before = whole.acts.split_last().map_or(&[][..], |(_, before)| before);
    let sooner = whole.at == Progress::End && by_line.acts.starts_with(before);
    assert!(sooner, "{whole:?} and not {by_line:?}");
    false
}

/// Where the server's octets are cut beside the chosen length.
#[derive(Clone, Copy)]
enum Split {
    /// At each line's end, so that no answer comes before it was asked for.
    Lines,
    /// Not at all.
    Nowhere,
}

struct Login<U, H> {
    machine: Box<U>,
    choice: u8,
    may_say: H,
    trace: LoggedIn,
}

/// How far a login has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Connection,
    Handshake,
    Login,
    Relay,
    End,
}

/// What a client did, and what it left for the relay.
#[derive(Debug, Default, PartialEq, Eq)]
struct LoggedIn {
    acts: Vec<String>,
    residue: Option<Vec<u8>>,
    at: Progress,
}

impl<U: Upstream, H: Fn(&[u8], bool) -> bool> Login<U, H> {
    fn run(mut self, server: &[u8], cut: usize, split: Split) -> LoggedIn {
        let mut parts = server.splitn(2, |&octet| octet == 0x16);
        self.feed(parts.next().unwrap_or_default(), cut, split);
        if self.trace.at == Progress::Handshake {
            self.machine.handle_tls_established();
            self.trace.at = Progress::Connection;
            self.drain();
        }
        self.feed(parts.next().unwrap_or_default(), cut, split);
        if self.trace.at == Progress::Relay {
            let residue = self.machine.into_residue().to_vec();
            assert!(server.ends_with(&residue) || server.contains(&0x16));
            self.trace.residue = Some(residue);
        }
        self.trace
    }

    fn feed(&mut self, octets: &[u8], cut: usize, split: Split) {
        let ends = |octet: &u8| matches!(split, Split::Lines) && *octet == b'\n';
        for piece in octets.split_inclusive(ends).flat_map(|line| line.chunks(cut)) {
            self.machine.handle_input(piece);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            let at = self.trace.at;
            assert!(
                !matches!(at, Progress::Relay | Progress::End),
                "an output after the last word"
            );
            // Every octet counts here, which `Debug` does not show.
            self.trace.acts.push(match &output {
                Output::Transmit(line) => line.escape_ascii().to_string(),
                Output::Event(event) => format!("{event:?}"),
            });
            self.trace.at = match output {
                Output::Event(UpstreamEvent::StartTls) => Progress::Handshake,
                Output::Event(UpstreamEvent::Ready) => {
                    self.machine.authenticate("user@example.test", credential(self.choice));
                    Progress::Login
                }
                Output::Event(UpstreamEvent::Authenticated(_)) => Progress::Relay,
                Output::Event(UpstreamEvent::Reject(_)) => Progress::End,
                Output::Transmit(line) => {
                    let told = line.strip_suffix(b"\r\n").unwrap_or(b"\n");
                    assert!(!told.iter().any(|octet| b"\r\n\0".contains(octet)), "not one line");
                    let early = at != Progress::Login;
                    assert!((self.may_say)(told, early), "a login before its time, or no line");
                    at
                }
            };
        }
    }
}

fn options(choice: u8) -> UpstreamOptions {
    let mechanism = match choice >> 1 & 3 {
        1 => Some(BearerMechanism::XOAuth2),
        2 => Some(BearerMechanism::OAuthBearer),
        _ => None,
    };
    UpstreamOptions {
        starttls: choice & 1 == 1,
        mechanism,
        host: "h".to_owned(),
        port: 993,
        client_name: "gateway.test".to_owned(),
    }
}

fn credential(choice: u8) -> UpstreamCredential {
    match choice & 8 {
        0 => UpstreamCredential::Bearer(Secret::new("token")),
        _ => UpstreamCredential::Password(Secret::new("pass w\u{f6}rd")),
    }
}

/// What two peers send, for a relay: an octet whose top bit says whose it is and whose other bits, plus
/// one, are the length; then the piece.
pub(crate) fn pieces(mut data: &[u8]) -> Vec<(Side, &[u8])> {
    let mut pieces = Vec::new();
    while let Some((&head, rest)) = data.split_first() {
        let length = usize::from(head & 0x7f) + 1;
        let (piece, rest) = rest.split_at(length.min(rest.len()));
        pieces.push((if head & 0x80 == 0 { Side::Downstream } else { Side::Upstream }, piece));
        data = rest;
    }
    pieces
}
