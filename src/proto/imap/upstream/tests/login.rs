//! The login itself: mechanisms, challenges, refusals, and what is not sent.

use super::*;

#[test]
fn the_error_challenge_is_ours_to_answer() {
    check(&format!(
        r#"{GREETED}S: + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyJ9
C: 
S: G1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)
= Reject(Credential {{ text: "[AUTHENTICATIONFAILED] Invalid credentials (Failure) (status 401)" }})"#
    ));
    check_with(
        &options(false, Some(BearerMechanism::OAuthBearer)),
        r#"
S: * OK [CAPABILITY AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR] hi
= Ready
[login a,b]
C: G1 AUTHENTICATE OAUTHBEARER bixhPWE9MkNiLAFob3N0PWltYXAudGVzdAFwb3J0PTk5MwFhdXRoPUJlYXJlciB0b2tlbgEB
S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
C: AQ==
S: G1 NO refused
= Reject(Credential { text: "refused (status invalid_token)" })
"#,
    );
    check(&format!(
        "{GREETED}S: + e30=\nC: \nS: + e30=\n= Reject(Protocol {{ fault: \"a continuation request \
         that nothing asked for\" }})"
    ));
}

#[test]
fn refusals() {
    for (answer, rejection) in [
        ("G1 NO AUTHENTICATE failed.", r#"Credential { text: "AUTHENTICATE failed." }"#),
        ("G1 NO [UNAVAILABLE] later", r#"Busy { text: "[UNAVAILABLE] later" }"#),
        ("G1 NO [limit] later", r#"Busy { text: "[limit] later" }"#),
        ("* BYE Connection closed. 14", r#"Busy { text: "Connection closed. 14" }"#),
        ("G1 BAD what?", r#"Protocol { fault: "it does not understand the login" }"#),
        (
            "G1 BAD User is authenticated but not connected.",
            r#"NotConnected { text: "User is authenticated but not connected." }"#,
        ),
        // RFC 5530 section 3: "authentication succeeded", so another token fails the same way.
        (
            "G1 NO [AuthorizationFailed] disabled",
            r#"NotConnected { text: "[AuthorizationFailed] disabled" }"#,
        ),
        ("A1 OK in", r#"Protocol { fault: "an answer to a command that was not sent" }"#),
    ] {
        check(&format!("{GREETED}S: {answer}\n= Reject({rejection})"));
    }
}

#[test]
fn authenticated_and_not_connected() {
    for answer in ["G2 BAD not connected", "G2 NO not connected", "* BYE not connected"] {
        check(&format!(
            "{GREETED}S: G1 OK in\nC: G2 CAPABILITY\nS: {answer}\n\
             = Reject(NotConnected {{ text: \"not connected\" }})"
        ));
    }
}

#[test]
fn a_login_that_tells_nothing_is_none() {
    check(&format!(
        "{GREETED}S: G1 OK in\nC: G2 CAPABILITY\nS: G2 OK done\n\
         = Reject(Protocol {{ fault: \"no list of capabilities\" }})"
    ));
}

#[test]
fn no_mechanism() {
    check(
        r#"
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi
= Ready
[login u]
= Reject(NoMechanism { offered: "IMAP4rev1 AUTH=PLAIN" })
"#,
    );
    check_with(
        &options(false, Some(BearerMechanism::XOAuth2)),
        r#"
S: * OK [CAPABILITY AUTH=OAUTHBEARER] hi
= Ready
[login u]
= Reject(NoMechanism { offered: "AUTH=OAUTHBEARER" })
"#,
    );
}

#[test]
fn a_name_with_controls_is_not_sent() {
    check(
        "S: * OK [CAPABILITY AUTH=XOAUTH2] hi\n= Ready\n[login u\u{1}auth=Bearer x]\n\
         = Reject(Protocol { fault: \"user name or credential hold what cannot be sent\" })",
    );
}

#[test]
fn no_token_without_the_go_ahead() {
    for (answer, rejection) in [
        ("G1 OK in", r#"Protocol { fault: "a login without a credential" }"#),
        ("G1 NO not that", r#"Busy { text: "not that" }"#),
    ] {
        check(&format!(
            "S: * OK [CAPABILITY AUTH=XOAUTH2] hi\n= Ready\n[login u]\n\
             C: G1 AUTHENTICATE XOAUTH2\nS: {answer}\n= Reject({rejection})"
        ));
    }
}

#[test]
fn a_password_goes_by_plain() {
    for (capabilities, exchange) in [
        ("LOGINDISABLED AUTH=PLAIN SASL-IR", "C: G1 AUTHENTICATE PLAIN AHUAcCB3"),
        ("AUTH=plain AUTH=XOAUTH2", "C: G1 AUTHENTICATE PLAIN\nS: +\nC: AHUAcCB3"),
    ] {
        check(&format!(
            r#"S: * OK [CAPABILITY IMAP4rev1 {capabilities}] hi
= Ready
[password u p w]
{exchange}
S: G1 OK in
C: G2 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: G2 OK done
= Authenticated(Welcome {{ capabilities: ["IMAP4rev1"] }})"#
        ));
    }
}

const LOGIN_ONLY: &str = "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi\n= Ready\n";

#[test]
fn a_password_goes_by_login_where_there_is_no_plain() {
    for exchange in [
        "[password u p\"w]\nC: G1 LOGIN \"u\" \"p\\\"w\"",
        "[password u gr\u{fc}n]\nC: G1 LOGIN \"u\" {5}\nS: + go\nC: gr\u{fc}n",
        "[password j\u{fc} p]\nC: G1 LOGIN {3}\nS: + go\nC: j\u{fc} \"p\"",
        "[password j\u{fc} \u{fc}]\nC: G1 LOGIN {3}\nS: +\nC: j\u{fc} {2}\nS: + go\nC: \u{fc}",
    ] {
        check(&format!("{LOGIN_ONLY}{exchange}\nS: G1 OK in\nC: G2 CAPABILITY"));
    }
}

#[test]
fn no_password_where_login_is_disabled() {
    check(
        "S: * OK [CAPABILITY LOGINDISABLED AUTH=XOAUTH2 AUTH=LOGIN] hi\n= Ready\n[password u p]\n\
         = Reject(NoMechanism { offered: \"LOGINDISABLED AUTH=XOAUTH2 AUTH=LOGIN\" })",
    );
}

#[test]
fn refusals_of_a_password() {
    for (answers, rejection) in [
        ("S: G1 NO LOGIN failed.", r#"Credential { text: "LOGIN failed." }"#),
        ("S: G1 NO [UNAVAILABLE] later", r#"Busy { text: "[UNAVAILABLE] later" }"#),
        ("S: G1 BAD what?", r#"Protocol { fault: "it does not understand the login" }"#),
        (
            "S: G1 OK in\nC: G2 CAPABILITY\nS: G2 BAD User is authenticated but not connected.",
            r#"NotConnected { text: "User is authenticated but not connected." }"#,
        ),
        // There is no error challenge with a password.
        ("S: + e30=", r#"Protocol { fault: "a continuation request that nothing asked for" }"#),
    ] {
        check(&format!(
            "{LOGIN_ONLY}[password u p]\nC: G1 LOGIN \"u\" \"p\"\n{answers}\n= Reject({rejection})"
        ));
    }
    // The password is not sent where its literal is refused.
    check(&format!(
        "{LOGIN_ONLY}[password u \u{fc}]\nC: G1 LOGIN \"u\" {{2}}\nS: G1 NO no literals\n\
         = Reject(Busy {{ text: \"no literals\" }})"
    ));
    check(&format!(
        "{LOGIN_ONLY}[password u a\0b]\n= Reject(Protocol {{ fault: \"user name or credential hold \
         what cannot be sent\" }})"
    ));
}
