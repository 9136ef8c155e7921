//! A look at an account's token beside a gateway: when the provider is asked, and what the gateway has
//! of it.

use super::*;
use crate::store::{RefreshFailure, RefreshHistory};

impl Scene {
    async fn inspected(&self, since: Option<SystemTime>) -> Result<String, TokenError> {
        let tokens = tokens(self.store.clone(), &self.time);
        tokens.inspected_token(&self.account, since).await.map(|token| shown(&token.secret))
    }

    /// As the gateway writes it after a refresh that failed.
    async fn failed_at(&self, at: SystemTime) {
        let (kind, text) = ("configuration".to_owned(), "no".to_owned());
        let failure = Some(RefreshFailure { since: at, last: at, kind, text });
        let history = RefreshHistory { succeeded: None, failure };
        self.store.write_refresh_history(KEY, &history).await.unwrap();
    }
}

const EXPIRED_SECRET: &str = r#"{"error":"invalid_client","error_codes":[7000222]}"#;

#[tokio::test]
async fn a_good_token_is_left_as_it_is() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    scene.access().await.unwrap();
    assert_eq!(scene.inspected(None).await.unwrap(), "a1");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn where_the_last_refresh_failed_the_provider_is_asked() {
    let script = vec![Reply::token("a1", Some("r1")), Reply::error(401, EXPIRED_SECRET)];
    let scene = Scene::signed_in(script).await;
    scene.access().await.unwrap();
    scene.time.advance(60);
    scene.failed_at(scene.time.now()).await;
    let error = scene.inspected(None).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Provider { code: Some(7_000_222), .. }), "{error:?}");
    // The gateway goes on with what it had.
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.refresh_token().await, "r1");
    assert_eq!(scene.grant().await.refresh_started, None);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_failure_before_the_token_came_counts_for_nothing() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    scene.failed_at(scene.time.now()).await;
    scene.time.advance(60);
    scene.access().await.unwrap();
    assert_eq!(scene.inspected(None).await.unwrap(), "a1");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn one_that_has_come_since_is_new_enough() {
    let script = vec![Reply::token("a1", Some("r1")), Reply::token("a2", Some("r2"))];
    let scene = Scene::signed_in(script).await;
    scene.access().await.unwrap();
    scene.time.advance(60);
    let since = Some(scene.time.now());
    assert_eq!(scene.inspected(since).await.unwrap(), "a2");
    assert_eq!(scene.inspected(since).await.unwrap(), "a2");
    assert_eq!(scene.provider.finish().await.len(), 2);
}

#[tokio::test]
async fn a_gateway_goes_on_with_the_new_token() {
    let script = vec![
        Reply::token("a1", Some("r1")),
        Reply::token("a2", Some("r2")),
        Reply::token("a3", Some("r3")),
    ];
    let scene = Scene::signed_in(script).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.time.advance(60);
    scene.inspected(Some(scene.time.now())).await.unwrap();
    assert_eq!(scene.access().await.unwrap(), "a2", "without another request");
    scene.time.advance(3600);
    assert_eq!(scene.access().await.unwrap(), "a3");
    let spent: Vec<String> =
        scene.provider.finish().await.iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(spent, ["r0", "r1", "r2"], "each once");
}
