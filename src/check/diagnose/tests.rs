//! From evidence to findings, as tables: what came back, and which cause it must be.

use std::time::Duration;

use super::*;
use crate::token::{Cause, CertificateFault, TokenError, TokenErrorKind};

const MAILBOX: &str = "info@example.ch";

/// Of an account at Microsoft's.
fn about(app_only: bool) -> About {
    About {
        login: MAILBOX.into(),
        token_of: MAILBOX.into(),
        place: String::new(),
        provider: "microsoft365",
        mailboxes: Protocol::ALL.into_iter().map(|it| (it, MAILBOX.to_owned())).collect(),
        owner: None,
        own: None,
        client_id: "app-id".into(),
        tenant: Some("example.ch".into()),
        token_url: Some("https://login.microsoftonline.com/example.ch/oauth2/v2.0/token".into()),
        proxy: None,
        redirect_uri: Some("http://localhost".into()),
        scopes: vec!["https://outlook.office.com/IMAP.AccessAsUser.All".into()],
        app_only,
        proof: Some("client_secret"),
        grant: Some(if app_only { "client_credentials" } else { "refresh_token" }),
    }
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn delegated(scopes: &[&str], user: &str) -> Claims {
    Claims {
        audiences: list(&["https://outlook.office.com"]),
        scopes: list(scopes),
        names: list(&[user]),
        ..Claims::default()
    }
}

fn application(roles: &[&str]) -> Claims {
    let audiences = list(&["https://outlook.office365.com"]);
    Claims { audiences, roles: list(roles), of_application: true, ..Claims::default() }
}

const ALL_SCOPES: &[&str] = &["IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"];
const ALL_ROLES: &[&str] = &["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"];
const FAILED: &str = "AUTHENTICATE failed.";
const NOT_CONNECTED: &str = "User is authenticated but not connected.";

fn credential(text: &str) -> Rejection {
    Rejection::Credential { text: text.into() }
}

fn not_connected() -> Rejection {
    Rejection::NotConnected { text: NOT_CONNECTED.into() }
}

/// What a refusal is, with claims and all who were let in.
fn of(
    protocol: Protocol,
    refusal: &Rejection,
    claims: Option<&Claims>,
    let_in: &[Protocol],
) -> &'static str {
    let about = about(claims.is_some_and(|claims| claims.of_application));
    of_account(&about, protocol, refusal, claims, let_in)
}

/// The same of this account.
fn of_account(
    about: &About,
    protocol: Protocol,
    refusal: &Rejection,
    claims: Option<&Claims>,
    let_in: &[Protocol],
) -> &'static str {
    let claim_findings =
        claims.map(|claims| claims.judge(about, &Protocol::ALL)).unwrap_or_default();
    let evidence = Evidence {
        about,
        protocol,
        user: MAILBOX,
        with_token: true,
        claims,
        claim_findings: &claim_findings,
        let_in,
    };
    rejection(refusal, &evidence).id()
}

#[test]
fn evidence_decides_what_a_refusal_means() {
    use Protocol::{Imap, Pop3, Smtp};
    let own = delegated(ALL_SCOPES, MAILBOX);
    let others = delegated(ALL_SCOPES, "anna@example.ch");
    let narrow = delegated(&["POP.AccessAsUser.All"], MAILBOX);
    let app = application(ALL_ROLES);
    let no_role = application(&["SMTP.SendAsApp"]);
    let graph = Claims { audiences: list(&["https://graph.microsoft.com"]), ..own.clone() };
    for (protocol, refusal, claims, let_in, expected) in [
        (Imap, credential(FAILED), Some(&own), &[][..], "token_refused"),
        (Imap, credential(FAILED), None, &[], "token_refused"),
        (Imap, credential(FAILED), Some(&own), &[Pop3], "protocol_off"),
        (Imap, credential(FAILED), Some(&own), &[Smtp], "protocol_off"),
        (Imap, credential(FAILED), Some(&others), &[Smtp], "token_refused"),
        (Imap, credential(FAILED), Some(&narrow), &[Pop3], "scope_missing"),
        (Pop3, credential(FAILED), Some(&narrow), &[], "token_refused"),
        (Imap, credential(FAILED), Some(&graph), &[], "audience_wrong"),
        (Imap, credential(FAILED), Some(&app), &[], "service_principal_wrong"),
        (Imap, credential(FAILED), Some(&app), &[Pop3], "protocol_off"),
        (Imap, credential(FAILED), Some(&no_role), &[], "role_missing"),
        (
            Smtp,
            credential("535 5.7.3 Authentication unsuccessful"),
            Some(&app),
            &[],
            "service_principal_wrong",
        ),
        (
            Smtp,
            credential("535 5.7.3 Authentication unsuccessful"),
            Some(&narrow),
            &[],
            "scope_missing",
        ),
        (Imap, not_connected(), Some(&own), &[], "mailbox_permission_missing"),
        (Imap, not_connected(), Some(&own), &[Smtp], "protocol_off"),
        (Imap, not_connected(), Some(&others), &[Smtp], "mailbox_permission_missing"),
        (Imap, not_connected(), Some(&others), &[Pop3], "protocol_off"),
        (Imap, not_connected(), Some(&app), &[], "mailbox_permission_missing"),
        (Imap, not_connected(), Some(&app), &[Smtp], "mailbox_permission_missing"),
    ] {
        assert_eq!(of(protocol, &refusal, claims, let_in), expected, "{refusal:?} {claims:?}");
    }
}

