//! What could cost a sign-in, and does not.

use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_refresh() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![Reply::token("a1", Some("r1")).behind(&gate)]).await;
    let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
    let caller = tokio::spawn(async move { tokens.access_token(&account).await });
    scene.provider.request().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    scene.tokens.settle().await;
    assert_eq!(scene.refresh_token().await, "r1");
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_full_disk_shows_before_the_old_token_is_spent() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.store.allow_writes(0);
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert!(fault.text.contains("The disk is full."), "{fault}");
    scene.store.allow_writes(usize::MAX);
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn the_intent_is_written_before_the_request() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![Reply::token("a1", Some("r1")).behind(&gate)]).await;
    let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
    let caller = tokio::spawn(async move { tokens.access_token(&account).await });
    scene.provider.request().await;
    assert_eq!(scene.grant().await.refresh_started, Some(scene.time.now()));
    gate.add_permits(1);
    caller.await.unwrap().unwrap();
    assert_eq!(scene.grant().await.refresh_started, None);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_new_token_that_cannot_be_stored_is_kept_and_not_used() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.store.allow_writes(1);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    assert_eq!(scene.refresh_token().await, "r0");
    scene.store.allow_writes(usize::MAX);
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.refresh_token().await, "r1");
    assert_eq!(scene.provider.finish().await.len(), 1, "the provider was asked once");
}

#[tokio::test]
async fn a_change_of_scopes_does_not_spend_a_token_twice() {
    let mut scene =
        Scene::signed_in(vec![Reply::token("a1", Some("r1")), Reply::token("b1", Some("r2"))])
            .await;
    scene.store.allow_writes(1);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    scene.provider.request().await;
    scene.store.allow_writes(usize::MAX);
    scene.oauth().scopes.push("mail.send".to_owned());
    assert_eq!(scene.access().await.unwrap(), "b1");
    assert_eq!(scene.provider.request().await.get("refresh_token").unwrap(), "r1");
    assert_eq!(scene.refresh_token().await, "r2");
    scene.provider.finish().await;
}

#[tokio::test]
async fn housekeeping_saves_what_the_store_did_not_take_before() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.store.allow_writes(1);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    scene.tokens.save_unsaved().await;
    assert_eq!(scene.refresh_token().await, "r0", "the store still takes nothing");
    scene.store.allow_writes(1);
    scene.tokens.save_unsaved().await;
    assert_eq!(scene.refresh_token().await, "r1");
    scene.tokens.save_unsaved().await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn an_end_saves_what_the_store_did_not_take_before() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.store.allow_writes(1);
    assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
    scene.store.allow_writes(usize::MAX);
    scene.tokens.settle().await;
    assert_eq!(scene.refresh_token().await, "r1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn no_refresh_begins_after_the_end() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.tokens.settle().await;
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert_eq!(fault.text, "The gateway is stopping.");
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn after_a_crash_the_old_token_is_tried_and_the_text_tells_the_story() {
    let scene = Scene::signed_in(vec![Reply::invalid_grant()]).await;
    let record = scene.store.grant(KEY).await.unwrap().unwrap();
    let interrupted = Grant { refresh_started: Some(scene.time.now()), ..record.grant };
    scene.store.write_grant(KEY, Some(record.version), &interrupted).await.unwrap().unwrap();
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::SignIn);
    assert!(fault.text.contains("An earlier refresh was interrupted"), "{fault}");
    assert_eq!(scene.grant().await.refresh_started, interrupted.refresh_started);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_new_sign_in_during_a_refresh_wins() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![
        Reply::token("a1", Some("r1")).behind(&gate),
        Reply::token("b1", Some("b")),
    ])
    .await;
    let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
    let caller = tokio::spawn(async move { tokens.access_token(&account).await });
    scene.provider.request().await;
    import(&*scene.store, &scene.account, Secret::new("b0")).await.unwrap();
    gate.add_permits(1);
    assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "b1");
    assert_eq!(scene.provider.request().await.get("refresh_token").unwrap(), "b0");
    assert_eq!(scene.refresh_token().await, "b");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_mark_left_by_another_process_does_not_cost_the_new_token() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![Reply::token("a1", Some("r1")).behind(&gate)]).await;
    let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
    let caller = tokio::spawn(async move { tokens.access_token(&account).await });
    scene.provider.request().await;
    // As if our lease had run out, and another process had begun and failed.
    let record = scene.store.grant(KEY).await.unwrap().unwrap();
    scene.store.write_grant(KEY, Some(record.version), &record.grant).await.unwrap().unwrap();
    gate.add_permits(1);
    assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "a1");
    assert_eq!(scene.refresh_token().await, "r1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_refusal_counts_for_nothing_where_another_process_has_a_token() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![Reply::invalid_grant().behind(&gate)]).await;
    let (tokens, account) = (scene.tokens.clone(), account(&scene.provider.url()));
    let caller = tokio::spawn(async move { tokens.access_token(&account).await });
    scene.provider.request().await;
    let record = scene.store.grant(KEY).await.unwrap().unwrap();
    let theirs = Grant {
        refresh_token: Some(Secret::new("r1")),
        access_token: Some(scene.stored("theirs")),
        refresh_token_expires: None,
        refresh_started: None,
        signed_in: None,
    };
    scene.store.write_grant(KEY, Some(record.version), &theirs).await.unwrap().unwrap();
    gate.add_permits(1);
    assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "theirs");
    assert_eq!(scene.refresh_token().await, "r1");
    scene.provider.finish().await;
}
