//! What must survive: grants (refresh tokens and the last access token), local passwords, and the
//! passwords for mail servers that take one. The hard thing is that several processes share it: the daemon, and whatever a person types in a shell. So
//! each grant has a version that fences writes, and one lease that says who is refreshing.

use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    time::{Duration, SystemTime},
};

use self::limits::{LimitChange, PasswordLimits};
use crate::secret::Secret;

pub mod key;
pub mod limits;
pub mod memory;
pub mod sqlite;

mod fault;
mod files;
mod open;
mod seal;
mod time;

#[cfg(test)]
pub(crate) mod conformance;

/// The result of a store operation, boxed so that `dyn Store` works.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps grants and passwords, by account key: the account's login in lower case.
///
/// Every method that writes has made its change durable when its future resolves.
pub trait Store: Send + Sync {
    /// The grant of an account, if there is one.
    fn grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<GrantRecord>>;

    /// Writes a grant if its stored version is still `expected` (`None`: there is none yet). Returns
    /// the new version, or `None` if someone else was faster and nothing was written.
    fn write_grant<'a>(
        &'a self,
        account: &'a str,
        expected: Option<i64>,
        grant: &'a Grant,
    ) -> StoreFuture<'a, Option<i64>>;

    /// Removes a grant: only a person's command calls this.
    fn remove_grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool>;

    /// Takes the account's refresh lease for `owner` until `length` from now (ten minutes at most),
    /// unless another owner holds one that has not run out. Returns whether it was taken.
    fn take_lease<'a>(
        &'a self,
        account: &'a str,
        owner: &'a str,
        length: Duration,
    ) -> StoreFuture<'a, bool>;

    /// Gives the lease back, if `owner` still holds it.
    fn release_lease<'a>(&'a self, account: &'a str, owner: &'a str) -> StoreFuture<'a, ()>;

    /// The local passwords of an account; `None` where there never was one.
    fn local_passwords<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<LocalPasswords>>;

    /// The salt of an account's local passwords: `proposed` is kept if there is none yet.
    fn password_salt<'a>(
        &'a self,
        account: &'a str,
        proposed: [u8; 16],
    ) -> StoreFuture<'a, [u8; 16]>;

    /// Adds a local password, or replaces the one of the same name. It has not been used yet, whatever it
    /// says itself.
    fn write_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
    ) -> StoreFuture<'a, ()>;

    /// The same in one step with a change of limits: the password's own are those of the one that it replaces, if
    /// there is one, changed. Returns what they are now.
    fn change_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, PasswordLimits>;

    /// Changes the limits of the local password of that name. Returns what they are now, or `None` where
    /// there is no such password.
    fn limit_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, Option<PasswordLimits>>;

    /// Notes the last use of a local password that still has this digest; of no interest to sessions, so
    /// the generation stays.
    fn note_password_use<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        digest: &'a [u8; 32],
        used: &'a PasswordUse,
    ) -> StoreFuture<'a, ()>;

    /// Removes the local password of that name. Returns whether there was one.
    fn remove_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
    ) -> StoreFuture<'a, bool>;

    /// The password for the account's mail server of that protocol (by the protocol's name in the
    /// configuration), if there is one and it was given for this host (in lower case).
    fn upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
    ) -> StoreFuture<'a, Option<Secret>>;

    /// Keeps the password for the account's mail server of that protocol, in place of an earlier one,
    /// whatever host that was for.
    fn write_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
        password: &'a Secret,
    ) -> StoreFuture<'a, ()>;

    /// Removes that password. Returns whether there was one.
    fn remove_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
    ) -> StoreFuture<'a, bool>;

    /// For which servers there are such passwords: protocol and host of each, in the order of their
    /// protocols. It shows none of them, and also those for hosts that the configuration no longer names.
    fn upstream_password_places<'a>(
        &'a self,
        account: &'a str,
    ) -> StoreFuture<'a, Vec<(String, String)>>;

    /// How the account's refreshes have gone lately.
    fn refresh_history<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<RefreshHistory>>;

    /// Keeps that; of no interest to sessions, so the generation stays.
    fn write_refresh_history<'a>(
        &'a self,
        account: &'a str,
        history: &'a RefreshHistory,
    ) -> StoreFuture<'a, ()>;

    /// Removes everything there is of an account: only a person's command calls this. Returns whether
    /// there was anything.
    fn remove_account<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool>;

    /// The keys of all accounts that anything is kept of, in order.
    fn accounts(&self) -> StoreFuture<'_, Vec<String>>;

    /// A number that grows with every change of grants or passwords, by any process. Cheap: asked at
    /// each login.
    fn generation(&self) -> StoreFuture<'_, i64>;
}

