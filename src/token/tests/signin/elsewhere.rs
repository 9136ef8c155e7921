//! Sign-ins in a browser that does not come back: paste and device code.

use super::*;

#[tokio::test]
async fn an_address_is_pasted_at_the_second_try() {
    let mut desk = Desk::with_redirect("https://mail.example.test/back").await;
    let flow = desk.signing_in().paste().unwrap();
    let link = Link::of(flow.link());
    assert_eq!(link.get("redirect_uri"), "https://mail.example.test/back");
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let signing_in = desk.signing_in();
    let start = Secret::new(flow.link().to_string());
    assert!(matches!(flow.finish(&signing_in, &start).await, Pasted::Unfit(_)));
    let state = link.get("state");
    let address = format!("https://mail.example.test/back?code=c&state={state}\r\n");
    let Pasted::Done(result) = flow.finish(&signing_in, &Secret::new(address)).await else {
        panic!("a good address was not taken");
    };
    assert_eq!(result.unwrap().name.as_deref(), Some("User@Example.test"));
    let form = provider.finish().await.remove(0);
    assert_eq!(form["redirect_uri"], "https://mail.example.test/back");
    assert_eq!(challenge(&form["code_verifier"]), link.get("code_challenge"));
}

#[tokio::test]
async fn a_bare_code_is_enough() {
    let mut desk = Desk::with_redirect("http://localhost").await;
    let flow = desk.signing_in().paste().unwrap();
    let link = Link::of(flow.link());
    assert_eq!(
        link.get("redirect_uri"),
        "http://localhost",
        "nobody listens, so no port is made up"
    );
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let signing_in = desk.signing_in();
    let Pasted::Done(result) = flow.finish(&signing_in, &Secret::new("0.AX-code\n")).await else {
        panic!("a code was not taken");
    };
    result.unwrap();
    assert_eq!(provider.finish().await[0]["code"], "0.AX-code");
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r1"));
}

#[tokio::test]
async fn a_refused_code_is_not_called_a_sign_in_that_has_ended() {
    let mut desk = Desk::with_redirect("http://localhost").await;
    let flow = desk.signing_in().paste().unwrap();
    let provider = desk.provider(vec![Reply::invalid_grant()]);
    let Pasted::Done(result) = flow.finish(&desk.signing_in(), &Secret::new("half-a-co")).await
    else {
        panic!("a code was not taken");
    };
    let text = result.err().unwrap().text;
    assert!(text.contains(" does not accept the code: "), "{text}");
    assert!(text.contains("(invalid_grant). Sign in again: "), "{text}");
    provider.finish().await;
}

