//! What a person reads of a finding: one table, in English. The hard thing is the next step: a command
//! that can be copied, with this account's own login in it.

use super::{Finding, State};
use crate::{config::Protocol, guide::command::argument};

/// The state in words.
pub fn state(state: State) -> &'static str {
    match state {
        State::NotConfigured => "not configured",
        State::Ok => "ok",
        State::NeverUsed => "never used",
        State::Trouble => "trouble",
        State::PasswordNeeded => "password needed",
        State::Configuration => "configuration",
        State::Policy => "policy",
        State::SignInNeeded => "sign-in needed",
        State::Store => "store",
    }
}

/// What was found, as one or two sentences.
pub fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::StoreFault { text }
        | Finding::SignInEnded { text }
        | Finding::PolicyForbids { text }
        | Finding::ConfigurationRefused { text }
        | Finding::RefreshFails { text } => text.clone(),
        Finding::SignInMissing => "Nobody has signed in yet.".to_owned(),
        Finding::OwnerFails { owner, state: State::SignInNeeded } => {
            format!("It uses the sign-in of {owner}, and a person must sign in there.")
        }
        Finding::OwnerFails { owner, .. } => {
            format!("It uses the tokens of {owner}, which gets none: see there.")
        }
        Finding::UpstreamPasswordMissing { protocol, server, kept_for: None } => {
            format!("The {protocol} server {server} takes a password, and none is stored.")
        }
        Finding::UpstreamPasswordMissing { protocol, server, kept_for: Some(host) } => format!(
            "The {protocol} server {server} takes a password, and the stored one is for {host}."
        ),
        Finding::LocalPasswordMissing => {
            "No mail program can log in: there is no local password yet.".to_owned()
        }
        Finding::RefreshInterrupted { since } => format!(
            "A refresh that began at {} has not ended; the next one settles it.",
            humantime::format_rfc3339_seconds(*since)
        ),
        Finding::RefreshUnsaved => {
            "A new refresh token is not stored yet, and would be lost with the running process: make \
             room on the disk, or see its log."
                .to_owned()
        }
        Finding::SignInIdle { days } => format!(
            "The sign-in has not been used for {days} days, and providers end one that is not used \
             (Microsoft after 90 days). A running saslgate keeps it alive."
        ),
        Finding::UpstreamPasswordUnused { protocol, host } => format!(
            "The store keeps a password for the {} server {host}, which no longer asks for one.",
            protocol_name(protocol)
        ),
        Finding::NeverUsed => "No token was asked for yet.".to_owned(),
        Finding::NotConfigured => {
            "It is not in the configuration any more; the store still has it.".to_owned()
        }
    }
}

/// What to do about it, where a command or a setting helps.
pub fn next_step(finding: &Finding, login: &str) -> Option<String> {
    let login = argument(login);
    match finding {
        Finding::SignInMissing | Finding::SignInEnded { .. } => {
            Some(format!("saslgate signin {login}"))
        }
        Finding::OwnerFails { owner, state: State::SignInNeeded } => {
            Some(format!("saslgate signin {}", argument(owner)))
        }
        Finding::OwnerFails { owner, .. } => {
            Some(format!("saslgate account show {}", argument(owner)))
        }
        Finding::UpstreamPasswordMissing { protocol, .. } => Some(format!(
            "saslgate account upstream-password {login} --protocol {}",
            protocol.name()
        )),
        Finding::LocalPasswordMissing => Some(format!("saslgate account password {login}")),
        Finding::SignInIdle { .. } => Some("saslgate run".to_owned()),
        Finding::UpstreamPasswordUnused { protocol, .. } => {
            Some(format!("saslgate account remove-upstream-password {login} --protocol {protocol}"))
        }
        Finding::NotConfigured => Some(format!("saslgate account remove {login}")),
        Finding::ConfigurationRefused { .. } => {
            Some("correct the configuration, then: saslgate reload".to_owned())
        }
        Finding::PolicyForbids { .. } => Some("ask the administrator of the provider".to_owned()),
        Finding::StoreFault { .. }
        | Finding::RefreshFails { .. }
        | Finding::RefreshInterrupted { .. }
        | Finding::RefreshUnsaved
        | Finding::NeverUsed => None,
    }
}

/// As people write it, for a name from the store.
pub fn protocol_name(stored: &str) -> String {
    let known = Protocol::ALL.into_iter().find(|known| known.name() == stored);
    known.map_or_else(|| stored.to_owned(), |known| known.to_string())
}
