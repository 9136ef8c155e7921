//! The machine in conversations, as `proto::conversation::upstream` plays them.

use proptest::prelude::*;

use super::{fuzz_logic::fuzz_upstream, *};
use crate::proto::conversation::upstream as conversation;

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

/// A server that has the token.
fn told() -> String {
    let ready = greeted("SASL XOAUTH2");
    format!("{ready}[login u]\nC: AUTH XOAUTH2\nS: +\nC: {XOAUTH2}\n")
}

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

#[test]
fn a_list_is_what_stands_between_its_first_line_and_the_dot() {
    check(
        r#"
S: +OK hi <1896.697170952@dbc.mtview.ca.us>
C: CAPA
S: +OK Capability list follows
S: +OK
S: -ERR [AUTH] no
S: ..dotted
S: 
S: .
= Ready
[login u]
= Reject(NoMechanism { offered: "+OK, -ERR [AUTH] no, .dotted" })
"#,
    );
    for line in ["X", "", "\u{1}"] {
        let lines = format!("S: {line}\n").repeat(CAPABILITIES);
        check(&format!(
            "S: +OK\nC: CAPA\nS: +OK\n{lines}S: {line}\n= Reject(Protocol {{ fault: \"too many \
             capabilities\" }})"
        ));
    }
}

#[test]
fn a_server_without_capa() {
    check(&format!(
        "S: +OK hi\nC: CAPA\nS: -ERR what?\n= Ready\n[login u]\nC: AUTH XOAUTH2\nS: + \n\
         C: {XOAUTH2}\nS: +OK\n= Authenticated(Welcome {{ capabilities: [] }})"
    ));
    check(
        r#"
S: +OK hi
C: CAPA
S: -ERR what?
= Ready
[login u]
C: AUTH XOAUTH2
S: -ERR no such mechanism
= Reject(NoMechanism { offered: "no such mechanism" })
"#,
    );
    check(
        r#"
S: +OK hi
C: CAPA
S: -ERR [SYS/TEMP] not now
= Reject(Busy { text: "[SYS/TEMP] not now" })
"#,
    );
    check_with(
        &options(false, Some(BearerMechanism::OAuthBearer)),
        "S: +OK hi\nC: CAPA\nS: -ERR what?\n= Ready\n[login u]\nC: AUTH OAUTHBEARER",
    );
}

#[test]
fn starttls() {
    check_with(
        &options(true, None),
        r#"
S: +OK hi
C: CAPA
S: +OK
S: STLS
S: SASL OAUTHBEARER
S: .
C: STLS
S: +OK begin
= StartTls
[tls]
C: CAPA
S: +OK
S: SASL XOAUTH2
S: .
= Ready
[login u]
C: AUTH XOAUTH2
"#,
    );
    // A server that does not know CAPA may know STLS.
    check_with(
        &options(true, None),
        "S: +OK hi\nC: CAPA\nS: -ERR what?\nC: STLS\nS: +OK\n= StartTls\n[tls]\nC: CAPA",
    );
}

#[test]
fn starttls_refused() {
    let check = |expected: &str| check_with(&options(true, None), expected);
    check(
        r#"
S: +OK hi
C: CAPA
S: +OK
S: TOP
S: SASL XOAUTH2
S: .
= Reject(StartTls { text: "TOP, SASL XOAUTH2" })
S: +OK begin
"#,
    );
    for (answer, text) in [
        ("-ERR not here", "not here"),
        ("-ERR [SYS/TEMP] later", "[SYS/TEMP] later"),
        ("+ go", "go"),
        ("OK go", "OK go"),
        ("220 go", "220 go"),
        ("+OKAY", "+OKAY"),
    ] {
        check(&format!(
            "S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: {answer}\n\
             = Reject(StartTls {{ text: {text:?} }})"
        ));
    }
}

#[test]
fn what_came_in_clear_behind_the_go_ahead_ends_it() {
    for behind in ["\\r\\n+OK injected\n= StartTls", "\n= StartTls\nS: +OK injected"] {
        check_with(
            &options(true, None),
            &format!(
                "S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS\nS: +OK begin{behind}\n[tls]\n\
                 = Reject(Protocol {{ fault: \"data in clear behind the go-ahead for STLS\" }})"
            ),
        );
    }
}

