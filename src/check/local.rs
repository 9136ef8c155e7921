//! The local side: whether a mail program could log in here. The hard thing is that none of it keeps the
//! rest from being looked at, so nothing here is worse than yellow but a store that does not answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::time::Instant;

use super::{
    Finding, StepKind,
    run::{Check, Tried},
};
use crate::{
    config::ListenConfig,
    control::{
        ControlError, client,
        message::{Answer, ProcessStatus, Request},
    },
    store::limits::PasswordLimits,
};

impl Check<'_> {
    pub(super) async fn local_side(&mut self) {
        let began = Instant::now();
        let mut findings = Vec::new();
        let passwords = match self.cx.store.local_passwords(&self.account.key()).await {
            Ok(stored) => stored.map(|stored| stored.passwords).unwrap_or_default(),
            Err(error) => {
                findings.push(Finding::StoreFault { text: error.to_string() });
                Vec::new()
            }
        };
        let served = self.served();
        if findings.is_empty() && passwords.is_empty() {
            findings.push(Finding::LocalPasswordMissing);
        } else if findings.is_empty()
            && !served.is_empty()
            && !passwords.iter().any(|it| is_of_use(&it.limits, &served))
        {
            let names = passwords.iter().map(|it| it.name.clone()).collect();
            findings.push(Finding::LocalPasswordsShutOut { names });
        }
        let passwords = passwords.len();
        let mut listeners = Vec::new();
        match self.daemon().await {
            Ok(status) => {
                let shown = status.listeners.iter();
                listeners = shown.map(|it| format!("{} {}", it.protocol, it.address)).collect();
            }
            Err(ControlError::NotRunning) => findings.push(Finding::DaemonNotRunning),
            // Nothing can be said of it.
            Err(ControlError::Unsupported) => {}
            Err(ControlError::Refused(text)) => findings.push(Finding::DaemonSilent { text }),
        }
        if findings.is_empty() {
            findings.push(Finding::LocalSideGood { listeners, passwords });
        }
        let what = self.cx.config.state_folder.display().to_string();
        let tried = Tried { kind: StepKind::LocalSide, protocols: &[], what };
        let _ = self.done(tried, began, findings);
    }

    /// The ports for which the account has a server.
    fn served(&self) -> Vec<&ListenConfig> {
        let listeners = self.cx.config.listeners.iter();
        listeners.filter(|it| self.account.upstream(it.protocol).is_some()).collect()
    }

    async fn daemon(&self) -> Result<ProcessStatus, ControlError> {
        match client::ask(&self.cx.config.state_folder, &Request::Status).await? {
            Answer::Status(status) => Ok(status),
            Answer::Reload(_)
            | Answer::Changed
            | Answer::Log { .. }
            | Answer::Error { .. }
            | Answer::Unknown => {
                Err(ControlError::Refused("it answers another question".to_owned()))
            }
        }
    }
}

/// Whether anybody can be where these limits let in: at a port of a protocol that they name, and, where that is open to
/// this machine only, with an address of this machine.
fn is_of_use(limits: &PasswordLimits, served: &[&ListenConfig]) -> bool {
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let from_here = limits.networks.is_empty()
        || limits.networks.iter().any(|network| {
            network.addr().is_loopback() || loopback.iter().any(|it| network.contains(it))
        });
    served.iter().any(|listener| {
        let names = |protocol: &String| *protocol == listener.protocol.name();
        (limits.protocols.is_empty() || limits.protocols.iter().any(names))
            && (from_here || !listener.address.ip().is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::tests::judge, store::limits::network};

    #[test]
    fn limits_that_nobody_can_be_within_are_of_no_use() {
        let text = "[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:1143\"\n\
            [[account]]\nlogin = \"anna@example.ch\"\nprovider = \"microsoft365\"\nclient_id = \"id\"\n\
            tenant = \"example.ch\"\n";
        let config = judge(text).unwrap_or_else(|error| panic!("{error}")).config;
        let served: Vec<&ListenConfig> = config.listeners.iter().collect();
        let limits = |protocols: &[&str], networks: &[&str]| PasswordLimits {
            protocols: protocols.iter().map(|&it| it.to_owned()).collect(),
            networks: networks.iter().map(|it| network(it).unwrap()).collect(),
        };
        for (protocols, networks, expected) in [
            (&[][..], &[][..], true),
            (&["imap"], &["127.0.0.0/8"], true),
            (&["imap"], &["0.0.0.0/0"], true),
            (&["pop3"], &[], false),
            (&[], &["10.9.0.0/16"], false),
        ] {
            let found = is_of_use(&limits(protocols, networks), &served);
            assert_eq!(found, expected, "{protocols:?} {networks:?}");
        }
    }
}
