//! What every store must do, as one test that each implementation runs.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    Grant, Identity, LocalPassword, LocalPasswords, PasswordUse, RefreshFailure, RefreshHistory,
    SignedIn, Store, StoredAccessToken,
    limits::{LimitChange, PasswordLimits, network},
};
use crate::secret::Secret;

pub(crate) async fn check(store: &dyn Store) {
    grants_are_fenced(store).await;
    leases_exclude(store).await;
    local_passwords_are_kept(store).await;
    limits_and_last_uses_are_kept(store).await;
    a_password_is_replaced_within_its_limits(store).await;
    upstream_passwords_are_kept(store).await;
    histories_are_kept_and_accounts_go_whole(store).await;
}

async fn histories_are_kept_and_accounts_go_whole(store: &dyn Store) {
    let at = |millis: u64| UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis);
    let account = "history@example.test";
    assert_eq!(store.refresh_history(account).await.unwrap(), None);
    let before = store.generation().await.unwrap();
    let failure = RefreshFailure {
        since: at(1),
        last: at(2),
        kind: "sign-in".to_owned(),
        text: "Sign in again.".to_owned(),
    };
    for history in [
        RefreshHistory { succeeded: Some(at(0)), failure: Some(failure) },
        RefreshHistory { succeeded: Some(at(3)), failure: None },
    ] {
        store.write_refresh_history(account, &history).await.unwrap();
        assert_eq!(store.refresh_history(account).await.unwrap(), Some(history));
    }
    assert_eq!(store.generation().await.unwrap(), before, "no session cares");

    store.write_grant(account, None, &grant("one")).await.unwrap().unwrap();
    store.password_salt(account, [1; 16]).await.unwrap();
    store.write_upstream_password(account, "smtp", "h", &Secret::new("p")).await.unwrap();
    assert!(store.accounts().await.unwrap().iter().any(|known| known == account));
    let before = store.generation().await.unwrap();
    assert!(store.remove_account(account).await.unwrap());
    assert!(store.generation().await.unwrap() > before);
    assert!(!store.remove_account(account).await.unwrap());
    assert!(!store.accounts().await.unwrap().iter().any(|known| known == account));
    assert!(store.grant(account).await.unwrap().is_none());
    assert_eq!(store.refresh_history(account).await.unwrap(), None);
}

fn grant(refresh_token: &str) -> Grant {
    Grant {
        refresh_token: Some(Secret::new(refresh_token)),
        refresh_token_expires: Some(UNIX_EPOCH + Duration::from_millis(1_800_000_000_001)),
        access_token: Some(StoredAccessToken {
            secret: Secret::new("access"),
            obtained: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            expires: UNIX_EPOCH + Duration::from_millis(1_700_003_600_123),
            purpose: "https://example.test/token|app|scope".to_owned(),
        }),
        refresh_started: Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_001)),
        signed_in: Some(SignedIn {
            at: UNIX_EPOCH + Duration::from_millis(1_600_000_000_001),
            identity: Some(Identity {
                issuer: "https://id.example.test".to_owned(),
                subject: "4711".to_owned(),
                name: Some("a@example.test".to_owned()),
            }),
        }),
    }
}

async fn grants_are_fenced(store: &dyn Store) {
    assert!(store.grant("a@example.test").await.unwrap().is_none());
    let before = store.generation().await.unwrap();
    let first = store.write_grant("a@example.test", None, &grant("one")).await.unwrap().unwrap();
    assert!(store.generation().await.unwrap() > before);

    let lost = store.write_grant("a@example.test", None, &grant("lost")).await.unwrap();
    assert_eq!(lost, None, "there is one already");
    let second =
        store.write_grant("a@example.test", Some(first), &grant("two")).await.unwrap().unwrap();
    assert_ne!(first, second);
    let lost = store.write_grant("a@example.test", Some(first), &grant("lost")).await.unwrap();
    assert_eq!(lost, None, "the version has moved on");

    let record = store.grant("a@example.test").await.unwrap().unwrap();
    assert_eq!(record.version, second);
    assert_eq!(record.grant.refresh_token.unwrap().expose(), b"two");
    assert_eq!(record.grant.refresh_started, grant("two").refresh_started);
    assert_eq!(record.grant.refresh_token_expires, grant("two").refresh_token_expires);
    assert_eq!(record.grant.signed_in, grant("two").signed_in);
    let (kept, written) = (record.grant.access_token.unwrap(), grant("").access_token.unwrap());
    assert_eq!(kept.secret.expose(), written.secret.expose());
    assert_eq!(kept.obtained, written.obtained);
    assert_eq!(kept.expires, written.expires);
    assert_eq!(kept.purpose, written.purpose);

    assert!(store.remove_grant("a@example.test").await.unwrap());
    assert!(!store.remove_grant("a@example.test").await.unwrap());
    assert!(store.grant("a@example.test").await.unwrap().is_none());
    let again =
        store.write_grant("a@example.test", None, &Grant::default()).await.unwrap().unwrap();
    assert!(again != first && again != second, "a version never comes back");
    assert!(store.grant("a@example.test").await.unwrap().unwrap().grant.refresh_token.is_none());
}

