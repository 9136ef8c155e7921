//! Tokens that the upstream refuses.

use tokio::sync::Semaphore;

use super::*;

async fn held(scene: &Scene) -> AccessToken {
    scene.tokens.access_token(&scene.account).await.unwrap()
}

#[tokio::test]
async fn one_forced_refresh_serves_all_whose_token_was_refused() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![
        Reply::token("a1", Some("r1")),
        Reply::token("a2", Some("r2")).behind(&gate),
    ])
    .await;
    let refused = held(&scene).await;
    scene.provider.request().await;
    scene.time.advance(301);
    let account = Arc::new(account(&scene.provider.url()));
    let call = || {
        let (tokens, account) = (scene.tokens.clone(), Arc::clone(&account));
        let refused = refused.clone();
        tokio::spawn(async move { tokens.replace_refused(&account, &refused).await })
    };
    // Some at once, others when the provider has been asked already.
    let mut callers: Vec<_> = (0..5).map(|_| call()).collect();
    scene.provider.request().await;
    callers.extend((0..5).map(|_| call()));
    tokio::task::yield_now().await;
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "a2");
    }
    let late = scene.tokens.replace_refused(&scene.account, &refused).await.unwrap();
    assert_eq!(shown(&late.secret), "a2", "the newer one is here already");
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn a_young_token_is_not_replaced() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    let refused = held(&scene).await;
    scene.time.advance(299);
    let fault = scene.tokens.replace_refused(&scene.account, &refused).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::TooSoon);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_second_forced_refresh_waits_for_the_interval() {
    let mut scene = Scene::signed_in(vec![
        Reply::token("a1", None),
        Reply::token("a2", None),
        Reply::token("a3", None),
    ])
    .await;
    let forced = ForcedRefresh { youngest: Duration::ZERO, ..ForcedRefresh::default() };
    scene.tokens = Tokens::with(scene.store.clone(), DEADLINE, scene.time.clock(), forced);
    let first = held(&scene).await;
    let second = scene.tokens.replace_refused(&scene.account, &first).await.unwrap();
    assert_eq!(shown(&second.secret), "a2");
    scene.time.advance(299);
    let fault = scene.tokens.replace_refused(&scene.account, &second).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::TooSoon);
    scene.time.advance(1);
    let third = scene.tokens.replace_refused(&scene.account, &second).await.unwrap();
    assert_eq!(shown(&third.secret), "a3");
    scene.provider.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_was_down_is_asked_again_soon() {
    let scene = Scene::signed_in(vec![
        Reply::token("a1", None),
        Reply::error(503, ""),
        Reply::token("a2", None),
    ])
    .await;
    let refused = held(&scene).await;
    let replace = async |scene: &Scene| {
        scene.tokens.replace_refused(&scene.account, &refused).await.map_err(|fault| fault.kind)
    };
    scene.time.advance(301);
    for _ in 0..5 {
        assert_eq!(replace(&scene).await.unwrap_err(), TokenErrorKind::Unavailable);
    }
    scene.time.advance(3);
    assert_eq!(shown(&replace(&scene).await.unwrap().secret), "a2");
    assert_eq!(scene.provider.finish().await.len(), 3);
}

#[tokio::test]
async fn the_same_token_again_is_no_reason_for_a_storm() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None), Reply::token("a1", None)]).await;
    let refused = held(&scene).await;
    scene.time.advance(301);
    let fault = scene.tokens.replace_refused(&scene.account, &refused).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::TooSoon);
    let fault = scene.tokens.replace_refused(&scene.account, &refused).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::TooSoon);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_refused_token_is_no_fall_back() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None), Reply::invalid_grant()]).await;
    let refused = held(&scene).await;
    scene.time.advance(301);
    let fault = scene.tokens.replace_refused(&scene.account, &refused).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::SignIn);
    scene.provider.finish().await;
}
