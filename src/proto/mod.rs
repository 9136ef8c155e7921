//! The protocol core: bytes in, bytes and events out. Nothing here knows a socket, a clock, a file
//! or a log, so all of it can be tested, fuzzed and measured alone.
//!
//! Every protocol has the same rooms: `syntax` (parsers), `downstream` (we are the server),
//! `upstream` (we are the client), `relay` (what is read along after login) and `refusal` (the one
//! table from a reason to the words on the wire). The traits here are the doors between those
//! rooms and the code that moves bytes.
//!
//! # Driving a machine
//! Call one `handle_*`, `authenticate`, `conclude` or `close`, then [`Machine::poll_output`] until
//! it returns `None`; send every `Transmit` in order before acting on the event behind it.

#[cfg(test)]
mod conversation;
mod dot;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
pub mod imap;
pub(crate) mod line;
pub(crate) mod mechanism;
pub mod pop3;
pub mod smtp;
pub mod text;
pub(crate) mod verdict;

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::secret::Secret;

/// A sans-I/O state machine for one leg of a connection.
pub trait Machine: Send {
    /// What the machine tells its driver beside bytes.
    type Event;

    /// Takes what the peer sent, cut anywhere. Infallible: a peer's fault comes out as a reply, an
    /// event, or both.
    fn handle_input(&mut self, input: &[u8]);

    /// The next thing to do; drain to `None` after every call that changes the machine.
    fn poll_output(&mut self) -> Option<Output<Self::Event>>;
}

/// What a machine wants done. Its `Debug` has no content of a line, which may carry a password or
/// a token.
#[must_use = "ignoring an output loses bytes or deadlocks the protocol"]
pub enum Output<E> {
    /// Send these bytes to the machine's peer.
    Transmit(Bytes),
    /// Act on this.
    Event(E),
}

impl<E: fmt::Debug> fmt::Debug for Output<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit(line) => write!(f, "Transmit({} octets)", line.len()),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// Bounds on what a client may send before its login. Every excess is a reply, never a larger buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginBounds {
    /// Octets in one line, its CRLF included.
    pub line: usize,
    /// Octets in one literal: a user name or a password.
    pub literal: usize,
    /// Octets in all, from the greeting (or the TLS handshake) to the login.
    pub total: usize,
    /// Commands that are not understood or not allowed, before the connection is closed.
    pub faults: usize,
}

impl Default for LoginBounds {
    fn default() -> Self {
        Self { line: 16 * 1024, literal: 8 * 1024, total: 64 * 1024, faults: 5 }
    }
}

/// How far TLS has come on the local leg when the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTls {
    /// In clear, and it stays so: a loopback listener.
    Unavailable,
    /// In clear, STARTTLS is offered.
    Offer {
        /// Whether a login is accepted before TLS; if not, no mechanism is advertised and a login is
        /// refused with [`RefusalReason::TlsRequired`].
        login_in_clear: bool,
    },
    /// TLS is on.
    Established,
}

impl LocalTls {
    /// Whether a login is accepted now.
    pub(crate) fn allows_login(self) -> bool {
        match self {
            Self::Unavailable | Self::Established => true,
            Self::Offer { login_in_clear } => login_in_clear,
        }
    }
}

/// The leg towards the mail client: we are the server.
pub trait Downstream: Machine<Event = DownstreamEvent> {
    /// The local STARTTLS handshake is done. The machine forgets what it learnt before (RFC 3501
    /// section 6.2.1) and treats bytes that came in clear behind the command as an attack.
    fn handle_tls_established(&mut self);

    /// Answers the login that the machine is [deciding](DownstreamEvent::Login) on.
    ///
    /// After `Ok` the machine is done: take its [residue](Downstream::into_residue). After `Err` it
    /// goes on reading commands.
    fn conclude(&mut self, verdict: Result<Welcome, Refusal>);

    /// Says goodbye in the protocol's own words, greeting or not, and emits
    /// [`DownstreamEvent::Close`].
    fn close(&mut self, refusal: Refusal);

    /// Bytes that were read and not consumed; they belong to the relay.
    fn into_residue(self: Box<Self>) -> BytesMut;
}

/// What the downstream machine asks of its driver.
#[derive(Debug)]
pub enum DownstreamEvent {
    /// The go-ahead for STARTTLS has been transmitted: begin the handshake.
    StartTls,
    /// A complete login: decide, then call [`Downstream::conclude`]. The machine is given
    /// nothing to read until then.
    Login(Credentials),
    /// Everything is said: flush and close.
    Close,
}

/// The leg towards the mail provider: we are the client.
pub trait Upstream: Machine<Event = UpstreamEvent> {
    /// The upstream STARTTLS handshake is done; bytes received in clear behind the go-ahead make the
    /// machine reject the upstream (response injection), and everything learnt before is forgotten.
    fn handle_tls_established(&mut self);

