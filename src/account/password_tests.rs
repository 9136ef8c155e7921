use std::sync::atomic::Ordering;

use super::*;
use crate::{account::tests::account, store::memory::MemoryStore};

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
    let before = passwords.worker.asked.load(Ordering::Relaxed);
    let account = login.map(account);
    let verified =
        passwords.verify(account.as_deref(), &Secret::new(password), None).await.unwrap();
    let evaluations = passwords.worker.asked.load(Ordering::Relaxed) - before;
    (verified.map(|verified| verified.name), evaluations)
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
        let password = LocalPassword { name, digest: [0; 32], created: SystemTime::UNIX_EPOCH };
        store.write_local_password("a@x", &password).await.unwrap();
    }
    let account = account("a@x");
    let secret = Secret::new("p");
    assert_eq!(passwords.set(&account, "new", &secret).await, Err(SetPasswordError::TooMany));
    assert_eq!(passwords.set(&account, "7", &secret).await, Ok(()));
}

#[test]
fn generated_passwords_are_four_groups_and_differ() {
    let password = generate().unwrap();
    let text = std::str::from_utf8(password.expose()).unwrap();
    let groups: Vec<&str> = text.split('-').collect();
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|it| it.len() == 4 && it.bytes().all(|b| ALPHABET.contains(&b))));
    assert_ne!(password.expose(), generate().unwrap().expose());
}
