//! The passwords in the SQLite store: local ones as digests, those for mail servers sealed. The hard
//! thing is that a digest means nothing without its salt: the two are read in one transaction, and no
//! digest is kept before there is a salt.

use sqlx::FromRow;

use super::SqliteStore;
use crate::{
    secret::Secret,
    store::{
        LocalPassword, LocalPasswords, StoreError, no_salt,
        seal::Column,
        time::{from_millis, to_millis},
    },
};

impl SqliteStore {
    pub(super) async fn read_passwords(
        &self,
        account: &str,
    ) -> Result<Option<LocalPasswords>, StoreError> {
        // One read transaction, so that salt and digests belong together.
        let mut transaction = self.pool.begin().await.map_err(|error| self.fault.of(&error))?;
        let salt: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT salt FROM password_salts WHERE account = ?")
                .bind(account)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(|error| self.fault.of(&error))?;
        let Some(salt) = salt else {
            return Ok(None);
        };
        let rows: Vec<PasswordRow> = sqlx::query_as(
            "SELECT name, digest, created FROM local_passwords WHERE account = ?
             ORDER BY created, name",
        )
        .bind(account)
        .fetch_all(&mut *transaction)
        .await
        .map_err(|error| self.fault.of(&error))?;
        let passwords = rows.into_iter().map(|row| self.password(row)).collect::<Result<_, _>>()?;
        Ok(Some(LocalPasswords { salt: self.exact(salt)?, passwords }))
    }

    fn password(&self, row: PasswordRow) -> Result<LocalPassword, StoreError> {
        let digest = self.exact(row.digest)?;
        Ok(LocalPassword { name: row.name, digest, created: from_millis(row.created) })
    }

    fn exact<const LENGTH: usize>(&self, octets: Vec<u8>) -> Result<[u8; LENGTH], StoreError> {
        octets.try_into().map_err(|_| self.fault.damaged())
    }

    pub(super) async fn keep_salt(
        &self,
        account: &str,
        proposed: [u8; 16],
    ) -> Result<[u8; 16], StoreError> {
        let mut transaction = self.begin().await?;
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT salt FROM password_salts WHERE account = ?")
                .bind(account)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(|error| self.fault.of(&error))?;
        if let Some(known) = known {
            return self.exact(known);
        }
        sqlx::query("INSERT INTO password_salts (account, salt) VALUES (?, ?)")
            .bind(account)
            .bind(proposed.as_slice())
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.fault.of(&error))?;
        self.bump(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(proposed)
    }

    pub(super) async fn put_password(
        &self,
        account: &str,
        password: &LocalPassword,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let written = sqlx::query(
            "INSERT OR REPLACE INTO local_passwords (account, name, digest, created)
             VALUES (?, ?, ?, ?)",
        )
        .bind(account)
        .bind(password.name.as_str())
        .bind(password.digest.as_slice())
        .bind(to_millis(password.created))
        .execute(&mut *transaction)
        .await;
        match written {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                return Err(no_salt());
            }
            Err(error) => return Err(self.fault.of(&error)),
        }
        self.bump(&mut transaction).await?;
        self.commit(transaction).await
    }

    pub(super) async fn read_upstream_password(
        &self,
        account: &str,
        protocol: &str,
        host: &str,
    ) -> Result<Option<Secret>, StoreError> {
        let blob: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT password FROM upstream_passwords
             WHERE account = ? AND protocol = ? AND host = ?",
        )
        .bind(account)
        .bind(protocol)
        .bind(host)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.fault.of(&error))?;
        let Some(blob) = blob else {
            return Ok(None);
        };
        let opened = self.sealer.open(Column::UpstreamPassword { protocol, host }, account, &blob);
        opened.map(Some).ok_or_else(|| self.fault.sealed_password(account, protocol))
    }

    pub(super) async fn read_upstream_password_places(
        &self,
        account: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let places = sqlx::query_as(
            "SELECT protocol, host FROM upstream_passwords WHERE account = ? ORDER BY protocol",
        );
        places.bind(account).fetch_all(&self.pool).await.map_err(|error| self.fault.of(&error))
    }

    pub(super) async fn put_upstream_password(
        &self,
        account: &str,
        protocol: &str,
        host: &str,
        password: &Secret,
    ) -> Result<(), StoreError> {
        let column = Column::UpstreamPassword { protocol, host };
        let blob = self.sealer.seal(column, account, password)?;
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO upstream_passwords (account, protocol, host, password)
             VALUES (?, ?, ?, ?)",
        )
        .bind(account)
        .bind(protocol)
        .bind(host)
        .bind(blob)
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.fault.of(&error))?;
        self.bump(&mut transaction).await?;
        self.commit(transaction).await
    }
}

#[derive(FromRow)]
struct PasswordRow {
    name: String,
    digest: Vec<u8>,
    created: i64,
}
