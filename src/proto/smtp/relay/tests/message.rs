//! Messages: where they end, and what the log is told of them.

use super::*;

const BEGIN: &str = "C: MAIL FROM:<a@b>\\r\\nRCPT TO:<c@d>\\r\\nDATA
-> MAIL FROM:<a@b>
-> RCPT TO:<c@d>
-> DATA
S: 250 a\\r\\n250 b\\r\\n354 go
<- 250 a
<- 250 b
<- 354 go";

#[test]
fn a_message_and_what_becomes_of_it() {
    let counts = check(&format!(
        r#"
{BEGIN}
C: Subject: x\r\n\r\nAUTH PLAIN x\r\n..\r\n. \r\n.\r\nNOOP
-> Subject: x
->
-> AUTH PLAIN x
-> ..
-> .
-> .
-> NOOP
S: 250 2.0.0 Ok: queued as 4Q2h1p\r\n250 ok
<- 250 2.0.0 Ok: queued as 4Q2h1p
<- 250 ok
log: 250 from <a@b> to <c@d>, accepted 1, refused 0, octets 36, id 4Q2h1p
"#
    ));
    assert_eq!(counts, Counts { commands: 4, guarded: 0, messages: 1, recipients: 1 });
}

#[test]
fn an_empty_message() {
    check(&format!(
        "{BEGIN}\nC: .\n-> .\nS: 250 ok\n<- 250 ok\nlog: 250 from <a@b> to <c@d>, accepted 1, refused 0, octets 0"
    ));
}

#[test]
fn nothing_but_crlf_dot_crlf_ends_a_message() {
    for (data, octets) in [
        (r"a\n.\nMAIL FROM:<x>\n", 20),
        (r"a\n.", 5),
        (r"a\r.\rb", 7),
        (r"a\r\n.\nb", 8),
        (r"a\n.\r\nb", 8),
        (r"a\r\n.\rb", 8),
        (r"a\r\r\n..", 8),
        (r"\0.", 4),
        (r"a\r\n.\0\r\n", 9),
    ] {
        let shown = |line: &str| format!("-> {line}");
        let lines: Vec<String> = format!(r"{data}\r\n.").split(r"\r\n").map(shown).collect();
        let lines = lines.join("\n");
        check(&format!(
            "{BEGIN}\nC: {data}\\r\\n.\n{lines}\nS: 250 ok\n<- 250 ok\nlog: 250 from <a@b> to <c@d>, accepted 1, refused 0, octets {octets}"
        ));
    }
}

#[test]
fn a_message_that_is_refused() {
    let counts = check(&format!(
        r#"
{BEGIN}
C: a
-> a
C: .
-> .
S: 554-5.2.252 SendAsDenied;
<- 554-5.2.252 SendAsDenied;
S: 554 5.2.252 not you
<- 554 5.2.252 not you
log: 554 from <a@b> to <c@d>, accepted 1, refused 0, octets 3, words 5.2.252 SendAsDenied; not you
"#
    ));
    assert_eq!(counts, Counts { commands: 3, ..Counts::default() });
}

#[test]
fn an_early_reply_is_the_reply() {
    check(&format!(
        r#"
{BEGIN}
C: abc
-> abc
S: 552 too much
<- 552 too much
log: 552 from <a@b> to <c@d>, accepted 1, refused 0, octets 5, words too much
C: def\r\n.\r\nRSET
-> def
-> .
-> RSET
S: 250 ok
<- 250 ok
"#
    ));
    check(&format!(
        r#"
{BEGIN}
C: abc
-> abc
S: 552 too much
<- 552 too much
log: 552 from <a@b> to <c@d>, accepted 1, refused 0, octets 5, words too much
C: def\r\n.
-> def
-> .
S: 250 thanks
end: Upstream: it answers what nobody asked
"#
    ));
    // In one segment with the 354, before the client has sent a thing.
    check(
        r#"
C: DATA
-> DATA
S: 354 go\r\n451 stop
<- 354 go
<- 451 stop
log: 451 from <> to <>, accepted 0, refused 0, octets 0, words stop
C: AUTH PLAIN x\r\n.\r\nNOOP
-> AUTH PLAIN x
-> .
-> NOOP
"#,
    );
}

