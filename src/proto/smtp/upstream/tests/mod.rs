//! The machine in conversations, as `proto::conversation::upstream` plays them.

mod login;
mod opening;

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::{BearerMechanism, conversation::upstream as conversation};

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
