//! A store that forgets everything when it goes: for `saslgate demo` and for tests. The hard thing
//! is to keep the promises of [`Store`] to the letter, since tests trust it in place of the real one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Grant, GrantRecord, LocalPassword, LocalPasswords, PasswordUse, RefreshHistory, Store,
    StoreError, StoreFuture,
    limits::{LimitChange, PasswordLimits},
};
use crate::secret::Secret;

/// Grants and passwords in memory.
#[derive(Default)]
pub struct MemoryStore {
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    generation: i64,
    grants: HashMap<String, GrantRecord>,
    leases: HashMap<String, Lease>,
    passwords: HashMap<String, LocalPasswords>,
    histories: HashMap<String, RefreshHistory>,
    /// By account and protocol: the host, and its password.
    upstream_passwords: HashMap<(String, String), (String, Secret)>,
}

struct Lease {
    owner: String,
    deadline: Instant,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere cannot leave the maps half written, so poison is ignored.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Versions are taken from the generation: they never repeat, even after a grant was removed
    /// and written anew.
    fn bump(&mut self) -> i64 {
        self.generation = self.generation.saturating_add(1);
        self.generation
    }

    fn write_grant(&mut self, account: &str, expected: Option<i64>, grant: &Grant) -> Option<i64> {
        if self.grants.get(account).map(|record| record.version) != expected {
            return None;
        }
        let version = self.bump();
        self.grants.insert(account.to_owned(), GrantRecord { version, grant: grant.clone() });
        Some(version)
    }

    fn remove_grant(&mut self, account: &str) -> bool {
        let removed = self.grants.remove(account).is_some();
        if removed {
            self.bump();
        }
        removed
    }

    fn take_lease(&mut self, account: &str, owner: &str, length: Duration) -> bool {
        let now = Instant::now();
        let held = self
            .leases
            .get(account)
            .is_some_and(|lease| lease.owner != owner && lease.deadline > now);
        if !held {
            let lease = Lease { owner: owner.to_owned(), deadline: now + length };
            self.leases.insert(account.to_owned(), lease);
        }
        !held
    }

    fn release_lease(&mut self, account: &str, owner: &str) {
        if self.leases.get(account).is_some_and(|lease| lease.owner == owner) {
            self.leases.remove(account);
        }
    }

    fn password_salt(&mut self, account: &str, proposed: [u8; 16]) -> [u8; 16] {
        if let Some(known) = self.passwords.get(account) {
            return known.salt;
        }
        let fresh = LocalPasswords { salt: proposed, passwords: Vec::new() };
        self.passwords.insert(account.to_owned(), fresh);
        self.bump();
        proposed
    }

    fn write_local_password(
        &mut self,
        account: &str,
        password: &LocalPassword,
    ) -> Result<(), StoreError> {
        let known = self.passwords.get_mut(account).ok_or_else(super::no_salt)?;
        let password = LocalPassword { last_used: None, ..password.clone() };
        match known.passwords.iter_mut().find(|other| other.name == password.name) {
            Some(same) => *same = password,
            None => known.passwords.push(password),
        }
        known.passwords.sort_by_key(|password| password.created);
        self.bump();
        Ok(())
    }

    fn local_password(&mut self, account: &str, name: &str) -> Option<&mut LocalPassword> {
        let known = self.passwords.get_mut(account)?;
        known.passwords.iter_mut().find(|password| password.name == name)
    }

    fn limit_local_password(
        &mut self,
        account: &str,
        name: &str,
        change: &LimitChange,
    ) -> Option<PasswordLimits> {
        let password = self.local_password(account, name)?;
        password.limits = change.apply(password.limits.clone());
        let limits = password.limits.clone();
        self.bump();
        Some(limits)
    }

    fn note_password_use(
        &mut self,
        account: &str,
        name: &str,
        digest: &[u8; 32],
        used: &PasswordUse,
    ) {
        if let Some(password) = self.local_password(account, name)
            && password.digest == *digest
        {
            password.last_used = Some(used.clone());
        }
    }

    fn remove_local_password(&mut self, account: &str, name: &str) -> bool {
        let Some(known) = self.passwords.get_mut(account) else {
            return false;
        };
        let before = known.passwords.len();
        known.passwords.retain(|password| password.name != name);
        let removed = known.passwords.len() != before;
        if removed {
            self.bump();
        }
        removed
    }

    fn upstream_password(&self, account: &str, protocol: &str, host: &str) -> Option<Secret> {
        let (of, password) =
            self.upstream_passwords.get(&(account.to_owned(), protocol.to_owned()))?;
        (of == host).then(|| password.clone())
    }

    fn write_upstream_password(
        &mut self,
        account: &str,
        protocol: &str,
        host: &str,
        password: &Secret,
    ) {
        let place = (account.to_owned(), protocol.to_owned());
        self.upstream_passwords.insert(place, (host.to_owned(), password.clone()));
        self.bump();
    }

