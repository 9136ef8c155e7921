//! From the greeting to the moment when the server is ready for a login, TLS included.

use super::*;

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
