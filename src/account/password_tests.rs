use std::sync::atomic::Ordering;

use super::*;
use crate::{
    account::tests::account,
    store::{limits::network, memory::MemoryStore},
};

fn passwords() -> (Passwords, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    (Passwords::new(Arc::clone(&store) as Arc<dyn Store>).unwrap(), store)
}

/// The name of the password that matched, and how many evaluations it took.
async fn check(
    passwords: &Passwords,
    login: Option<&str>,
    password: &[u8],
) -> (Option<String>, usize) {
    let (name, evaluations) = check_at(passwords, login, password, ANYWHERE).await;
    (name.ok().flatten(), evaluations)
}

const ANYWHERE: (Protocol, &str) = (Protocol::Imap, "192.0.2.1");

/// The same for a login from there; an error is one outside the limits.
async fn check_at(
    passwords: &Passwords,
    login: Option<&str>,
    password: &[u8],
    (protocol, address): (Protocol, &str),
) -> (Result<Option<String>, LimitFault>, usize) {
    let before = passwords.worker.asked.load(Ordering::Relaxed);
    let account = login.map(account);
    let origin = Origin { protocol, address: address.parse().unwrap() };
    let checked =
        passwords.verify(account.as_deref(), &Secret::new(password), origin, None).await.unwrap();
    let evaluations = passwords.worker.asked.load(Ordering::Relaxed) - before;
    let name = match checked {
        Checked::Right(verified) => Ok(Some(verified.name)),
        Checked::OutOfLimits { fault, .. } => Err(fault),
        Checked::Wrong => Ok(None),
    };
    (name, evaluations)
}

async fn set(passwords: &Passwords, login: &str, name: &str, password: &[u8]) {
    passwords.set(&account(login), name, &Secret::new(password)).await.unwrap();
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[tokio::test]
async fn several_passwords_stand_side_by_side() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "laptop", b"one").await;
    set(&passwords, "a@x", "printer", b"two").await;
    set(&passwords, "b@x", "laptop", b"three").await;
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (named("laptop"), 1));
    assert_eq!(check(&passwords, Some("A@X"), b"two").await, (named("printer"), 1));
    assert_eq!(check(&passwords, Some("a@x"), b"three").await, (None, 1));
}

#[tokio::test]
async fn whatever_is_wrong_costs_the_same() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "laptop", b"one").await;
    assert_eq!(check(&passwords, Some("a@x"), b"wrong").await, (None, 1));
    assert_eq!(check(&passwords, Some("none@x"), b"wrong").await, (None, 1));
    assert_eq!(check(&passwords, None, b"wrong").await, (None, 1));
    assert_eq!(check(&passwords, Some("a@x"), b"").await, (None, 1));
    assert_eq!(check(&passwords, None, "w\u{f6}".as_bytes()).await, (None, 2));
    assert_eq!(check(&passwords, Some("a@x"), "w\u{f6}".as_bytes()).await, (None, 2));
}

#[tokio::test]
async fn a_success_is_remembered_until_it_is_revoked() {
    let (passwords, store) = passwords();
    set(&passwords, "a@x", "laptop", b"one").await;
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (named("laptop"), 1));
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (named("laptop"), 0));
    // Another change in the store costs no evaluation.
    set(&passwords, "b@x", "laptop", b"two").await;
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (named("laptop"), 0));
    // Another process removes the password.
    assert_eq!(store.remove_local_password("a@x", "laptop").await, Ok(true));
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (None, 1));
}

#[tokio::test]
async fn a_replaced_password_ends_the_old_one() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "laptop", b"one").await;
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (named("laptop"), 1));
    set(&passwords, "a@x", "laptop", b"two").await;
    assert_eq!(check(&passwords, Some("a@x"), b"one").await, (None, 1));
    assert_eq!(check(&passwords, Some("a@x"), b"two").await, (named("laptop"), 1));
    assert!(passwords.remove(&account("a@x"), "laptop").await.unwrap());
    assert!(!passwords.remove(&account("a@x"), "laptop").await.unwrap());
    assert_eq!(check(&passwords, Some("a@x"), b"two").await, (None, 1));
}