#[test]
fn what_is_not_over_is_not_accepted() {
    let too_soon = "end: Upstream: it accepts a message that is not over";
    for code in ["200", "250", "250-"] {
        check(&format!("{BEGIN}\nC: abc\n-> abc\nS: {code} thanks\n{too_soon}"));
        check(&format!("C: BDAT 3\n-> BDAT 3\nS: {code} thanks\n{too_soon}"));
    }
    check(&format!(
        r#"
C: BDAT 2\r\nabBDAT 3 LAST\r\nc\
-> BDAT 2
-> abBDAT 3 LAST
-> c\
S: 250 two\r\n250 three
<- 250 two
{too_soon}
"#
    ));
}

#[test]
fn chunks() {
    let counts = check(
        r#"
C: MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 7\r\nab\r\n.\r\nBDAT 5 LAST\r\n\0\n\r\rxMAIL FROM:<>\r\nBDAT 0
-> MAIL FROM:<a@b> BODY=BINARYMIME
-> RCPT TO:<c@d>
-> BDAT 7
-> ab
-> .
-> BDAT 5 LAST
-> \0\n\r\rxMAIL FROM:<>
-> BDAT 0
S: 250 a\r\n250 b\r\n250 2.0.0 7 octets
<- 250 a
<- 250 b
<- 250 2.0.0 7 octets
S: 250 OK id=1rAbCd-0001Xy-2Z
<- 250 OK id=1rAbCd-0001Xy-2Z
log: 250 from <a@b> to <c@d>, accepted 1, refused 0, octets 12, id 1rAbCd-0001Xy-2Z
S: 250 a\r\n503 RCPT first
<- 250 a
<- 503 RCPT first
log: 503 from <> to <>, accepted 0, refused 0, octets 0, words RCPT first
"#,
    );
    assert_eq!(counts, Counts { commands: 6, guarded: 0, messages: 1, recipients: 1 });
}

#[test]
fn a_chunk_that_is_refused_is_read_to_its_end() {
    check(
        r#"
C: MAIL FROM:<a@b>\r\nRCPT TO:<c@d>
-> MAIL FROM:<a@b>
-> RCPT TO:<c@d>
S: 250 a\r\n550 b
<- 250 a
<- 550 b
C: BDAT 14
-> BDAT 14
S: 554 no recipients
<- 554 no recipients
log: 554 from <a@b> to <>, accepted 0, refused 1, octets 0, words no recipients
C: AUTH PLAIN x
-> AUTH PLAIN x
C: BDAT 0 LAST
-> BDAT 0 LAST
S: 503 no
<- 503 no
"#,
    );
}

#[test]
fn a_transaction_ends_with_ehlo_helo_and_rset() {
    for over in ["EHLO x", "HELO x", "RSET"] {
        check(&format!(
            r#"
C: MAIL FROM:<a@b>
-> MAIL FROM:<a@b>
S: 250 a
<- 250 a
C: {over}
-> {over}
S: 500 no
<- 500 no
C: DATA
-> DATA
S: 451 later
<- 451 later
log: 451 from <a@b> to <>, accepted 0, refused 0, octets 0, words later
C: {over}
-> {over}
S: 250 yes
<- 250 yes
C: DATA
-> DATA
S: 503 what
<- 503 what
"#
        ));
    }
}

#[test]
fn recipients_are_counted_and_some_are_named() {
    let mut wire = Wire::new(relay());
    wire.send(Side::Downstream, b"MAIL FROM:<a@b>\r\n");
    wire.send(Side::Upstream, b"250 ok\r\n");
    for number in 0..1000 {
        wire.send(Side::Downstream, format!("RCPT TO:<r{number}@b>\r\n").as_bytes());
        wire.send(Side::Upstream, if number % 10 == 0 { b"550 no\r\n" } else { b"251 ok\r\n" });
    }
    wire.send(Side::Downstream, b"BDAT 0 LAST\r\n");
    wire.send(Side::Upstream, b"250 ok\r\n");
    let told = wire.deliveries.last().unwrap();
    assert_eq!((told.accepted, told.refused, told.recipients.len()), (900, 100, 10));
    assert_eq!(told.recipients.first().map(String::as_str), Some("r1@b"));
    assert_eq!(wire.relay.counts().recipients, 900);
}
