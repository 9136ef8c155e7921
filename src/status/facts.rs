//! What is known of an account. The hard thing is that a store may give out some of it and not the
//! rest: what it refuses becomes a fact itself.

use std::{sync::Arc, time::SystemTime};

use crate::{
    config::{AccountConfig, Config, Protocol},
    control::message::ProcessStatus,
    store::{RefreshHistory, SignedIn, Store, StoreError},
};

/// All that [`judge`](super::judge()) looks at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The account's key in the store.
    pub key: String,
    /// `None` where only the store knows it.
    pub account: Option<Arc<AccountConfig>>,
    /// The protocols that mail programs can connect for.
    pub served: Vec<Protocol>,
    /// Whether the store has a refresh token.
    pub refresh_token: bool,
    /// When the last access token was obtained, and when it ends.
    pub access_token: Option<(SystemTime, SystemTime)>,
    /// Since when a refresh is under way, or has been interrupted.
    pub refresh_started: Option<SystemTime>,
    /// Who has signed in.
    pub signed_in: Option<SignedIn>,
    /// How refreshes have gone.
    pub history: RefreshHistory,
    /// How many there are.
    pub local_passwords: usize,
    /// Protocol and host of each stored password for a server.
    pub upstream_passwords: Vec<(String, String)>,
    /// What the store refused to say.
    pub faults: Vec<String>,
    /// What the daemon says of it: sessions, and whether it holds something unsaved.
    pub running: Option<(usize, bool)>,
}

impl Facts {
    /// Asks the store, and what a daemon has said.
    pub async fn read(
        key: String,
        account: Option<Arc<AccountConfig>>,
        config: &Config,
        store: &dyn Store,
        process: Option<&ProcessStatus>,
    ) -> Self {
        let of_token = account.as_ref().map_or_else(|| key.clone(), |account| account.token_key());
        let served = Protocol::ALL.into_iter().filter(|it| config.listens_for(*it)).collect();
        let running = process.map(|process| {
            let sessions = process.accounts.get(&key).map_or(0, |account| account.sessions);
            (sessions, process.accounts.get(&of_token).is_some_and(|account| account.unsaved))
        });
        let mut facts = Self { account, served, running, ..Self::default() };
        match store.grant(&of_token).await {
            Ok(record) => {
                let grant = record.map(|record| record.grant).unwrap_or_default();
                facts.refresh_token = grant.refresh_token.is_some();
                facts.access_token = grant.access_token.map(|it| (it.obtained, it.expires));
                facts.refresh_started = grant.refresh_started;
                facts.signed_in = grant.signed_in;
            }
            Err(error) => facts.note(&error),
        }
        match store.refresh_history(&of_token).await {
            Ok(history) => facts.history = history.unwrap_or_default(),
            Err(error) => facts.note(&error),
        }
        match store.local_passwords(&key).await {
            Ok(stored) => facts.local_passwords = stored.map_or(0, |it| it.passwords.len()),
            Err(error) => facts.note(&error),
        }
        match store.upstream_password_places(&key).await {
            Ok(places) => facts.upstream_passwords = places,
            Err(error) => facts.note(&error),
        }
        facts.key = key;
        facts
    }

    /// Whatever is wrong with the whole store is said once.
    fn note(&mut self, error: &StoreError) {
        let text = error.to_string();
        if !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }
}