#[tokio::test]
async fn a_device_code_in_two_requests() {
    let mut desk = Desk::new().await;
    desk.oauth().client_authentication = ClientAuthentication::Secret(Secret::new("s&1"));
    let offer = json!({"device_code": "dev+1", "user_code": "ABCD", "interval": 1,
        "verification_uri": "https://id.example.test/device", "expires_in": 900});
    // A device code has no nonce.
    let link = Link(Form::from([("nonce".to_owned(), "none".to_owned())]));
    let provider = desk.provider(vec![
        Reply::error(200, &offer.to_string()),
        desk.answer(&link, Some("r1"), &json!({})),
    ]);
    let signing_in = desk.signing_in();
    let flow = signing_in.device().await.unwrap();
    assert_eq!(flow.user_code(), "ABCD");
    assert_eq!(flow.verification_uri().as_str(), "https://id.example.test/device");
    let welcome = flow.finish(&signing_in, DEADLINE).await.unwrap();
    assert_eq!(welcome.summary(), "Signed in as User@Example.test.");
    let forms = provider.finish().await;
    assert_eq!(forms[0]["scope"], "mail.read offline_access openid");
    assert_eq!(forms[0]["client_id"], "app-id");
    assert_eq!(forms[1]["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(forms[1]["device_code"], "dev+1");
    assert_eq!(forms[1]["client_id"], "app-id");
    assert!(forms.iter().all(|form| form["client_secret"] == "s&1"));
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r1"));
}

#[tokio::test]
async fn an_application_without_device_codes_hears_why() {
    let mut desk = Desk::new().await;
    let body = r#"{"error":"invalid_client","error_codes":[7000218]}"#;
    let provider = desk.provider(vec![Reply::error(400, body)]);
    let error = desk.signing_in().device().await.err().unwrap();
    assert!(error.text.contains("AADSTS7000218"), "{error}");
    provider.finish().await;
}

#[tokio::test]
async fn a_poll_carries_the_secret_in_the_header_where_the_provider_wants_it_there() {
    let mut desk = Desk::new().await;
    desk.oauth().client_authentication = ClientAuthentication::Secret(Secret::new("s&1"));
    desk.oauth().client_secret_method = ClientSecretMethod::Basic;
    let offer = json!({"device_code": "dev", "user_code": "ABCD", "interval": 1,
        "verification_uri": "https://id.example.test/device", "expires_in": 900});
    let link = Link(Form::from([("nonce".to_owned(), "none".to_owned())]));
    let provider = desk.provider(vec![
        Reply::error(200, &offer.to_string()),
        desk.answer(&link, Some("r1"), &json!({})),
    ]);
    let signing_in = desk.signing_in();
    let flow = signing_in.device().await.unwrap();
    flow.finish(&signing_in, DEADLINE).await.unwrap();
    let forms = provider.finish().await;
    // "app-id:s%261"
    assert!(forms.iter().all(|form| form[AUTHORIZATION] == "Basic YXBwLWlkOnMlMjYx"), "{forms:?}");
}

#[tokio::test]
async fn google_is_not_asked_for_a_device_code() {
    let mut desk = Desk::new().await;
    desk.oauth().token_url = "https://oauth2.googleapis.com/token".parse().unwrap();
    let error = desk.signing_in().device().await.err().unwrap();
    assert_eq!(
        error.text,
        "Google does not allow a device code for mail. Sign in with a browser anywhere: saslgate signin \
         User@Example.test --paste"
    );
}

#[tokio::test]
async fn what_is_said_names_the_account_that_keeps_the_sign_in() {
    let mut desk = Desk::with_redirect("https://mail.example.test/back").await;
    desk.account.login = "info@example.test".to_owned();
    desk.account.identity.token_from = Some("anna@example.test".to_owned());
    let signing_in = desk.signing_in();
    let text = signing_in.browser().await.err().unwrap().text;
    assert!(text.ends_with("saslgate signin anna@example.test --paste"), "{text}");
    desk.oauth().sign_in.device_url = None;
    let text = desk.signing_in().device().await.err().unwrap().text;
    assert!(text.starts_with("anna@example.test has no device_url"), "{text}");
    assert!(!text.contains("info@"), "{text}");
    desk.oauth().sign_in.redirect_uri = None;
    let text = desk.signing_in().paste().err().unwrap().text;
    assert_eq!(text, "anna@example.test has no redirect_uri: write it in the account.");
    desk.oauth().grant = GrantKind::ClientCredentials;
    let text = SigningIn::new(&desk.account, &*desk.store, DEADLINE, desk.time.clock());
    let text = text.err().unwrap().text;
    assert!(text.starts_with("anna@example.test needs no sign-in"), "{text}");
}

#[tokio::test]
async fn a_wrong_person_hears_of_the_account_that_keeps_the_sign_in() {
    let mut desk = Desk::with_redirect("http://localhost").await;
    desk.account.login = "info@example.test".to_owned();
    desk.account.identity.token_from = Some("anna@example.test".to_owned());
    desk.oauth().sign_in.owner = Some("anna@example.test".to_owned());
    let flow = desk.signing_in().paste().unwrap();
    let link = Link::of(flow.link());
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let address = format!("http://localhost/?code=c&state={}", link.get("state"));
    let Pasted::Done(result) = flow.finish(&desk.signing_in(), &Secret::new(address)).await else {
        panic!("a good address was not taken");
    };
    let text = result.err().unwrap().text;
    assert!(text.contains("saslgate signin anna@example.test\n"), "{text}");
    assert!(!text.contains("info@"), "{text}");
    provider.finish().await;
}