#[test]
fn another_persons_token_is_named_where_the_mailbox_does_not_open() {
    use Protocol::{Imap, Pop3, Smtp};
    let own = delegated(ALL_SCOPES, "Info@Example.ch");
    let others = delegated(ALL_SCOPES, "anna@example.ch");
    let app = application(ALL_ROLES);
    let plain = About { own: Some(MAILBOX.into()), ..about(false) };
    let owned = About { owner: Some("anna@example.ch".into()), ..plain.clone() };
    let renamed = About { owner: Some("anna@another.example".into()), ..plain.clone() };
    let shared = about(false);
    // No fault as long as nobody refuses: whoever signed in may have the permission.
    assert_eq!(others.judge(&plain, &Protocol::ALL)[0].id(), "claims_good");
    let failed = credential(FAILED);
    let smtp = credential("535 5.7.3 Authentication unsuccessful");
    for (about, protocol, refusal, claims, let_in, expected) in [
        (&plain, Imap, &not_connected(), Some(&others), &[][..], "user_wrong"),
        (&plain, Imap, &failed, Some(&others), &[], "user_wrong"),
        (&plain, Imap, &not_connected(), Some(&others), &[Pop3], "protocol_off"),
        (&plain, Smtp, &smtp, Some(&others), &[Imap], "user_wrong"),
        (&plain, Imap, &failed, Some(&own), &[], "token_refused"),
        (&plain, Imap, &failed, Some(&app), &[], "service_principal_wrong"),
        (&plain, Imap, &failed, None, &[], "token_refused"),
        (&owned, Imap, &not_connected(), Some(&others), &[], "mailbox_permission_missing"),
        // The owner by another of her names: POP3 shows that she fits.
        (&renamed, Imap, &failed, Some(&others), &[], "user_wrong"),
        (&renamed, Imap, &failed, Some(&others), &[Pop3], "protocol_off"),
        (&shared, Imap, &not_connected(), Some(&others), &[], "mailbox_permission_missing"),
    ] {
        let found = of_account(about, protocol, refusal, claims, let_in);
        assert_eq!(found, expected, "{protocol} {refusal:?} {claims:?} {let_in:?}");
    }
}

#[test]
fn exchanges_own_codes_need_no_evidence() {
    let off =
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the";
    for (text, expected) in [
        (format!("{off} Tenant. Visit https://aka.ms/smtp_auth_disabled"), "smtp_auth_off_for_tenant"),
        (format!("{off} Mailbox. Visit https://aka.ms/smtp_auth_disabled"), "smtp_auth_off_for_mailbox"),
        ("535 5.7.139 Authentication unsuccessful, user is locked by your organization's security \
          defaults policy.".into(), "security_defaults"),
        ("550 5.7.30 Basic authentication is not supported for Client Submission.".into(),
            "passwords_not_taken"),
        ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.".into(),
            "passwords_not_taken"),
        ("535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be \
          authenticated successfully. Contact your administrator.".into(), "policy_forbids"),
        ("[UNAVAILABLE] Server Unavailable. 15".into(), "server_throttles"),
    ] {
        assert_eq!(of(Protocol::Smtp, &credential(&text), None, &[]), expected, "{text}");
    }
    // Whatever other servers say.
    let text = "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be \
                authenticated successfully.";
    let own = delegated(ALL_SCOPES, MAILBOX);
    let found = of(Protocol::Smtp, &credential(text), Some(&own), &[Protocol::Imap]);
    assert_eq!(found, "policy_forbids");
    let busy = Rejection::Busy { text: "432 4.3.2 Concurrent connections limit exceeded".into() };
    assert_eq!(of(Protocol::Smtp, &busy, None, &[]), "server_throttles");
    let offered = "AUTH PLAIN; and says to AUTH XOAUTH2: 504 5.7.4 Unrecognized".to_owned();
    let none = Rejection::NoMechanism { offered };
    assert_eq!(of(Protocol::Smtp, &none, None, &[]), "mechanism_missing");
}

