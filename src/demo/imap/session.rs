//! One client's session from greeting to goodbye. What is read next depends on what was said before: a
//! command, a SASL response, the response to an error challenge, or the end of IDLE.

use std::io;

use imap_codec::{
    AuthenticateDataCodec, CommandCodec, IdleDoneCodec,
    imap_types::{
        IntoStatic as _,
        auth::{AuthMechanism, AuthenticateData},
        command::{Command, CommandBody},
        core::{Tag, Vec1},
        response::{
            Capability, Code, CodeOther, CommandContinuationRequest, Data, Greeting, Response,
            Status, StatusKind,
        },
    },
};
use tokio::sync::watch;

use super::{command::Reply, selected::Selected, wire::Wire};
use crate::demo::{
    sasl::{self, Mechanism, Verdict},
    server::{Connection, Server},
};

/// A session and what it knows of its client.
pub(super) struct Session<'a> {
    pub(super) server: &'a Server,
    pub(super) wire: Wire<Connection>,
    pub(super) selected: Option<Selected>,
    authenticated: bool,
    faults: usize,
    state: State,
    changes: watch::Receiver<()>,
}

/// What the next message is.
enum State {
    Command,
    /// The response of a client that sent none with its command.
    Sasl {
        tag: Tag<'static>,
        mechanism: Mechanism,
    },
    /// Whatever the client says to the error challenge.
    SaslRefused {
        tag: Tag<'static>,
    },
    Idle {
        tag: Tag<'static>,
    },
    Logout,
}

impl<'a> Session<'a> {
    pub(super) fn new(server: &'a Server, stream: Connection) -> Self {
        Self {
            server,
            wire: Wire::new(stream),
            selected: None,
            authenticated: false,
            faults: 0,
            state: State::Command,
            changes: server.mailbox.watch(),
        }
    }