    /// Starts authentication; call it once, after [`UpstreamEvent::Ready`].
    fn authenticate(&mut self, user: &str, credential: UpstreamCredential);

    /// Bytes that were read and not consumed; they belong to the relay.
    fn into_residue(self: Box<Self>) -> BytesMut;
}

/// What the upstream machine tells its driver.
#[derive(Debug)]
pub enum UpstreamEvent {
    /// The upstream agreed to STARTTLS: begin the handshake.
    StartTls,
    /// Greeted, under TLS, ready for [`Upstream::authenticate`].
    Ready,
    /// The upstream let us in and told what it can do.
    Authenticated(Welcome),
    /// The upstream will not serve us: close the connection.
    Reject(Rejection),
}

/// What a client logged in with. The name is as sent; whether such an account exists is decided
/// elsewhere.
#[derive(Debug)]
pub struct Credentials {
    /// The login name (the authcid of RFC 4616), not necessarily UTF-8.
    pub login: Vec<u8>,
    /// The local password.
    pub password: Secret,
    /// How they came.
    pub method: LoginMethod,
}

/// How a client sent its name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// The protocol's own command: IMAP LOGIN, POP3 USER and PASS.
    Command,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// SASL LOGIN (draft-murchison-sasl-login).
    Login,
}

/// What opens the upstream.
#[derive(Debug)]
pub enum UpstreamCredential {
    /// An OAuth 2.0 access token (RFC 6750), sent by XOAUTH2 or OAUTHBEARER.
    Bearer(Secret),
    /// A password, sent by PLAIN, LOGIN or the protocol's own command, and only inside TLS.
    Password(Secret),
}

/// What is known of an upstream before it says anything.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Whether TLS begins with STARTTLS; otherwise it is on already.
    pub starttls: bool,
    /// The mechanism that carries a token; `None` takes what the server offers, XOAUTH2 first.
    pub mechanism: Option<BearerMechanism>,
    /// The host that was dialled, for OAUTHBEARER.
    pub host: String,
    /// The port that was dialled, for OAUTHBEARER.
    pub port: u16,
    /// How we call ourselves in SMTP's EHLO: a domain or an address literal (RFC 5321 section 4.1.3).
    pub client_name: String,
}

/// Which SASL mechanism carries a bearer token upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerMechanism {
    /// Google's and Microsoft's own.
    XOAuth2,
    /// RFC 7628.
    OAuthBearer,
}

/// What the upstream says of itself after login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Capabilities one an entry with its parameters (`IDLE`, `SIZE 1000`): as sent when the upstream
    /// machine tells them, filtered for the account before [`Downstream::conclude`] gets them.
    pub capabilities: Vec<String>,
}

/// Why the upstream does not serve us. Texts are the server's own, for the log and for advice; they
/// are cut to a bound and hold printable characters only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It sent us away before login (BYE, NO, or later 421 and -ERR greetings): busy or down.
    Busy {
        /// The server's words.
        text: String,
    },
    /// It breaks the protocol, or offers what we must refuse (PREAUTH, data around STARTTLS).
    Protocol {
        /// What was wrong, in our words.
        fault: &'static str,
    },
    /// STARTTLS is wanted, and the upstream does not offer it or refuses it.
    StartTls {
        /// The server's words.
        text: String,
    },
    /// It offers none of the mechanisms that carry what we have.
    NoMechanism {
        /// The capabilities it listed, with its words where it denies one of them.
        offered: String,
    },
    /// It refused the token or the password.
    Credential {
        /// The server's words, with the status of the error challenge where there was one.
        text: String,
    },
    /// It accepted the token and then does not give access ("User is authenticated but not
    /// connected"): mailbox and token do not fit together.
    NotConnected {
        /// The server's words.
        text: String,
    },
}

/// What a client is told instead of a success: a reason, which chooses the code on the wire, and a
/// sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Chooses the protocol's code, by one table per protocol.
    pub reason: RefusalReason,
    /// One short sentence without secrets; characters that could end a line are replaced.
    pub text: String,
    /// Show the text even in clients that hide login errors (IMAP ALERT). The caller bounds how
    /// often.
    pub alert: bool,
}

impl Refusal {
    /// A refusal without an alert.
    pub fn new(reason: RefusalReason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into(), alert: false }
    }
}

