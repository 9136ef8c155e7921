//! How many connections an account has to one server. The hard thing is a limit that changes while they
//! are in use: nobody loses a place, so those beyond a lower limit are taken away as they come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One account's places at one server. Fair: whoever waits longest is next.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    bounds: Mutex<Bounds>,
}

#[derive(Debug)]
struct Bounds {
    limit: usize,
    /// Places in use beyond the limit: so many are not given out again.
    owed: usize,
}

/// One of an account's connections; given back on drop.
#[derive(Debug)]
pub struct AccountSlot {
    slots: Arc<Slots>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            bounds: Mutex::new(Bounds { limit, owed: 0 }),
        }
    }

    /// A place, if one is free.
    pub(super) fn take(self: Arc<Self>) -> Option<AccountSlot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(AccountSlot { slots: self, permit: Some(permit) })
    }

    /// A place, when it is our turn.
    pub(super) async fn wait(self: Arc<Self>) -> Option<AccountSlot> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(AccountSlot { slots: self, permit: Some(permit) })
    }

    /// From now on so many.
    pub(super) fn set_limit(&self, limit: usize) {
        let mut bounds = self.bounds();
        if let Some(more) = limit.checked_sub(bounds.limit) {
            let paid = more.min(bounds.owed);
            bounds.owed -= paid;
            self.free.add_permits(more - paid);
        } else {
            let fewer = bounds.limit - limit;
            bounds.owed += fewer - self.free.forget_permits(fewer);
        }
        bounds.limit = limit;
    }

    fn bounds(&self) -> MutexGuard<'_, Bounds> {
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccountSlot {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        // Under the lock until the place is free, or a lower limit would miss it.
        let mut bounds = self.slots.bounds();
        if bounds.owed > 0 {
            bounds.owed -= 1;
            permit.forget();
        } else {
            drop(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &Arc<Slots>) -> Option<AccountSlot> {
        Arc::clone(slots).take()
    }

    #[test]
    fn a_lower_limit_counts_as_places_come_back() {
        let slots = Arc::new(Slots::new(3));
        let (first, second) = (take(&slots).unwrap(), take(&slots).unwrap());
        slots.set_limit(1);
        assert!(take(&slots).is_none());
        drop(first);
        assert!(take(&slots).is_none(), "one is in use, and one is the limit");
        drop(second);
        let _only = take(&slots).unwrap();
        assert!(take(&slots).is_none());
    }

    #[test]
    fn a_limit_that_goes_down_and_up_again_is_what_it_was() {
        let slots = Arc::new(Slots::new(3));
        let held: Vec<_> = (0..3).map(|_| take(&slots).unwrap()).collect();
        slots.set_limit(1);
        slots.set_limit(4);
        let _fourth = take(&slots).unwrap();
        assert!(take(&slots).is_none());
        drop(held);
        assert_eq!((0..9).map_while(|_| take(&slots)).collect::<Vec<_>>().len(), 3);
    }

    #[tokio::test]
    async fn who_waits_is_let_in_by_a_higher_limit() {
        let slots = Arc::new(Slots::new(1));
        let _first = take(&slots).unwrap();
        let waiting = tokio::spawn(Arc::clone(&slots).wait());
        tokio::task::yield_now().await;
        slots.set_limit(2);
        assert!(waiting.await.unwrap().is_some());
    }
}