    /// Serves the client until it leaves.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let code = Some(Code::Capability(self.capabilities()?));
        let greeting =
            Greeting::ok(code, "The saslgate demo's provider").map_err(io::Error::other)?;
        self.wire.greet(&greeting);
        while !matches!(self.state, State::Logout) {
            if !self.wait().await? {
                return Ok(());
            }
            self.handle_message().await?;
        }
        self.wire.close().await
    }

    /// Waits for a message, and meanwhile tells an idling client of changes. False: the client is gone.
    async fn wait(&mut self) -> io::Result<bool> {
        loop {
            self.wire.flush().await?;
            if !matches!(self.state, State::Idle { .. }) {
                return self.wire.next_message().await;
            }
            tokio::select! {
                message = self.wire.next_message() => return message,
                // The mailbox outlives its sessions, so the sender is always there.
                _ = self.changes.changed() => self.tell_changes(true).await?,
            }
        }
    }

    async fn handle_message(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Command => self.handle_command().await,
            State::Sasl { tag, mechanism } => {
                let codec = AuthenticateDataCodec::default();
                let response = match self.wire.fragmentizer.decode_message(&codec) {
                    Ok(AuthenticateData::Continue(response)) => response.into_static(),
                    Ok(AuthenticateData::Cancel) | Err(_) => {
                        return self.wire.conclude(tag, StatusKind::Bad, None, "Cancelled").await;
                    }
                };
                self.authenticate(tag, mechanism, response.declassify()).await
            }
            State::SaslRefused { tag } => {
                let code = Code::Other(CodeOther::unvalidated(b"AUTHENTICATIONFAILED".as_slice()));
                let text = "The access token is not valid";
                self.wire.conclude(tag, StatusKind::No, Some(code), text).await?;
                self.count_fault()
            }
            State::Idle { tag } => {
                let done = self.wire.fragmentizer.decode_message(&IdleDoneCodec::default()).is_ok();
                let (kind, text) = if done {
                    (StatusKind::Ok, "Done idling")
                } else {
                    (StatusKind::Bad, "Expected DONE")
                };
                self.wire.conclude(tag, kind, None, text).await
            }
            State::Logout => Ok(()),
        }
    }

    async fn handle_command(&mut self) -> io::Result<()> {
        let decoded = self.wire.fragmentizer.decode_message(&CommandCodec::default());
        let Command { tag, body } = match decoded {
            Ok(command) => command.into_static(),
            Err(_) => return self.refuse_unreadable().await,
        };
        if body == CommandBody::Logout {
            let bye = Status::bye(None, "Goodbye").map_err(io::Error::other)?;
            self.wire.send(&Response::Status(bye)).await?;
            self.state = State::Logout;
            return self.wire.conclude(tag, StatusKind::Ok, None, "Done").await;
        }
        if !self.authenticated {
            return self.handle_before_login(tag, body).await;
        }
        if body == CommandBody::Idle {
            self.tell_changes(true).await?;
            self.wire.ask("idling").await?;
            self.state = State::Idle { tag };
            return Ok(());
        }
        let removals = tells_removals(&body);
        let reply = self.execute(body).await?;
        self.tell_changes(removals).await?;
        self.wire.conclude(tag, reply.kind, reply.code, &reply.text).await
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are alike here")]
    async fn handle_before_login(
        &mut self,
        tag: Tag<'static>,
        body: CommandBody<'static>,
    ) -> io::Result<()> {
        let reply = match body {
            CommandBody::Capability | CommandBody::Noop | CommandBody::Id { .. } => {
                self.execute(body).await?
            }
            CommandBody::Authenticate { mechanism, initial_response } => {
                let Some(mechanism) = Mechanism::named(mechanism.as_ref()) else {
                    let reply = Reply::no("Only XOAUTH2 and OAUTHBEARER open this server");
                    return self.conclude_fault(tag, reply).await;
                };
                let Some(response) = initial_response else {
                    let request = CommandContinuationRequest::base64(b"".as_slice());
                    self.wire.send(&Response::CommandContinuationRequest(request)).await?;
                    self.state = State::Sasl { tag, mechanism };
                    return Ok(());
                };
                return self.authenticate(tag, mechanism, response.declassify()).await;
            }
            CommandBody::Login { .. } => {
                let reply = Reply::no("No password opens this server: it takes access tokens only");
                return self.conclude_fault(tag, reply).await;
            }
            _ => return self.conclude_fault(tag, Reply::bad("Log in first")).await,
        };
        self.wire.conclude(tag, reply.kind, reply.code, &reply.text).await
    }

    async fn authenticate(
        &mut self,
        tag: Tag<'static>,
        mechanism: Mechanism,
        response: &[u8],
    ) -> io::Result<()> {
        match self.server.judge(mechanism, response) {
            Verdict::Accept => {}
            Verdict::Misread => {
                let reply = Reply::bad("This does not have the mechanism's form");
                return self.conclude_fault(tag, reply).await;
            }
            Verdict::Refuse => {
                let request = CommandContinuationRequest::base64(sasl::CHALLENGE);
                self.wire.send(&Response::CommandContinuationRequest(request)).await?;
                self.state = State::SaslRefused { tag };
                return Ok(());
            }
        }
        self.authenticated = true;
        self.wire.open();
        let code = Some(Code::Capability(self.capabilities()?));
        self.wire.conclude(tag, StatusKind::Ok, code, "Logged in").await
    }

    pub(super) async fn capability(&mut self) -> io::Result<Reply> {
        let data = Data::Capability(self.capabilities()?);
        self.wire.send(&Response::Data(data)).await?;
        Ok(Reply::ok("Done"))
    }

    fn capabilities(&self) -> io::Result<Vec1<Capability<'static>>> {
        let mut all = vec![
            Capability::Imap4Rev1,
            Capability::LiteralPlus,
            Capability::SaslIr,
            Capability::Id,
        ];
        if self.authenticated {
            all.extend([Capability::Idle, Capability::Namespace, Capability::Unselect]);
            all.extend([Capability::UidPlus, Capability::Move]);
            all.push("SPECIAL-USE".try_into().map_err(io::Error::other)?);
        } else {
            all.push(Capability::LoginDisabled);
            let mechanisms = [AuthMechanism::XOAuth2, AuthMechanism::OAuthBearer];
            all.extend(mechanisms.map(Capability::Auth));
        }
        Vec1::try_from(all).map_err(io::Error::other)
    }

    /// Tells what changed in the selected folder.
    async fn tell_changes(&mut self, removals: bool) -> io::Result<()> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        for data in selected.changes(&self.server.mailbox, removals) {
            self.wire.send(&Response::Data(data)).await?;
        }
        Ok(())
    }

    /// Answers what imap-codec could not read: with the client's tag, if at least that is there.
    async fn refuse_unreadable(&mut self) -> io::Result<()> {
        let tag = self.wire.fragmentizer.decode_tag().map(|tag| tag.into_static());
        let reply = if self.wire.fragmentizer.is_max_message_size_exceeded() {
            Reply::no("This is larger than the demo takes").with(Some(Code::TooBig))
        } else {
            Reply::bad("This is not a command that is known here")
        };
        if let Some(tag) = tag {
            return self.conclude_fault(tag, reply).await;
        }
        let status = Status::new(None, StatusKind::Bad, None, "A command starts with a tag");
        self.wire.send(&Response::Status(status.map_err(io::Error::other)?)).await?;
        self.count_fault()
    }

    async fn conclude_fault(&mut self, tag: Tag<'static>, reply: Reply) -> io::Result<()> {
        self.wire.conclude(tag, reply.kind, reply.code, &reply.text).await?;
        self.count_fault()
    }

    /// Whoever goes on making mistakes is sent away: it is most likely no mail program.
    fn count_fault(&mut self) -> io::Result<()> {
        self.faults += 1;
        if self.faults >= FAULTS {
            let bye = Status::bye(None, "Too many mistakes").map_err(io::Error::other)?;
            self.wire.enqueue(&Response::Status(bye));
            self.state = State::Logout;
        }
        Ok(())
    }
}

/// Whether EXPUNGE may be told with this command (RFC 3501 section 7.4.1).
fn tells_removals(body: &CommandBody<'_>) -> bool {
    !matches!(
        body,
        CommandBody::Fetch { uid: false, .. }
            | CommandBody::Store { uid: false, .. }
            | CommandBody::Search { uid: false, .. }
    )
}

const FAULTS: usize = 20;
