//! The last right passwords, so that a login asked again costs no evaluation. The hard thing is to
//! forget in time: a success counts only while the store still has its password.

use std::collections::{HashMap, VecDeque};

use crate::store::{LocalPasswords, limits::PasswordLimits};

/// The last successes, oldest first in `order`.
#[derive(Default)]
pub(super) struct Successes {
    by_key: HashMap<[u8; 32], Success>,
    order: VecDeque<[u8; 32]>,
}

#[derive(Clone)]
pub(super) struct Success {
    pub(super) name: String,
    /// Of the stored password, to see that it is still there.
    pub(super) digest: [u8; 32],
    /// The store's, when it was last seen there.
    pub(super) generation: i64,
    /// As they were then: a success in one place is none in another.
    pub(super) limits: PasswordLimits,
}

impl Successes {
    /// A success that nothing can have revoked since.
    pub(super) fn find(&self, key: &[u8; 32], generation: i64) -> Option<Success> {
        self.by_key.get(key).filter(|success| success.generation == generation).cloned()
    }

    /// A success from before a change in the store, if its password is still there. The store
    /// changes with every refreshed token, so this spares most evaluations on a busy gateway.
    pub(super) fn confirm(
        &mut self,
        key: &[u8; 32],
        generation: i64,
        stored: Option<&LocalPasswords>,
    ) -> Option<Success> {
        let success = self.by_key.get_mut(key)?;
        let still_there = stored.and_then(|stored| {
            let mut passwords = stored.passwords.iter();
            passwords.find(|it| it.name == success.name && it.digest == success.digest)
        });
        let Some(still_there) = still_there else {
            self.by_key.remove(key);
            self.order.retain(|it| it != key);
            return None;
        };
        success.generation = generation;
        success.limits = still_there.limits.clone();
        Some(success.clone())
    }

    pub(super) fn insert(&mut self, key: [u8; 32], success: Success) {
        if self.by_key.insert(key, success).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_SUCCESSES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
    }
}

const MAX_SUCCESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_successes_are_bounded() {
        let mut successes = Successes::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number as u64).to_be_bytes());
            key
        };
        for number in 0..=MAX_SUCCESSES {
            let success = Success {
                name: String::new(),
                digest: [0; 32],
                generation: 1,
                limits: PasswordLimits::default(),
            };
            successes.insert(key(number), success);
        }
        assert!(successes.find(&key(0), 1).is_none());
        assert!(successes.find(&key(MAX_SUCCESSES), 1).is_some());
        assert_eq!((successes.by_key.len(), successes.order.len()), (MAX_SUCCESSES, MAX_SUCCESSES));
    }
}
