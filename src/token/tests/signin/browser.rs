//! The browser comes back to loopback, and so does everything else.

use super::*;

#[tokio::test]
async fn a_public_client_signs_in() {
    let mut desk = Desk::with_redirect("http://localhost").await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let visit = link.back("code=the%20code&iss=https%3A%2F%2Fid.example.test");
    let (result, page) = come_back(&desk, flow, visit).await;
    assert_eq!(result.unwrap().summary(), "Signed in as User@Example.test.");
    for part in [
        "HTTP/1.1 200 OK\r\n",
        "Signed in as User@Example.test.",
        "This page can be closed.",
        "referrer-policy: no-referrer\r\n",
        "cache-control: no-store\r\n",
        "content-security-policy: default-src 'none';",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("the code"), "{page}");

    let forms = provider.finish().await;
    let [form] = forms.as_slice() else { panic!("{forms:?}") };
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("client_id", "app-id"),
        ("code", "the code"),
        ("redirect_uri", link.get("redirect_uri")),
    ] {
        assert_eq!(form[name], value, "{name}");
    }
    assert_eq!(challenge(&form["code_verifier"]), link.get("code_challenge"));
    assert!(!form.contains_key("client_secret"));
    assert!(!form.contains_key("state"));

    let grant = desk.grant().await.unwrap();
    assert_eq!(shown(&grant.refresh_token.unwrap()), "r1");
    let identity = grant.signed_in.unwrap().identity.unwrap();
    assert_eq!(identity.subject, "7");
    assert_eq!(identity.name.as_deref(), Some("User@Example.test"));
    // The token that came with it is used, and no refresh is needed.
    let token = tokens(desk.store.clone(), &desk.time).access_token(&desk.account).await.unwrap();
    assert_eq!(shown(&token.secret), "a1");
}

#[tokio::test]
async fn a_confidential_client_proves_itself() {
    let mut desk = Desk::new().await;
    desk.oauth().client_authentication = ClientAuthentication::Secret(Secret::new("s&1"));
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let (result, _) = come_back(&desk, flow, link.back("code=c")).await;
    result.unwrap();
    assert_eq!(provider.finish().await[0]["client_secret"], "s&1");
}

#[tokio::test]
async fn the_redirect_uri_is_sent_as_it_is_registered() {
    for (written, begins, ends) in [
        ("http://localhost", "http://localhost:", ""),
        ("http://localhost/", "http://localhost:", "/"),
        ("http://127.0.0.1/back", "http://127.0.0.1:", "/back"),
    ] {
        let mut desk = Desk::with_redirect(written).await;
        let (flow, link) = desk.browser().await;
        let sent = link.get("redirect_uri").to_owned();
        let port = sent.strip_prefix(begins).unwrap().strip_suffix(ends).unwrap();
        port.parse::<u16>().unwrap();
        let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
        come_back(&desk, flow, link.back("code=c")).await.0.unwrap();
        assert_eq!(provider.finish().await[0]["redirect_uri"], sent);
    }
}

#[tokio::test]
async fn localhost_is_both_families_on_one_port() {
    let mut desk = Desk::with_redirect("http://localhost").await;
    let (flow, link) = desk.browser().await;
    if TcpListener::bind("[::1]:0").await.is_err() {
        // A machine without IPv6 has nothing to listen at.
        return;
    }
    assert!(link.back("code=c").go_to_stray("::1").await.starts_with("HTTP/1.1 404"));
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let signing_in = desk.signing_in();
    let visit = link.back("code=c").go_to("::1");
    let (result, page) = tokio::join!(flow.finish(&signing_in, DEADLINE), visit);
    result.unwrap();
    assert!(page.contains("Signed in"), "{page}");
    provider.finish().await;
}

#[tokio::test]
async fn strays_change_nothing() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let good = link.back("code=c");
    let with = |change: &dyn Fn(&mut Visit)| {
        let mut visit = good.clone();
        change(&mut visit);
        visit
    };
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    for (visit, status) in [
        (with(&|it| it.target = "/favicon.ico".into()), "404"),
        (with(&|it| it.target = "/?code=c&state=guessed".into()), "404"),
        (with(&|it| it.target = "/?error=access_denied".into()), "404"),
        (with(&|it| it.target = it.target.replace("/?", "/other?")), "404"),
        (with(&|it| it.target += "x"), "404"),
        (with(&|it| it.method = "POST"), "405"),
        (with(&|it| it.method = "OPTIONS"), "405"),
        (with(&|it| it.host = format!("evil.example.test:{}", it.port)), "404"),
        (with(&|it| it.host = format!("localhost:{}", it.port)), "404"),
        (with(&|it| it.host = "127.0.0.1".into()), "404"),
        (with(&|it| it.more = "Cookie: c\r\n".repeat(1000)), "431"),
        (with(&|it| it.more = "no header\r\n".into()), "400"),
    ] {
        let answer = visit.go().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    let (result, page) = come_back(&desk, flow, good).await;
    result.unwrap();
    assert!(page.contains("Signed in as"), "{page}");
    assert_eq!(provider.finish().await.len(), 1);
}

