//! From the greeting to the moment when the server is ready for a login, TLS included.

use super::*;

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

#[test]
fn an_answer_that_comes_before_the_question_is_none() {
    for (list, early, told) in [
        ("SASL-IR AUTH=XOAUTH2", "G1 OK in", " dXNlcj11AWF1dGg9QmVhcmVyIHRva2VuAQE="),
        ("AUTH=XOAUTH2", "+", ""),
    ] {
        check(&format!(
            "S: * OK [CAPABILITY {list}] hi
             = Ready
             S: {early}
             [login u]
             C: G1 AUTHENTICATE XOAUTH2{told}
             = Reject(Protocol {{ fault: \"an answer that came before the question\" }})"
        ));
    }
    // A refusal is one whenever it comes.
    check(
        "S: * OK [CAPABILITY AUTH=XOAUTH2] hi
         = Ready
         S: G1 NO not you
         [login u]
         C: G1 AUTHENTICATE XOAUTH2
         = Reject(Busy { text: \"not you\" })",
    );
    // Some send it behind their error challenge, without waiting for our empty line.
    let script =
        "S: * OK [CAPABILITY SASL-IR AUTH=XOAUTH2] hi\n[login u]\nS: + e30=\\r\\nG1 NO not you";
    for cut in [1, usize::MAX] {
        let log = play(options(false, None), script, cut);
        assert!(log.ends_with("= Reject(Credential { text: \"not you\" })\n"), "{log}");
    }
    let go_ahead = "S: * OK [CAPABILITY STARTTLS] hi\\r\\nG1 OK begin";
    let log = play(options(true, None), go_ahead, usize::MAX);
    assert!(log.ends_with("fault: \"an answer that came before the question\" })\n"), "{log}");
}
