//! The login itself: mechanisms, challenges, refusals, and what is not sent.

use super::*;

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

/// Nothing secret acknowledges an error challenge, and not every server waits for it.
#[test]
fn a_refusal_together_with_its_challenge() {
    let script = format!(
        "{}S: + e30=\\r\\n-ERR [AUTH] no\nC: \n= Reject(Credential {{ text: \"[AUTH] no\" }})\n",
        told()
    );
    assert_eq!(play(options(false, None), &script, usize::MAX), script);
}
