//! The grants that need no person, and how the application proves who it is.

use super::*;

const CUSTOM: &str = r#"[[account]]
login = "a@example.com"
provider = "custom"
token_url = "https://id.example.com/token"
client_id = "id"
imap.host = "imap.example.com"
"#;

/// `GOOD` has five lines, so this is about the sixth and those after it.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_mistakes(&good_and(text), expected);
}

fn proof(text: &str) -> ClientAuthentication {
    account(text).oauth.as_ref().unwrap().client_authentication.clone()
}

#[test]
fn one_proof_of_the_application() {
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/src/signing_key/testdata/pkcs8.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/signing_key/testdata/pkcs1.pem");
    let own = |proof: &str| good_and(&format!("grant = \"client_credentials\"\n{proof}\n"));
    let alone = proof(&own(&format!("client_certificate = \"{certificate}\"")));
    assert!(
        matches!(alone, ClientAuthentication::Certificate { certificate, key, passphrase: None }
        if certificate == key)
    );
    let both = proof(&own(&format!(
        "client_certificate = \"{certificate}\"\nclient_key = \"{key}\"\n\
         client_key_passphrase = {{ env = \"X\" }}"
    )));
    assert!(
        matches!(both, ClientAuthentication::Certificate { key: found, passphrase: Some(_), .. }
        if found == Path::new(key))
    );
    // Another system writes the file, perhaps later.
    let federated = proof(&own("federated_token_file = \"later/token\""));
    assert!(matches!(federated, ClientAuthentication::FederatedToken { file }
        if file == Path::new("later/token")));
    check_mistakes(
        &own("client_secret = { env = \"X\" }\nfederated_token_file = \"t\""),
        "\
saslgate.toml:8: account.federated_token_file: stands beside another proof of who the application is: keep \
one of client_secret, client_certificate and federated_token_file",
    );
    check_mistakes(
        &own("client_secret = { env = \"X\" }\nclient_key = \"k.pem\""),
        "\
saslgate.toml:8: account.client_key: belongs to a client_certificate: write that beside it",
    );
    check_mistakes(
        &own("client_certificate = \"missing.pem\""),
        "\
saslgate.toml:7: account.client_certificate: the file missing.pem is not there",
    );
}

