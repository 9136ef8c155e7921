//! Staying signed in while nobody looks.

use std::collections::HashSet;

use super::*;
use crate::store::{Grant, RefreshFailure, RefreshHistory, SignedIn};
use crate::token::keeper::Keeper;

const HOUR: u64 = 3600;

/// So many accounts of one provider, with refresh tokens.
async fn accounts(scene: &Scene, count: usize) -> Vec<Arc<AccountConfig>> {
    let mut accounts = Vec::new();
    for number in 0..count {
        let account = AccountConfig {
            login: format!("u{number}@example.test"),
            ..account(&scene.provider.url())
        };
        import(&*scene.store, &account, Secret::new("r")).await.unwrap();
        accounts.push(Arc::new(account));
    }
    accounts
}

fn replies(count: usize) -> Vec<Reply> {
    (0..count).map(|_| Reply::token("a", None)).collect()
}

impl Scene {
    fn own(&self) -> Vec<Arc<AccountConfig>> {
        vec![Arc::new(account(&self.provider.url()))]
    }

    async fn history(&self) -> RefreshHistory {
        self.tokens.shared.flights.wait().await;
        self.store.refresh_history(KEY).await.unwrap().unwrap()
    }

    fn asked(&mut self) -> usize {
        self.provider.count()
    }
}

async fn round(keeper: &mut Keeper, accounts: &[Arc<AccountConfig>]) {
    keeper.round(accounts).await;
    keeper.rest().await;
}

#[tokio::test]
async fn a_token_in_use_is_renewed_before_a_login_needs_it() {
    let mut scene = Scene::signed_in(replies(2)).await;
    let own = scene.own();
    let mut keeper = Keeper::new(scene.tokens.clone());
    scene.access().await.unwrap();
    round(&mut keeper, &own).await;
    scene.time.advance(1800 - 240 - 31);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1, "too early");
    scene.time.advance(240 + 31 - 60);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1, "now, and not by a login");
    round(&mut keeper, &own).await;
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn an_idle_account_is_renewed_once_a_day_and_one_that_sleeps_long_at_once() {
    let mut scene = Scene::signed_in(replies(3)).await;
    let own = scene.own();
    let mut keeper = Keeper::new(scene.tokens.clone());
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1, "brought in, and never seen working");
    scene.time.advance(18 * HOUR - 1);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 0);
    // A restart changes nothing.
    let mut keeper = Keeper::new(tokens(scene.store.clone(), &scene.time));
    scene.time.advance(6 * HOUR + 1);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1);
    scene.time.advance(100 * 24 * HOUR);
    round(&mut keeper, &own).await;
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_hundred_accounts_do_not_storm_after_a_sleep_nor_when_the_clock_is_set_back() {
    let mut scene = Scene::empty(replies(300)).await;
    let all = accounts(&scene, 100).await;
    let mut keeper = Keeper::new(scene.tokens.clone());
    let mut all_in_turn = async |scene: &mut Scene| {
        let mut asked = 0;
        for _ in 0..25 {
            round(&mut keeper, &all).await;
            let now = scene.asked();
            assert!(now <= 4, "{now} at once");
            asked += now;
            scene.time.advance(5);
        }
        asked
    };
    assert_eq!(all_in_turn(&mut scene).await, 100);
    for account in &all {
        scene.tokens.access_token(account).await.unwrap();
    }
    scene.time.advance(8 * HOUR);
    assert_eq!(all_in_turn(&mut scene).await, 100);
    *scene.time.0.lock().unwrap() -= Duration::from_secs(8 * HOUR);
    assert_eq!(all_in_turn(&mut scene).await, 100);
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_dead_sign_in_is_left_alone_until_there_is_a_new_one() {
    let mut scene =
        Scene::signed_in(vec![Reply::invalid_grant(), Reply::token("a1", Some("r2"))]).await;
    let own = scene.own();
    let mut changes = scene.tokens.changes();
    let mut keeper = Keeper::new(scene.tokens.clone());
    for _ in 0..20 {
        round(&mut keeper, &own).await;
        scene.time.advance(HOUR);
    }
    assert_eq!(scene.asked(), 1);
    assert_eq!(scene.refresh_token().await, "r0", "a refusal removes nothing");
    let failure = scene.history().await.failure.unwrap();
    assert_eq!(failure.kind, "sign-in");
    // Nor by another process.
    let restarted = tokens(scene.store.clone(), &scene.time);
    round(&mut Keeper::new(restarted), &own).await;
    assert_eq!(scene.asked(), 0);
    import(&*scene.store, &scene.account, Secret::new("r1")).await.unwrap();
    scene.time.advance(60);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1);
    assert_eq!(scene.history().await.failure, None);
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok().map(|it| it.state)).collect();
    assert_eq!(told, [State::Fails(TokenErrorKind::SignIn), State::Works]);
    scene.provider.finish().await;
}

