//! The login itself: mechanisms, challenges, refusals, and what is not sent.

use super::*;

#[test]
fn mechanisms() {
    use BearerMechanism::{OAuthBearer, XOAuth2};
    for (wanted, listed, chosen) in [
        (None, "AUTH PLAIN OAUTHBEARER XOAUTH2", "XOAUTH2"),
        (None, "auth plain oauthbearer", "OAUTHBEARER"),
        (Some(OAuthBearer), "AUTH XOAUTH2 OAUTHBEARER", "OAUTHBEARER"),
        (Some(XOAuth2), "AUTH=OAUTHBEARER XOAUTH2", "XOAUTH2"),
        (None, "AUTH PLAIN\nS: 250-AUTH=XOAUTH2", "XOAUTH2"),
    ] {
        check_with(
            &options(false, wanted),
            &format!(
                "{GREETED}S: 250-hi\nS: 250-{listed}\nS: 250 DSN\n= Ready\n[login u]\nC: AUTH {chosen}"
            ),
        );
    }
    for (wanted, listed) in [
        (None, "AUTH PLAIN LOGIN"),
        (Some(XOAuth2), "AUTH OAUTHBEARER"),
        (None, "AUTHENTICATION XOAUTH2"),
        (None, "SIZE XOAUTH2"),
    ] {
        check_with(
            &options(false, wanted),
            &format!(
                "{GREETED}S: 250-AUTH XOAUTH2 OAUTHBEARER\nS: 250 {listed}\n= Ready\n[login u]\n\
                 = Reject(NoMechanism {{ offered: \"{listed}\" }})"
            ),
        );
    }
}

#[test]
fn the_error_challenge_is_ours_to_answer() {
    rejected(
        &format!(
            "{SENT}S: 334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyJ9\nC: \n\
             S: 535-5.7.8 Username and Password not accepted. For more information, go to\n\
             S: 535 5.7.8  https://support.test/ x - gsmtp"
        ),
        r#"Credential { text: "535 5.7.8 Username and Password not accepted. For more information, go to https://support.test/ x - gsmtp (status 401)" }"#,
    );
    rejected(
        &format!("{SENT}S: 334 e30=\nC: \nS: 334 e30="),
        r#"Protocol { fault: "a challenge too many" }"#,
    );
    check_with(
        &options(false, Some(BearerMechanism::OAuthBearer)),
        r#"
S: 220 hi
C: EHLO [192.0.2.1]
S: 250-hi
S: 250 AUTH OAUTHBEARER
= Ready
[login a,b]
C: AUTH OAUTHBEARER
S: 334 
C: bixhPWE9MkNiLAFob3N0PXNtdHAudGVzdAFwb3J0PTU4NwFhdXRoPUJlYXJlciB0b2tlbgEB
S: 334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
C: AQ==
S: 501 5.7.0 cancelled
= Reject(Credential { text: "501 5.7.0 cancelled (status invalid_token)" })
"#,
    );
}

