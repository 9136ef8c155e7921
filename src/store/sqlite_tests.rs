use std::{fs, sync::Arc};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{super::conformance, *};

async fn opened(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(folder.path()).await.unwrap()
}

async fn refused(folder: &TempDir) -> StoreError {
    match SqliteStore::open(folder.path()).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

async fn raw(folder: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join("store.sqlite"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn grant(refresh_token: &str) -> Grant {
    Grant { refresh_token: Some(Secret::new(refresh_token)), ..Grant::default() }
}

#[tokio::test]
async fn keeps_the_promises_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&opened(&folder).await).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    let version = store.write_grant("a", None, &grant("kept")).await.unwrap();
    let generation = store.generation().await.unwrap();
    drop(store);
    let store = opened(&folder).await;
    let record = store.grant("a").await.unwrap().unwrap();
    assert_eq!(Some(record.version), version);
    assert_eq!(record.grant.refresh_token.unwrap().expose(), b"kept");
    assert_eq!(store.generation().await.unwrap(), generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_an_empty_folder_at_once() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let folder = Arc::clone(&folder);
            tokio::spawn(async move {
                let store = SqliteStore::open(&folder.path().join("new/state")).await.unwrap();
                let account = format!("account{number}");
                store.write_grant(&account, None, &grant(&account)).await.unwrap().unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let store = SqliteStore::open(&folder.path().join("new/state")).await.unwrap();
    for number in 0..8 {
        let account = format!("account{number}");
        let record = store.grant(&account).await.unwrap().unwrap();
        assert_eq!(record.grant.refresh_token.unwrap().expose(), account.as_bytes());
    }
    assert_eq!(store.generation().await.unwrap(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_one_takes_the_lease_and_one_wins_the_fence() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(&folder).await.write_grant("a", None, &grant("old")).await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..6 {
        let store = opened(&folder).await;
        tasks.push(tokio::spawn(async move {
            let owner = format!("process {number}");
            let leased = store.take_lease("a", &owner, Duration::from_secs(60)).await.unwrap();
            let won = store.write_grant("a", first, &grant(&owner)).await.unwrap().is_some();
            (leased, won)
        }));
    }
    let (mut leases, mut wins) = (0, 0);
    for task in tasks {
        let (leased, won) = task.await.unwrap();
        leases += usize::from(leased);
        wins += usize::from(won);
    }
    assert_eq!((leases, wins), (1, 1));
}

#[tokio::test]
async fn no_secret_is_readable_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    let mut grant = grant("very-secret-refresh");
    grant.access_token = Some(StoredAccessToken {
        secret: Secret::new("very-secret-access"),
        obtained: from_millis(0),
        expires: from_millis(1),
        purpose: "purpose-in-clear".to_owned(),
    });
    store.write_grant("a", None, &grant).await.unwrap();
    let password = Secret::new("very-secret-password");
    store.write_upstream_password("a", "smtp", "h", &password).await.unwrap();
    let mut everything = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        everything.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let has = |text: &str| everything.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("purpose-in-clear"), "the search must be able to find something");
    assert!(!has("very-secret"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let store = SqliteStore::open(&state).await.unwrap();
    store.write_grant("a", None, &grant("x")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let mut names: Vec<_> = fs::read_dir(&state).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 3, "key, store and its log: {names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    opened(&folder).await.close().await;
    let path = folder.path().join("store.sqlite");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("chmod 600")), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    opened(&folder).await.close().await;
}

#[tokio::test]
async fn a_store_without_its_key_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    opened(&folder).await.close().await;
    fs::remove_file(folder.path().join("key")).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Key(text) if text.contains("backup")), "{error}");
    assert!(!folder.path().join("key").exists(), "no new key beside an old store");
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    opened(&folder).await.close().await;
    fs::write(folder.path().join("key"), [7; 32]).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Key(text) if text.contains("does not fit")), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    opened(&folder).await.close().await;
    sqlx::raw_sql("PRAGMA user_version = 7").execute(&mut raw(&folder).await).await.unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("newer saslgate")));
}