#[tokio::test]
async fn trouble_after_a_new_sign_in_is_no_good_news() {
    let mut scene = Scene::signed_in(vec![
        Reply::invalid_grant(),
        Reply::error(503, ""),
        Reply::token("a1", Some("r2")),
    ])
    .await;
    let own = scene.own();
    let mut changes = scene.tokens.changes();
    let mut keeper = Keeper::new(scene.tokens.clone());
    round(&mut keeper, &own).await;
    scene.time.advance(60);
    import(&*scene.store, &scene.account, Secret::new("r1")).await.unwrap();
    round(&mut keeper, &own).await;
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok().map(|it| it.state)).collect();
    assert_eq!((scene.asked(), told), (2, vec![State::Fails(TokenErrorKind::SignIn)]));
    for _ in 0..3 {
        scene.time.advance(60);
        round(&mut keeper, &own).await;
    }
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok().map(|it| it.state)).collect();
    assert_eq!((scene.asked(), told), (1, vec![State::Works]));
    scene.provider.finish().await;
}

#[tokio::test]
async fn a_policy_or_a_setting_that_forbids_is_told_once_and_asked_about_ever_more_rarely() {
    let policy = r#"{"error":"invalid_grant","error_codes":[53003]}"#;
    let secret = r#"{"error":"invalid_client","error_codes":[7000222]}"#;
    for (body, kind) in [(policy, TokenErrorKind::Policy), (secret, TokenErrorKind::Configuration)]
    {
        let mut script: Vec<_> = (0..30).map(|_| Reply::error(400, body)).collect();
        script.push(Reply::token("a1", None));
        let mut scene = Scene::signed_in(script).await;
        let own = scene.own();
        let mut changes = scene.tokens.changes();
        let mut keeper = Keeper::new(scene.tokens.clone());
        // The keeper, and a mail program that tries each minute.
        for _ in 0..24 * 60 {
            round(&mut keeper, &own).await;
            assert_eq!(scene.fault().await.kind, kind);
            scene.time.advance(60);
        }
        let asked = scene.asked();
        assert!((8..=12).contains(&asked), "{asked} requests in a day");
        assert_eq!(scene.refresh_token().await, "r0");
        assert_eq!(scene.history().await.failure.unwrap().kind, kind.name());
        let told: Vec<_> =
            std::iter::from_fn(|| changes.try_recv().ok().map(|it| it.state)).collect();
        assert_eq!(told, [State::Fails(kind)]);
    }
}