#[tokio::test]
async fn utf8_and_latin1_are_the_same_password() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "utf8", "Z\u{fc}rich".as_bytes()).await;
    assert_eq!(check(&passwords, Some("a@x"), "Z\u{fc}rich".as_bytes()).await.0, named("utf8"));
    assert_eq!(check(&passwords, Some("a@x"), b"Z\xFCrich").await, (named("utf8"), 1));
    // Set from a terminal that speaks Latin-1.
    set(&passwords, "b@x", "latin1", b"Z\xFCrich").await;
    assert_eq!(check(&passwords, Some("b@x"), "Z\u{fc}rich".as_bytes()).await.0, named("latin1"));
    // In Latin-1, this text happens to be the UTF-8 form of another.
    set(&passwords, "c@x", "both", "\u{c3}\u{bc}".as_bytes()).await;
    assert_eq!(check(&passwords, Some("c@x"), b"\xC3\xBC").await, (named("both"), 2));
}

#[tokio::test]
async fn unfit_passwords_and_names_are_not_set() {
    let (passwords, _) = passwords();
    let account = account("a@x");
    for (name, password, expected) in [
        ("n", "", SetPasswordError::Empty),
        ("n", "two\r\nlines", SetPasswordError::Unsendable),
        ("", "p", SetPasswordError::Name),
        ("a\nb", "p", SetPasswordError::Name),
    ] {
        let result = passwords.set(&account, name, &Secret::new(password)).await;
        assert_eq!(result, Err(expected));
    }
    assert_eq!(passwords.set(&account, "n", &Secret::new(vec![b'a'; 256])).await, Ok(()));
    let long = passwords.set(&account, "n", &Secret::new(vec![b'a'; 257])).await;
    assert_eq!(long, Err(SetPasswordError::Unsendable));
}

#[tokio::test]
async fn the_number_of_passwords_is_bounded() {
    let (passwords, store) = passwords();
    store.password_salt("a@x", [1; 16]).await.unwrap();
    for number in 0..MAX_PASSWORDS {
        let name = number.to_string();
        let password = LocalPassword {
            name,
            digest: [0; 32],
            created: SystemTime::UNIX_EPOCH,
            limits: PasswordLimits::default(),
            last_used: None,
        };
        store.write_local_password("a@x", &password).await.unwrap();
    }
    let account = account("a@x");
    let secret = Secret::new("p");
    assert_eq!(passwords.set(&account, "new", &secret).await, Err(SetPasswordError::TooMany));
    assert_eq!(passwords.set(&account, "7", &secret).await, Ok(()));
}

async fn limit(passwords: &Passwords, name: &str, protocols: &[&str], networks: &[&str]) {
    let change = LimitChange {
        protocols: Some(protocols.iter().map(|&it| it.to_owned()).collect()),
        networks: Some(networks.iter().map(|it| network(it).unwrap()).collect()),
    };
    passwords.store.limit_local_password("a@x", name, &change).await.unwrap().unwrap();
}

#[tokio::test]
async fn outside_its_limits_a_right_password_costs_what_a_wrong_one_does() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "printer", b"one").await;
    limit(&passwords, "printer", &["smtp"], &["192.168.1.0/24"]).await;
    let (smtp, imap) = ((Protocol::Smtp, "192.168.1.7"), (Protocol::Imap, "192.168.1.7"));
    let mapped = (Protocol::Smtp, "::ffff:192.168.1.8");
    let elsewhere = (Protocol::Smtp, "10.0.0.7");
    let asked = async |password: &'static [u8], from| {
        check_at(&passwords, Some("a@x"), password, from).await
    };
    for _ in 0..2 {
        assert_eq!(asked(b"one", imap).await, (Err(LimitFault::Protocol), 1));
        assert_eq!(asked(b"one", elsewhere).await, (Err(LimitFault::Network), 1));
        assert_eq!(asked(b"two", elsewhere).await, (Ok(None), 1));
    }
    assert_eq!(asked(b"one", smtp).await, (Ok(named("printer")), 1));
    assert_eq!(asked(b"one", mapped).await, (Ok(named("printer")), 0));
    // What is remembered is remembered for within the limits.
    for _ in 0..2 {
        assert_eq!(asked(b"one", imap).await, (Err(LimitFault::Protocol), 1));
        assert_eq!(asked(b"one", smtp).await, (Ok(named("printer")), 0));
    }
    // Other limits count at once, with the same password, and cost nothing where they permit.
    limit(&passwords, "printer", &["imap"], &[]).await;
    assert_eq!(asked(b"one", smtp).await, (Err(LimitFault::Protocol), 1));
    assert_eq!(asked(b"one", imap).await, (Ok(named("printer")), 0));
}

