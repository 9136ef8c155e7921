//! Who has signed in, and what is kept of it.

use super::*;
use crate::store::Identity;

/// A sign-in by somebody of whom the provider says this.
async fn sign_in_as(desk: &mut Desk, claims: &Value) -> (Result<Welcome, TokenError>, String) {
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), claims)]);
    let ended = come_back(desk, flow, link.back("code=c")).await;
    provider.finish().await;
    ended
}

#[tokio::test]
async fn the_wrong_person_leaves_everything_as_it_was() {
    let mut desk = Desk::new().await;
    import(&*desk.store, &desk.account, Secret::new("r0")).await.unwrap();
    let boss = json!({"preferred_username": "boss@example.test", "sub": "1"});
    let (result, page) = sign_in_as(&mut desk, &boss).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::SignIn);
    assert!(
        error.text.starts_with("boss@example.test has signed in, but user@example.test must"),
        "{error}"
    );
    assert!(page.contains("Not signed in") && page.contains("boss@example.test"), "{page}");
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r0"));
}

#[tokio::test]
async fn a_person_is_pinned_by_number() {
    let mut desk = Desk::new().await;
    let identity = Identity {
        issuer: "https://id.example.test".to_owned(),
        subject: "6".to_owned(),
        name: Some("user@example.test".to_owned()),
    };
    let signed_in = Some(SignedIn { at: desk.time.now(), identity: Some(identity) });
    let before = Grant { refresh_token: Some(Secret::new("r0")), signed_in, ..Grant::default() };
    desk.store.write_grant(KEY, None, &before).await.unwrap();
    let error = sign_in_as(&mut desk, &json!({})).await.0.unwrap_err();
    assert!(error.text.contains("saslgate account signout User@Example.test"), "{error}");
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r0"));
}

#[tokio::test]
async fn somebody_known_is_not_replaced_by_somebody_unknown() {
    let mut desk = Desk::new().await;
    let identity = Identity {
        issuer: "https://id.example.test".to_owned(),
        subject: "7".to_owned(),
        name: Some("user@example.test".to_owned()),
    };
    let signed_in = Some(SignedIn { at: desk.time.now(), identity: Some(identity) });
    let before = Grant { refresh_token: Some(Secret::new("r0")), signed_in, ..Grant::default() };
    desk.store.write_grant(KEY, None, &before).await.unwrap();
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::token("a1", Some("r1"))]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert!(error.text.contains("until now it was user@example.test: nothing"), "{error}");
    assert!(error.text.contains("saslgate account signout User@Example.test"), "{error}");
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r0"));
    provider.finish().await;
}

#[tokio::test]
async fn a_sign_in_is_younger_than_what_failed_meanwhile() {
    let mut desk = Desk::new().await;
    let time = desk.time.clone();
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::token("a1", Some("r1"))]);
    let ticking = Arc::new(move || {
        time.advance(1);
        time.now()
    });
    let signing_in = SigningIn::new(&desk.account, &*desk.store, DEADLINE, ticking).unwrap();
    let (result, _) = tokio::join!(flow.finish(&signing_in, DEADLINE), link.back("code=c").go());
    result.unwrap();
    let grant = desk.grant().await.unwrap();
    assert!(grant.signed_in.unwrap().at > grant.access_token.unwrap().obtained);
    provider.finish().await;
}

#[tokio::test]
async fn an_id_token_of_another_sign_in_is_refused() {
    for (claims, part) in [
        (json!({"nonce": "another"}), "another sign-in"),
        (json!({"aud": "another"}), "another application"),
        (json!({"exp": 1}), "ended"),
    ] {
        let mut desk = Desk::new().await;
        let error = sign_in_as(&mut desk, &claims).await.0.unwrap_err();
        assert!(error.text.contains(part), "{error}");
        assert!(desk.grant().await.is_none());
    }
}

#[tokio::test]
async fn the_redirect_and_the_id_token_name_one_issuer() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let visit = link.back("code=c&iss=https%3A%2F%2Fother.example.test");
    let error = come_back(&desk, flow, visit).await.0.unwrap_err();
    assert!(error.text.contains("another issuer"), "{error}");
    provider.finish().await;
}

