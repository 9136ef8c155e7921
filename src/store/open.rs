//! Opening the SQLite store. The hard thing is that several processes may do so at once, on a folder
//! that is empty, old or broken: whatever is missing is made in an order in which each of them ends
//! up with the same key and the same schema.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    StoreError,
    fault::Fault,
    files,
    key::KeySource,
    seal::{Column, Sealer},
};
use crate::{platform, secret::Secret};

pub(super) struct Opened {
    pub(super) pool: SqlitePool,
    pub(super) sealer: Sealer,
    pub(super) fault: Fault,
}

/// What a store is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To look: a read-only disk may do.
    Read,
    /// To write, which opening proves to be possible.
    Write,
}

pub(super) async fn open(
    folder: &Path,
    key: KeySource,
    purpose: Purpose,
) -> Result<Opened, StoreError> {
    let path = folder.join("store.sqlite");
    let fault = Fault::new(path.clone());
    let (folder, file, words) = (folder.to_owned(), path.clone(), fault.clone());
    // Held until the schema is there: SQLite does not wait where two turn a new file into a store.
    let (key, _held) = tokio::task::spawn_blocking(move || prepare(&folder, &file, &key, &words))
        .await
        .map_err(|error| fault.io(&error.into()))??;
    let sealer = Sealer::new(&key)?;

    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // No file beside the store's own: a daemon can write in its folder only.
        .pragma("temp_store", "memory")
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(|error| fault.of(&error))?;
    let prepared = migrate(&mut connection, &sealer, &fault, purpose).await;
    // Closed in any case, so that a refused store is not held open.
    let closed = connection.close().await.map_err(|error| fault.of(&error));
    prepared?;
    closed?;

    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_with(options)
        .await
        .map_err(|error| fault.of(&error))?;
    Ok(Opened { pool, sealer, fault })
}

/// The key comes before the store: whoever sees a store may rely on its key being there.
fn prepare(
    folder: &Path,
    file: &Path,
    key: &KeySource,
    fault: &Fault,
) -> Result<(Secret, Option<File>), StoreError> {
    platform::create_private_folder(folder).map_err(|error| fault.io(&error))?;
    if platform::is_writable_by_all(folder).map_err(|error| fault.io(&error))? {
        return Err(Fault::folder_open_to_all(folder));
    }
    let is_new = fs::metadata(file).map_or(true, |it| it.len() == 0);
    // Whoever cannot hold it may still find that nobody else is there.
    let held = if is_new { platform::hold_folder(folder).ok().flatten() } else { None };
    let exists = file.try_exists().map_err(|error| fault.io(&error))?;
    let key = key.load(exists)?;
    if exists {
        if platform::is_open_to_others(file).map_err(|error| fault.io(&error))? {
            return Err(fault.open_to_others());
        }
    } else {
        // SQLite would make it readable for all; its companions take over the mode of this one.
        files::create_private_file(file).map_err(|error| fault.io(&error))?;
        platform::sync_folder_of(file).map_err(|error| fault.io(&error))?;
    }
    Ok((key, held))
}

/// Brings the schema up to date and checks the key, in one transaction that holds the write lock:
/// sqlx's own migrator takes no lock on SQLite.
async fn migrate(
    connection: &mut SqliteConnection,
    sealer: &Sealer,
    fault: &Fault,
    purpose: Purpose,
) -> Result<(), StoreError> {
    let broken = |error: sqlx::Error| fault.of(&error);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(broken)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .map_err(broken)?;
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *transaction)
        .await
        .map_err(broken)?;
    let known = SCHEMA.len();
    let done = usize::try_from(version).map_err(|_| fault.damaged())?;
    if (done, application) != (0, 0) && application != APPLICATION {
        return Err(fault.damaged());
    }
    if done > known {
        return Err(fault.newer(version, known));
    }
    for step in SCHEMA.iter().skip(done) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(broken)?;
    }
    if done == 0 {
        let check = sealer.seal(Column::KeyCheck, "", &Secret::new(CHECK))?;
        sqlx::query("INSERT INTO store (id, generation, key_check) VALUES (1, 0, ?)")
            .bind(check)
            .execute(&mut *transaction)
            .await
            .map_err(broken)?;
    }
    if done < known {
        sqlx::raw_sql(STAMP).execute(&mut *transaction).await.map_err(broken)?;
    }
    if purpose == Purpose::Write {
        // On a read-only disk SQLite opens a store whose log lies beside it, and takes its lock, too: only
        // a write tells. A daemon that finds out later has lost the token that it wanted to write.
        // It is taken back, so that a full disk, which a daemon can live with, hinders no start.
        let mut proof = transaction.begin().await.map_err(broken)?;
        sqlx::query("UPDATE store SET generation = generation")
            .execute(&mut *proof)
            .await
            .map_err(broken)?;
        proof.rollback().await.map_err(broken)?;
    }
    let check: Vec<u8> = sqlx::query_scalar("SELECT key_check FROM store")
        .fetch_one(&mut *transaction)
        .await
        .map_err(broken)?;
    let opened = sealer.open(Column::KeyCheck, "", &check).ok_or_else(|| fault.wrong_key())?;
    if opened.expose() != CHECK {
        return Err(fault.damaged());
    }
    transaction.commit().await.map_err(broken)?;
    check_pages(connection, fault).await
}

/// Looks at every page once per start: the store is small, and damage should not wait for the login
/// that meets it.
async fn check_pages(connection: &mut SqliteConnection, fault: &Fault) -> Result<(), StoreError> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| fault.of(&error))?;
    if verdict == "ok" { Ok(()) } else { Err(fault.damaged()) }
}

/// Each step once, in order; a published step never changes. `PRAGMA user_version` counts them.
const SCHEMA: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// Marks the file as ours ("sasl" in ASCII) and up to date; a test holds it to the two constants.
const STAMP: &str = "PRAGMA application_id = 1935766380; PRAGMA user_version = 4;";
const APPLICATION: i64 = 0x7361_736c;

const CHECK: &[u8] = b"saslgate";

/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(5);

/// How long a call waits for one of the connections.
const ACQUIRE: Duration = Duration::from_secs(8);

/// Each is a thread. Reads run side by side, writes queue in SQLite.
const CONNECTIONS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_says_what_the_constants_say() {
        let expected = format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};",
            SCHEMA.len()
        );
        assert_eq!(STAMP, expected);
    }

    /// SQLite opens the files of a read-only disk for reading, as this connection does; the rights of a
    /// file would not hinder root.
    #[tokio::test]
    async fn what_can_only_be_read_with_its_log_beside_it_is_refused_to_writers() {
        let folder = tempfile::tempdir().unwrap();
        let source = || KeySource::find(folder.path()).unwrap();
        let opened = open(folder.path(), source(), Purpose::Write).await.unwrap();
        let path = folder.path().join("store.sqlite");
        assert!(folder.path().join("store.sqlite-wal").exists());
        let options = SqliteConnectOptions::new().filename(&path).read_only(true);
        let mut connection = options.connect().await.unwrap();
        let fault = Fault::new(path);
        migrate(&mut connection, &opened.sealer, &fault, Purpose::Read).await.unwrap();
        let refused = migrate(&mut connection, &opened.sealer, &fault, Purpose::Write).await;
        let expected = "cannot be written";
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(text)) if text.contains(expected)),
            "{refused:?}"
        );
    }
}
