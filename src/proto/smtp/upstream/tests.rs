//! The machine in conversations, as `proto::conversation::upstream` plays them.

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::{BearerMechanism, conversation::upstream as conversation};

fn options(starttls: bool, mechanism: Option<BearerMechanism>) -> UpstreamOptions {
    UpstreamOptions {
        starttls,
        mechanism,
        host: "smtp.test".to_owned(),
        port: 587,
        client_name: "[192.0.2.1]".to_owned(),
    }
}

fn play(options: UpstreamOptions, script: &str, cut: usize) -> String {
    conversation::play(SmtpUpstream::new(options), script, cut)
}

fn check_with(options: &UpstreamOptions, expected: &str) {
    conversation::check(|| SmtpUpstream::new(options.clone()), expected);
}

fn check(expected: &str) {
    check_with(&options(false, None), expected);
}

fn rejected(script: &str, rejection: &str) {
    check(&format!("{script}\n= Reject({rejection})\nS: 250 more"));
}

const GREETED: &str = "S: 220 smtp.test ESMTP\nC: EHLO [192.0.2.1]\n";

/// To the go-ahead for the token.
const ASKED: &str = "S: 220 smtp.test ESMTP
C: EHLO [192.0.2.1]
S: 250-smtp.test
S: 250 AUTH LOGIN XOAUTH2
= Ready
[login u@h]
C: AUTH XOAUTH2
";

/// To the token.
const SENT: &str = "S: 220 smtp.test ESMTP
C: EHLO [192.0.2.1]
S: 250-smtp.test
S: 250 AUTH LOGIN XOAUTH2
= Ready
[login u@h]
C: AUTH XOAUTH2
S: 334
C: dXNlcj11QGgBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
";

#[test]
fn exchange_online() {
    check_with(
        &options(true, None),
        r#"
S: 220 BL1P221CA0016.outlook.office365.com Microsoft ESMTP MAIL Service ready at Mon, 2 Nov 2026 10:00:00 +0000
C: EHLO [192.0.2.1]
S: 250-BL1P221CA0016.outlook.office365.com Hello [192.0.2.1]
S: 250-SIZE 157286400
S: 250-STARTTLS
S: 250 AUTH XOAUTH2 IN-CLEAR
C: STARTTLS
S: 220 2.0.0 SMTP server ready
= StartTls
[tls]
C: EHLO [192.0.2.1]
S: 250-BL1P221CA0016.outlook.office365.com Hello [192.0.2.1]
S: 250-SIZE 157286400
S: 250-AUTH LOGIN XOAUTH2
S: 250 SMTPUTF8
= Ready
[login u@h]
C: AUTH XOAUTH2
S: 334
C: dXNlcj11QGgBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
S: 235 2.7.0 Authentication successful
= Authenticated(Welcome { capabilities: ["SIZE 157286400", "AUTH LOGIN XOAUTH2", "SMTPUTF8"] })
"#,
    );
}