/// The rows of the refusal table. Only [`RefusalReason::WrongLogin`] may look like a wrong password:
/// otherwise clients throw the saved password away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// Wrong or unknown login, or a login not allowed here.
    WrongLogin,
    /// A person must sign in (again) at the provider.
    SignIn,
    /// The provider's administrator forbids it by policy.
    Policy,
    /// The gateway's operator must correct the configuration.
    Configuration,
    /// No token just now: the token endpoint, the network or the store is down or throttled.
    TokenUnavailable,
    /// The upstream is unreachable, busy, at its own limit, or TLS with it failed.
    UpstreamUnavailable,
    /// The upstream refused a fresh token, or the stored password.
    UpstreamRefused,
    /// The token's owner has no access to the mailbox.
    NotAuthorized,
    /// A login in clear where TLS is demanded.
    TlsRequired,
    /// The listener or the client's address has too many connections.
    ConnectionLimit,
    /// The account has too many connections.
    AccountLimit,
    /// The gateway is stopping.
    ShuttingDown,
    /// The client took too long to log in.
    Timeout,
    /// Too many wrong logins, or too many faults, on one connection.
    TooManyFailures,
}

/// Reads along after login, in both directions, and decides what may pass.
///
/// The driver keeps, per direction, the bytes that were received and not yet decided on, and shows
/// the front of them again and again: `n` bytes are forwarded exactly as they are, dropped, or
/// replaced. It never asks about bytes behind an undecided one.
///
/// After a step in one direction that is not [`Step::Hold`] the other direction is asked again too,
/// since it may have been waiting for it.
pub trait Relay: Send {
    /// Decides on the front of what the client sent.
    fn inspect_downstream(&mut self, input: &[u8]) -> Step;

    /// Decides on the front of what the upstream sent. Also asked with empty input, since an answer
    /// of the guard may be due between two of the upstream's responses.
    fn inspect_upstream(&mut self, input: &[u8]) -> Step;

    /// Whether what the client sent and [`Step::Hold`] holds waits for the upstream, which may still
    /// free it, and not only for more of itself, which never comes from a client that has ended.
    fn awaits_upstream(&self) -> bool;

    /// Whether the client has sent something whole, a message above all, that it may send again unless
    /// it hears what became of it: we do not end the connection before.
    fn owes_verdict(&self) -> bool {
        false
    }

    /// A last word of ours to the client, if the stream towards it stands between two complete
    /// responses; in the middle of one nothing may be said.
    fn farewell(&mut self, refusal: &Refusal) -> Option<Bytes>;

    /// The upstream has ended, and everything that it sent has passed: a word of ours to the client
    /// where it still waits for an answer.
    fn upstream_lost(&mut self) -> Option<Bytes> {
        None
    }

    /// A message whose fate the upstream has just told, for the log. Asked after every step until it
    /// returns `None`.
    fn poll_delivery(&mut self) -> Option<Delivery> {
        None
    }

    /// What has passed so far.
    fn counts(&self) -> Counts;
}

/// One mail transaction's end (RFC 5321 section 3.3), for the log: never the content. All text is
/// printable and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The reverse-path, without its angle brackets.
    pub sender: String,
    /// The forward-paths that the upstream accepted, as many as a log line bears.
    pub recipients: Vec<String>,
    /// How many it accepted.
    pub accepted: u64,
    /// How many it refused.
    pub refused: u64,
    /// Octets of the message as they passed, without the final `.` line.
    pub octets: u64,
    /// The final reply's code: 250, or why not.
    pub code: u16,
    /// The upstream's name for the message, where its reply tells one.
    pub queue_id: Option<String>,
    /// The final reply's words, where it is not a success.
    pub words: String,
}

/// One decision of a [`Relay`]. Counts are in octets, from the front of the input, never zero and
/// never beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a step that is not taken leaves the relay and its driver in different places"]
pub enum Step {
    /// Pass these on as they are.
    Forward(usize),
    /// Drop these.
    Discard(usize),
    /// Drop `length` octets and send `with` in their place.
    Replace {
        /// How many octets go.
        length: usize,
        /// What comes instead.
        with: Bytes,
    },
    /// Send these first, towards the same side; no input is consumed.
    Insert(Bytes),
    /// Nothing can be decided before more input in this direction, or a step in the other.
    Hold,
    /// End the connection: one side breaks the protocol in a way that cannot be passed on safely.
    End(RelayFault),
}

/// Why the relay had to end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayFault {
    /// Who broke the protocol.
    pub side: Side,
    /// What was wrong, for the log and for the client.
    pub what: &'static str,
}

/// The two parties of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The mail client.
    Downstream,
    /// The mail provider.
    Upstream,
}

/// What passed through a relay, for the closing log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that the client sent after login.
    pub commands: u64,
    /// Commands that the guard kept from the upstream.
    pub guarded: u64,
    /// Messages that the upstream accepted (SMTP) or sent whole (POP3).
    pub messages: u64,
    /// Recipients of the accepted messages (SMTP).
    pub recipients: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_print_what_waits_to_be_sent() {
        let line: Output<UpstreamEvent> = Output::Transmit(Bytes::from_static(b"T0K3N"));
        assert_eq!(format!("{line:?}"), "Transmit(5 octets)");
        let event = Output::Event(UpstreamEvent::Ready);
        assert_eq!(format!("{event:?}"), "Event(Ready)");
    }
}