#[test]
fn a_password_is_not_a_token() {
    let about = about(false);
    let evidence = Evidence {
        about: &about,
        protocol: Protocol::Smtp,
        user: "u",
        with_token: false,
        claims: None,
        claim_findings: &[],
        let_in: &[Protocol::Imap],
    };
    let finding = rejection(&credential("535 5.7.8 no"), &evidence);
    assert_eq!(finding.id(), "upstream_password_refused");
    assert_eq!(rejection(&not_connected(), &evidence).id(), "mailbox_permission_missing");
}

#[test]
fn what_a_server_says_to_a_mail() {
    for (words, at_recipient, expected) in [
        ("554 5.2.252 SendAsDenied; a@b not allowed to send as c@d", false, "sender_not_allowed"),
        (
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            true,
            "sender_not_allowed",
        ),
        ("550 5.1.1 User unknown", true, "recipient_refused"),
        ("450 4.2.0 Greylisted", true, "mail_delayed"),
        ("452 4.2.2 Mailbox full", true, "mail_delayed"),
        ("451 4.7.0 Temporary server error. Please try again later.", false, "mail_delayed"),
        ("421 4.3.2 Service not available", false, "server_throttles"),
        ("452 4.5.3 Too many recipients", true, "server_throttles"),
        (
            "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            false,
            "server_throttles",
        ),
        ("554 5.6.0 Corrupt message content", false, "mail_refused"),
    ] {
        let found = mail_refused(words, at_recipient, ["c@d", "a@b", "e@f"]);
        assert_eq!(found.id(), expected, "{words}");
    }
}

#[test]
fn a_server_that_is_heard_is_not_silent() {
    use crate::{
        config::{Authentication, UpstreamConfig, UpstreamTlsMode, Verification},
        upstream::OpenError,
    };
    let server = UpstreamConfig {
        host: "mail.example.ch".into(),
        port: 993,
        mode: UpstreamTlsMode::Implicit,
        verification: Verification::Roots { ca_file: None, name: None },
        authentication: Authentication::OAuth,
        connection_limit: 1,
        presumed_extensions: Vec::new(),
    };
    let about = about(false);
    let evidence = Evidence {
        about: &about,
        protocol: Protocol::Imap,
        user: "u",
        with_token: true,
        claims: None,
        claim_findings: &[],
        let_in: &[],
    };
    let found = |error: &OpenError, opening: &[u8]| open(error, &server, None, opening, &evidence);
    assert_eq!(found(&OpenError::Silent, b"").id(), "server_silent");
    let dripping = found(&OpenError::Silent, b"* O");
    let Finding::ServerUnclear { text, .. } = dripping else { panic!("{dripping:?}") };
    assert!(text.contains("\"* O\""), "{text}");
    // It was we who ended that.
    let flood = OpenError::Rejected(Rejection::Protocol { fault: "a line without an end" });
    assert_eq!(found(&flood, b"* OK").id(), "server_unclear");
    assert_eq!(found(&flood, b"+OK ").id(), "wrong_protocol");
    assert_eq!(stalls(&server, b"").id(), "server_unclear");
}

fn refused(word: &str, code: Option<u32>) -> TokenError {
    let cause = Cause::Provider {
        error: Some(word.into()),
        code,
        status: 400,
        retry_after: None,
        what: "says no".into(),
    };
    TokenError { kind: TokenErrorKind::SignIn, text: "It says no.".into(), cause }
}

