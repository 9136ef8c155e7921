//! What is kept from the upstream, and that nothing slips past.

use super::*;
use crate::proto::{Refusal, RefusalReason};

#[test]
fn commands_that_are_kept() {
    let counts = check(
        r#"
C: A1 LOGIN alice secret
<- A1 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
C: A2 aUtHeNtIcAtE PLAIN
<- A2 NO AUTHENTICATE refused: you are logged in already (RFC 3501 section 6.2.2)
C: A3 AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==
<- A3 NO AUTHENTICATE refused: you are logged in already (RFC 3501 section 6.2.2)
C: A4 STARTTLS
<- A4 BAD STARTTLS refused: it must come before the login (RFC 3501 section 6.2.1)
C: A5 COMPRESS DEFLATE
<- A5 NO COMPRESS refused: the gateway does not compress (RFC 4978 section 3)
C: A6 NOOP
-> A6 NOOP
C: A7 UNAUTHENTICATE
<- A7 BAD UNAUTHENTICATE refused: to log in anew, connect anew (RFC 8437)
"#,
    );
    assert_eq!(counts, Counts { commands: 7, guarded: 6, ..Counts::default() });
}

#[test]
fn odd_spellings() {
    for line in [
        "  A1 LOGIN u p",
        "A1   login u p",
        "A1 \\0 LoGiN u p",
        "A1 LOGIN",
        "A1 LOGIN\"u\" \"p\"",
        "A1 LOGIN(u p)",
        "A1 \"LOGIN\" u p",
        "A1 \"login\" \"u\" {5-}",
        "A1 LOGIN u p\\n\\",
        "A1 LOGIN \"u p",
        "A1 LOGIN u {5-}",
    ] {
        check(&format!(
            "C: {line}\n<- A1 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)"
        ));
    }
    for (line, tag) in [("LOGIN u p", "LOGIN"), ("login u p", "login"), ("A+ LOGIN u p", "*")] {
        check(&format!(
            "C: {line}\n<- {tag} BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)"
        ));
    }
}

#[test]
fn literals_of_a_kept_login() {
    check(
        r#"
C: A1 LOGIN {5}
<- A1 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
C: A2 LOGIN {5+}
C: alice {8+}
C: A3 N
C: OP
<- A2 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
C: A4 LOGIN {0+}\r\n {5}
<- A4 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
C: A5 NOOP
-> A5 NOOP
"#,
    );
}

#[test]
fn a_password_sent_without_waiting_does_not_pass() {
    let fault = "end: Downstream: it goes on with a login that was not asked for";
    let login = "LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)";
    check(&format!("C: A1 LOGIN {{5}}\n<- A1 BAD {login}\nC: alice {{6}}\n{fault}"));
    check(&format!("C: A1 LOGIN alice {{9}}\n<- A1 BAD {login}\nC: my secret\n{fault}"));
    let authenticate = "AUTHENTICATE refused: you are logged in already (RFC 3501 section 6.2.2)";
    for next in ["AGFsaWNlAHNlY3JldA==", "*", "\\0alice\\0secret"] {
        check(&format!("C: A1 AUTHENTICATE PLAIN\n<- A1 NO {authenticate}\nC: {next}\n{fault}"));
    }
}

#[test]
fn answers_stand_between_responses() {
    check(
        r#"
S: * 1 FETCH (BODY[] {4}
<- * 1 FETCH (BODY[] {4}
C: A1 LOGIN u p
S: ab\
<- ab\
S: cd FLA\
<- cd FLA\
S: GS ())
<- GS ())
<- A1 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
S: * NO [BADCHARSET ({5}
<- * NO [BADCHARSET ({5}
C: A2 LOGIN u p
S: UTF-8)] {9}\r\n* 2 EXISTS
<- UTF-8)] {9}
<- A2 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
<- * 2 EXISTS
S: * OK words for people {9}
<- * OK words for people {9}
C: A3 LOGIN u p
<- A3 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
S: * CAPABILITY IDL\
C: A4 LOGIN u p
<- A4 BAD LOGIN refused: you are logged in already (RFC 3501 section 6.2.3)
"#,
    );
}

#[test]
fn answers_that_cannot_be_given_hold_the_client() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Upstream, b"* 1 FETCH (BODY[] {4}\r\n");
    wire.send(Side::Downstream, &b"A LOGIN u p\r\n".repeat(1000));
    assert_eq!(wire.relay.counts().guarded, 16);
    wire.send(Side::Upstream, b"abcd)\r\n");
    assert_eq!(wire.relay.counts().guarded, 1000);
}

