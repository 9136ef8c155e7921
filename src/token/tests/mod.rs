//! The token room as a whole, in front of a scripted provider.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::*;
use crate::{
    config::{ClientAuthentication, ClientSecretMethod, Grant as GrantKind, Identity, OAuthConfig},
    store::{Grant, StoredAccessToken, memory::MemoryStore},
};
use faulty::FaultyStore;
use provider::{AUTHORIZATION, Provider, Reply};

mod endpoint;
#[cfg(unix)]
mod external;
mod faulty;
mod flight;
mod forced;
#[cfg(unix)]
mod grants;
mod inspected;
mod keeper;
mod loss;
mod provider;
mod shared;
mod signin;

pub(super) fn account(token_url: &str) -> AccountConfig {
    AccountConfig {
        login: "User@Example.test".to_owned(),
        mailbox: "user@example.test".to_owned(),
        oauth: Some(OAuthConfig {
            client_authentication: ClientAuthentication::Secret(Secret::new("client&secret=1 ü")),
            scopes: vec!["mail.read".to_owned(), "offline_access".to_owned()],
            ..OAuthConfig::new(token_url.parse().unwrap(), "app-id", GrantKind::RefreshToken)
        }),
        external_token: None,
        mechanism: None,
        imap: None,
        pop3: None,
        smtp: None,
        hide_capabilities: Vec::new(),
        provider: "custom",
        identity: Identity::default(),
    }
}

/// The store's name for [`account`].
const KEY: &str = "user@example.test";

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct Time(Arc<Mutex<SystemTime>>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000))))
    }

    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn clock(&self) -> Clock {
        let time = self.clone();
        Arc::new(move || time.now())
    }
}

/// An account in front of a provider, with a store that can be made to fail.
struct Scene {
    time: Time,
    store: Arc<FaultyStore>,
    tokens: Tokens,
    account: AccountConfig,
    provider: Provider,
}

impl Scene {
    fn oauth(&mut self) -> &mut OAuthConfig {
        self.account.oauth.as_mut().unwrap()
    }

    /// With the refresh token `r0` in the store.
    async fn signed_in(script: Vec<Reply>) -> Self {
        let scene = Self::empty(script).await;
        import(&*scene.store, &scene.account, Secret::new("r0")).await.unwrap();
        scene
    }

    async fn empty(script: Vec<Reply>) -> Self {
        let provider = Provider::start(script).await;
        let time = Time::new();
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let tokens = tokens(store.clone(), &time);
        let account = account(&provider.url());
        Self { time, store, tokens, account, provider }
    }

    async fn access(&self) -> Result<String, TokenError> {
        self.tokens.access_token(&self.account).await.map(|token| shown(&token.secret))
    }

    async fn fault(&self) -> TokenError {
        self.access().await.unwrap_err()
    }

    /// An access token for one hour, as another process would have stored it.
    fn stored(&self, token: &str) -> StoredAccessToken {
        StoredAccessToken {
            secret: Secret::new(token),
            obtained: self.time.now(),
            expires: self.time.now() + Duration::from_secs(3600),
            purpose: grant::purpose(self.account.oauth.as_ref().unwrap()),
        }
    }

    async fn grant(&self) -> Grant {
        self.store.grant(KEY).await.unwrap().unwrap().grant
    }

    async fn refresh_token(&self) -> String {
        shown(&self.grant().await.refresh_token.unwrap())
    }
}

fn tokens(store: Arc<dyn Store>, time: &Time) -> Tokens {
    Tokens::with(store, DEADLINE, time.clock(), ForcedRefresh::default())
}

fn shown(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// Long enough for a loaded machine; the test of a silent provider brings its own.
const DEADLINE: Duration = Duration::from_secs(60);
