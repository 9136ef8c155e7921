//! A new sign-in in the place of whatever there was. The hard thing is that a running gateway may write
//! at the same moment: the version fences each try, and what is decided on what was there before is
//! decided again.

use std::time::SystemTime;

use super::TokenError;
use crate::{
    config::AccountConfig,
    secret::Secret,
    store::{Grant, SignedIn, Store, StoreError},
};

/// Stores a refresh token that a person brings along: a new sign-in, which replaces whatever there
/// was. A running gateway uses it from the next login on.
pub async fn import(
    store: &dyn Store,
    account: &AccountConfig,
    refresh_token: Secret,
) -> Result<(), StoreError> {
    // Who it was, nobody knows; when, tells old failures from new ones.
    let signed_in = Some(SignedIn { at: SystemTime::now(), identity: None });
    let grant = Grant { refresh_token: Some(refresh_token), signed_in, ..Grant::default() };
    replace(store, account, |_| Ok(grant.clone())).await
}

/// Replaces the account's grant by the one that `make` makes, in sight of what was there before.
pub(super) async fn replace<E: From<StoreError>>(
    store: &dyn Store,
    account: &AccountConfig,
    make: impl Fn(Option<&Grant>) -> Result<Grant, E>,
) -> Result<(), E> {
    let key = account.token_key();
    for _ in 0..TRIES {
        let (record, unusable) = match store.grant(&key).await {
            // What cannot be opened is of no use to anybody, and a new sign-in is the way out.
            Err(StoreError::Unusable(_)) => (None, true),
            found => (found?, false),
        };
        let grant = make(record.as_ref().map(|record| &record.grant))?;
        let expected = record.map(|record| record.version);
        if unusable {
            store.remove_grant(&key).await?;
        }
        if store.write_grant(&key, expected, &grant).await?.is_some() {
            // The history stays: a failure older than the sign-in counts for nothing, and the refresh
            // that ends it is what tells people that it works again.
            return Ok(());
        }
    }
    let text = format!(
        "The sign-in of {} is being changed by others all the time. Try again.",
        account.token_login()
    );
    Err(StoreError::Unavailable(text).into())
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let cause = super::Cause::Store { text: text.clone() };
        Self { kind: super::TokenErrorKind::Unavailable, text, cause }
    }
}

/// Each try loses only to someone who has won, so many in a row mean that something spins.
const TRIES: usize = 16;