#[test]
fn greetings() {
    check(
        "S: 220-smtp.test ESMTP\nS: 220-we do not authorize the use of this system\nS: 220\n\
         C: EHLO [192.0.2.1]",
    );
    for (greeting, rejection) in [
        ("421 4.3.2 down", r#"Busy { text: "421 4.3.2 down" }"#),
        ("421-4.3.2 down\nS: 421 4.3.2 now", r#"Busy { text: "421 4.3.2 down now" }"#),
        ("554 no service", r#"Busy { text: "554 no service" }"#),
        ("450 4.7.1 later", r#"Busy { text: "450 4.7.1 later" }"#),
        ("250 hi", r#"Protocol { fault: "it does not greet" }"#),
        ("221 bye", r#"Protocol { fault: "it does not greet" }"#),
        ("354 go", r#"Protocol { fault: "it does not greet" }"#),
        ("* OK IMAP4rev1", r#"Protocol { fault: "a reply outside the grammar" }"#),
        ("220-a\nS: 250 b", r#"Protocol { fault: "a reply whose lines have different codes" }"#),
    ] {
        rejected(&format!("S: {greeting}"), rejection);
    }
}

#[test]
fn no_ehlo() {
    for (answer, rejection) in [
        ("502 what?", r#"NoMechanism { offered: "nothing, not even EHLO: 502 what?" }"#),
        ("500-a\nS: 500 b", r#"NoMechanism { offered: "nothing, not even EHLO: 500 a b" }"#),
        ("504 c", r#"NoMechanism { offered: "nothing, not even EHLO: 504 c" }"#),
        ("550 5.7.1 not you", r#"Busy { text: "550 5.7.1 not you" }"#),
        ("530 x", r#"Busy { text: "530 x" }"#),
        ("421 x", r#"Busy { text: "421 x" }"#),
        ("220 x", r#"Protocol { fault: "a reply that EHLO does not have" }"#),
        ("354 x", r#"Protocol { fault: "a reply that EHLO does not have" }"#),
    ] {
        rejected(&format!("{GREETED}S: {answer}"), rejection);
    }
}

#[test]
fn starttls_that_does_not_begin() {
    let greeted = "S: 220 hi\nC: EHLO [192.0.2.1]";
    let check = |script: &str, rejection: &str| {
        let script = format!("{greeted}\n{script}\n= Reject({rejection})\nS: 220 go");
        check_with(&options(true, None), &script);
    };
    check("S: 250-hi\nS: 250 AUTH XOAUTH2", r#"StartTls { text: "AUTH XOAUTH2" }"#);
    check("S: 250 STARTTLS", r#"StartTls { text: "" }"#);
    let asked = "S: 250-hi\nS: 250 starttls\nC: STARTTLS\n";
    for code in ["221", "250", "354", "454 4.7.0", "500", "501", "502", "504", "530", "550", "554"]
    {
        let rejection = format!(r#"StartTls {{ text: "{code} x" }}"#);
        check(&format!("{asked}S: {code} x"), &rejection);
    }
    check(&format!("{asked}S: 421 x"), r#"Busy { text: "421 x" }"#);
}

#[test]
fn what_came_in_clear_behind_the_go_ahead_ends_it() {
    let asked = "S: 220 hi\nC: EHLO [192.0.2.1]\nS: 250-hi\nS: 250 STARTTLS\nC: STARTTLS\n";
    for injected in [
        "S: 220 go\\r\\n250-smtp.test\\r\\n250 AUTH XOAUTH2\n= StartTls\n",
        "S: 220 go\n= StartTls\nS: 250 injected\n",
        "S: 220 go\n= StartTls\nS:\n",
    ] {
        check_with(
            &options(true, None),
            &format!(
                "{asked}{injected}[tls]\n= Reject(Protocol {{ fault: \"data in clear behind the \
                 go-ahead for STARTTLS\" }})"
            ),
        );
    }
}

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

#[test]
fn only_keywords_become_capabilities() {
    let sent = SENT
        .replace("S: 250 AUTH", "S: 250-\nS: 250-J\u{fc}RG\nS: 250-X\t1\nS: 250-DSN \nS: 250 AUTH");
    check(&format!(
        "{sent}S: 235 in\n= Authenticated(Welcome {{ capabilities: [\"DSN\", \"AUTH LOGIN XOAUTH2\"] }})"
    ));
}

/// What comes with the reply before it was not asked for, and would be taken for another reply. Cut
/// elsewhere it comes in time, so this is played in whole pieces.
#[test]
fn no_reply_before_it_is_asked_for() {
    let check = |script: &str, rejection: &str| {
        let script = format!("{script}\n= Reject({rejection})\n");
        assert_eq!(play(options(false, None), &script, usize::MAX), script);
    };
    let unasked = r#"Protocol { fault: "a reply to a command that was not sent" }"#;
    check("S: 220 hi\\r\\n250 AUTH XOAUTH2", unasked);
    check("S: 220 hi\\r\\n250-AUTH XOAUTH2", unasked);
    check("S: 220 hi\\r\\n421 bye", r#"Busy { text: "421 bye" }"#);
    check("S: 220 hi\\r\\n* x", r#"Protocol { fault: "a reply outside the grammar" }"#);
    let ready = format!("{GREETED}S: 250-hi\nS: 250 AUTH XOAUTH2\\r\\n334\n= Ready\n[login u]");
    check(&ready, unasked);
    check(&format!("{ASKED}S: 334\\r\\n235 in"), unasked);
    check(&format!("{SENT}S: 334 e30=\\r\\n535 x"), unasked);
}

#[test]
fn a_server_that_waits_for_the_login_says_nothing() {
    let ready = format!("{GREETED}S: 250-hi\nS: 250 AUTH XOAUTH2\n= Ready");
    rejected(&format!("{ready}\nS: 421 4.4.2 bye"), r#"Busy { text: "421 4.4.2 bye" }"#);
    rejected(
        &format!("{ready}\nS: 334"),
        r#"Protocol { fault: "a reply to a command that was not sent" }"#,
    );
    let endless = "x".repeat(20_000);
    rejected(&format!("{ready}\nS: 250-{endless}"), r#"Protocol { fault: "an endless line" }"#);
}

#[test]
fn a_reply_without_end() {
    let flood = ["S: 250-x"; 257].join("\n");
    rejected(&format!("{GREETED}{flood}"), r#"Protocol { fault: "an endless reply" }"#);
}

#[test]
fn a_login_out_of_turn_is_refused() {
    check("[login u]\n= Reject(Protocol { fault: \"a login before the server was ready\" })");
    check(&format!(
        "{SENT}[login u]\n= Reject(Protocol {{ fault: \"a login before the server was ready\" }})"
    ));
    check(&format!("{SENT}S: 535 x\n= Reject(Credential {{ text: \"535 x\" }})\n[login u]"));
}

#[test]
fn what_follows_the_verdict_is_the_relay_s() {
    check(&format!(
        "{SENT}S: 235 in\\r\\n421 4.4.2\n= Authenticated(Welcome {{ capabilities: [\"AUTH LOGIN \
         XOAUTH2\"] }})\nS: 42\nresidue \"421 4.4.2\\r\\n42\\r\\n\""
    ));
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let ehlo = "250-hi\r\n250-STARTTLS\r\n250 AUTH XOAUTH2 OAUTHBEARER PLAIN\r\n";
    let greeted = format!("220-hi\r\n220 there\r\n{ehlo}");
    for seed in [
        format!("{greeted}334 \r\n235 in\r\n421 bye"),
        format!("{greeted}334 \r\n334 e30=\r\n535-5.7.8 a\r\n535 5.7.8 b\r\n"),
        format!("{greeted}220 go\r\n\x16{ehlo}334\r\n235 in\r\n"),
        format!("{greeted}220 go\r\n250 injected\r\n\x16{ehlo}334\r\n235 in\r\n"),
        "220 hi\r\n250-hi\r\n250 AUTH LOGIN\r\n334 x\r\n334 y\r\n235 in\r\n250 residue".into(),
        format!("{greeted}421 bye\r\n"),
        "554 no\r\n".into(),
        "220 hi\r\n502 what\r\n".into(),
        "250-a\r\n235 b\r\n".into(),
        "220 hi\n".into(),
        "\r\n".into(),
        "220".into(),
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
                "220 hi\r\n250-hi\r\n250-STARTTLS\r\n250 AUTH XOAUTH2 OAUTHBEARER PLAIN\r\n",
                "220 hi\r\n", "220-hi\r\n", "250-hi\r\n", "250-STARTTLS\r\n", "250 AUTH XOAUTH2 PLAIN\r\n",
                "250-auth OAUTHBEARER LOGIN\r\n", "250 DSN\r\n", "334\r\n", "334 e30=\r\n", "235 in\r\n",
                "421 x\r\n", "454 x\r\n", "504 x\r\n", "535-x\r\n", "535 x\r\n", "\u{16}", "250 x\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..14),
    ) {
        fuzz_upstream(&[&[choice], pieces.concat().as_slice()].concat());
    }
}