    fn remove_account(&mut self, account: &str) -> bool {
        let passwords = self.upstream_passwords.len();
        self.upstream_passwords.retain(|(of, _), _| of != account);
        let mut removed = self.upstream_passwords.len() != passwords;
        removed |= self.grants.remove(account).is_some();
        removed |= self.passwords.remove(account).is_some();
        removed |= self.histories.remove(account).is_some();
        if removed {
            self.bump();
        }
        removed
    }

    fn accounts(&self) -> Vec<String> {
        let with_passwords = self.upstream_passwords.keys().map(|(account, _)| account);
        let all = self.grants.keys().chain(self.passwords.keys()).chain(with_passwords);
        let all = all.chain(self.histories.keys());
        all.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn upstream_password_places(&self, account: &str) -> Vec<(String, String)> {
        let all = self.upstream_passwords.iter().filter(|((of, _), _)| of == account);
        let mut places: Vec<_> =
            all.map(|((_, protocol), (host, _))| (protocol.clone(), host.clone())).collect();
        places.sort();
        places
    }

    fn remove_upstream_password(&mut self, account: &str, protocol: &str) -> bool {
        let place = (account.to_owned(), protocol.to_owned());
        let removed = self.upstream_passwords.remove(&place).is_some();
        if removed {
            self.bump();
        }
        removed
    }
}

impl Store for MemoryStore {
    fn grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<GrantRecord>> {
        Box::pin(async move { Ok(self.content().grants.get(account).cloned()) })
    }

    fn write_grant<'a>(
        &'a self,
        account: &'a str,
        expected: Option<i64>,
        grant: &'a Grant,
    ) -> StoreFuture<'a, Option<i64>> {
        Box::pin(async move { Ok(self.content().write_grant(account, expected, grant)) })
    }

    fn remove_grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.content().remove_grant(account)) })
    }

    fn take_lease<'a>(
        &'a self,
        account: &'a str,
        owner: &'a str,
        length: Duration,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.content().take_lease(account, owner, length)) })
    }

    fn release_lease<'a>(&'a self, account: &'a str, owner: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.content().release_lease(account, owner);
            Ok(())
        })
    }

    fn local_passwords<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<LocalPasswords>> {
        Box::pin(async move { Ok(self.content().passwords.get(account).cloned()) })
    }

    fn password_salt<'a>(
        &'a self,
        account: &'a str,
        proposed: [u8; 16],
    ) -> StoreFuture<'a, [u8; 16]> {
        Box::pin(async move { Ok(self.content().password_salt(account, proposed)) })
    }

    fn write_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.content().write_local_password(account, password) })
    }

    fn change_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, PasswordLimits> {
        Box::pin(async move {
            let mut content = self.content();
            let before = content.local_password(account, &password.name);
            let before = before.map(|it| it.limits.clone()).unwrap_or_default();
            let limits = change.apply(before);
            let password = LocalPassword { limits: limits.clone(), ..password.clone() };
            content.write_local_password(account, &password)?;
            Ok(limits)
        })
    }

    fn limit_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, Option<PasswordLimits>> {
        Box::pin(async move { Ok(self.content().limit_local_password(account, name, change)) })
    }

    fn note_password_use<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        digest: &'a [u8; 32],
        used: &'a PasswordUse,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.content().note_password_use(account, name, digest, used);
            Ok(())
        })
    }

    fn remove_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.content().remove_local_password(account, name)) })
    }

    fn upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
    ) -> StoreFuture<'a, Option<Secret>> {
        Box::pin(async move { Ok(self.content().upstream_password(account, protocol, host)) })
    }

    fn write_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
        password: &'a Secret,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.content().write_upstream_password(account, protocol, host, password);
            Ok(())
        })
    }

    fn remove_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.content().remove_upstream_password(account, protocol)) })
    }

    fn upstream_password_places<'a>(
        &'a self,
        account: &'a str,
    ) -> StoreFuture<'a, Vec<(String, String)>> {
        Box::pin(async move { Ok(self.content().upstream_password_places(account)) })
    }

    fn refresh_history<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<RefreshHistory>> {
        Box::pin(async move { Ok(self.content().histories.get(account).cloned()) })
    }

    fn write_refresh_history<'a>(
        &'a self,
        account: &'a str,
        history: &'a RefreshHistory,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.content().histories.insert(account.to_owned(), history.clone());
            Ok(())
        })
    }

    fn remove_account<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.content().remove_account(account)) })
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move { Ok(self.content().accounts()) })
    }

    fn generation(&self) -> StoreFuture<'_, i64> {
        Box::pin(async move { Ok(self.content().generation) })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::conformance, *};

    #[tokio::test(start_paused = true)]
    async fn keeps_the_promises_of_a_store() {
        conformance::check(&MemoryStore::new()).await;
    }
}
