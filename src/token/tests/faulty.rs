//! A store whose grants can become read-only, as on a full disk.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::{
    GrantRecord, LocalPassword, LocalPasswords, PasswordUse, RefreshHistory, StoreFuture,
    limits::{LimitChange, PasswordLimits},
};

pub(super) struct FaultyStore {
    inner: MemoryStore,
    writes_left: AtomicUsize,
}

impl FaultyStore {
    pub(super) fn new(inner: MemoryStore) -> Self {
        Self { inner, writes_left: AtomicUsize::new(usize::MAX) }
    }

    /// From now on so many writes of grants succeed, and then none.
    pub(super) fn allow_writes(&self, count: usize) {
        self.writes_left.store(count, Ordering::SeqCst);
    }

    fn spend_write(&self) -> Result<(), StoreError> {
        self.writes_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .map(|_| ())
            .map_err(|_| StoreError::Unavailable("The disk is full.".to_owned()))
    }
}

impl Store for FaultyStore {
    fn grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<GrantRecord>> {
        self.inner.grant(account)
    }

    fn write_grant<'a>(
        &'a self,
        account: &'a str,
        expected: Option<i64>,
        grant: &'a Grant,
    ) -> StoreFuture<'a, Option<i64>> {
        Box::pin(async move {
            self.spend_write()?;
            self.inner.write_grant(account, expected, grant).await
        })
    }

    fn remove_grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        self.inner.remove_grant(account)
    }

    fn take_lease<'a>(
        &'a self,
        account: &'a str,
        owner: &'a str,
        length: Duration,
    ) -> StoreFuture<'a, bool> {
        self.inner.take_lease(account, owner, length)
    }

    fn release_lease<'a>(&'a self, account: &'a str, owner: &'a str) -> StoreFuture<'a, ()> {
        self.inner.release_lease(account, owner)
    }

    fn local_passwords<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<LocalPasswords>> {
        self.inner.local_passwords(account)
    }

    fn password_salt<'a>(
        &'a self,
        account: &'a str,
        proposed: [u8; 16],
    ) -> StoreFuture<'a, [u8; 16]> {
        self.inner.password_salt(account, proposed)
    }

    fn write_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
    ) -> StoreFuture<'a, ()> {
        self.inner.write_local_password(account, password)
    }

    fn change_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, PasswordLimits> {
        self.inner.change_local_password(account, password, change)
    }

    fn limit_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, Option<PasswordLimits>> {
        self.inner.limit_local_password(account, name, change)
    }

    fn note_password_use<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        digest: &'a [u8; 32],
        used: &'a PasswordUse,
    ) -> StoreFuture<'a, ()> {
        self.inner.note_password_use(account, name, digest, used)
    }

    fn remove_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
    ) -> StoreFuture<'a, bool> {
        self.inner.remove_local_password(account, name)
    }

    fn upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
    ) -> StoreFuture<'a, Option<Secret>> {
        self.inner.upstream_password(account, protocol, host)
    }

    fn write_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
        password: &'a Secret,
    ) -> StoreFuture<'a, ()> {
        self.inner.write_upstream_password(account, protocol, host, password)
    }

    fn remove_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
    ) -> StoreFuture<'a, bool> {
        self.inner.remove_upstream_password(account, protocol)
    }

    fn upstream_password_places<'a>(
        &'a self,
        account: &'a str,
    ) -> StoreFuture<'a, Vec<(String, String)>> {
        self.inner.upstream_password_places(account)
    }

    fn refresh_history<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<RefreshHistory>> {
        self.inner.refresh_history(account)
    }

    fn write_refresh_history<'a>(
        &'a self,
        account: &'a str,
        history: &'a RefreshHistory,
    ) -> StoreFuture<'a, ()> {
        self.inner.write_refresh_history(account, history)
    }

    fn remove_account<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        self.inner.remove_account(account)
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<String>> {
        self.inner.accounts()
    }

    fn generation(&self) -> StoreFuture<'_, i64> {
        self.inner.generation()
    }
}
