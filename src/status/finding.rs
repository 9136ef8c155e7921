//! What can be found of an account. The hard thing is the order: one account may have several findings,
//! and the state is that of the one that a person should read first.

use std::time::SystemTime;

use crate::config::Protocol;

/// Where an account stands; the later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Only the store knows it.
    NotConfigured,
    /// All is well.
    Ok,
    /// All is ready, and nothing was tried yet.
    NeverUsed,
    /// Something that may pass.
    Trouble,
    /// No mail program can log in.
    PasswordNeeded,
    /// A setting is wrong or missing.
    Configuration,
    /// The administrator's policy forbids it.
    Policy,
    /// A person must sign in.
    SignInNeeded,
    /// The store cannot say.
    Store,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NotConfigured,
        Self::Ok,
        Self::NeverUsed,
        Self::Trouble,
        Self::PasswordNeeded,
        Self::Configuration,
        Self::Policy,
        Self::SignInNeeded,
        Self::Store,
    ];

    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Ok => "ok",
            Self::NeverUsed => "never_used",
            Self::Trouble => "trouble",
            Self::PasswordNeeded => "password_needed",
            Self::Configuration => "configuration",
            Self::Policy => "policy",
            Self::SignInNeeded => "sign_in_needed",
            Self::Store => "store",
        }
    }

    /// Whose turn it is.
    pub fn turn(self) -> Turn {
        match self {
            Self::NotConfigured | Self::Ok | Self::NeverUsed => Turn::Nobodys,
            Self::Trouble => Turn::Times,
            Self::PasswordNeeded
            | Self::Configuration
            | Self::Policy
            | Self::SignInNeeded
            | Self::Store => Turn::Somebodys,
        }
    }
}

/// Whose turn it is; the later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// All is well.
    Nobodys,
    /// It may pass by itself.
    Times,
    /// A person, the administrator or the operator must do something.
    Somebodys,
}

impl Turn {
    /// The exit code for monitoring.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Nobodys => 0,
            Self::Times => 3,
            Self::Somebodys => 1,
        }
    }
}

/// One finding, with what its words need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The store does not give out what it has.
    StoreFault {
        /// The store's own words.
        text: String,
    },
    /// There is no refresh token.
    SignInMissing,
    /// The provider wants a person.
    SignInEnded {
        /// What happened and what to do.
        text: String,
    },
    /// The account whose tokens it uses has none for it: what is wrong is said there.
    OwnerFails {
        /// That account's login.
        owner: String,
        /// How that account stands.
        state: State,
    },
    /// The administrator's policy.
    PolicyForbids {
        /// What happened and what to do.
        text: String,
    },
    /// The provider does not accept what the configuration says.
    ConfigurationRefused {
        /// What happened and what to do.
        text: String,
    },
    /// A server that takes a password has none.
    UpstreamPasswordMissing {
        /// Which of the account's servers.
        protocol: Protocol,
        /// Its host and port.
        server: String,
        /// The host that there is a password for.
        kept_for: Option<String>,
    },
    /// There is no local password.
    LocalPasswordMissing,
    /// Refreshes fail for a passing reason.
    RefreshFails {
        /// What happened.
        text: String,
    },
    /// A refresh began long ago and has not ended.
    RefreshInterrupted {
        /// When it began.
        since: SystemTime,
    },
    /// The daemon holds a refresh token that the store does not take.
    RefreshUnsaved,
    /// A sign-in has not been used for so long that the provider may end it.
    SignInIdle {
        /// For how long.
        days: u64,
    },
    /// There is a stored password that no server of the account asks for.
    UpstreamPasswordUnused {
        /// As it is stored.
        protocol: String,
        /// The host that it is for.
        host: String,
    },
    /// No token was asked for yet.
    NeverUsed,
    /// The configuration does not know it.
    NotConfigured,
}

impl Finding {
    /// As programs read it.
    pub fn id(&self) -> &'static str {
        match self {
            Self::StoreFault { .. } => "store_fault",
            Self::SignInMissing => "sign_in_missing",
            Self::SignInEnded { .. } => "sign_in_ended",
            Self::OwnerFails { .. } => "owner_fails",
            Self::PolicyForbids { .. } => "policy_forbids",
            Self::ConfigurationRefused { .. } => "configuration_refused",
            Self::UpstreamPasswordMissing { .. } => "upstream_password_missing",
            Self::LocalPasswordMissing => "local_password_missing",
            Self::RefreshFails { .. } => "refresh_fails",
            Self::RefreshInterrupted { .. } => "refresh_interrupted",
            Self::RefreshUnsaved => "refresh_unsaved",
            Self::SignInIdle { .. } => "sign_in_idle",
            Self::UpstreamPasswordUnused { .. } => "upstream_password_unused",
            Self::NeverUsed => "never_used",
            Self::NotConfigured => "not_configured",
        }
    }

    /// What the account's state is because of it.
    pub fn state(&self) -> State {
        match self {
            Self::StoreFault { .. } => State::Store,
            Self::SignInMissing | Self::SignInEnded { .. } => State::SignInNeeded,
            Self::OwnerFails { state, .. } => *state,
            Self::PolicyForbids { .. } => State::Policy,
            Self::ConfigurationRefused { .. } | Self::UpstreamPasswordMissing { .. } => {
                State::Configuration
            }
            Self::LocalPasswordMissing => State::PasswordNeeded,
            Self::RefreshFails { .. }
            | Self::RefreshInterrupted { .. }
            | Self::RefreshUnsaved
            | Self::SignInIdle { .. } => State::Trouble,
            Self::NeverUsed => State::NeverUsed,
            Self::UpstreamPasswordUnused { .. } => State::Ok,
            Self::NotConfigured => State::NotConfigured,
        }
    }
}