/// Whoever has not seen the token yet cannot refuse it, whatever the reply's number.
#[test]
fn refusals() {
    for (answer, rejection) in [
        ("421 4.4.2 dropped", r#"Busy { text: "421 4.4.2 dropped" }"#),
        (
            "432 4.3.2 Concurrent connections limit exceeded",
            r#"Busy { text: "432 4.3.2 Concurrent connections limit exceeded" }"#,
        ),
        ("454 4.7.0 later", r#"Busy { text: "454 4.7.0 later" }"#),
        ("454-4.7.0 a\nS: 454 4.7.0 b", r#"Busy { text: "454 4.7.0 a b" }"#),
        ("250 x", r#"Protocol { fault: "a reply that AUTH does not have" }"#),
        ("354 x", r#"Protocol { fault: "a reply that AUTH does not have" }"#),
    ] {
        rejected(&format!("{ASKED}S: {answer}"), rejection);
        rejected(&format!("{SENT}S: {answer}"), rejection);
    }
    for answer in [
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
        "535 5.7.8 x",
        "534 5.7.9 x",
        "538 5.7.11 x",
        "530 5.7.57 x",
        "550 5.7.30 x",
        "501 5.5.124 x",
        "500 5.5.6 x",
        "502 x",
        "503 5.5.1 x",
        "504 5.5.4 x",
    ] {
        let begun = format!(
            r#"NoMechanism {{ offered: "AUTH LOGIN XOAUTH2; and says to AUTH XOAUTH2: {answer}" }}"#
        );
        rejected(&format!("{ASKED}S: {answer}"), &begun);
        let sent = format!(r#"Credential {{ text: "{answer}" }}"#);
        rejected(&format!("{SENT}S: {answer}"), &sent);
    }
    rejected(
        &format!("{SENT}S: 535 5.7.3 User is authenticated but not connected."),
        r#"NotConnected { text: "535 5.7.3 User is authenticated but not connected." }"#,
    );
    rejected(&format!("{ASKED}S: 235 in"), r#"Protocol { fault: "a login without a credential" }"#);
}

#[test]
fn a_password_goes_by_plain_or_by_login() {
    for (listed, exchange) in [
        ("LOGIN PLAIN", "C: AUTH PLAIN\nS: 334\nC: AHUAcCB3"),
        ("LOGIN XOAUTH2", "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dQ==\nS: 334 x\nC: cCB3"),
    ] {
        check(&format!(
            "{GREETED}S: 250-hi\nS: 250 AUTH {listed}\n= Ready\n[password u p w]\n{exchange}\n\
             S: 235 in\n= Authenticated(Welcome {{ capabilities: [\"AUTH {listed}\"] }})"
        ));
    }
    let ready = format!("{GREETED}S: 250-hi\nS: 250 AUTH LOGIN\n= Ready\n");
    let named = format!("{ready}[password u p w]\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dQ==\n");
    let sent = format!("{named}S: 334 UGFzc3dvcmQ6\nC: cCB3\n");
    for answer in ["535 5.7.8 no", "500 no"] {
        let rejection = format!(r#"Credential {{ text: "{answer}" }}"#);
        rejected(&format!("{named}S: {answer}"), &rejection);
        rejected(&format!("{sent}S: {answer}"), &rejection);
    }
    // Not about a password that was never sent.
    for answer in ["503 5.5.1 no", "530 5.7.0 Must issue a STARTTLS command first"] {
        rejected(
            &format!("{named}S: {answer}"),
            &format!(
                r#"NoMechanism {{ offered: "AUTH LOGIN; and says to AUTH LOGIN: {answer}" }}"#
            ),
        );
    }
    rejected(&format!("{named}S: 454 no"), r#"Busy { text: "454 no" }"#);
    rejected(
        &format!("{named}S: 235 in"),
        r#"Protocol { fault: "a reply that AUTH does not have" }"#,
    );
    rejected(&format!("{sent}S: 334 e30="), r#"Protocol { fault: "a challenge too many" }"#);
    check(&format!(
        "{GREETED}S: 250-hi\nS: 250 AUTH XOAUTH2 CRAM-MD5\n= Ready\n[password u p]\n\
         = Reject(NoMechanism {{ offered: \"AUTH XOAUTH2 CRAM-MD5\" }})"
    ));
}

#[test]
fn what_cannot_be_sent() {
    let unsendable =
        r#"= Reject(Protocol { fault: "user name or credential hold what cannot be sent" })"#;
    for login in ["[login u\u{1}auth=Bearer x]", "[password u a\0b]", "[password u\0 x]"] {
        check(&format!(
            "{GREETED}S: 250-hi\nS: 250 AUTH XOAUTH2 LOGIN\n= Ready\n{login}\n{unsendable}"
        ));
    }
    for client_name in ["", "a b", "a\r\nMAIL"] {
        let options = UpstreamOptions { client_name: client_name.into(), ..options(false, None) };
        check_with(
            &options,
            "S: 220 hi\n= Reject(Protocol { fault: \"our own name cannot be sent\" })",
        );
    }
}
