//! What the gateway answers on the control socket. The hard thing is the end: the socket goes before the
//! sessions do, so that the next daemon finds its name free.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::warn;

use super::{
    message::{ListenerStatus, ProcessStatus, ReloadReport},
    server::{ControlSocket, Handler, Work},
};
use crate::{gateway::Gateway, recent::RECENT};

/// A gateway that can be asked.
struct Daemon {
    gateway: Arc<Gateway>,
    started: SystemTime,
}

/// Opens the socket in the state folder of this gateway and answers there until no more is accepted. A
/// gateway goes on without it: commands then work on the store alone.
pub fn open(gateway: &Arc<Gateway>) {
    let folder = gateway.config().state_folder.clone();
    match ControlSocket::bind(&folder) {
        Ok(Some(socket)) => {
            let daemon = Daemon { gateway: Arc::clone(gateway), started: SystemTime::now() };
            let closing = gateway.closing.clone();
            gateway.tasks.spawn(socket.serve(Arc::new(daemon), closing));
        }
        Ok(None) => warn!(
            "another saslgate runs on this store: `saslgate status` and `saslgate reload` go to that one"
        ),
        Err(error) => warn!("no control socket, so no `saslgate status` of this process: {error}"),
    }
}

impl Handler for Daemon {
    fn status(&self) -> Work<'_, ProcessStatus> {
        Box::pin(async {
            let accounts = self.gateway.running_accounts();
            let ports = self.gateway.ports.listing().into_iter();
            ProcessStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                started: self.started.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()),
                listeners: ports
                    .map(|(protocol, address)| ListenerStatus {
                        protocol: protocol.name().to_owned(),
                        address: address.to_string(),
                    })
                    .collect(),
                sessions: accounts.values().map(|account| account.sessions).sum(),
                accounts,
            }
        })
    }

    fn reload(&self) -> Work<'_, ReloadReport> {
        Box::pin(async {
            match self.gateway.reload("saslgate reload").await {
                Ok(report) => {
                    let changes = report.to_string().split("; ").map(str::to_owned).collect();
                    ReloadReport { changes, mistakes: Vec::new() }
                }
                Err(error) => {
                    let mistakes = error.to_string().lines().map(str::to_owned).collect();
                    ReloadReport { changes: Vec::new(), mistakes }
                }
            }
        })
    }

    fn changed<'a>(&'a self, _account: &'a str) -> Work<'a, ()> {
        Box::pin(self.gateway.look_at_store())
    }

    fn log(&self) -> Vec<String> {
        RECENT.lines()
    }
}