#[tokio::test]
async fn something_else_in_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    opened(&folder).await.close().await;
    fs::write(folder.path().join("store.sqlite"), vec![b'x'; 8192]).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("damaged")), "{error}");

    let path = folder.path().join("store.sqlite");
    fs::remove_file(&path).unwrap();
    crate::platform::create_new(&path, crate::platform::OWNER_ONLY).unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let mut foreign = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE theirs (x); PRAGMA user_version = 1")
        .execute(&mut foreign)
        .await
        .unwrap();
    foreign.close().await.unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("not a saslgate store")));
}

#[tokio::test]
async fn damaged_pages_show_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    for number in 0..50 {
        store.write_grant(&format!("a{number}"), None, &grant(&"r".repeat(900))).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join("store.sqlite");
    let mut content = fs::read(&path).unwrap();
    let length = content.len();
    content[4096 * 2..length].fill(0xa5);
    fs::write(&path, content).unwrap();
    let error = refused(&folder).await;
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("damaged")), "{error}");
}

#[tokio::test]
async fn a_row_moved_to_another_account_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    store.write_grant("victim", None, &grant("x")).await.unwrap();
    sqlx::query("UPDATE grants SET account = 'thief'").execute(&store.pool).await.unwrap();
    let error = store.grant("thief").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(text) if text.contains("thief")), "{error}");
}

#[tokio::test]
async fn a_new_sign_in_repairs_what_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    let account = crate::account::tests::account("a");
    store.write_grant("a", None, &grant("x")).await.unwrap();
    sqlx::query("UPDATE grants SET refresh_token = x'00'").execute(&store.pool).await.unwrap();
    assert!(store.grant("a").await.is_err());
    crate::token::import(&store, &account, Secret::new("new")).await.unwrap();
    let stored = store.grant("a").await.unwrap().unwrap().grant.refresh_token.unwrap();
    assert_eq!(stored.expose(), b"new");
}

#[tokio::test]
async fn a_lease_from_a_clock_that_was_set_back_is_void() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    assert!(store.take_lease("a", "dead", Duration::from_secs(60)).await.unwrap());
    sqlx::query("UPDATE leases SET deadline = deadline + 3600000")
        .execute(&store.pool)
        .await
        .unwrap();
    assert!(store.take_lease("a", "me", Duration::from_secs(60)).await.unwrap());
}

#[tokio::test]
async fn a_read_only_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    // All connections of the pool, so that the next call meets one of them.
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = store.pool.acquire().await.unwrap();
        sqlx::raw_sql("PRAGMA query_only = 1").execute(&mut *connection).await.unwrap();
        connections.push(connection);
    }
    drop(connections);
    let error = store.write_grant("a", None, &grant("x")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cannot be written")));
}

/// A store file as version 1 of the schema left it, sealed with a key of sevens. The sealed values were
/// computed without our code.
async fn old_store(folder: &TempDir) {
    for (name, content) in [("key", &[7; 32][..]), ("store.sqlite", &[])] {
        let path = folder.path().join(name);
        let mut file = crate::platform::create_new(&path, crate::platform::OWNER_ONLY).unwrap();
        std::io::Write::write_all(&mut file, content).unwrap();
    }
    let mut old = raw(folder).await;
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut old).await.unwrap();
    sqlx::raw_sql(include_str!("schema/1.sql")).execute(&mut old).await.unwrap();
    let nonce = |octet: &str| octet.repeat(24);
    let content = format!(
        "INSERT INTO store VALUES (1, 5, x'01{}c2157021ae8d99fa14c06939ea9ec587889ce139d2e9630a');
         INSERT INTO grants (account, version, refresh_token)
         VALUES ('old@example.test', 4, x'01{}b1d47088a840bd3f6a7d1cab9504cd68ad58fe22');
         INSERT INTO password_salts VALUES ('old@example.test', x'{}');
         INSERT INTO local_passwords VALUES ('old@example.test', 'laptop', x'{}', 1000);
         PRAGMA application_id = 1935766380; PRAGMA user_version = 1;",
        nonce("01"),
        nonce("02"),
        "09".repeat(16),
        "08".repeat(32),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(content)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
}

