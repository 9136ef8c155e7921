//! From the greeting to the moment when the server is ready for a login, TLS included.

use super::*;

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
fn only_keywords_become_capabilities() {
    let sent = SENT
        .replace("S: 250 AUTH", "S: 250-\nS: 250-J\u{fc}RG\nS: 250-X\t1\nS: 250-DSN \nS: 250 AUTH");
    check(&format!(
        "{sent}S: 235 in\n= Authenticated(Welcome {{ capabilities: [\"DSN\", \"AUTH LOGIN XOAUTH2\"] }})"
    ));
}