fn with_end(seconds: u64) -> Reply {
    let end = format!(r#""refresh_token":"r1","refresh_token_expires_in":{seconds}"#);
    Reply::new(200, "", &format!(r#"{{"access_token":"a","expires_in":3600,{end}}}"#))
}

#[tokio::test]
async fn a_short_window_is_kept_open_after_a_restart_too() {
    let mut scene = Scene::signed_in(vec![with_end(1800), with_end(1800)]).await;
    let own = scene.own();
    round(&mut Keeper::new(scene.tokens.clone()), &own).await;
    assert_eq!(scene.asked(), 1);
    let mut keeper = Keeper::new(tokens(scene.store.clone(), &scene.time));
    scene.time.advance(600);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 0);
    scene.time.advance(300);
    round(&mut keeper, &own).await;
    assert_eq!(scene.asked(), 1);
    scene.provider.finish().await;
}

#[tokio::test]
async fn an_end_that_is_said_only_once_is_told_of_when_it_comes_near() {
    const DAY: u64 = 24 * HOUR;
    let mut script = vec![with_end(7 * DAY)];
    script.extend(replies(20));
    let mut scene = Scene::signed_in(script).await;
    let own = scene.own();
    let mut told = Vec::new();
    for hour in 0..6 * 24 {
        // With a restart each hour.
        let tokens = tokens(scene.store.clone(), &scene.time);
        let mut changes = tokens.changes();
        round(&mut Keeper::new(tokens.clone()), &own).await;
        tokens.shared.flights.wait().await;
        told.extend(std::iter::from_fn(|| changes.try_recv().ok()).map(|it| (hour / 24, it.state)));
        scene.time.advance(HOUR);
    }
    assert_eq!(told, [(4, State::Expiring)]);
    scene.provider.count();
}

#[tokio::test]
async fn a_failure_after_a_new_sign_in_is_not_dated_before_it() {
    let script = vec![Reply::error(503, ""), Reply::invalid_grant(), Reply::invalid_grant()];
    let scene = Scene::signed_in(script).await;
    scene.access().await.unwrap_err();
    let first = scene.history().await.failure.unwrap();
    for _ in 0..2 {
        scene.time.advance(HOUR);
        let at = scene.time.now();
        let signed_in = Some(SignedIn { at, identity: None });
        let grant = Grant { refresh_token: Some(Secret::new("r1")), signed_in, ..Grant::default() };
        let version = scene.store.grant(KEY).await.unwrap().map(|it| it.version);
        scene.store.write_grant(KEY, version, &grant).await.unwrap().unwrap();
        scene.time.advance(60);
        scene.access().await.unwrap_err();
        let failure = scene.history().await.failure.unwrap();
        assert_eq!(failure.since, at + Duration::from_secs(60), "{first:?}");
    }
    scene.provider.finish().await;
}

#[tokio::test]
async fn nobody_is_asked_without_a_sign_in() {
    let scene = Scene::empty(vec![]).await;
    let mut keeper = Keeper::new(scene.tokens.clone());
    round(&mut keeper, &scene.own()).await;
    assert_eq!(scene.provider.finish().await.len(), 0);
}

#[tokio::test]
async fn passing_trouble_is_told_once_it_lasts_and_the_old_token_goes_on() {
    let mut script = vec![Reply::token("a1", None)];
    script.extend((0..40).map(|_| Reply::error(503, "")));
    let mut scene = Scene::signed_in(script).await;
    let own = scene.own();
    let mut changes = scene.tokens.changes();
    let mut keeper = Keeper::new(scene.tokens.clone());
    scene.access().await.unwrap();
    scene.time.advance(1801);
    let began = scene.time.now();
    for second in (0..5400).step_by(5) {
        round(&mut keeper, &own).await;
        if second < 1700 {
            assert_eq!(scene.access().await.unwrap(), "a1");
        }
        scene.time.advance(5);
    }
    let asked = scene.asked();
    assert!((12..=24).contains(&asked), "{asked} requests in an hour and a half");
    let RefreshHistory { succeeded, failure } = scene.history().await;
    assert_eq!(succeeded, Some(began - Duration::from_secs(1801)));
    let RefreshFailure { since, last, kind, .. } = failure.unwrap();
    assert_eq!((since, kind.as_str()), (began, "unavailable"));
    assert!(last > since + Duration::from_secs(4000));
    let told: HashSet<_> =
        std::iter::from_fn(|| changes.try_recv().ok()).map(|it| it.reason).collect();
    assert_eq!(told.len(), 1);
    scene.provider.finish().await;
}

#[tokio::test]
async fn retry_after_holds_back_longer_than_our_own_longest_pause() {
    let mut scene = Scene::signed_in(vec![
        Reply::new(429, "Retry-After: 3600\r\n", ""),
        Reply::token("a1", None),
    ])
    .await;
    let own = scene.own();
    let mut keeper = Keeper::new(scene.tokens.clone());
    for _ in 0..60 {
        round(&mut keeper, &own).await;
        assert_eq!(scene.fault().await.kind, TokenErrorKind::Unavailable);
        scene.time.advance(59);
    }
    assert_eq!(scene.asked(), 1);
    scene.time.advance(500);
    round(&mut keeper, &own).await;
    assert_eq!(scene.access().await.unwrap(), "a1");
    scene.provider.finish().await;
}

#[tokio::test]
async fn tokens_that_end_at_once_blow_the_fuse() {
    let ended = || Reply::new(200, "", r#"{"access_token":"a","expires_in":0}"#);
    let mut scene = Scene::signed_in((0..60).map(|_| ended()).collect()).await;
    for _ in 0..60 {
        scene.access().await.unwrap();
    }
    let fault = scene.fault().await;
    assert_eq!(fault.kind, TokenErrorKind::Unavailable);
    assert!(fault.text.contains("60 times within an hour"), "{fault}");
    assert_eq!(scene.asked(), 60);
    scene.provider.finish().await;
}

#[tokio::test]
async fn who_uses_the_tokens_of_another_has_none_to_keep() {
    let mut scene = Scene::signed_in(replies(1)).await;
    let owner = account(&scene.provider.url());
    let mut borrower = AccountConfig { login: "info@example.test".to_owned(), ..owner.clone() };
    borrower.identity.token_from = Some(owner.login.clone());
    let mailbox = AccountConfig { login: "sales@example.test".to_owned(), ..borrower.clone() };
    let accounts = [borrower, owner, mailbox].map(Arc::new);
    let mut keeper = Keeper::new(scene.tokens.clone());
    round(&mut keeper, &accounts).await;
    assert_eq!(scene.asked(), 1, "for the owner");
    // Without the owner, as after a reload, nobody is left who would have to stay signed in.
    scene.time.advance(48 * HOUR);
    let [borrower, _, mailbox] = accounts;
    round(&mut Keeper::new(scene.tokens.clone()), &[borrower, mailbox]).await;
    assert_eq!(scene.provider.finish().await.len(), 0);
}
