//! Signs of life. The hard thing is that they must prove something: each is given only after a task of its
//! own has run, a thread has been free, and the store has answered. An error is an answer, too: a full disk is
//! not cured by a restart, which would end every session.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use super::notify;
use crate::store::Store;

/// Gives signs of life until the returned handle goes, if the service manager waits for any.
pub fn start(store: Arc<dyn Store>) -> Option<AbortOnDropHandle<()>> {
    let patience = notify::watchdog()?;
    let probe = move || prove(Arc::clone(&store));
    Some(AbortOnDropHandle::new(tokio::spawn(watch(patience, probe, notify::alive))))
}

/// Twice within the manager's `patience`, and only if the probe has not taken half of what is left.
async fn watch(patience: Duration, probe: impl AsyncFn(), alive: impl Fn()) {
    let mut rounds = interval((patience / 2).max(SHORTEST));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match timeout(patience / 4, probe()).await {
            Ok(()) => alive(),
            Err(_) => error!(
                "the store or the runtime has not answered within {:?}: the service manager gets no \
                 sign of life",
                patience / 4
            ),
        }
    }
}

async fn prove(store: Arc<dyn Store>) {
    let task = tokio::spawn(async {});
    let thread = tokio::task::spawn_blocking(|| {});
    // What the store says of itself is logged where it matters.
    let _ = tokio::join!(task, thread, store.generation());
}

/// No timer is finer.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::store::memory::MemoryStore;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_sign_is_given_twice_within_the_patience() {
        let signs = Cell::new(0);
        let watch = watch(PATIENCE, async || {}, || signs.set(signs.get() + 1));
        assert!(timeout(PATIENCE * 5 - Duration::from_secs(1), watch).await.is_err());
        assert_eq!(signs.get(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_gives_none_and_what_goes_on_gives_them_again() {
        let (signs, hangs) = (Cell::new(0), Cell::new(false));
        let probe = async || {
            if hangs.get() {
                pending::<()>().await;
            }
        };
        let mut watch = Box::pin(watch(PATIENCE, probe, || signs.set(signs.get() + 1)));
        let mut wait = async |time| assert!(timeout(time, &mut watch).await.is_err());
        wait(Duration::from_secs(1)).await;
        assert_eq!(signs.get(), 1);
        hangs.set(true);
        wait(PATIENCE * 10).await;
        assert_eq!(signs.get(), 1);
        hangs.set(false);
        wait(PATIENCE).await;
        assert!(signs.get() > 1);
    }

    #[tokio::test]
    async fn a_store_that_answers_is_proof() {
        let asked = AtomicUsize::new(0);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let probe = async || {
            prove(Arc::clone(&store)).await;
            asked.fetch_add(1, Ordering::Relaxed);
        };
        let (sign, mut signs) = tokio::sync::mpsc::unbounded_channel();
        tokio::select! {
            () = watch(Duration::from_secs(40), probe, || sign.send(()).unwrap()) => {}
            sign = signs.recv() => assert!(sign.is_some()),
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