async fn leases_exclude(store: &dyn Store) {
    let minutes = Duration::from_secs(300);
    assert!(store.take_lease("a", "me", minutes).await.unwrap());
    assert!(!store.take_lease("a", "you", minutes).await.unwrap());
    assert!(
        store.take_lease("b", "you", minutes).await.unwrap(),
        "another account's lease is free"
    );
    assert!(store.take_lease("a", "me", minutes).await.unwrap(), "its owner may extend it");
    store.release_lease("a", "you").await.unwrap();
    assert!(!store.take_lease("a", "you", minutes).await.unwrap(), "only its owner gives it back");
    store.release_lease("a", "me").await.unwrap();
    assert!(store.take_lease("a", "you", Duration::ZERO).await.unwrap());
    assert!(store.take_lease("a", "me", minutes).await.unwrap(), "it had run out");
}

async fn local_passwords_are_kept(store: &dyn Store) {
    assert_eq!(store.local_passwords("p").await.unwrap(), None);
    store.write_local_password("p", &password("early", 1)).await.unwrap_err();
    assert_eq!(store.password_salt("p", [1; 16]).await.unwrap(), [1; 16]);
    assert_eq!(store.password_salt("p", [2; 16]).await.unwrap(), [1; 16], "the first one stays");

    let before = store.generation().await.unwrap();
    store.write_local_password("p", &password("printer", 20)).await.unwrap();
    store.write_local_password("p", &password("laptop", 10)).await.unwrap();
    assert!(store.generation().await.unwrap() > before);
    let expected = LocalPasswords {
        salt: [1; 16],
        passwords: vec![password("laptop", 10), password("printer", 20)],
    };
    assert_eq!(store.local_passwords("p").await.unwrap(), Some(expected));

    let mut changed = password("printer", 30);
    changed.digest = [9; 32];
    store.write_local_password("p", &changed).await.unwrap();
    assert!(store.remove_local_password("p", "laptop").await.unwrap());
    assert!(!store.remove_local_password("p", "laptop").await.unwrap());
    let expected = LocalPasswords { salt: [1; 16], passwords: vec![changed] };
    assert_eq!(store.local_passwords("p").await.unwrap(), Some(expected));
    assert!(store.remove_local_password("p", "printer").await.unwrap());
    let expected = LocalPasswords { salt: [1; 16], passwords: Vec::new() };
    assert_eq!(store.local_passwords("p").await.unwrap(), Some(expected));
}

async fn limits_and_last_uses_are_kept(store: &dyn Store) {
    let only = async || {
        let mut passwords = store.local_passwords("l").await.unwrap().unwrap().passwords;
        assert_eq!(passwords.len(), 1);
        passwords.remove(0)
    };
    let generation = async || store.generation().await.unwrap();
    let limits = PasswordLimits {
        protocols: vec!["smtp".to_owned(), "imap".to_owned()],
        networks: vec![network("192.168.1.0/24").unwrap(), network("2001:db8::/48").unwrap()],
    };
    store.password_salt("l", [1; 16]).await.unwrap();
    let first = LocalPassword { limits: limits.clone(), ..password("printer", 10) };
    store.write_local_password("l", &first).await.unwrap();
    assert_eq!(only().await, first);

    let before = generation().await;
    let used = PasswordUse {
        at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        protocol: "smtp".to_owned(),
        address: "2001:db8::7".parse().unwrap(),
    };
    store.note_password_use("l", "printer", &[8; 32], &used).await.unwrap();
    store.note_password_use("l", "laptop", &first.digest, &used).await.unwrap();
    store.note_password_use("nobody", "printer", &first.digest, &used).await.unwrap();
    assert_eq!(only().await.last_used, None, "these are others");
    store.note_password_use("l", "printer", &first.digest, &used).await.unwrap();
    assert_eq!(only().await.last_used, Some(used.clone()));
    let later = PasswordUse { protocol: "imap".to_owned(), ..used.clone() };
    store.note_password_use("l", "printer", &first.digest, &later).await.unwrap();
    assert_eq!(only().await.last_used, Some(later.clone()));
    assert_eq!(generation().await, before, "no session cares");

    let change = LimitChange { protocols: Some(Vec::new()), networks: None };
    let expected = PasswordLimits { protocols: Vec::new(), ..limits };
    let limit = async |name, change| store.limit_local_password("l", name, change).await.unwrap();
    assert_eq!(limit("laptop", &change).await, None);
    assert_eq!(generation().await, before);
    assert_eq!(limit("printer", &change).await, Some(expected.clone()));
    assert!(generation().await > before);
    let changed = only().await;
    assert_eq!((changed.limits, changed.last_used), (expected, Some(later.clone())));

    // Another password of the same name, and one of a name that was used before.
    let second =
        LocalPassword { digest: [9; 32], last_used: Some(later), ..password("printer", 20) };
    store.write_local_password("l", &second).await.unwrap();
    assert_eq!(only().await, LocalPassword { last_used: None, ..second.clone() });
    store.note_password_use("l", "printer", &second.digest, &used).await.unwrap();
    assert!(store.remove_local_password("l", "printer").await.unwrap());
    store.write_local_password("l", &second).await.unwrap();
    assert_eq!(only().await.last_used, None);
    store.note_password_use("l", "printer", &second.digest, &used).await.unwrap();
    assert!(store.remove_account("l").await.unwrap());
    assert_eq!(store.local_passwords("l").await.unwrap(), None);
}