/// The name under which the store knows an account, whatever the case its login is written in.
pub fn account_key(login: &str) -> String {
    login.to_lowercase()
}

/// A grant as it is stored.
#[derive(Clone, Debug)]
pub struct GrantRecord {
    /// Fences writes.
    pub version: i64,
    /// The content, unsealed.
    pub grant: Grant,
}

/// What a sign-in left behind.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// RFC 6749 section 6; absent where the application itself is the grant.
    pub refresh_token: Option<Secret>,
    /// When the refresh token ends, where the provider has said so. Wall clock.
    pub refresh_token_expires: Option<SystemTime>,
    /// The last access token, so that a restart needs no refresh.
    pub access_token: Option<StoredAccessToken>,
    /// Set durably before a refresh that may rotate the refresh token, cleared by the write that
    /// follows it: a set mark at start means that a refresh was interrupted.
    pub refresh_started: Option<SystemTime>,
    /// Who has signed in, and when; absent where nobody has to, or for a token that was brought in.
    pub signed_in: Option<SignedIn>,
}

/// A person's sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Wall clock.
    pub at: SystemTime,
    /// What the provider's id_token said, where there was one: later sign-ins are compared with it.
    pub identity: Option<Identity>,
}

/// Who a provider says that somebody is (OpenID Connect Core section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `iss`.
    pub issuer: String,
    /// Microsoft's `oid` with its `tid`, else `sub`: never given to another person.
    pub subject: String,
    /// `preferred_username` or `email`, as people know it; it may change.
    pub name: Option<String>,
}

/// How an account's refreshes have gone lately, for whoever asks how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshHistory {
    /// When one last brought a token. Wall clock.
    pub succeeded: Option<SystemTime>,
    /// What has gone wrong since then.
    pub failure: Option<RefreshFailure>,
}

/// Refreshes that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFailure {
    /// The first in a row. Wall clock.
    pub since: SystemTime,
    /// The last one.
    pub last: SystemTime,
    /// The token room's word for whose turn it is.
    pub kind: String,
    /// What happened and what to do, for people.
    pub text: String,
}

/// An access token at rest.
#[derive(Clone, Debug)]
pub struct StoredAccessToken {
    /// The token.
    pub secret: Secret,
    /// Wall clock.
    pub obtained: SystemTime,
    /// Wall clock.
    pub expires: SystemTime,
    /// What it was obtained for (token URL, client id, scopes): a token of another configuration is
    /// not used.
    pub purpose: String,
}

/// All local passwords of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPasswords {
    /// Of the one Argon2id evaluation that serves all of them.
    pub salt: [u8; 16],
    /// In order of creation.
    pub passwords: Vec<LocalPassword>,
}

/// One local password. The digest cannot be turned back into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPassword {
    /// Unique within the account, chosen by a person.
    pub name: String,
    /// HMAC-SHA-256 of a fixed label, keyed with Argon2id(password, salt).
    pub digest: [u8; 32],
    /// Wall clock, whole seconds.
    pub created: SystemTime,
    /// What it may be used for.
    pub limits: PasswordLimits,
    /// As far as it has been noted: a daemon does so now and then.
    pub last_used: Option<PasswordUse>,
}

/// A login with a local password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordUse {
    /// Wall clock.
    pub at: SystemTime,
    /// The protocol's name in the configuration.
    pub protocol: String,
    /// The client's.
    pub address: IpAddr,
}

/// Why the store could not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Busy, full, unreadable: it may work later.
    Unavailable(String),
    /// There is a store but not the key that sealed it, or the key does not fit.
    Key(String),
    /// It was written by a newer version, or is damaged.
    Unusable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(text) | Self::Key(text) | Self::Unusable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {}

/// A local password is bound to the salt of its account, so the salt must be there first.
fn no_salt() -> StoreError {
    StoreError::Unavailable("the account has no salt for local passwords yet".to_owned())
}
