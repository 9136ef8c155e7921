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

/// Brings it into the store. Returns false if there was nothing to save, or if a new sign-in stands
/// there now, which wins. On an error it stays in memory.
pub(super) async fn unsaved(
    store: &dyn Store,
    slot: &Slot,
    account: &str,
) -> Result<bool, StoreError> {
    let Some(unsaved) = slot.unsaved() else {
        return Ok(false);
    };
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    let saved = loop {
        match replace(store, account, &unsaved).await {
            Ok(saved) => break saved,
            Err(error) if tries == TRIES => return Err(error),
            Err(error) => warn!(account, "not saved yet: {error}"),
        }
        tries += 1;
        tokio::time::sleep(pause).await;
        pause *= 2;
    };
    slot.keep_unsaved(None);
    Ok(saved)
}

/// Replaces the grant that was spent, whatever its version has become, and no other.
async fn replace(store: &dyn Store, account: &str, unsaved: &Unsaved) -> Result<bool, StoreError> {
    for _ in 0..ROUNDS {
        let record = store.grant(account).await?;
        let stored = record.as_ref().and_then(|record| record.grant.refresh_token.as_ref());
        let spent = unsaved.spent.refresh_token.as_ref();
        if stored.map(Secret::expose) != spent.map(Secret::expose) {
            return Ok(false);
        }
        let expected = record.map(|record| record.version);
        if store.write_grant(account, expected, &unsaved.successor).await?.is_some() {
            return Ok(true);
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