#[test]
fn an_own_proof_replaces_an_inherited_one_of_another_kind() {
    let text = |own: &str| {
        format!(
            "[defaults]\nprovider = \"microsoft365\"\ntenant = \"t.example\"\nclient_id = \"id\"\n\
             federated_token_file = \"theirs\"\n[[account]]\nlogin = \"a@example.com\"\n{own}"
        )
    };
    let inherited = proof(&text(""));
    assert!(matches!(inherited, ClientAuthentication::FederatedToken { .. }));
    assert!(proof(&text("client_secret = { env = \"X\" }\n")).secret().is_some());
    // Another endpoint gets none of them.
    let elsewhere = "token_url = \"https://b.example/\"\nclient_id = \"x\"\n";
    assert!(matches!(proof(&text(elsewhere)), ClientAuthentication::Public));
    check_mistakes(
        &text(&format!("{elsewhere}grant = \"client_credentials\"\n")),
        "\
saslgate.toml:6: account.client_secret: is missing: client_id and client_secret of [defaults] go only to \
the token endpoint that [defaults] names (by provider or token_url), and this account has another, or a \
device_url elsewhere: write them here, or name its endpoints in [defaults]",
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.pem");
    let main = |text: &str| SourceFile::new(folder.path().join("saslgate.toml"), text);
    let text = good_and("client_certificate = \"client.pem\"\n");
    fs::copy(crate::signing_key::tests::test_file("pkcs8.pem"), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let judge = |secrets| resolve::resolve(&main(&text), &[], Path::new("state"), secrets);
    let error = judge(Secrets::Read).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is open to other users of this machine: run `chmod 600"), "{error}");
    assert!(judge(Secrets::Skip).is_ok(), "without leave nothing is read");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let loaded = judge(Secrets::Read).unwrap();
    assert!(loaded.files.contains(&file), "a renewed certificate is noticed");
    fs::write(&file, "nothing").unwrap();
    let error = judge(Secrets::Read).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("holds no certificate"), "{error}");
}

#[test]
fn a_service_account_needs_its_key_and_scopes() {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/signing_key/testdata/pkcs8.pem");
    let text = |rest: &str| {
        format!(
            "[[account]]\nlogin = \"scanner\"\nmailbox = \"a@example.com\"\nprovider = \"custom\"\n\
             imap.host = \"imap.gmail.com\"\ngrant = \"service_account\"\n{rest}"
        )
    };
    let good =
        format!("service_account_key = \"{key}\"\nscopes = [\"https://mail.google.com/\"]\n");
    let account = account(&text(&good));
    let oauth = account.oauth.as_ref().unwrap();
    assert_eq!(oauth.token_url.as_str(), "https://oauth2.googleapis.com/token");
    let Grant::ServiceAccount { key_file, subject } = &oauth.grant else { panic!("{oauth:?}") };
    assert_eq!((key_file.as_path(), subject.as_str()), (Path::new(key), "a@example.com"));
    check_mistakes(
        &text(""),
        "\
saslgate.toml:1: account.service_account_key: is missing: grant = \"service_account\" needs the JSON key \
file of a Google service account
saslgate.toml:1: account.scopes: is missing: a service account asks for the scopes that the administrator \
has delegated to it, for example scopes = [\"https://mail.google.com/\"]",
    );
    check_mistakes(
        &text(&format!("{good}client_id = \"id\"\n")),
        "\
saslgate.toml:9: account.client_id: has no effect with grant = \"service_account\": take it out",
    );
}

#[test]
fn a_password_grant_must_be_wanted() {
    let password = "owner_password = { env = \"X\" }\n";
    let forbidden = "\
saslgate.toml:6: account.grant: is \"password\", which must not be used, says RFC 9700 section 2.4: it \
shows the user's own password to the application, and rules out a second factor. Where the provider \
offers nothing else, write danger_allow_password_grant = true";
    check(&format!("grant = \"password\"\n{password}"), forbidden);
    check(
        &format!("grant = \"password\"\ndanger_allow_password_grant = false\n{password}"),
        forbidden,
    );
    let allowed = "grant = \"password\"\ndanger_allow_password_grant = true\n";
    check(
        allowed,
        "\
saslgate.toml:1: account.owner_password: is missing: grant = \"password\" needs to know where the user's \
own password is read from, for example owner_password = { file = \"owner-password\" }",
    );
    let user = |rest: &str| {
        let account = account(&good_and(&format!("{allowed}{password}{rest}")));
        let oauth = account.oauth.clone().unwrap();
        assert!(!oauth.scopes.iter().any(|it| it == "offline_access"), "nobody would use it");
        let Grant::Password { user, .. } = oauth.grant else { panic!("{account:?}") };
        user
    };
    assert_eq!(user(""), "a@example.com");
    assert_eq!(user("token_owner = \"owner@example.com\"\n"), "owner@example.com");
    check(
        password,
        "\
saslgate.toml:6: account.owner_password: has no effect with grant = \"refresh_token\": take it out",
    );
}

#[test]
fn tokens_from_elsewhere_need_nothing_else() {
    let text = |rest: &str| {
        format!(
            "[[account]]\nlogin = \"a@example.com\"\nprovider = \"custom\"\n\
             imap.host = \"imap.example.com\"\ngrant = \"external\"\n{rest}"
        )
    };
    let external = |rest: &str| {
        let account = account(&text(rest));
        assert!(account.oauth.is_none());
        account.external_token.clone().unwrap()
    };
    let command = external("token_command = [\"oama\", \"access\", \"a\"]\n");
    assert!(matches!(command, ExternalToken::Command(words) if words == ["oama", "access", "a"]));
    let file = external("token_file = \"run/token\"\n");
    assert!(matches!(file, ExternalToken::File(path) if path == Path::new("run/token")));
    for (rest, expected) in [
        (
            "",
            "1: account.token_command: is missing: grant = \"external\" needs token_command = \
             [\"program\", …] or token_file = \"path\"",
        ),
        (
            "token_command = [\"x\"]\ntoken_file = \"t\"\n",
            "7: account.token_file: stands beside token_command: keep one of them",
        ),
        (
            "token_command = []\n",
            "6: account.token_command: names no program: write [\"program\", \"argument\", …]",
        ),
        (
            "token_file = \"t\"\nclient_id = \"id\"\n",
            "7: account.client_id: has no effect with grant = \"external\": take it out",
        ),
        (
            "token_file = \"t\"\nscopes = [\"s\"]\n",
            "7: account.scopes: has no effect with grant = \"external\": take it out",
        ),
    ] {
        check_mistakes(&text(rest), &format!("saslgate.toml:{expected}"));
    }
    check_mistakes(
        &format!("{CUSTOM}token_file = \"t\"\n"),
        "\
saslgate.toml:7: account.token_file: has no effect with grant = \"refresh_token\": take it out",
    );
}

#[test]
fn no_secret_is_shown() {
    let text = good_and(
        "grant = \"password\"\ndanger_allow_password_grant = true\n\
         owner_password = { command = [\"pass\", \"hunter2\"] }\n",
    );
    let shown: String = judge(&text).unwrap().sections.iter().map(ToString::to_string).collect();
    assert!(shown.contains("owner_password"), "{shown}");
    assert!(shown.contains("danger_allow_password_grant"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let text = "[[account]]\nlogin = \"a@example.com\"\nprovider = \"custom\"\ngrant = \"external\"\n\
                imap.host = \"imap.example.com\"\ntoken_command = [\"pass\", \"hunter2\"]\n";
    let shown: String = judge(text).unwrap().sections.iter().map(ToString::to_string).collect();
    assert!(shown.contains("token_command") && !shown.contains("hunter2"), "{shown}");
}
