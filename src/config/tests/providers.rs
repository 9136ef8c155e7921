use super::*;

/// The least that an account of this provider says, with a listener for each protocol.
fn least(provider: &str, more: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"imap\"\n[[listen]]\nprotocol = \"pop3\"\n[[listen]]\nprotocol = \"smtp\"\n\
         [[account]]\nlogin = \"a@example.com\"\nprovider = \"{provider}\"\nclient_id = \"id\"\n{more}"
    )
}

#[track_caller]
fn oauth_of(text: &str) -> OAuthConfig {
    account(text).oauth.clone().unwrap()
}

const ORGANIZATION: &str = "tenant = \"example.com\"\n";

#[test]
fn each_provider_needs_little_and_has_its_own_servers() {
    for (provider, more, [imap, pop3, smtp], token_url) in [
        (
            "microsoft365",
            ORGANIZATION,
            ["outlook.office365.com:993", "outlook.office365.com:995", "smtp.office365.com:587"],
            "https://login.microsoftonline.com/example.com/oauth2/v2.0/token",
        ),
        (
            "microsoft365-gcc-high",
            ORGANIZATION,
            ["outlook.office365.us:993", "outlook.office365.us:995", "smtp.office365.us:587"],
            "https://login.microsoftonline.us/example.com/oauth2/v2.0/token",
        ),
        (
            "microsoft365-dod",
            ORGANIZATION,
            [
                "outlook-dod.office365.us:993",
                "outlook-dod.office365.us:995",
                "outlook-dod.office365.us:587",
            ],
            "https://login.microsoftonline.us/example.com/oauth2/v2.0/token",
        ),
        (
            "microsoft365-21vianet",
            ORGANIZATION,
            ["partner.outlook.cn:993", "partner.outlook.cn:995", "smtp.partner.outlook.cn:587"],
            "https://login.partner.microsoftonline.cn/example.com/oauth2/v2.0/token",
        ),
        (
            "outlook.com",
            "",
            ["outlook.office365.com:993", "outlook.office365.com:995", "smtp-mail.outlook.com:587"],
            "https://login.microsoftonline.com/consumers/oauth2/v2.0/token",
        ),
        (
            "google",
            "",
            ["imap.gmail.com:993", "pop.gmail.com:995", "smtp.gmail.com:465"],
            "https://oauth2.googleapis.com/token",
        ),
        (
            "yahoo",
            "",
            ["imap.mail.yahoo.com:993", "pop.mail.yahoo.com:995", "smtp.mail.yahoo.com:465"],
            "https://api.login.yahoo.com/oauth2/get_token",
        ),
        (
            "aol",
            "",
            ["imap.aol.com:993", "pop.aol.com:995", "smtp.aol.com:465"],
            "https://api.login.aol.com/oauth2/get_token",
        ),
        (
            "fastmail",
            "",
            ["imap.fastmail.com:993", "pop.fastmail.com:995", "smtp.fastmail.com:465"],
            "https://api.fastmail.com/oauth/refresh",
        ),
    ] {
        let account = account(&least(provider, more));
        let host = |protocol| account.upstream(protocol).unwrap().to_string();
        let hosts = Protocol::ALL.map(host);
        assert_eq!(hosts, [imap, pop3, smtp], "{provider}");
        let oauth = account.oauth.as_ref().unwrap();
        assert_eq!(oauth.token_url.as_str(), token_url);
        assert!(oauth.sign_in.authorization_url.is_some(), "{provider}");
        let provider = Provider::named(provider).unwrap();
        assert_eq!(
            provider.redirect_uri(),
            oauth.sign_in.redirect_uri.as_ref().map(RedirectUri::as_str)
        );
        assert_eq!(oauth.scopes, provider.scopes(&Protocol::ALL, false));
    }
    assert_eq!(Provider::all().count(), 10, "custom is the tenth");
}

