//! The machine in conversations, as `proto::conversation::upstream` plays them.

mod login;
mod opening;

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::conversation::upstream as conversation;

const GREETED: &str = r#"
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi
= Ready
[login u]
C: G1 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=
"#;

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