#[tokio::test]
async fn an_older_store_is_upgraded_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    old_store(&folder).await;
    let store = opened(&folder).await;
    let record = store.grant("old@example.test").await.unwrap().unwrap();
    assert_eq!(record.version, 4);
    assert_eq!(record.grant.refresh_token.unwrap().expose(), b"kept");
    let passwords = store.local_passwords("old@example.test").await.unwrap().unwrap();
    assert_eq!(passwords.salt, [9; 16]);
    let kept = LocalPassword {
        name: "laptop".to_owned(),
        digest: [8; 32],
        created: from_millis(1000),
        limits: PasswordLimits::default(),
        last_used: None,
    };
    assert_eq!(passwords.passwords, [kept]);
    assert_eq!(store.generation().await.unwrap(), 5);
    conformance::check(&store).await;
    store.close().await;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut raw(&folder).await).await.unwrap();
    assert_eq!(version, 4);
    opened(&folder).await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_upgrade_an_older_store_at_once() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    old_store(&folder).await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let folder = Arc::clone(&folder);
            tokio::spawn(async move {
                let account = format!("account{number}");
                let password = Secret::new(account.as_str());
                opened(&folder)
                    .await
                    .write_upstream_password(&account, "smtp", "h", &password)
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let store = opened(&folder).await;
    for number in 0..8 {
        let account = format!("account{number}");
        let password = store.upstream_password(&account, "smtp", "h").await.unwrap().unwrap();
        assert_eq!(password.expose(), account.as_bytes());
    }
    assert_eq!(store.generation().await.unwrap(), 5 + 8);
}

#[tokio::test]
async fn damage_makes_no_limit_wider() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    store.password_salt("a", [1; 16]).await.unwrap();
    let password = LocalPassword {
        name: "p".to_owned(),
        digest: [0; 32],
        created: from_millis(0),
        limits: PasswordLimits::default(),
        last_used: None,
    };
    store.write_local_password("a", &password).await.unwrap();
    for [protocols, networks] in
        [["NULL", "''"], ["NULL", "'10.0.0.0/8 x'"], ["NULL", "'10.0.0.0/99'"], ["''", "NULL"]]
    {
        let damage = format!("protocols = {protocols}, networks = {networks}");
        let change = format!("UPDATE local_passwords SET {damage}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&store.pool).await.unwrap();
        let read = store.local_passwords("a").await;
        assert!(matches!(&read, Err(StoreError::Unusable(_))), "{damage}: {read:?}");
    }
    // A last use that does not read is no fault.
    store.write_local_password("a", &password).await.unwrap();
    store.note_password_use("a", "p", &[0; 32], &used()).await.unwrap();
    sqlx::raw_sql("UPDATE password_uses SET address = 'x'").execute(&store.pool).await.unwrap();
    let read = store.local_passwords("a").await.unwrap().unwrap();
    assert_eq!(read.passwords[0].last_used, None);
}

fn used() -> PasswordUse {
    PasswordUse { at: from_millis(1), protocol: "imap".to_owned(), address: [192, 0, 2, 1].into() }
}

#[tokio::test]
async fn a_password_moved_to_another_server_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    let password = Secret::new("password");
    store.write_upstream_password("a", "smtp", "h", &password).await.unwrap();
    for (change, account, protocol, host) in [
        ("UPDATE upstream_passwords SET host = 'i'", "a", "smtp", "i"),
        ("UPDATE upstream_passwords SET host = 'h', protocol = 'imap'", "a", "imap", "h"),
        ("UPDATE upstream_passwords SET account = 'b', protocol = 'smtp'", "b", "smtp", "h"),
    ] {
        sqlx::raw_sql(change).execute(&store.pool).await.unwrap();
        let error = store.upstream_password(account, protocol, host).await.unwrap_err();
        let remedy = format!("saslgate account upstream-password {account} --protocol {protocol}");
        assert!(matches!(&error, StoreError::Unusable(text) if text.ends_with(&remedy)), "{error}");
    }
    store.write_upstream_password("b", "smtp", "h", &password).await.unwrap();
    let kept = store.upstream_password("b", "smtp", "h").await.unwrap().unwrap();
    assert_eq!(kept.expose(), b"password", "setting it again puts it right");
}