#[test]
fn scopes_are_for_the_protocols_in_use_and_each_once() {
    let only = |provider: &str, more: &str, protocol: &str| {
        let text = least(provider, more);
        let (_, account) = text.split_once("[[account]]").unwrap();
        oauth_of(&format!("[[listen]]\nprotocol = \"{protocol}\"\n[[account]]{account}")).scopes
    };
    assert_eq!(
        only("microsoft365-gcc-high", ORGANIZATION, "smtp"),
        ["https://outlook.office365.us/SMTP.Send", "offline_access"]
    );
    assert_eq!(
        only("outlook.com", "", "pop3"),
        ["https://outlook.office.com/POP.AccessAsUser.All", "offline_access"]
    );
    assert_eq!(only("fastmail", "", "pop3"), ["https://www.fastmail.com/dev/protocol-pop"]);
    assert_eq!(oauth_of(&least("google", "")).scopes, ["https://mail.google.com/"]);
    assert_eq!(oauth_of(&least("aol", "")).scopes, ["mail-w"]);
    let app_only = "grant = \"client_credentials\"\nclient_secret = { env = \"X\" }\n";
    let app_only = format!("{ORGANIZATION}{app_only}");
    assert_eq!(
        oauth_of(&least("microsoft365-21vianet", &app_only)).scopes,
        ["https://partner.outlook.cn/.default"]
    );
}