#[tokio::test]
async fn a_page_that_is_loaded_again_shows_the_same_and_spends_nothing() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let signing_in = desk.signing_in();
    let visits = async { tokio::join!(link.back("code=c").go(), link.back("code=c").go()) };
    let (result, (one, other)) = tokio::join!(flow.finish(&signing_in, DEADLINE), visits);
    result.unwrap();
    assert!(one.contains("Signed in as") && other.contains("Signed in as"), "{one}\n{other}");
    assert_eq!(provider.finish().await.len(), 1);
}

#[tokio::test]
async fn the_page_tells_a_failure_and_nothing_of_the_providers_words() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![]);
    let query = "error=access_denied&error_description=%3Cscript%3Ewords";
    let (result, page) = come_back(&desk, flow, link.back(query)).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind, error.text.as_str()),
        (
            TokenErrorKind::SignIn,
            "localhost says that the sign-in was cancelled or forbidden (access_denied). Sign in \
             again: saslgate signin User@Example.test",
        )
    );
    assert!(page.contains("Not signed in") && page.contains("cancelled"), "{page}");
    assert!(!page.contains("words") && !page.contains("<script"), "{page}");
    assert!(desk.grant().await.is_none());
    provider.finish().await;
}

#[tokio::test]
async fn another_issuer_ends_it() {
    let mut desk = Desk::new().await;
    desk.oauth().sign_in.issuer = Some("https://id.example.test".to_owned());
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![]);
    let visit = link.back("code=c&iss=https%3A%2F%2Fevil.example.test");
    let (result, page) = come_back(&desk, flow, visit).await;
    let error = result.unwrap_err();
    assert!(error.text.contains("another issuer than https://id.example.test"), "{error}");
    assert!(page.contains("Not signed in"), "{page}");
    assert_eq!(provider.finish().await.len(), 0, "the code goes nowhere");
}

#[tokio::test]
async fn two_at_once_and_the_last_one_wins() {
    let mut desk = Desk::new().await;
    let (one, first) = desk.browser().await;
    let (other, second) = desk.browser().await;
    assert_ne!(first.get("redirect_uri"), second.get("redirect_uri"));
    let provider = desk.provider(vec![
        desk.answer(&second, Some("r2"), &json!({})),
        desk.answer(&first, Some("r1"), &json!({})),
    ]);
    // An answer that comes to the other one's port is a stray there.
    let mut crossed = first.back("code=c");
    let there = second.back("code=c");
    (crossed.port, crossed.host) = (there.port, there.host.clone());
    assert!(crossed.go().await.starts_with("HTTP/1.1 404"));
    come_back(&desk, other, there).await.0.unwrap();
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r2"));
    come_back(&desk, one, first.back("code=c")).await.0.unwrap();
    assert_eq!(desk.refresh_token().await.as_deref(), Some("r1"));
    assert_eq!(provider.finish().await.len(), 2);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let desk = Desk::with_redirect(&format!("http://127.0.0.1:{port}")).await;
    let error = desk.signing_in().browser().await.err().unwrap();
    assert!(error.text.starts_with(&format!("Port {port} of redirect_uri")), "{error}");
    assert_eq!(error.kind, TokenErrorKind::Configuration);
    drop(taken);
    let (flow, link) = desk.browser().await;
    assert_eq!(link.get("redirect_uri"), format!("http://127.0.0.1:{port}"));
    drop(flow);
}

#[tokio::test]
async fn a_page_elsewhere_is_for_paste() {
    let desk = Desk::with_redirect("https://mail.example.test/back").await;
    let error = desk.signing_in().browser().await.err().unwrap();
    assert!(error.text.contains("saslgate signin User@Example.test --paste"), "{error}");
}

#[tokio::test]
async fn who_does_not_come_is_not_waited_for() {
    let desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let error = flow.finish(&desk.signing_in(), Duration::ZERO).await.unwrap_err();
    assert!(error.text.contains("in time"), "{error}");
    let port = link.back("").port;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn patience_may_be_endless() {
    let mut desk = Desk::new().await;
    let (flow, link) = desk.browser().await;
    let provider = desk.provider(vec![desk.answer(&link, Some("r1"), &json!({}))]);
    let signing_in = desk.signing_in();
    let finish = flow.finish(&signing_in, Duration::MAX);
    let (result, _) = tokio::join!(finish, link.back("code=c").go());
    result.unwrap();
    provider.finish().await;
}
