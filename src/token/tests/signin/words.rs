//! What the person reads of a sign-in that the provider refuses: the cause, and what to do.

use super::*;
use crate::check::{About, Finding, Language, diagnose, words};

/// At Microsoft's; nothing goes there, for the browser comes back with a refusal.
async fn at_microsoft(redirect_uri: &str) -> Desk {
    let mut desk = Desk::with_redirect(redirect_uri).await;
    desk.account.provider = "microsoft365";
    desk.oauth().token_url =
        "https://login.microsoftonline.com/example.test/oauth2/v2.0/token".parse().unwrap();
    desk
}

/// All that is said of an error, in both languages.
fn said(desk: &Desk, error: &TokenError) -> Option<(Finding, [String; 2])> {
    let about = About::new(&desk.account);
    let finding = diagnose::signin_error(error, &about)?;
    let text = |language| {
        let words = words::of(&finding, &about, language);
        let remedies = words.remedy.into_iter();
        let lines = remedies.flat_map(|it| [vec![it.text], it.lines].concat());
        [vec![words.what], lines.collect()].concat().join("\n")
    };
    let texts = [text(Language::En), text(Language::De)];
    Some((finding, texts))
}

/// The browser comes back with this error.
async fn refused(desk: &Desk, error: &str, number: u32) -> TokenError {
    let (flow, link) = desk.browser().await;
    let query = format!("error={error}&error_description=AADSTS{number}%3A+words");
    let (result, page) = come_back(desk, flow, link.back(&query)).await;
    assert!(page.contains("Not signed in"), "{page}");
    result.unwrap_err()
}

/// The token endpoint answers the code with this error.
async fn refused_code(desk: &mut Desk, status: u16, error: &str, number: u32) -> TokenError {
    let (flow, link) = desk.browser().await;
    let body = json!({"error": error, "error_codes": [number]}).to_string();
    let provider = desk.provider(vec![Reply::error(status, &body)]);
    let (result, _) = come_back(desk, flow, link.back("code=c")).await;
    provider.finish().await;
    result.unwrap_err()
}

#[tokio::test]
async fn a_redirect_that_does_not_fit_names_the_address_to_register() {
    let desk = at_microsoft("http://localhost").await;
    let error = refused(&desk, "invalid_request", 50_011).await;
    let (finding, texts) = said(&desk, &error).unwrap();
    assert_eq!(finding, Finding::RedirectMismatch { redirect_uri: "http://localhost".into() });
    assert!(texts.iter().all(|text| text.contains("\nhttp://localhost\n")), "{texts:?}");
}

#[tokio::test]
async fn a_redirect_that_never_comes_names_the_address_too() {
    let desk = at_microsoft("http://localhost").await;
    let (flow, _) = desk.browser().await;
    let error = flow.finish(&desk.signing_in(), Duration::ZERO).await.unwrap_err();
    assert!(error.text.contains("AADSTS50011"), "{error}");
    assert!(error.text.contains("Register http://localhost as a redirect address"), "{error}");
    assert!(said(&desk, &error).is_none(), "nobody knows whether it was that");
}

#[tokio::test]
async fn missing_consent_shows_the_link_for_an_administrator() {
    let desk = at_microsoft("http://localhost").await;
    for (word, number, id) in [
        ("interaction_required", 65_001, "consent_missing"),
        ("access_denied", 90_094, "admin_consent_missing"),
    ] {
        let error = refused(&desk, word, number).await;
        let (finding, texts) = said(&desk, &error).unwrap();
        assert_eq!(finding.id(), id);
        for text in texts {
            assert!(text.contains("https://login.microsoftonline.com/example.test/"), "{text}");
            assert!(text.contains("adminconsent?client_id=app-id"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_wrong_application_or_tenant_is_named() {
    let desk = at_microsoft("http://localhost").await;
    for (word, number, id, setting) in [
        ("unauthorized_client", 700_016, "client_id_wrong", "client_id"),
        ("invalid_request", 90_002, "tenant_wrong", "tenant"),
    ] {
        let error = refused(&desk, word, number).await;
        let (finding, texts) = said(&desk, &error).unwrap();
        assert_eq!(finding.id(), id);
        assert!(texts.iter().all(|text| text.contains(setting)), "{texts:?}");
    }
}

#[tokio::test]
async fn a_public_application_that_is_confidential_and_the_other_way_round() {
    let mut desk = Desk::new().await;
    let error = refused_code(&mut desk, 401, "invalid_client", 7_000_218).await;
    let (finding, texts) = said(&desk, &error).unwrap();
    assert_eq!(finding, Finding::SecretMissing);
    assert!(texts.iter().all(|text| text.contains("client_secret")), "{texts:?}");

    let mut desk = Desk::new().await;
    desk.oauth().client_authentication = ClientAuthentication::Secret(Secret::new("s"));
    let error = refused_code(&mut desk, 401, "invalid_client", 700_025).await;
    let (finding, texts) = said(&desk, &error).unwrap();
    assert_eq!(finding, Finding::SecretNotWanted);
    assert!(texts.iter().all(|text| text.contains("client_secret")), "{texts:?}");
}

#[tokio::test]
async fn a_code_that_is_too_old_is_not_called_a_sign_in_that_has_ended() {
    let mut desk = Desk::new().await;
    let error = refused_code(&mut desk, 400, "invalid_grant", 70_008).await;
    assert!(said(&desk, &error).is_none(), "{error}");
}