#[test]
fn a_provider_says_how_it_is_asked() {
    let secret = "client_secret = { env = \"X\" }\n";
    let yahoo = oauth_of(&least("yahoo", secret));
    assert_eq!(yahoo.client_secret_method, ClientSecretMethod::Basic);
    let written = format!("{secret}client_secret_method = \"post\"\n");
    let yahoo = oauth_of(&least("yahoo", &written));
    assert_eq!(yahoo.client_secret_method, ClientSecretMethod::Post);
    let google = oauth_of(&least("google", secret));
    assert_eq!(google.client_secret_method, ClientSecretMethod::Post);
    let parameters = |oauth: &OAuthConfig| -> Vec<String> {
        oauth.sign_in.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(parameters(&google), ["access_type=offline", "prompt=consent"]);
    assert_eq!(google.sign_in.scopes, ["openid", "email"]);
    assert!(google.sign_in.device_url.is_none());
    // By whatever name: without these Google gives no refresh token.
    let custom = oauth_of(
        "[[account]]\nlogin = \"a\"\nprovider = \"custom\"\nclient_id = \"id\"\n\
         token_url = \"https://oauth2.googleapis.com/token\"\nimap.host = \"imap.gmail.com\"\n",
    );
    assert_eq!(parameters(&custom), parameters(&google));
    let outlook = oauth_of(&least("outlook.com", ""));
    assert_eq!(parameters(&outlook), ["prompt=select_account"]);
    let account = account(&least("google", ""));
    assert_eq!(account.imap.as_ref().unwrap().connection_limit, 15);
}

#[test]
fn a_tenant_is_an_id_a_domain_or_one_of_three_words() {
    let tenant = |provider: &str, tenant: &str| {
        judge(&least(provider, &format!("tenant = \"{tenant}\"\n")))
            .map(|loaded| {
                loaded.config.accounts[0].oauth.as_ref().unwrap().token_url.path().to_owned()
            })
            .map_err(|error| error.to_string())
    };
    for (provider, written, expected) in [
        (
            "microsoft365",
            "72f988bf-86f1-41af-91ab-2d7cd011db47",
            "/72f988bf-86f1-41af-91ab-2d7cd011db47/",
        ),
        ("microsoft365", "Organizations", "/organizations/"),
        ("microsoft365", "consumers", "/consumers/"),
        ("microsoft365-dod", "example.mil", "/example.mil/"),
        ("outlook.com", "common", "/common/"),
    ] {
        let path = tenant(provider, written).unwrap();
        assert!(path.starts_with(expected), "{path}");
    }
    for (provider, written, expected) in [
        (
            "microsoft365",
            "Contoso",
            "is neither a tenant's id (Directory ID, 36 characters) nor one of its",
        ),
        ("microsoft365", "a/b.c", "is neither a tenant's id"),
        ("microsoft365-gcc-high", "consumers", "live in the worldwide cloud only"),
        ("outlook.com", "example.com", "write provider = \"microsoft365\""),
        ("outlook.com", "organizations", "mailboxes at Outlook.com belong to none"),
        ("google", "example.com", "belongs to Microsoft's providers; google has none: take it out"),
        ("custom", "example.com", "custom has none: a custom provider has token_url"),
    ] {
        let error = tenant(provider, written).unwrap_err();
        assert!(error.starts_with("saslgate.toml:11: account.tenant: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_grant_that_a_provider_does_not_offer_is_refused() {
    for (provider, grant, expected) in [
        (
            "google",
            "client_credentials",
            "is \"client_credentials\", which Google does not offer for mail: write \"refresh_token\" or \
             \"service_account\", or \"external\" for tokens from elsewhere",
        ),
        (
            "outlook.com",
            "client_credentials",
            "is \"client_credentials\", which Outlook.com does not offer for mail: write \"refresh_token\", or \
             \"external\" for tokens from elsewhere",
        ),
        (
            "aol",
            "service_account",
            "is \"service_account\", which is Google's: write provider = \"google\"",
        ),
    ] {
        check_mistakes(
            &least(provider, &format!("grant = \"{grant}\"\n")),
            &format!("saslgate.toml:11: account.grant: {expected}"),
        );
    }
    let external = "[[account]]\nlogin = \"a\"\nprovider = \"yahoo\"\ngrant = \"external\"\n\
                    token_file = \"/run/token\"\n";
    assert!(account(external).external_token.is_some());
}

#[test]
fn a_service_account_at_google_needs_its_key_alone() {
    check_mistakes(
        "[[account]]\nlogin = \"a@example.com\"\nprovider = \"google\"\ngrant = \"service_account\"\n",
        "\
saslgate.toml:1: account.service_account_key: is missing: grant = \"service_account\" needs the JSON key \
file of a Google service account",
    );
}

#[test]
fn an_unknown_provider_is_answered_with_the_nearest() {
    const KNOWN: &str = "Known here: microsoft365, microsoft365-gcc-high, microsoft365-dod, \
        microsoft365-21vianet, outlook.com, google, yahoo, aol, fastmail, custom";
    for (written, nearest) in [
        ("gmail", "google"),
        ("Google", "google"),
        ("office365", "microsoft365"),
        ("outlook", "outlook.com"),
        ("microsoft365-gcchigh", "microsoft365-gcc-high"),
        ("microsoft365_dod", "microsoft365-dod"),
        ("fastmial", "fastmail"),
    ] {
        check_mistakes(
            &format!("[defaults]\nprovider = \"{written}\"\n"),
            &format!(
                "saslgate.toml:2: defaults.provider: unknown word `{written}`: did you mean `{nearest}`? {KNOWN}"
            ),
        );
        assert_eq!(Provider::nearest(written), Some(nearest));
    }
    let error =
        judge("[defaults]\nprovider = \"protonmail\"\n").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("unknown word `protonmail`: known here: microsoft365, "), "{error}");
}

#[test]
fn a_provider_is_known_by_its_token_endpoint() {
    for (url, title) in [
        ("https://login.microsoftonline.com/example.com/oauth2/v2.0/token", "Microsoft 365"),
        ("https://login.microsoftonline.com/consumers/oauth2/v2.0/token", "Outlook.com"),
        ("https://login.microsoftonline.us/example.us/oauth2/v2.0/token", "Microsoft 365 GCC High"),
        ("https://api.login.aol.com/oauth2/get_token", "AOL"),
        ("https://oauth2.googleapis.com/token", "Google"),
    ] {
        assert_eq!(Provider::at(&url.parse().unwrap()).unwrap().title(), title);
    }
    assert!(Provider::at(&"https://id.example.test/consumers".parse().unwrap()).is_none());
}
