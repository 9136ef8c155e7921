//! The store on disk: one SQLite file that several processes share. The hard thing is to mean what
//! [`Store`] promises: a write that has returned survives a power cut (write-ahead log with
//! `synchronous = FULL`), and every read-then-write takes the write lock first (`BEGIN IMMEDIATE`),
//! so that no other process can slip in between.

mod history;
mod passwords;

use std::{path::Path, time::Duration};

use sqlx::{FromRow, Sqlite, SqlitePool, Transaction};

use super::{
    Grant, GrantRecord, Identity, LocalPassword, LocalPasswords, PasswordUse, RefreshHistory,
    SignedIn, Store, StoreError, StoreFuture, StoredAccessToken,
    fault::Fault,
    key::KeySource,
    limits::{LimitChange, PasswordLimits},
    open::{self, Purpose},
    seal::{Column, Sealer},
    time::{from_millis, to_millis},
};
use crate::secret::Secret;

/// Grants and passwords in `store.sqlite`, sealed with the key beside it.
pub struct SqliteStore {
    pool: SqlitePool,
    sealer: Sealer,
    fault: Fault,
}

impl SqliteStore {
    /// Opens the store of that folder, and creates folder, key and store where there are none.
    /// It must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be used or not be written, or the key does not open it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, KeySource::find(folder)?).await
    }

    /// The same for whoever only reads; where the disk is read-only, writes fail later.
    ///
    /// # Errors
    /// The store cannot be used, or the key does not open it.
    pub async fn open_to_read(folder: &Path) -> Result<Self, StoreError> {
        Self::open_for(folder, KeySource::find(folder)?, Purpose::Read).await
    }

    /// The same, with the key from there.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn open_with(folder: &Path, key: KeySource) -> Result<Self, StoreError> {
        Self::open_for(folder, key, Purpose::Write).await
    }

    async fn open_for(folder: &Path, key: KeySource, purpose: Purpose) -> Result<Self, StoreError> {
        let open::Opened { pool, sealer, fault } = open::open(folder, key, purpose).await?;
        Ok(Self { pool, sealer, fault })
    }

    /// Writes the log back into the store and gives the files up.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.fault.of(&error))
    }

    async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.fault.of(&error))
    }

    /// Counts a change; the new number serves as a grant's version too, so versions never repeat.
    async fn bump(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
    ) -> Result<i64, StoreError> {
        sqlx::query_scalar("UPDATE store SET generation = generation + 1 RETURNING generation")
            .fetch_one(&mut **transaction)
            .await
            .map_err(|error| self.fault.of(&error))
    }

    async fn read_grant(&self, account: &str) -> Result<Option<GrantRecord>, StoreError> {
        let row: Option<GrantRow> = sqlx::query_as("SELECT * FROM grants WHERE account = ?")
            .bind(account)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.fault.of(&error))?;
        row.map(|row| self.unseal(account, row)).transpose()
    }

    fn unseal(&self, account: &str, row: GrantRow) -> Result<GrantRecord, StoreError> {
        let open = |column, blob: Vec<u8>| {
            self.sealer.open(column, account, &blob).ok_or_else(|| self.fault.sealed(account))
        };
        let refresh_token =
            row.refresh_token.map(|blob| open(Column::RefreshToken, blob)).transpose()?;
        let access_token = match row.access_token {
            None => None,
            Some(blob) => Some(StoredAccessToken {
                secret: open(Column::AccessToken, blob)?,
                obtained: from_millis(row.access_obtained.unwrap_or(0)),
                expires: from_millis(row.access_expires.unwrap_or(0)),
                purpose: row.access_purpose.unwrap_or_default(),
            }),
        };
        let refresh_started = row.refresh_started.map(from_millis);
        let identity = row
            .identity_issuer
            .zip(row.identity_subject)
            .map(|(issuer, subject)| Identity { issuer, subject, name: row.identity_name });
        let signed_in = row.signed_in.map(|at| SignedIn { at: from_millis(at), identity });
        let grant = Grant {
            refresh_token,
            refresh_token_expires: row.refresh_token_expires.map(from_millis),
            access_token,
            refresh_started,
            signed_in,
        };
        Ok(GrantRecord { version: row.version, grant })
    }

    async fn fenced_write(
        &self,
        account: &str,
        expected: Option<i64>,
        grant: &Grant,
    ) -> Result<Option<i64>, StoreError> {
        let seal = |column, secret: &Secret| self.sealer.seal(column, account, secret);
        let access = grant.access_token.as_ref();
        let refresh_blob = grant
            .refresh_token
            .as_ref()
            .map(|token| seal(Column::RefreshToken, token))
            .transpose()?;
        let access_blob =
            access.map(|token| seal(Column::AccessToken, &token.secret)).transpose()?;

        let mut transaction = self.begin().await?;
        let stored: Option<i64> =
            sqlx::query_scalar("SELECT version FROM grants WHERE account = ?")
                .bind(account)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(|error| self.fault.of(&error))?;
        if stored != expected {
            return Ok(None);
        }
        let version = self.bump(&mut transaction).await?;
        let signed_in = grant.signed_in.as_ref();
        let identity = signed_in.and_then(|it| it.identity.as_ref());
        sqlx::query("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(account)
            .bind(version)
            .bind(refresh_blob)
            .bind(access_blob)
            .bind(access.map(|token| to_millis(token.obtained)))
            .bind(access.map(|token| to_millis(token.expires)))
            .bind(access.map(|token| token.purpose.as_str()))
            .bind(grant.refresh_started.map(to_millis))
            .bind(signed_in.map(|it| to_millis(it.at)))
            .bind(identity.map(|it| it.issuer.as_str()))
            .bind(identity.map(|it| it.subject.as_str()))
            .bind(identity.and_then(|it| it.name.as_deref()))
            .bind(grant.refresh_token_expires.map(to_millis))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.fault.of(&error))?;
        self.commit(transaction).await?;
        Ok(Some(version))
    }

    /// Runs a `DELETE` with these values, and counts it as a change if it hit something.
    async fn delete(&self, statement: &'static str, values: &[&str]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut query = sqlx::query(statement);
        for value in values {
            query = query.bind(*value);
        }
        let done = query.execute(&mut *transaction).await.map_err(|error| self.fault.of(&error))?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.bump(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    /// One statement, so it is atomic by itself. The clock is SQLite's, the same for all processes.
    /// A deadline beyond [`LONGEST_LEASE`] was written before the clock was set back: it is void.
    async fn try_lease(
        &self,
        account: &str,
        owner: &str,
        length: Duration,
    ) -> Result<bool, StoreError> {
        let length = millis(length.min(LONGEST_LEASE));
        let done = sqlx::query(
            "INSERT INTO leases (account, owner, deadline)
             VALUES (?1, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?3)
             ON CONFLICT (account) DO UPDATE
             SET owner = excluded.owner, deadline = excluded.deadline
             WHERE owner = excluded.owner
             OR deadline NOT BETWEEN 1 + CAST(unixepoch('subsec') * 1000 AS INTEGER)
             AND CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?4",
        )
        .bind(account)
        .bind(owner)
        .bind(length)
        .bind(millis(LONGEST_LEASE))
        .execute(&self.pool)
        .await
        .map_err(|error| self.fault.of(&error))?;
        Ok(done.rows_affected() > 0)
    }
}

#[derive(FromRow)]
struct GrantRow {
    version: i64,
    refresh_token: Option<Vec<u8>>,
    access_token: Option<Vec<u8>>,
    access_obtained: Option<i64>,
    access_expires: Option<i64>,
    access_purpose: Option<String>,
    refresh_started: Option<i64>,
    signed_in: Option<i64>,
    identity_issuer: Option<String>,
    identity_subject: Option<String>,
    identity_name: Option<String>,
    refresh_token_expires: Option<i64>,
}

impl Store for SqliteStore {
    fn grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<GrantRecord>> {
        Box::pin(self.read_grant(account))
    }

    fn write_grant<'a>(
        &'a self,
        account: &'a str,
        expected: Option<i64>,
        grant: &'a Grant,
    ) -> StoreFuture<'a, Option<i64>> {
        Box::pin(self.fenced_write(account, expected, grant))
    }

    fn remove_grant<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(
            async move { self.delete("DELETE FROM grants WHERE account = ?", &[account]).await },
        )
    }

    fn take_lease<'a>(
        &'a self,
        account: &'a str,
        owner: &'a str,
        length: Duration,
    ) -> StoreFuture<'a, bool> {
        Box::pin(self.try_lease(account, owner, length))
    }

    fn release_lease<'a>(&'a self, account: &'a str, owner: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            sqlx::query("DELETE FROM leases WHERE account = ? AND owner = ?")
                .bind(account)
                .bind(owner)
                .execute(&self.pool)
                .await
                .map_err(|error| self.fault.of(&error))?;
            Ok(())
        })
    }

    fn local_passwords<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<LocalPasswords>> {
        Box::pin(self.read_passwords(account))
    }

    fn password_salt<'a>(
        &'a self,
        account: &'a str,
        proposed: [u8; 16],
    ) -> StoreFuture<'a, [u8; 16]> {
        Box::pin(self.keep_salt(account, proposed))
    }

    fn write_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.put_password(account, password))
    }

    fn change_local_password<'a>(
        &'a self,
        account: &'a str,
        password: &'a LocalPassword,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, PasswordLimits> {
        Box::pin(self.change_password(account, password, change))
    }

    fn limit_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        change: &'a LimitChange,
    ) -> StoreFuture<'a, Option<PasswordLimits>> {
        Box::pin(self.change_limits(account, name, change))
    }

    fn note_password_use<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
        digest: &'a [u8; 32],
        used: &'a PasswordUse,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.put_use(account, name, digest, used))
    }

    fn remove_local_password<'a>(
        &'a self,
        account: &'a str,
        name: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.delete(
                "DELETE FROM local_passwords WHERE account = ? AND name = ?",
                &[account, name],
            )
            .await
        })
    }

    fn upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
    ) -> StoreFuture<'a, Option<Secret>> {
        Box::pin(self.read_upstream_password(account, protocol, host))
    }

    fn write_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
        host: &'a str,
        password: &'a Secret,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.put_upstream_password(account, protocol, host, password))
    }

    fn remove_upstream_password<'a>(
        &'a self,
        account: &'a str,
        protocol: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.delete(
                "DELETE FROM upstream_passwords WHERE account = ? AND protocol = ?",
                &[account, protocol],
            )
            .await
        })
    }

    fn upstream_password_places<'a>(
        &'a self,
        account: &'a str,
    ) -> StoreFuture<'a, Vec<(String, String)>> {
        Box::pin(self.read_upstream_password_places(account))
    }

    fn refresh_history<'a>(&'a self, account: &'a str) -> StoreFuture<'a, Option<RefreshHistory>> {
        Box::pin(self.read_history(account))
    }

    fn write_refresh_history<'a>(
        &'a self,
        account: &'a str,
        history: &'a RefreshHistory,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.keep_history(account, history))
    }

    fn remove_account<'a>(&'a self, account: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(self.forget_account(account))
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<String>> {
        Box::pin(self.known_accounts())
    }

    fn generation(&self) -> StoreFuture<'_, i64> {
        Box::pin(async move {
            sqlx::query_scalar("SELECT generation FROM store")
                .fetch_one(&self.pool)
                .await
                .map_err(|error| self.fault.of(&error))
        })
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// No refresh takes longer; see [`Store::take_lease`].
const LONGEST_LEASE: Duration = Duration::from_secs(600);

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
