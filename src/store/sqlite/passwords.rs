//! The passwords in the SQLite store: local ones as digests, those for mail servers sealed. The hard
//! thing is that a digest means nothing without its salt: the two are read in one transaction, and no
//! digest is kept before there is a salt.

use sqlx::{FromRow, SqliteConnection};

use super::SqliteStore;
use crate::{
    secret::Secret,
    store::{
        LocalPassword, LocalPasswords, PasswordUse, StoreError,
        limits::{LimitChange, PasswordLimits, network},
        no_salt,
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
            "SELECT p.name, p.digest, p.created, p.protocols, p.networks, u.used, u.protocol, u.address
             FROM local_passwords AS p LEFT JOIN password_uses AS u USING (account, name)
             WHERE p.account = ? ORDER BY p.created, p.name",
        )
        .bind(account)
        .fetch_all(&mut *transaction)
        .await
        .map_err(|error| self.fault.of(&error))?;
        let passwords = rows.into_iter().map(|row| self.password(row)).collect::<Result<_, _>>()?;
        Ok(Some(LocalPasswords { salt: self.exact(salt)?, passwords }))
    }

    fn password(&self, row: PasswordRow) -> Result<LocalPassword, StoreError> {
        let limits = limits(row.protocols.as_deref(), row.networks.as_deref());
        Ok(LocalPassword {
            name: row.name,
            digest: self.exact(row.digest)?,
            created: from_millis(row.created),
            limits: limits.ok_or_else(|| self.fault.damaged())?,
            // Of no importance, so what does not read is not there.
            last_used: row.used.zip(row.protocol).zip(row.address).and_then(
                |((used, protocol), address)| {
                    let address = address.parse().ok()?;
                    Some(PasswordUse { at: from_millis(used), protocol, address })
                },
            ),
        })
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
        self.insert_password(&mut transaction, account, password).await?;
        self.bump(&mut transaction).await?;
        self.commit(transaction).await
    }

    /// The limits that there are by then, so that another process's narrower ones are not lost.
    pub(super) async fn change_password(
        &self,
        account: &str,
        password: &LocalPassword,
        change: &LimitChange,
    ) -> Result<PasswordLimits, StoreError> {
        let mut transaction = self.begin().await?;
        let before = self.limits_of(&mut transaction, account, &password.name).await?;
        let limits = change.apply(before.unwrap_or_default());
        let password = LocalPassword { limits: limits.clone(), ..password.clone() };
        self.insert_password(&mut transaction, account, &password).await?;
        self.bump(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(limits)
    }

    async fn insert_password(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        password: &LocalPassword,
    ) -> Result<(), StoreError> {
        let written = sqlx::query(
            "INSERT OR REPLACE INTO local_passwords
             (account, name, digest, created, protocols, networks) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(account)
        .bind(password.name.as_str())
        .bind(password.digest.as_slice())
        .bind(to_millis(password.created))
        .bind(words(&password.limits.protocols))
        .bind(words(&password.limits.networks))
        .execute(connection)
        .await;
        match written {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Err(no_salt()),
            Err(error) => Err(self.fault.of(&error)),
        }
    }

    async fn limits_of(
        &self,
        connection: &mut SqliteConnection,
        account: &str,
        name: &str,
    ) -> Result<Option<PasswordLimits>, StoreError> {
        let found: Option<(Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT protocols, networks FROM local_passwords WHERE account = ? AND name = ?",
        )
        .bind(account)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| self.fault.of(&error))?;
        let Some((protocols, networks)) = found else { return Ok(None) };
        let limits = limits(protocols.as_deref(), networks.as_deref());
        limits.map(Some).ok_or_else(|| self.fault.damaged())
    }

    pub(super) async fn change_limits(
        &self,
        account: &str,
        name: &str,
        change: &LimitChange,
    ) -> Result<Option<PasswordLimits>, StoreError> {
        let broken = |error: sqlx::Error| self.fault.of(&error);
        let mut transaction = self.begin().await?;
        let Some(before) = self.limits_of(&mut transaction, account, name).await? else {
            return Ok(None);
        };
        let after = change.apply(before);
        sqlx::query(
            "UPDATE local_passwords SET protocols = ?, networks = ? WHERE account = ? AND name = ?",
        )
        .bind(words(&after.protocols))
        .bind(words(&after.networks))
        .bind(account)
        .bind(name)
        .execute(&mut *transaction)
        .await
        .map_err(broken)?;
        self.bump(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(Some(after))
    }

    /// One statement, so it is atomic by itself.
    pub(super) async fn put_use(
        &self,
        account: &str,
        name: &str,
        digest: &[u8; 32],
        used: &PasswordUse,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO password_uses (account, name, used, protocol, address)
             SELECT account, name, ?4, ?5, ?6 FROM local_passwords
             WHERE account = ?1 AND name = ?2 AND digest = ?3
             ON CONFLICT (account, name) DO UPDATE
             SET used = excluded.used, protocol = excluded.protocol, address = excluded.address",
        )
        .bind(account)
        .bind(name)
        .bind(digest.as_slice())
        .bind(to_millis(used.at))
        .bind(used.protocol.as_str())
        .bind(used.address.to_string())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fault.of(&error))?;
        Ok(())
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
    protocols: Option<String>,
    networks: Option<String>,
    used: Option<i64>,
    protocol: Option<String>,
    address: Option<String>,
}

/// A limit as it is stored; `None`: there is none.
fn words<T: ToString>(values: &[T]) -> Option<String> {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// `None` for what cannot be a limit: no damage makes a limit wider.
fn limits(protocols: Option<&str>, networks: Option<&str>) -> Option<PasswordLimits> {
    let protocol = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    Some(PasswordLimits {
        protocols: protocols
            .map_or(Some(Vec::new()), |it| it.split(' ').map(protocol).collect())?,
        networks: networks.map_or(Some(Vec::new()), |it| it.split(' ').map(network).collect())?,
    })
}
