//! The local side: whether a mail program could log in here. The hard thing is that none of it keeps the
//! rest from being looked at, so nothing here is worse than yellow but a store that does not answer.

use tokio::time::Instant;

use super::{
    Finding, StepKind,
    run::{Check, Tried},
};
use crate::control::{
    ControlError, client,
    message::{Answer, ProcessStatus, Request},
};

impl Check<'_> {
    pub(super) async fn local_side(&mut self) {
        let began = Instant::now();
        let mut findings = Vec::new();
        let passwords = match self.cx.store.local_passwords(&self.account.key()).await {
            Ok(stored) => stored.map_or(0, |stored| stored.passwords.len()),
            Err(error) => {
                findings.push(Finding::StoreFault { text: error.to_string() });
                0
            }
        };
        if findings.is_empty() && passwords == 0 {
            findings.push(Finding::LocalPasswordMissing);
        }
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