#[test]
fn greetings_that_end_it() {
    for (greeting, rejection) in [
        ("-ERR [SYS/TEMP] full", r#"Busy { text: "[SYS/TEMP] full" }"#),
        ("-ERR", r#"Busy { text: "" }"#),
        ("+ hello", r#"Protocol { fault: "it does not greet" }"#),
        ("* OK IMAP4rev1", r#"Protocol { fault: "it does not greet" }"#),
        ("220 smtp.test ESMTP", r#"Protocol { fault: "it does not greet" }"#),
        ("", r#"Protocol { fault: "it does not greet" }"#),
    ] {
        check(&format!("S: {greeting}\n= Reject({rejection})\nS: +OK more"));
    }
}

#[test]
fn the_error_challenge_is_ours_to_answer() {
    check(&format!(
        r#"{}S: + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyJ9
C: 
S: -ERR [AUTH] Invalid credentials
= Reject(Credential {{ text: "[AUTH] Invalid credentials (status 401)" }})"#,
        told()
    ));
    check_with(
        &options(false, Some(BearerMechanism::OAuthBearer)),
        &(greeted("SASL XOAUTH2 OAUTHBEARER")
            + r#"[login a,b]
C: AUTH OAUTHBEARER
S: +
C: bixhPWE9MkNiLAFob3N0PXBvcC50ZXN0AXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHRva2VuAQE=
S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=
C: AQ==
S: -ERR refused
= Reject(Credential { text: "refused (status invalid_token)" })"#),
    );
    check(&format!(
        "{}S: + e30=\nC: \nS: + e30=\n= Reject(Protocol {{ fault: \"a response that nothing asked \
         for\" }})",
        told()
    ));
}

/// RFC 2449 section 8.1, RFC 3206, and servers' own words.
#[test]
fn refusals() {
    for (answer, kind) in [
        ("Authentication failure: unknown user name or bad password.", "Credential"),
        ("[AUTH] Authentication failed.", "Credential"),
        ("[AUTH] Too many simultaneous connections", "Credential"),
        ("[AUTH/EXPIRED] gone", "Credential"),
        ("", "Credential"),
        ("[XYZ] what", "Credential"),
        ("[SYS/TEMP] Temporary system problem", "Busy"),
        ("[sys/temp] Temporary system problem", "Busy"),
        ("[IN-USE] locked", "Busy"),
        ("[LOGIN-DELAY] wait", "Busy"),
        ("Server Unavailable. 21", "Busy"),
        ("[SYS/PERM] Your account is not enabled for POP access", "NotConnected"),
        ("[SYS] broken", "NotConnected"),
        ("User is authenticated but not connected.", "NotConnected"),
    ] {
        check(&format!("{}S: -ERR {answer}\n= Reject({kind} {{ text: {answer:?} }})", told()));
    }
}

#[test]
fn no_mechanism() {
    for (list, offered) in [
        ("SASL PLAIN|USER", "SASL PLAIN, USER"),
        ("XOAUTH2|SASLX XOAUTH2", "XOAUTH2, SASLX XOAUTH2"),
        ("SASL", "SASL"),
    ] {
        check(&format!(
            "{}[login u]\n= Reject(NoMechanism {{ offered: {offered:?} }})",
            greeted(list)
        ));
    }
    check_with(
        &options(false, Some(BearerMechanism::XOAuth2)),
        &(greeted("SASL OAUTHBEARER")
            + "[login u]\n= Reject(NoMechanism { offered: \"SASL OAUTHBEARER\" })"),
    );
    check(&(greeted("sasl plain oauthbearer") + "[login u]\nC: AUTH OAUTHBEARER"));
}

#[test]
fn no_secret_without_the_go_ahead() {
    for (answer, rejection) in [
        ("+OK in", r#"Protocol { fault: "a login without a credential" }"#),
        ("-ERR [AUTH] not that", r#"Busy { text: "[AUTH] not that" }"#),
        ("go on", r#"Protocol { fault: "a response outside the grammar" }"#),
    ] {
        let ready = greeted("SASL XOAUTH2 PLAIN");
        check(&format!("{ready}[login u]\nC: AUTH XOAUTH2\nS: {answer}\n= Reject({rejection})"));
        check(&format!(
            "{ready}[password u pw]\nC: AUTH PLAIN\nS: {answer}\n= Reject({rejection})"
        ));
    }
}

#[test]
fn a_password_goes_by_plain_where_it_is_listed() {
    let ready = greeted("SASL LOGIN PLAIN|USER");
    check(&format!(
        "{ready}[password tim pass word]\nC: AUTH PLAIN\nS: +\nC: AHRpbQBwYXNzIHdvcmQ=\n\
         S: +OK\n= Authenticated(Welcome {{ capabilities: [\"SASL LOGIN PLAIN\", \"USER\"] }})"
    ));
    check(&format!(
        "{ready}[password tim pw]\nC: AUTH PLAIN\nS: + \nC: AHRpbQBwdw==\nS: + e30=\n\
         = Reject(Protocol {{ fault: \"a response that nothing asked for\" }})"
    ));
    check(&format!(
        "{ready}[password tim pw]\nC: AUTH PLAIN\nS: + \nC: AHRpbQBwdw==\nS: -ERR [AUTH] no\n\
         = Reject(Credential {{ text: \"[AUTH] no\" }})"
    ));
}

#[test]
fn a_password_goes_by_user_and_pass_elsewhere() {
    for ready in [greeted("USER|SASL XOAUTH2"), "S: +OK\nC: CAPA\nS: -ERR\n= Ready\n".to_owned()] {
        let asked = format!("{ready}[password tim  pass word ]\nC: USER tim\n");
        for (answer, rejection) in [
            ("-ERR no such user", r#"Credential { text: "no such user" }"#),
            ("-ERR [SYS/TEMP] later", r#"Busy { text: "[SYS/TEMP] later" }"#),
            ("+ go", r#"Protocol { fault: "a response that nothing asked for" }"#),
        ] {
            check(&format!("{asked}S: {answer}\n= Reject({rejection})"));
        }
        let sent = format!("{asked}S: +OK\nC: PASS  pass word \n");
        check(&format!("{sent}S: -ERR [IN-USE] x\n= Reject(Busy {{ text: \"[IN-USE] x\" }})"));
        check(&format!(
            "{sent}S: + x\n= Reject(Protocol {{ fault: \"a response that nothing asked for\" }})"
        ));
        assert!(
            play(options(false, None), &format!("{sent}S: +OK"), 1).contains("= Authenticated")
        );
    }
    let ready = greeted("SASL XOAUTH2");
    check(&format!(
        "{ready}[password tim pw]\n= Reject(NoMechanism {{ offered: \"SASL XOAUTH2\" }})"
    ));
}

#[test]
fn what_could_leave_its_line_is_not_sent() {
    let unsendable =
        "= Reject(Protocol { fault: \"user name or credential hold what cannot be sent\" })";
    for list in ["USER", "SASL PLAIN XOAUTH2"] {
        let ready = greeted(list);
        check(&format!("{ready}[password t\u{1}m pw]\n{unsendable}"));
        check(&format!("{ready}[password tim p\\0w]\n{unsendable}"));
    }
    check(&format!("{}[password tim p\\rPASS x]\n{unsendable}", greeted("USER")));
    // Inside base64 a CR is an octet like any other.
    let ready = greeted("SASL PLAIN");
    check(&format!("{ready}[password tim p\\rw]\nC: AUTH PLAIN\nS: +\nC: AHRpbQBwDXc="));
    let ready = greeted("SASL XOAUTH2");
    check(&format!("{ready}[login u\u{1}auth=Bearer x]\n{unsendable}"));
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

/// Nothing secret acknowledges an error challenge, and not every server waits for it.
#[test]
fn a_refusal_together_with_its_challenge() {
    let script = format!(
        "{}S: + e30=\\r\\n-ERR [AUTH] no\nC: \n= Reject(Credential {{ text: \"[AUTH] no\" }})\n",
        told()
    );
    assert_eq!(play(options(false, None), &script, usize::MAX), script);
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