#[test]
fn where_servers_differ_the_upstream_s_answer_decides() {
    for doubtful in [r#"A1 SEARCH TEXT "5" disk""#, "A1 NOOP {5-}", "A1 NOOP {5} ", "A1 DELETE x}"]
    {
        check(&format!(
            "C: {doubtful}\n-> {doubtful}\nC: A2 NOOP\nS: A1 BAD what?\n<- A1 BAD what?\n-> A2 NOOP"
        ));
    }
    check("C: A1 NOOP\\n\\\n-> A1 NOOP\\n\\\nC: A2 NOOP\nS: A1 OK\n<- A1 OK\n-> A2 NOOP");
    check(
        r#"
C: A1 IDLE
-> A1 IDLE
S: +
<- +
C: DONE\n\
-> DONE\n\
C: A2 NOOP
S: A1 OK
<- A1 OK
-> A2 NOOP
"#,
    );
}

#[test]
fn where_no_answer_can_decide_it_ends() {
    for (line, passes, what) in [
        ("A1 NOOP\\rX", "A1 NOOP", "a CR without LF in a command"),
        ("A1 X \"{5+}", "A1 X \"{5+}", "a non-synchronizing literal where none can be"),
        ("A1 X a{5+}", "A1 X a{5+}", "a non-synchronizing literal where none can be"),
        ("A1 X {5+}\\n\\", "A1 X {5+}", "a non-synchronizing literal where none can be"),
        ("+ X {5+}", "+ X {5+}", "a line without a tag that may go on"),
        ("+ X {5}", "+ X {5}", "a line without a tag that may go on"),
        ("{5}", "{5}", "a line without a tag that may go on"),
        ("+ IDLE", "+ IDLE", "a line without a tag that may go on"),
        ("* X\\n\\", "* X", "a line without a tag that may go on"),
        ("A1 {5+}", "A1 {5+}", "a non-synchronizing literal where none can be"),
        ("A1 IDLE {5+}", "A1 IDLE {5+}", "a non-synchronizing literal where none can be"),
        ("A1 X {5++}", "A1 X {5++}", "a literal announced in no known form"),
    ] {
        check(&format!("C: {line}\n-> {passes}\\\nend: Downstream: {what}"));
    }
    check("C: \\n\\\nend: Downstream: an empty line that does not end in CRLF");
    check(
        r#"
C: A1 NOOP {5-}
-> A1 NOOP {5-}
S: + go
end: Upstream: it asks for a literal that was not announced
"#,
    );
    // It could mean that it idles.
    check(
        r#"
C: A1 IDLE {0}\r\nB LOGIN u p
-> A1 IDLE {0}
S: + idling
end: Upstream: it asks for a literal that was not announced
"#,
    );
    for line in ["A2 LOGIN u p", "DONEx", "", "DONE\\rA2"] {
        check(&format!(
            "C: A1 IDLE\n-> A1 IDLE\nS: +\n<- +\nC: {line}\n\
             end: Downstream: something other than DONE inside IDLE"
        ));
    }
}

/// The server answers the first line with the BAD that the second seems to wait for. If that were enough,
/// its literal would swallow what we take for a command, and the login in ours would be one for it.
#[test]
fn an_answer_without_a_tag_frees_nothing() {
    check(
        r#"
C: * X\r\n+ X {18}
-> * X
-> + X {18}\
end: Downstream: a line without a tag that may go on
"#,
    );
}

/// A tag alone is answered like any command. If that answer passed for the one to the APPEND, what the
/// server reads as its literal would be commands to us, and later the other way round.
#[test]
fn the_answer_to_a_tag_alone_frees_nothing_else() {
    check(
        r#"
C: A1\r\nA1 APPEND x {18}
-> A1
-> A1 APPEND x {18}
S: A1 BAD no command
<- A1 BAD no command
C: A2 SEARCH {14+}
S: +
<- +
-> A2 SEARCH {14+}
C: B LOGIN u p
-> B LOGIN u p
"#,
    );
}

#[test]
fn a_last_word_stands_between_responses() {
    let refusal = Refusal::new(RefusalReason::ShuttingDown, "the gateway\r\nstops");
    let mut wire = Wire::new(relay());
    let word = "* BYE the gateway??stops\r\n";
    assert_eq!(wire.relay.farewell(&refusal).as_deref(), Some(word.as_bytes()));
    for (said, between) in [
        ("* 1 FETCH", false),
        (" (X {3}\r\n", false),
        ("abc", false),
        (")\r\n", true),
        ("* OK [CAPABILITY", true),
        (" IDLE] x\r\n", true),
    ] {
        wire.send(Side::Upstream, said.as_bytes());
        assert_eq!(wire.relay.farewell(&refusal).is_some(), between, "{said}");
    }
}
