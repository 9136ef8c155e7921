use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::*;
use crate::store::{LocalPassword, limits::PasswordLimits, memory::MemoryStore};

const DIGEST: [u8; 32] = [7; 32];

struct Stage {
    uses: Arc<LastUses>,
    store: Arc<MemoryStore>,
    stop: CancellationToken,
    keeper: tokio::task::JoinHandle<()>,
}

impl Stage {
    /// With an account `a` that has a password `p`.
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        store.password_salt("a", [1; 16]).await.unwrap();
        let password = LocalPassword {
            name: "p".to_owned(),
            digest: DIGEST,
            created: UNIX_EPOCH,
            limits: PasswordLimits::default(),
            last_used: None,
        };
        store.write_local_password("a", &password).await.unwrap();
        let (uses, stop) = (Arc::new(LastUses::default()), CancellationToken::new());
        let keeper = {
            let (uses, store, stop) = (Arc::clone(&uses), Arc::clone(&store), stop.clone());
            tokio::spawn(async move { uses.keep(store.as_ref(), &stop).await })
        };
        Self { uses, store, stop, keeper }
    }

    fn note(&self, second: u64) {
        self.uses.note(password("a", DIGEST), used(second));
    }

    /// What the store has, when nothing can be done any more without time passing.
    async fn stored(&self) -> Option<SystemTime> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let stored = self.store.local_passwords("a").await.unwrap().unwrap();
        stored.passwords[0].last_used.as_ref().map(|used| used.at)
    }
}

fn password(account: &str, digest: [u8; 32]) -> UsedPassword {
    UsedPassword { account: account.to_owned(), name: "p".to_owned(), digest }
}

fn used(second: u64) -> PasswordUse {
    let address = [192, 0, 2, 1].into();
    PasswordUse { at: moment(second), protocol: "imap".to_owned(), address }
}

fn moment(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

#[tokio::test(start_paused = true)]
async fn the_first_use_is_written_at_once_and_then_the_last_of_each_interval() {
    let stage = Stage::new().await;
    let generation = stage.store.generation().await.unwrap();
    assert_eq!(stage.stored().await, None);
    stage.note(1);
    assert_eq!(stage.stored().await, Some(moment(1)));
    for second in 2..100 {
        stage.note(second);
        assert_eq!(stage.stored().await, Some(moment(1)));
    }
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(stage.stored().await, Some(moment(99)));
    stage.note(100);
    assert_eq!(stage.stored().await, Some(moment(99)));
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!(stage.stored().await, Some(moment(100)));
    // After the silence.
    stage.note(101);
    assert_eq!(stage.stored().await, Some(moment(101)));
    assert_eq!(stage.store.generation().await.unwrap(), generation, "no session cares");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_at_the_end() {
    let stage = Stage::new().await;
    stage.note(1);
    assert_eq!(stage.stored().await, Some(moment(1)));
    stage.note(2);
    stage.stop.cancel();
    stage.keeper.await.unwrap();
    let stored = stage.store.local_passwords("a").await.unwrap().unwrap();
    assert_eq!(stored.passwords[0].last_used.as_ref().unwrap().at, moment(2));
}

#[tokio::test(start_paused = true)]
async fn a_successor_of_the_same_name_has_not_been_used_and_waits_for_nobody() {
    let stage = Stage::new().await;
    stage.note(1);
    assert_eq!(stage.stored().await, Some(moment(1)));
    let stored = stage.store.local_passwords("a").await.unwrap().unwrap();
    let successor = LocalPassword { digest: [8; 32], ..stored.passwords[0].clone() };
    stage.store.write_local_password("a", &successor).await.unwrap();
    stage.note(2);
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(stage.stored().await, None);
    stage.note(3);
    stage.uses.note(password("a", [8; 32]), used(4));
    assert_eq!(stage.stored().await, Some(moment(4)));
}

#[test]
fn what_waits_is_bounded() {
    let uses = LastUses::default();
    for number in 0..MOST + 10 {
        uses.note(password(&number.to_string(), DIGEST), used(1));
    }
    assert_eq!(uses.pending().len(), MOST);
}