#[tokio::test]
async fn of_two_with_the_same_text_the_one_that_fits_counts() {
    let (passwords, _) = passwords();
    for name in ["reads", "sends"] {
        set(&passwords, "a@x", name, b"same").await;
    }
    limit(&passwords, "reads", &["imap"], &[]).await;
    limit(&passwords, "sends", &["smtp"], &[]).await;
    let asked = async |protocol| {
        check_at(&passwords, Some("a@x"), b"same", (protocol, "192.0.2.1")).await.0
    };
    assert_eq!(asked(Protocol::Smtp).await, Ok(named("sends")));
    assert_eq!(asked(Protocol::Imap).await, Ok(named("reads")));
    assert_eq!(asked(Protocol::Smtp).await, Ok(named("sends")));
    assert_eq!(asked(Protocol::Pop3).await, Err(LimitFault::Protocol));
}

#[tokio::test]
async fn a_new_password_of_the_same_name_keeps_the_limits() {
    let (passwords, store) = passwords();
    let account = account("a@x");
    let change = LimitChange { protocols: Some(vec!["smtp".to_owned()]), networks: None };
    let limits =
        passwords.set_limited(&account, "printer", &Secret::new("one"), &change).await.unwrap();
    assert_eq!(limits.protocols, ["smtp"]);
    set(&passwords, "a@x", "printer", b"two").await;
    let stored = store.local_passwords("a@x").await.unwrap().unwrap().passwords;
    assert_eq!(stored[0].limits, limits);
    let lift = LimitChange { protocols: Some(Vec::new()), networks: None };
    let limits =
        passwords.set_limited(&account, "printer", &Secret::new("two"), &lift).await.unwrap();
    assert!(limits.is_empty());
}

#[tokio::test]
async fn only_a_right_password_within_its_limits_is_noted_as_used() {
    let (passwords, store) = passwords();
    set(&passwords, "a@x", "printer", b"one").await;
    limit(&passwords, "printer", &["smtp"], &[]).await;
    let asked = async |password: &'static [u8], protocol| {
        check_at(&passwords, Some("a@x"), password, (protocol, "::ffff:192.0.2.1")).await.0
    };
    assert_eq!(asked(b"one", Protocol::Imap).await, Err(LimitFault::Protocol));
    assert_eq!(asked(b"two", Protocol::Smtp).await, Ok(None));
    let stop = CancellationToken::new();
    stop.cancel();
    passwords.keep_last_uses(&stop).await;
    let used = async || {
        let stored = store.local_passwords("a@x").await.unwrap().unwrap().passwords;
        stored[0].last_used.clone().map(|used| (used.protocol, used.address.to_string()))
    };
    assert_eq!(used().await, None);
    assert_eq!(asked(b"one", Protocol::Smtp).await, Ok(named("printer")));
    passwords.keep_last_uses(&stop).await;
    assert_eq!(used().await, Some(("smtp".to_owned(), "192.0.2.1".to_owned())));
}

/// As behind a restart, when every mail program logs in again in the same moment.
#[tokio::test]
async fn those_who_come_together_with_the_same_password_share_its_check() {
    let (passwords, _) = passwords();
    set(&passwords, "a@x", "laptop", b"one").await;
    let passwords = Arc::new(passwords);
    let before = passwords.worker.asked.load(Ordering::Relaxed);
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let passwords = Arc::clone(&passwords);
        checks.spawn(async move {
            let (protocol, address) = ANYWHERE;
            let origin = Origin { protocol, address: address.parse().unwrap() };
            let account = account("a@x");
            passwords.verify(Some(&account), &Secret::new("one"), origin, None).await
        });
    }
    for checked in checks.join_all().await {
        assert!(matches!(checked, Ok(Checked::Right(_))), "{checked:?}");
    }
    // Those who were in the queue when the first came out of it.
    let evaluations = passwords.worker.asked.load(Ordering::Relaxed) - before;
    assert!(evaluations < 100, "{evaluations} of 300 were evaluated");
}
