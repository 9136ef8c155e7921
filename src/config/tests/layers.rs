//! What flows from `[defaults]` into an account, and what must not.

use super::*;

#[test]
fn a_secret_goes_to_no_other_endpoint_than_the_one_it_was_written_for() {
    let withheld = "is missing: client_id and client_secret of [defaults] go only to the token endpoint \
        that [defaults] names (by provider or token_url), and this account has another, or a device_url \
        elsewhere: write them here, or name its endpoints in [defaults]";
    let text = |defaults: &str, account: &str| {
        format!(
            "[defaults]\nclient_id = \"id\"\nclient_secret = {{ file = \"secret\" }}\n{defaults}\n\
             imap.host = \"imap.example.org\"\n\
             [[account]]\nlogin = \"a@example.org\"\n{account}\n"
        )
    };
    let has_secret =
        |text: &str| account(text).oauth.as_ref().unwrap().client_authentication.secret().is_some();
    let microsoft = "provider = \"microsoft365\"\ntenant = \"t.example\"";
    let custom = "provider = \"custom\"";
    let (ours, theirs) =
        ("token_url = \"https://a.example/\"", "token_url = \"https://b.example/\"");
    let device = "device_url = \"https://b.example/device\"";
    for (defaults, own) in [
        (String::new(), microsoft.to_owned()),
        (String::new(), format!("{custom}\n{ours}")),
        (format!("{custom}\n{ours}"), theirs.to_owned()),
        (custom.to_owned(), theirs.to_owned()),
        (microsoft.to_owned(), theirs.to_owned()),
        (microsoft.to_owned(), device.to_owned()),
        (format!("{custom}\n{ours}"), device.to_owned()),
    ] {
        let line = text(&defaults, "").lines().count() - 2;
        let written = text(&defaults, &own);
        check_mistakes(&written, &format!("saslgate.toml:{line}: account.client_id: {withheld}"));
        let own = format!("{own}\nclient_id = \"x\"");
        assert!(!has_secret(&text(&defaults, &own)), "{written}");
        // A grant without a person has no device endpoint, and a mistake of its own.
        if own.contains(device) {
            continue;
        }
        let own = format!("{own}\ngrant = \"client_credentials\"");
        check_mistakes(
            &text(&defaults, &own),
            &format!("saslgate.toml:{line}: account.client_secret: {withheld}"),
        );
    }
    for (defaults, own) in [
        (microsoft.to_owned(), "tenant = \"other.example\"".to_owned()),
        (format!("{custom}\n{ours}"), ours.to_owned()),
        (format!("{custom}\n{ours}"), String::new()),
        (ours.to_owned(), custom.to_owned()),
        (format!("{custom}\n{ours}"), "device_url = \"https://a.example/device\"".to_owned()),
        (format!("{custom}\n{ours}\n{device}"), device.to_owned()),
    ] {
        assert!(has_secret(&text(&defaults, &own)), "{defaults}");
    }
}

#[test]
fn a_proof_goes_with_no_other_application_than_the_one_it_was_written_for() {
    let text = |proof: &str, account: &str| {
        format!(
            "[defaults]\nprovider = \"microsoft365\"\ntenant = \"t.example\"\nclient_id = \"id\"\n{proof}\n\
             [[account]]\nlogin = \"a@example.org\"\n{account}\n"
        )
    };
    let proof = |text: &str| account(text).oauth.as_ref().unwrap().client_authentication.clone();
    let certificate = format!(
        "client_certificate = '{}'",
        crate::signing_key::tests::test_file("pkcs8.pem").display()
    );
    let secret = "client_secret = { env = \"S\" }";
    let token = "federated_token_file = \"token\"";
    for written in [secret, &certificate, token] {
        for own in ["", "client_id = \"id\""] {
            let inherited = proof(&text(written, own));
            assert!(!matches!(inherited, ClientAuthentication::Public), "{written} {own}");
        }
        let other = text(written, "client_id = \"other\"");
        assert!(matches!(proof(&other), ClientAuthentication::Public), "{written}");
        check_mistakes(
            &text(written, "client_id = \"other\"\ngrant = \"client_credentials\""),
            "saslgate.toml:6: account.client_secret: is missing: this account has a client_id of its own, and the \
             secret or certificate of [defaults] proves only the application of [defaults]: write this \
             application's here",
        );
        let own = "client_id = \"other\"\nclient_secret = { env = \"T\" }";
        assert!(proof(&text(written, own)).secret().is_some());
    }
}

#[test]
fn a_sign_in_reads_the_secrets_of_its_own_account_only() {
    let account = |login: &str, variable: &str| {
        format!(
            "[[account]]\nlogin = \"{login}\"\nprovider = \"microsoft365\"\ntenant = \"t.example\"\n\
             client_id = \"id\"\nclient_secret = {{ env = \"{variable}\" }}\n"
        )
    };
    let text = account("Mine@example.com", "PATH") + &account("b@example.com", "NO_SUCH_VARIABLE");
    let load = |secrets: Secrets| {
        let main = SourceFile::new("saslgate.toml", &text);
        resolve::resolve(&main, &[], Path::new("state"), secrets)
    };
    let loaded = load(Secrets::Of("mine@example.com".to_owned())).unwrap();
    let length = |number: usize| {
        let oauth = loaded.config.accounts[number].oauth.as_ref().unwrap();
        oauth.client_authentication.secret().unwrap().len()
    };
    assert!(length(0) > 0 && length(1) == 0);
    let theirs = load(Secrets::Of("b@example.com".to_owned())).map(|_| ()).unwrap_err();
    assert!(theirs.to_string().contains("NO_SUCH_VARIABLE is not set"), "{theirs}");
    assert!(load(Secrets::Read).is_err());
}