#[test]
fn each_code_of_the_provider_is_one_cause() {
    for (codes, expected) in [
        (&[700_082, 70_008][..], "grant_expired"),
        (&[50_173, 50_132, 50_133], "grant_revoked"),
        (&[70_043], "sign_in_frequency"),
        (&[50_076, 50_079, 50_072, 50_074, 50_078], "mfa_needed"),
        (&[53_003, 50_158, 530_032], "conditional_access"),
        (&[53_000, 53_001, 50_097, 50_005], "device_policy"),
        (&[65_001, 65_004], "consent_missing"),
        (&[90_094, 90_095], "admin_consent_missing"),
        (&[90_002, 50_194, 90_130, 9_002_332, 9_001_023, 90_038], "tenant_wrong"),
        (&[700_016, 70_001], "client_id_wrong"),
        (&[7_000_112], "application_disabled"),
        (&[50_105], "not_assigned"),
        (&[7_000_215, 70_002], "secret_wrong"),
        (&[7_000_222], "secret_expired"),
        (&[7_000_218], "secret_missing"),
        (&[700_025], "secret_not_wanted"),
        (&[700_027, 50_012, 70_021, 700_213, 700_023, 700_030], "assertion_refused"),
        (&[700_024], "clock_wrong"),
        (&[50_011], "redirect_mismatch"),
        (&[650_052, 650_056, 650_057, 500_011, 70_011, 28_002, 700_022], "scope_wrong"),
        (&[50_020, 50_034], "user_unknown"),
        (&[50_053, 50_055, 50_057, 50_126, 50_144], "user_unusable"),
        (&[50_196], "endpoint_throttled"),
        (&[1, 99_999], "provider_refused"),
    ] {
        for code in codes {
            // A word that means something else: the code says more.
            let error = refused("interaction_required", Some(*code));
            assert_eq!(token_error(&error, &about(false)).id(), expected, "{code}");
        }
    }
    // What passes asks nobody to sign in, whatever the word beside its number is.
    let passing =
        TokenError { kind: TokenErrorKind::Unavailable, ..refused("invalid_grant", Some(50_033)) };
    assert_eq!(token_error(&passing, &about(false)).id(), "endpoint_fault");
    let consent = refused("invalid_grant", Some(65_001));
    assert_eq!(token_error(&consent, &about(true)).id(), "admin_consent_missing");
}

#[test]
fn the_word_decides_where_there_is_no_code() {
    let google = About { grant: Some("service_account"), ..about(true) };
    let public = About { proof: None, ..about(false) };
    for (word, about, expected) in [
        ("invalid_grant", &about(false), "grant_revoked"),
        ("invalid_client", &about(false), "secret_wrong"),
        ("invalid_client", &public, "client_id_wrong"),
        ("unauthorized_client", &about(true), "grant_not_allowed"),
        ("unauthorized_client", &google, "delegation_missing"),
        ("consent_required", &about(false), "consent_missing"),
        ("invalid_scope", &about(false), "scope_wrong"),
        ("slow_down", &about(false), "endpoint_throttled"),
        ("brand_new", &about(false), "provider_refused"),
    ] {
        assert_eq!(token_error(&refused(word, None), about).id(), expected, "{word}");
    }
}

#[test]
fn what_is_no_refusal() {
    let of = |cause| {
        let error = TokenError { kind: TokenErrorKind::Unavailable, text: String::new(), cause };
        token_error(&error, &about(false))
    };
    let answer = |status, error: Option<&str>| {
        of(Cause::Provider {
            error: error.map(str::to_owned),
            code: None,
            status,
            retry_after: Some(Duration::from_secs(7)),
            what: "w".into(),
        })
    };
    assert_eq!(
        answer(429, Some("invalid_grant")),
        Finding::EndpointThrottled { retry_after_seconds: Some(7) }
    );
    assert_eq!(answer(503, Some("invalid_client")).id(), "endpoint_fault");
    // A redirect, a page, a token with a line end in it: the address is wrong, and waiting is no help.
    for status in [200, 302, 404] {
        assert_eq!(answer(status, None).id(), "no_oauth_answer", "{status}");
    }
    assert_eq!(of(Cause::Unanswered { what: "w".into() }).id(), "no_oauth_answer");
    assert_eq!(answer(400, Some("server_error")).id(), "endpoint_fault");
    assert_eq!(of(Cause::SignInMissing), Finding::SignInMissing);
    assert_eq!(of(Cause::Store { text: "s".into() }).id(), "store_fault");
    assert_eq!(of(Cause::External).id(), "external_token_fails");
    let (host, what) = ("h".to_owned(), "w".to_owned());
    assert_eq!(of(Cause::Unreachable { host, what }).id(), "endpoint_unreachable");
}

