//! How refreshes have gone, and what goes when an account goes. The hard thing is the removal: it takes
//! all tables in one transaction, so that no half of an account is left.

use sqlx::FromRow;

use super::SqliteStore;
use crate::store::{
    RefreshFailure, RefreshHistory, StoreError,
    time::{from_millis, to_millis},
};

#[derive(FromRow)]
struct HistoryRow {
    succeeded: Option<i64>,
    failing_since: Option<i64>,
    failed: Option<i64>,
    kind: Option<String>,
    reason: Option<String>,
}

impl HistoryRow {
    fn history(self) -> RefreshHistory {
        let failure = self.failing_since.zip(self.failed).map(|(since, last)| RefreshFailure {
            since: from_millis(since),
            last: from_millis(last),
            kind: self.kind.unwrap_or_default(),
            text: self.reason.unwrap_or_default(),
        });
        RefreshHistory { succeeded: self.succeeded.map(from_millis), failure }
    }
}

impl SqliteStore {
    pub(super) async fn read_history(
        &self,
        account: &str,
    ) -> Result<Option<RefreshHistory>, StoreError> {
        let row: Option<HistoryRow> =
            sqlx::query_as("SELECT * FROM refresh_histories WHERE account = ?")
                .bind(account)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| self.fault.of(&error))?;
        Ok(row.map(HistoryRow::history))
    }

    pub(super) async fn keep_history(
        &self,
        account: &str,
        history: &RefreshHistory,
    ) -> Result<(), StoreError> {
        let failure = history.failure.as_ref();
        sqlx::query("INSERT OR REPLACE INTO refresh_histories VALUES (?, ?, ?, ?, ?, ?)")
            .bind(account)
            .bind(history.succeeded.map(to_millis))
            .bind(failure.map(|it| to_millis(it.since)))
            .bind(failure.map(|it| to_millis(it.last)))
            .bind(failure.map(|it| it.kind.as_str()))
            .bind(failure.map(|it| it.text.as_str()))
            .execute(&self.pool)
            .await
            .map_err(|error| self.fault.of(&error))?;
        Ok(())
    }

    pub(super) async fn forget_account(&self, account: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut rows = 0;
        for statement in REMOVALS {
            let done = sqlx::query(*statement).bind(account).execute(&mut *transaction).await;
            rows += done.map_err(|error| self.fault.of(&error))?.rows_affected();
        }
        if rows == 0 {
            return Ok(false);
        }
        self.bump(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    pub(super) async fn known_accounts(&self) -> Result<Vec<String>, StoreError> {
        let accounts = sqlx::query_scalar(
            "SELECT account FROM grants UNION SELECT account FROM password_salts
             UNION SELECT account FROM upstream_passwords
             UNION SELECT account FROM refresh_histories ORDER BY 1",
        );
        accounts.fetch_all(&self.pool).await.map_err(|error| self.fault.of(&error))
    }
}

/// Passwords before the salt that they refer to. A lease stays: whoever holds it gives it back.
const REMOVALS: &[&str] = &[
    "DELETE FROM grants WHERE account = ?",
    "DELETE FROM local_passwords WHERE account = ?",
    "DELETE FROM password_salts WHERE account = ?",
    "DELETE FROM upstream_passwords WHERE account = ?",
    "DELETE FROM refresh_histories WHERE account = ?",
];
