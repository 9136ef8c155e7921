//! The machine in conversations, as `proto::conversation::upstream` plays them.

mod login;
mod opening;

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::conversation::upstream as conversation;

/// A server that has the token.
fn told() -> String {
    let ready = greeted("SASL XOAUTH2");
    format!("{ready}[login u]\nC: AUTH XOAUTH2\nS: +\nC: {XOAUTH2}\n")
}

fn options(starttls: bool, mechanism: Option<BearerMechanism>) -> UpstreamOptions {
    UpstreamOptions {
        starttls,
        mechanism,
        host: "pop.test".to_owned(),
        port: 995,
        client_name: String::new(),
    }
}

fn play(options: UpstreamOptions, script: &str, cut: usize) -> String {
    conversation::play(Pop3Upstream::new(options), script, cut)
}

fn check_with(options: &UpstreamOptions, expected: &str) {
    conversation::check(|| Pop3Upstream::new(options.clone()), expected);
}

fn check(expected: &str) {
    check_with(&options(false, None), expected);
}

/// A server that is ready and has said this of itself.
fn greeted(capabilities: &str) -> String {
    let list = capabilities.split('|').fold(String::new(), |list, line| list + "S: " + line + "\n");
    format!("S: +OK hi\nC: CAPA\nS: +OK\n{list}S: .\n= Ready\n")
}

const XOAUTH2: &str = "dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE=";

#[test]
fn exchange_online() {
    check(
        r#"
S: +OK The Microsoft Exchange POP3 service is ready. [RgBSADIAUAAy]
C: CAPA
S: +OK
S: TOP
S: UIDL
S: SASL PLAIN XOAUTH2
S: USER
S: .
= Ready
[login u@h]
C: AUTH XOAUTH2
S: +
C: dXNlcj11QGgBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
S: +OK User successfully authenticated.
= Authenticated(Welcome { capabilities: ["TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER"] })
"#,
    );
}

/// What comes with the answer before it was not asked for, and would be taken for the go-ahead for a
/// secret. Cut elsewhere it comes in time, so this is played in whole pieces.
#[test]
fn no_answer_before_it_is_asked_for() {
    let check = |script: &str, rejection: &str| {
        let script = format!("{script}\n= Reject({rejection})\n");
        assert_eq!(play(options(false, None), &script, usize::MAX), script);
    };
    let unasked = r#"Protocol { fault: "a response that nothing asked for" }"#;
    check("S: +OK hi\\r\\n+OK", unasked);
    check("S: +OK hi\\r\\nX", unasked);
    check("S: +OK hi\\r\\n-ERR bye", r#"Busy { text: "bye" }"#);
    let listed = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: SASL PLAIN XOAUTH2\nS: .";
    check(&format!("{listed}\\r\\n+ \n= Ready\n[login u]"), unasked);
    check(&format!("{listed}\\r\\n+ \n= Ready\n[password u pw]"), unasked);
    check(&format!("{listed}\n= Ready\n[login u]\nC: AUTH XOAUTH2\nS: +\\r\\n+OK in"), unasked);
    let name = format!("{}[password u pw]\nC: USER u\nS: +OK", greeted("USER"));
    check(&format!("{name}\\r\\n+OK in"), unasked);
    check(&format!("{name}\\r\\n-ERR [SYS/TEMP] x"), r#"Busy { text: "[SYS/TEMP] x" }"#);
}

#[test]
fn a_server_that_waits_for_the_login_says_nothing() {
    let ready = greeted("SASL XOAUTH2");
    check(&format!("{ready}S: -ERR [SYS/TEMP] bye\n= Reject(Busy {{ text: \"[SYS/TEMP] bye\" }})"));
    check(&format!(
        "{ready}S: +\n= Reject(Protocol {{ fault: \"a response that nothing asked for\" }})"
    ));
    check(&format!(
        "{ready}S: {}\n= Reject(Protocol {{ fault: \"an endless line\" }})",
        "x".repeat(16 * 1024)
    ));
}

#[test]
fn bounds() {
    check(&format!(
        "S: +OK {}\n= Reject(Protocol {{ fault: \"an endless line\" }})",
        "x".repeat(16 * 1024)
    ));
}

#[test]
fn what_follows_the_last_answer_is_the_relay_s() {
    let script = format!("{}S: +OK in\\r\\n+OK more\\r\\n+", told());
    let log = play(options(false, None), &script, usize::MAX);
    assert!(log.ends_with("residue \"+OK more\\r\\n+\\r\\n\"\n"), "{log}");
    assert_eq!(play(options(false, None), &script, 1), log);
}

#[test]
fn a_login_out_of_turn_is_refused() {
    check("[login u]\n= Reject(Protocol { fault: \"a login before the server was ready\" })");
}

#[test]
fn the_invariants_hold_over_the_seeds() {
    let login = "+OK hi\r\n+OK\r\nSASL PLAIN XOAUTH2 OAUTHBEARER\r\nUSER\r\n.\r\n+ \r\n+ e30=\r\n\
                 +OK in\r\n+OK more\r\n";
    let clear = "+OK hi\r\n+OK\r\nSTLS\r\n.\r\n+OK begin\r\n\u{16}";
    let commands = "+OK\r\n-ERR\r\n+OK\r\n+OK\r\nrest";
    let behind = clear.replace('\u{16}', "+OK\u{16}+OK\r\n.\r\n");
    let secured = [clear, login.strip_prefix("+OK hi\r\n").unwrap()].concat();
    for seed in
        [login, &secured, &behind, commands, "-ERR\r\n-ERR\r\n", "\r\n", "+OK", "+OK\n", ".\r\n"]
    {
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
                "+OK hi\r\n", "+OK\r\n", "SASL PLAIN XOAUTH2\r\n", "sasl OAUTHBEARER\r\n", "USER\r\n",
                "STLS\r\n", ".\r\n", ".\r\n", "+\r\n", "+ e30=\r\n", "-ERR [SYS/TEMP] x\r\n", "-ERR\r\n",
                "\u{16}", "+OK\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..14),
    ) {
        fuzz_upstream(&[&[choice], pieces.concat().as_slice()].concat());
    }
}