#[tokio::test]
async fn without_an_id_token_it_is_accepted_with_a_remark() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::token("a1", Some("r1"))]);
    let welcome = come_back(&desk, flow, link.back("code=c")).await.0.unwrap();
    assert_eq!(welcome.summary(), "Signed in.");
    assert!(welcome.remark.unwrap().contains("could not be checked"));
    let signed_in = desk.grant().await.unwrap().signed_in.unwrap();
    assert_eq!(signed_in, SignedIn { at: desk.time.now(), identity: None });
    provider.finish().await;
}

#[tokio::test]
async fn no_refresh_token_is_a_failure_that_says_what_to_do() {
    let mut desk = Desk::new().await;
    desk.oauth().scopes = vec!["mail".to_owned()];
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, None, &json!({}))]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert!(error.text.contains("gave no refresh token"), "{error}");
    assert!(error.text.contains("Add \"offline_access\" to scopes"), "{error}");
    assert!(desk.grant().await.is_none());
    provider.finish().await;
}

#[tokio::test]
async fn an_access_token_for_less_is_not_kept() {
    for (scope, kept) in [("openid mail.read", true), ("openid", false)] {
        let mut desk = Desk::new().await;
        let (flow, link) = desk.browser().await;
        let body = json!({"access_token": "a1", "refresh_token": "r1", "token_type": "Bearer", "scope": scope});
        let provider = desk.provider(vec![Reply::error(200, &body.to_string())]);
        come_back(&desk, flow, link.back("code=c")).await.0.unwrap();
        assert_eq!(desk.grant().await.unwrap().access_token.is_some(), kept, "{scope}");
        provider.finish().await;
    }
}

#[tokio::test]
async fn the_page_waits_for_the_store() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    desk.store.allow_writes(0);
    let (result, page) = come_back(&desk, flow, link.back("code=c")).await;
    assert_eq!(result.unwrap_err().kind, TokenErrorKind::Unavailable);
    assert!(page.contains("Not signed in"), "{page}");
    provider.finish().await;
}

#[tokio::test]
async fn a_refused_code_is_told_in_words() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let body = r#"{"error":"invalid_client","error_codes":[7000218],"trace_id":"ab-1"}"#;
    let provider = desk.provider(vec![Reply::error(401, body)]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert_eq!(
        error.text,
        "localhost wants a client secret from this application (AADSTS7000218) (trace id ab-1). \
         Correct client_secret of User@Example.test (application app-id)."
    );
    provider.finish().await;
}

#[tokio::test]
async fn a_code_that_was_used_before_is_told_from_a_sign_in_that_has_ended() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::invalid_grant()]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert!(error.text.starts_with("localhost does not accept the code: it was used"), "{error}");
    assert!(error.text.ends_with("Sign in again: saslgate signin User@Example.test"), "{error}");
    provider.finish().await;
}

#[tokio::test]
async fn who_needs_no_sign_in_hears_so() {
    let mut desk = Desk::new().await;
    desk.oauth().grant = GrantKind::ClientCredentials;
    let clock = desk.time.clock();
    let error = SigningIn::new(&desk.account, &*desk.store, DEADLINE, clock).err().unwrap();
    assert!(error.text.contains("needs no sign-in: grant = \"client_credentials\""), "{error}");
}

#[tokio::test]
async fn a_passing_fault_costs_no_second_sign_in() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let good = desk.answer(&link, Some("r1"), &json!({}));
    let provider = desk.provider(vec![Reply::error(503, ""), good]);
    come_back(&desk, flow, link.back("code=c")).await.0.unwrap();
    assert_eq!(provider.finish().await.len(), 2);

    // A pause that the code would not outlive is not waited for, and none is cut short.
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::new(429, "Retry-After: 21\r\n", "")]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert!(error.text.contains("asks for a pause"), "{error}");
    provider.finish().await;

    // Where the code may be spent, asking again could only hide why.
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![Reply::error(500, "")]);
    let error = come_back(&desk, flow, link.back("code=c")).await.0.unwrap_err();
    assert!(error.text.ends_with("Try again in a moment."), "{error}");
    provider.finish().await;
}