async fn a_password_is_replaced_within_its_limits(store: &dyn Store) {
    let (smtp, networks) = (vec!["smtp".to_owned()], vec![network("10.0.0.0/8").unwrap()]);
    let first = LocalPassword {
        limits: PasswordLimits { protocols: smtp.clone(), networks: Vec::new() },
        ..password("printer", 10)
    };
    store.password_salt("c", [1; 16]).await.unwrap();
    store.write_local_password("c", &first).await.unwrap();
    let before = store.generation().await.unwrap();
    let second = password("printer", 15);
    let change = LimitChange { protocols: None, networks: Some(networks.clone()) };
    let limits = store.change_local_password("c", &second, &change).await.unwrap();
    assert_eq!(limits, PasswordLimits { protocols: smtp, networks });
    let mut stored = store.local_passwords("c").await.unwrap().unwrap().passwords;
    assert_eq!(stored.remove(0), LocalPassword { limits, ..second });
    assert!(stored.is_empty());
    assert!(store.generation().await.unwrap() > before);

    // One of a new name has none, and none is kept without a salt.
    let keep = LimitChange::default();
    let limits = store.change_local_password("c", &password("new", 16), &keep).await.unwrap();
    assert!(limits.is_empty());
    store.change_local_password("nobody", &password("new", 16), &keep).await.unwrap_err();
    assert!(store.remove_account("c").await.unwrap());
}

async fn upstream_passwords_are_kept(store: &dyn Store) {
    let read = async |account: &str, protocol: &str| {
        let password = store.upstream_password(account, protocol, "host").await.unwrap();
        password.map(|password| password.expose().to_vec())
    };
    let write = async |account: &str, protocol: &str, password: &str| {
        let before = store.generation().await.unwrap();
        let password = Secret::new(password);
        store.write_upstream_password(account, protocol, "host", &password).await.unwrap();
        assert!(store.generation().await.unwrap() > before);
    };
    assert_eq!(read("u", "smtp").await, None);
    write("u", "smtp", "first").await;
    write("u", "smtp", "second").await;
    write("u", "imap", "reading").await;
    write("v", "smtp", "another's").await;
    assert_eq!(read("u", "smtp").await, Some(b"second".to_vec()));
    assert_eq!(read("u", "imap").await, Some(b"reading".to_vec()));
    assert_eq!(read("u", "pop3").await, None);
    // Another host never sees it, and one for another host takes its place.
    assert!(store.upstream_password("u", "smtp", "other").await.unwrap().is_none());
    store.write_upstream_password("u", "smtp", "other", &Secret::new("o")).await.unwrap();
    assert_eq!(read("u", "smtp").await, None);
    write("u", "smtp", "second").await;
    assert!(store.upstream_password("u", "smtp", "other").await.unwrap().is_none());

    let place = |protocol: &str| (protocol.to_owned(), "host".to_owned());
    let places = store.upstream_password_places("u").await.unwrap();
    assert_eq!(places, [place("imap"), place("smtp")]);
    assert_eq!(store.upstream_password_places("nobody").await.unwrap(), []);

    let before = store.generation().await.unwrap();
    assert!(store.remove_upstream_password("u", "smtp").await.unwrap());
    let after = store.generation().await.unwrap();
    assert!(after > before);
    assert!(!store.remove_upstream_password("u", "smtp").await.unwrap());
    assert_eq!(store.generation().await.unwrap(), after, "nothing has changed");
    assert_eq!(read("u", "smtp").await, None);
    assert_eq!(read("u", "imap").await, Some(b"reading".to_vec()));
    assert_eq!(read("v", "smtp").await, Some(b"another's".to_vec()));
}

fn password(name: &str, created: u64) -> LocalPassword {
    LocalPassword {
        name: name.to_owned(),
        digest: [7; 32],
        created: UNIX_EPOCH + Duration::from_secs(created),
        limits: PasswordLimits::default(),
        last_used: None,
    }
}
