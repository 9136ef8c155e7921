//! The machine in conversations, as `proto::conversation::upstream` plays them.

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::conversation::upstream as conversation;

fn options(starttls: bool, mechanism: Option<BearerMechanism>) -> UpstreamOptions {
    UpstreamOptions {
        starttls,
        mechanism,
        host: "imap.test".to_owned(),
        port: 993,
        client_name: String::new(),
    }
}

fn play(options: UpstreamOptions, script: &str, cut: usize) -> String {
    conversation::play(ImapUpstream::new(options), script, cut)
}

fn check_with(options: &UpstreamOptions, expected: &str) {
    conversation::check(|| ImapUpstream::new(options.clone()), expected);
}

fn check(expected: &str) {
    check_with(&options(false, None), expected);
}

#[test]
fn exchange_online() {
    check(
        r#"
S: * OK The Microsoft Exchange IMAP4 service is ready. [RgBSADIAUAAy]
C: G1 CAPABILITY
S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS
S: G1 OK CAPABILITY completed.
= Ready
[login u@h]
C: G2 AUTHENTICATE XOAUTH2 dXNlcj11QGgBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
S: G2 OK AUTHENTICATE completed.
C: G3 CAPABILITY
S: * CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE
S: G3 OK CAPABILITY completed.
= Authenticated(Welcome { capabilities: ["IMAP4", "IMAP4rev1", "AUTH=PLAIN", "AUTH=XOAUTH2", "SASL-IR", "UIDPLUS", "MOVE"] })
"#,
    );
}

#[test]
fn gmail_s_unasked_list_is_not_the_last_word() {
    check(
        r#"
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] Gimap ready
= Ready
[login u]
C: G1 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=
S: * CAPABILITY IMAP4rev1 FORGOTTEN
S: G1 OK u authenticated (Success)
C: G2 CAPABILITY
S: * CAPABILITY IMAP4rev1 MOVE
S: G2 OK Thats all she wrote!
= Authenticated(Welcome { capabilities: ["IMAP4rev1", "MOVE"] })
"#,
    );
}

#[test]
fn starttls() {
    check_with(
        &options(true, None),
        r#"
S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=OAUTHBEARER SASL-IR] hi
C: G1 STARTTLS
S: * OK [ALERT] in clear, and none of the client's business
S: G1 OK begin
= StartTls
[tls]
C: G2 CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=XOAUTH2
S: G2 OK done
= Ready
[login u]
C: G3 AUTHENTICATE XOAUTH2
S: + 
C: dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=
S: G3 OK in
C: G4 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: G4 OK done
= Authenticated(Welcome { capabilities: ["IMAP4rev1"] })
"#,
    );
}

#[test]
fn starttls_refused() {
    let check = |expected: &str| check_with(&options(true, None), expected);
    check(
        r#"
S: * OK hi
C: G1 CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=XOAUTH2
S: G1 OK done
= Reject(StartTls { text: "IMAP4rev1 AUTH=XOAUTH2" })
S: G2 OK begin
"#,
    );
    for (answer, text) in
        [("G1 NO not here", "not here"), ("G1 BAD what?", "what?"), ("+ go", "go")]
    {
        check(&format!(
            "S: * OK [CAPABILITY STARTTLS] hi\nC: G1 STARTTLS\nS: {answer}\n\
             = Reject(StartTls {{ text: {text:?} }})"
        ));
    }
}

#[test]
fn what_came_in_clear_behind_the_go_ahead_ends_it() {
    check_with(
        &options(true, None),
        r#"
S: * OK [CAPABILITY STARTTLS] hi
C: G1 STARTTLS
S: G1 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=XOAUTH2
= StartTls
[tls]
= Reject(Protocol { fault: "data in clear behind the go-ahead for STARTTLS" })
"#,
    );
    check_with(
        &options(true, None),
        r#"
S: * OK [CAPABILITY STARTTLS] hi
C: G1 STARTTLS
S: G1 OK begin
= StartTls
S: * OK injected
[tls]
= Reject(Protocol { fault: "data in clear behind the go-ahead for STARTTLS" })
"#,
    );
}

