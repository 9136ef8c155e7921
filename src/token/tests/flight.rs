//! Getting tokens when all goes well, and what is asked of the provider meanwhile.

use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn a_rotated_refresh_token_replaces_the_old_one() {
    let mut scene =
        Scene::signed_in(vec![Reply::token("a1", Some("r1")), Reply::token("a2", Some("r2"))])
            .await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.refresh_token().await, "r1");
    let grant = scene.grant().await;
    assert_eq!(grant.refresh_started, None);
    assert_eq!(grant.access_token.unwrap().expires, scene.time.now() + Duration::from_secs(3600));

    let form = scene.provider.request().await;
    assert_eq!(form.get("grant_type").unwrap(), "refresh_token");
    assert_eq!(form.get("refresh_token").unwrap(), "r0");
    assert_eq!(form.get("client_id").unwrap(), "app-id");
    assert_eq!(form.get("client_secret").unwrap(), "client&secret=1 ü");
    assert_eq!(form.get("scope").unwrap(), "mail.read offline_access");
    assert_eq!(form.len(), 5);

    scene.time.advance(1800);
    assert_eq!(scene.access().await.unwrap(), "a1", "half of its life is enough");
    scene.time.advance(1);
    assert_eq!(scene.access().await.unwrap(), "a2");
    assert_eq!(scene.provider.request().await.get("refresh_token").unwrap(), "r1");
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn without_a_new_refresh_token_the_old_one_stays() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    assert_eq!(scene.refresh_token().await, "r0");
    assert_eq!(scene.grant().await.refresh_started, None);
    scene.provider.finish().await;
}

#[tokio::test]
async fn client_credentials_need_no_sign_in() {
    let mut scene = Scene::empty(vec![Reply::token("a1", None), Reply::token("a2", None)]).await;
    scene.oauth().grant = GrantKind::ClientCredentials;
    assert_eq!(scene.access().await.unwrap(), "a1");
    let form = scene.provider.request().await;
    assert_eq!(form.get("grant_type").unwrap(), "client_credentials");
    assert_eq!(form.get("client_secret").unwrap(), "client&secret=1 ü");
    assert_eq!(form.get("refresh_token"), None);
    scene.time.advance(1801);
    assert_eq!(scene.access().await.unwrap(), "a2");
    assert_eq!(scene.provider.finish().await.len(), 1);
}

#[tokio::test]
async fn fifty_who_wait_make_one_request() {
    let gate = Arc::new(Semaphore::new(0));
    let mut scene = Scene::signed_in(vec![Reply::token("a1", Some("r1")).behind(&gate)]).await;
    let account = Arc::new(account(&scene.provider.url()));
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (tokens, account) = (scene.tokens.clone(), Arc::clone(&account));
            tokio::spawn(async move { tokens.access_token(&account).await })
        })
        .collect();
    scene.provider.request().await;
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(shown(&caller.await.unwrap().unwrap().secret), "a1");
    }
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn a_token_survives_a_restart() {
    let scene = Scene::signed_in(vec![Reply::token("a1", Some("r1"))]).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    let restarted = tokens(scene.store.clone(), &scene.time);
    let token = restarted.access_token(&scene.account).await.unwrap();
    assert_eq!(shown(&token.secret), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_token_for_other_scopes_is_not_used() {
    let mut scene =
        Scene::signed_in(vec![Reply::token("a1", Some("r1")), Reply::token("a2", None)]).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.oauth().scopes = vec!["mail.send".to_owned()];
    assert_eq!(scene.access().await.unwrap(), "a2");
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_token_from_the_future_is_renewed() {
    let scene = Scene::signed_in(vec![Reply::token("a1", None), Reply::token("a2", None)]).await;
    scene.time.advance(86_400);
    assert_eq!(scene.access().await.unwrap(), "a1");
    *scene.time.0.lock().unwrap() -= Duration::from_secs(86_400);
    assert_eq!(scene.access().await.unwrap(), "a2");
    scene.provider.finish().await;
}

#[tokio::test]
async fn nobody_signed_in_is_said_without_asking_the_provider() {
    let scene = Scene::empty(vec![]).await;
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::SignIn);
    assert_eq!(
        fault.text,
        "Nobody has signed in for User@Example.test yet. Do it with: saslgate signin \
         User@Example.test",
    );
    scene.provider.finish().await;
}

#[tokio::test]
async fn what_a_person_does_in_a_shell_is_seen_at_once() {
    let mut scene =
        Scene::signed_in(vec![Reply::token("a1", Some("r1")), Reply::token("b1", None)]).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    import(&*scene.store, &scene.account, Secret::new("other")).await.unwrap();
    assert_eq!(scene.access().await.unwrap(), "b1");
    scene.provider.request().await;
    assert_eq!(scene.provider.request().await.get("refresh_token").unwrap(), "other");
    let status = GrantStatus::read(&*scene.store, &scene.account).await.unwrap();
    let now = scene.time.now();
    assert_eq!(
        status,
        GrantStatus {
            signed_in: true,
            access_token: Some((now, now + Duration::from_secs(3600))),
            refresh_started: None,
        },
    );

    scene.store.remove_grant(KEY).await.unwrap();
    assert_eq!(scene.fault().await.kind, TokenErrorKind::SignIn);
    let status = GrantStatus::read(&*scene.store, &scene.account).await.unwrap();
    assert!(!status.signed_in);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_secret_goes_into_the_header_where_the_provider_wants_it_there() {
    let mut scene = Scene::signed_in(vec![Reply::token("a1", None)]).await;
    scene.oauth().client_secret_method = ClientSecretMethod::Basic;
    assert_eq!(scene.access().await.unwrap(), "a1");
    let form = scene.provider.finish().await.remove(0);
    // "app-id:client%26secret%3D1+%C3%BC"
    assert_eq!(form[AUTHORIZATION], "Basic YXBwLWlkOmNsaWVudCUyNnNlY3JldCUzRDErJUMzJUJD");
    assert_eq!(form["refresh_token"], "r0");
}