#[test]
fn claims_are_read_and_judged() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let token = |payload: &str| {
        crate::secret::Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    };
    assert_eq!(Claims::read(&crate::secret::Secret::new("opaque")), None);
    assert_eq!(Claims::read(&crate::secret::Secret::new("a.b.c")), None);
    let judged = |payload: &str, about: &About| -> Vec<&'static str> {
        let claims = Claims::read(&token(payload)).unwrap();
        claims.judge(about, &[Protocol::Imap, Protocol::Smtp]).iter().map(Finding::id).collect()
    };
    let owned = About { owner: Some("Anna@example.ch".into()), ..about(false) };
    let nobody = About { app_only: true, ..owned.clone() };
    let scp = r#""scp":"IMAP.AccessAsUser.All SMTP.Send""#;
    let exchange = r#""aud":"https://outlook.office.com""#;
    for (payload, about, expected) in [
        (format!(r#"{{{exchange},{scp},"upn":"anna@example.ch"}}"#), &owned, &["claims_good"][..]),
        (format!(r#"{{{exchange},{scp},"upn":"tim@example.ch"}}"#), &owned, &["user_wrong"]),
        (format!(r#"{{{exchange},"scp":"SMTP.Send"}}"#), &owned, &["scope_missing"]),
        (
            format!(r#"{{"aud":"00000003-0000-0000-c000-000000000000",{scp}}}"#),
            &owned,
            &["audience_wrong"],
        ),
        (
            format!(r#"{{{exchange},"roles":["IMAP.AccessAsApp","SMTP.SendAsApp"]}}"#),
            &about(true),
            &["claims_good"],
        ),
        // Nobody signs in, so nobody can sign in as somebody else, whatever a broker's token says.
        (format!(r#"{{{exchange},{scp},"upn":"tim@example.ch"}}"#), &nobody, &["claims_good"]),
        (
            format!(r#"{{{exchange},"scp":"User.Read","upn":"tim@example.ch"}}"#),
            &nobody,
            &["role_missing", "role_missing"],
        ),
        (
            format!(r#"{{{exchange},"idtyp":"app"}}"#),
            &about(true),
            &["role_missing", "role_missing"],
        ),
    ] {
        assert_eq!(judged(&payload, about), expected, "{payload}");
    }
    // Elsewhere nobody says what an audience should be, and scopes count where they are listed.
    let custom = About {
        provider: "custom",
        scopes: list(&["mail:imap", "offline_access"]),
        ..about(false)
    };
    assert_eq!(judged(r#"{"aud":"mail"}"#, &custom), ["claims_good"]);
    assert_eq!(judged(r#"{"aud":"mail","scope":"openid mail:imap"}"#, &custom), ["claims_good"]);
    assert_eq!(judged(r#"{"aud":"mail","scope":["openid"]}"#, &custom), ["scope_missing"]);
}

#[test]
fn a_number_that_nobody_knows_is_looked_up_and_not_guessed_at() {
    let of = |error, code| token_error(&refused(error, code), &about(false)).id();
    assert_eq!(of("invalid_grant", Some(99_999)), "provider_refused");
    assert_eq!(of("invalid_grant", None), "grant_revoked");
    assert_eq!(of("admin_policy_enforced", None), "admin_consent_missing");
}

#[test]
fn a_certificate_at_the_token_endpoint_is_told_as_at_a_mail_server() {
    let of = |fault| {
        let cause = Cause::Certificate { host: "login.example.ch".to_owned(), fault };
        let error = TokenError { kind: TokenErrorKind::Unavailable, text: String::new(), cause };
        token_error(&error, &about(false)).id()
    };
    assert_eq!(of(CertificateFault::UnknownIssuer), "certificate_unknown_issuer");
    assert_eq!(of(CertificateFault::Name), "certificate_name_mismatch");
    assert_eq!(of(CertificateFault::Expired), "certificate_expired");
    assert_eq!(of(CertificateFault::NotYetValid), "certificate_not_yet_valid");
}

#[test]
fn a_proxy_that_refuses_is_not_the_providers_fault() {
    let about = About { proxy: Some("proxy.example.ch:3128".to_owned()), ..about(false) };
    let of = |what: &str| {
        let cause = Cause::Unreachable { host: "h".to_owned(), what: what.to_owned() };
        let error = TokenError { kind: TokenErrorKind::Unavailable, text: String::new(), cause };
        token_error(&error, &about).id()
    };
    assert_eq!(of("cannot be reached (Connection refused)"), "proxy_unreachable");
    assert_eq!(of("broke the connection off (eof)"), "endpoint_unreachable");
}