#[test]
fn greetings_that_end_it() {
    for (greeting, rejection) in [
        (
            "* PREAUTH hello",
            r#"Protocol { fault: "a PREAUTH greeting, which would skip the login" }"#,
        ),
        ("* BYE [UNAVAILABLE] full", r#"Busy { text: "[UNAVAILABLE] full" }"#),
        ("* NO not now", r#"Busy { text: "not now" }"#),
        ("* 1 EXISTS", r#"Protocol { fault: "it does not greet" }"#),
        ("* CAPABILITY IMAP4rev1", r#"Protocol { fault: "it does not greet" }"#),
        ("A OK hello", r#"Protocol { fault: "a tagged response where none can be" }"#),
        ("+ hello", r#"Protocol { fault: "a continuation request that nothing asked for" }"#),
        ("220 smtp.test ESMTP", r#"Protocol { fault: "a response outside the grammar" }"#),
    ] {
        check(&format!("S: {greeting}\n= Reject({rejection})\nS: G1 OK more"));
    }
}

const GREETED: &str = r#"
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi
= Ready
[login u]
C: G1 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=
"#;

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

#[test]
fn untagged_data_is_swallowed_and_bounded() {
    check(&format!(
        r#"{GREETED}S: * LIST () "/" {{9}}
S: G1 OK i
S:  end
S: * 3 EXISTS
S: * OK [ALERT] none of the client's business {{3}}
S: G1 OK in
C: G2 CAPABILITY"#
    ));
    check(&format!(
        "S: * OK [CAPABILITY AUTH=XOAUTH2] hi\n= Ready\nS: * {}\n= Reject(Protocol {{ fault: \"too \
         much data before the login\" }})",
        "x".repeat(UNASKED)
    ));
    let flood = "S: * 3 EXISTS\n".repeat(UNTAGGED + 1);
    check(&format!(
        "{GREETED}{flood}= Reject(Protocol {{ fault: \"too many responses before the login\" }})"
    ));
}

#[test]
fn what_follows_the_last_answer_is_the_relay_s() {
    let script = format!(
        "{}S: G1 OK in\nS: * CAPABILITY IMAP4rev1\nS: G2 OK done\\r\\n* 3 EXISTS\\r\\n* 4",
        GREETED.trim_start()
    );
    let log = play(options(false, None), &script, usize::MAX);
    assert!(log.ends_with("residue \"* 3 EXISTS\\r\\n* 4\\r\\n\"\n"), "{log}");
    assert_eq!(play(options(false, None), &script, 1), log);
}

#[test]
fn a_login_out_of_turn_is_refused() {
    check(
        r#"
[login u]
= Reject(Protocol { fault: "a login before the server was ready" })
"#,
    );
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let login = "* OK [CAPABILITY STARTTLS SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER] hi\r\n\
                 + e30=\r\nG1 OK in\r\n* CAPABILITY IMAP4rev1\r\nG2 OK done\r\n* 3 EXISTS\r\n";
    let slow =
        "* OK hi\r\n* CAPABILITY AUTH=XOAUTH2\r\nG1 OK\r\n+\r\n* X {3}\r\nabc\r\n+ x\r\nG2 NO";
    let plain = "* OK [CAPABILITY AUTH=PLAIN] hi\r\n+\r\n+\r\nG1 OK\r\n";
    let literals =
        "* OK [CAPABILITY X] hi\r\n+\r\nG1 OK\r\n* CAPABILITY X\r\nG2 OK\r\n* 3 EXISTS\r\n";
    for seed in [
        login,
        slow,
        "* PREAUTH\r\n",
        "* BYE\r\n* BYE\r\n",
        "\r\n",
        "* OK [CAPABILITY",
        plain,
        literals,
    ] {
        for choice in 0..16 {
            fuzz_upstream(&[&[choice], seed.as_bytes()].concat());
        }
    }
}

proptest! {
    /// The invariants hold whatever a server says, in whatever order.
    #[test]
    fn any_input(
        choice in 0u8..16,
        pieces in prop::collection::vec(prop_oneof![
            1 => prop::collection::vec(any::<u8>(), 0..12),
            9 => prop::sample::select(vec![
                "* OK [CAPABILITY AUTH=XOAUTH2 AUTH=OAUTHBEARER] hi\r\n+\r\n", "* OK [CAPABILITY X] hi\r\n",
                "* OK hi\r\n", "* OK [CAPABILITY SASL-IR AUTH=XOAUTH2] hi\r\n", "* PREAUTH\r\n",
                "* CAPABILITY AUTH=OAUTHBEARER AUTH=PLAIN STARTTLS\r\n", "* CAPABILITY X\r\n",
                "* CAPABILITY LOGINDISABLED\r\n", "* X {4}\r\n", "G1 OK\r\n", "G2 OK\r\n", "G3 OK\r\n",
                "G1 NO [LIMIT]\r\n", "G2 NO\r\n", "G2 BAD\r\n", "+\r\n", "+ e30=\r\n", "* BYE\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..14),
    ) {
        fuzz_upstream(&[&[choice], pieces.concat().as_slice()].concat());
    }
}
