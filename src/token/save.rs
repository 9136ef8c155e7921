//! What a provider has given out and the store has not taken yet. The hard thing is that it exists
//! nowhere else: it is offered to the store again and again, and may only replace the very grant that
//! was spent for it.

use std::time::Duration;

use tracing::warn;

use super::slot::{Slot, Unsaved};
use crate::{
    secret::Secret,
    store::{Store, StoreError},
};

/// Brings it into the store, in several tries. Returns the grant's new version; `None` if there was
/// nothing to save, or if a new sign-in stands there now, which wins. On an error it stays in memory.
pub(super) async fn unsaved(
    store: &dyn Store,
    slot: &Slot,
    account: &str,
) -> Result<Option<i64>, StoreError> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES {
        match unsaved_once(store, slot, account).await {
            Ok(saved) => return Ok(saved),
            Err(error) => warn!(account, "not saved yet: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unsaved_once(store, slot, account).await
}

/// The same in one try, for who comes back anyway.
pub(super) async fn unsaved_once(
    store: &dyn Store,
    slot: &Slot,
    account: &str,
) -> Result<Option<i64>, StoreError> {
    let Some(unsaved) = slot.unsaved() else {
        return Ok(None);
    };
    let saved = replace(store, account, &unsaved).await?;
    slot.forget_unsaved(&unsaved);
    Ok(saved)
}

/// Replaces the grant that was spent, whatever its version has become, and no other.
async fn replace(
    store: &dyn Store,
    account: &str,
    unsaved: &Unsaved,
) -> Result<Option<i64>, StoreError> {
    for _ in 0..ROUNDS {
        let record = store.grant(account).await?;
        let stored = record.as_ref().and_then(|record| record.grant.refresh_token.as_ref());
        let spent = unsaved.spent.refresh_token.as_ref();
        if stored.map(Secret::expose) != spent.map(Secret::expose) {
            return Ok(None);
        }
        let expected = record.map(|record| record.version);
        let version = store.write_grant(account, expected, &unsaved.successor).await?;
        if version.is_some() {
            return Ok(version);
        }
    }
    Err(StoreError::Unavailable("The store is being changed by others all the time.".into()))
}

/// How often someone else may come in between before a flight gives up.
pub(super) const ROUNDS: usize = 4;

/// Before something is tried again; doubled each time.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How often a successor is offered to a store that does not take it, before the caller is told. It
/// stays in memory, and the next flight goes on with it.
const TRIES: usize = 4;
