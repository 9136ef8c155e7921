//! Several processes on one store.

use tokio::sync::Semaphore;

use super::*;
use crate::store::sqlite::SqliteStore;

#[tokio::test]
async fn two_processes_make_one_request() {
    let gate = Arc::new(Semaphore::new(0));
    let mut provider = Provider::start(vec![Reply::token("a1", Some("r1")).behind(&gate)]).await;
    let account = Arc::new(account(&provider.url()));
    let folder = tempfile::tempdir().unwrap();
    let time = Time::new();
    let mut callers = Vec::new();
    for number in 0..2 {
        let store = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
        if number == 0 {
            import(&*store, &account, Secret::new("r0")).await.unwrap();
        }
        let (tokens, account) = (tokens(store, &time), Arc::clone(&account));
        callers.push(tokio::spawn(async move { tokens.access_token(&account).await }));
    }
    provider.request().await;
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "a1");
    }
    assert_eq!(provider.finish().await.len(), 0);
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let record = store.grant(KEY).await.unwrap().unwrap();
    assert_eq!(shown(&record.grant.refresh_token.unwrap()), "r1");
}

#[tokio::test]
async fn a_lease_holds_others_back_until_it_ends() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    let minute = Duration::from_secs(60);
    assert!(scene.store.take_lease(KEY, "another", minute).await.unwrap());
    let mut waiting = tokio::spawn({
        let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
        async move { tokens.access_token(&account).await }
    });
    // The other process stores what it got, and gives the lease back.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "nothing is asked while another holds the lease");
    let record = scene.store.grant(KEY).await.unwrap().unwrap();
    let theirs = Grant { access_token: Some(scene.stored("theirs")), ..record.grant };
    scene.store.write_grant(KEY, Some(record.version), &theirs).await.unwrap().unwrap();
    assert_eq!(shown(&waiting.await.unwrap().unwrap().secret), "theirs");
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn a_dead_process_lease_runs_out() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    let moment = Duration::from_millis(120);
    assert!(scene.store.take_lease(KEY, "dead", moment).await.unwrap());
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn two_processes_do_not_lift_each_others_refusals_for_ever() {
    let scene = Scene::signed_in((0..6).map(|_| Reply::invalid_grant()).collect()).await;
    let other = tokens(scene.store.clone(), &scene.time);
    for _ in 0..3 {
        scene.fault().await;
        other.access_token(&scene.account).await.unwrap_err();
    }
    // Each once more, since for all it knows someone has put something right.
    assert_eq!(scene.provider.finish().await.len(), 4);
}
