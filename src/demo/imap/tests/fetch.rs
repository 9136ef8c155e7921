//! What FETCH tells of a message, octet for octet.

use super::{Client, start};

/// Fetches these items of the second message, the one with an attachment.
async fn check(cases: &[(&str, &str)]) {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    for (items, expected) in cases {
        let answer = client.ask(&format!("A1 FETCH 2 {items}")).await;
        assert_eq!(answer, format!("{expected}\nA1 OK Done\n"));
    }
}

#[tokio::test]
async fn what_is_told_about_a_message_is_exact() {
    check(&[
        (
            "(FLAGS UID INTERNALDATE RFC822.SIZE)",
            r#"* 2 FETCH (FLAGS () UID 2 INTERNALDATE "06-Jan-2026 09:30:00 +0000" RFC822.SIZE 795)"#,
        ),
        (
            "FAST",
            r#"* 2 FETCH (FLAGS () INTERNALDATE "06-Jan-2026 09:30:00 +0000" RFC822.SIZE 795)"#,
        ),
        (
            "ENVELOPE",
            concat!(
                r#"* 2 FETCH (ENVELOPE ("Tue, 6 Jan 2026 09:30:00 +0000" "The minutes, with an attachment" "#,
                r#"(("Ada Example" NIL "ada" "example.org")) (("Ada Example" NIL "ada" "example.org")) "#,
                r#"(("Ada Example" NIL "ada" "example.org")) ((NIL NIL "ada" "example.org")) "#,
                r#"(("Grace Example" NIL "grace" "example.org")(NIL NIL "team" "example.org")) NIL "#,
                r#""<agenda@example.org>" "<minutes@example.org>"))"#
            ),
        ),
        (
            "BODYSTRUCTURE",
            concat!(
                r#"* 2 FETCH (BODYSTRUCTURE (("TEXT" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 57 0 NIL NIL)"#,
                r#"("TEXT" "csv" ("charset" "us-ascii" "name" "minutes.csv") NIL NIL "base64" 44 0 NIL "#,
                r#"("attachment" ("filename" "minutes.csv"))) "mixed" ("boundary" "demo-boundary") NIL))"#
            ),
        ),
        (
            "BODY",
            concat!(
                r#"* 2 FETCH (BODY (("TEXT" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 57 0)"#,
                r#"("TEXT" "csv" ("charset" "us-ascii" "name" "minutes.csv") NIL NIL "base64" 44 0) "mixed"))"#
            ),
        ),
    ])
    .await;
}

#[tokio::test]
async fn sections_are_exact() {
    check(&[
        (
            "BODY.PEEK[1]",
            "* 2 FETCH (BODY[1] {57}\nThe minutes are attached. Gr=C3=BCezi from the caf=C3=A9!)",
        ),
        ("BODY.PEEK[2]", "* 2 FETCH (BODY[2] {44}\ndG9waWMsbWludXRlcwpjb2ZmZWUsNQptYWlsLDU1Cg==)"),
        ("BODY.PEEK[2]<4.9>", "* 2 FETCH (BODY[2]<4> {9}\naWMsbWlud)"),
        ("BODY.PEEK[2]<100.9>", "* 2 FETCH (BODY[2]<100> {0}\n)"),
        ("BODY.PEEK[3]", "* 2 FETCH (BODY[3] NIL)"),
        ("BODY.PEEK[1.1]", "* 2 FETCH (BODY[1.1] NIL)"),
        ("BODY.PEEK[1.HEADER]", "* 2 FETCH (BODY[1.HEADER] NIL)"),
        (
            "BODY.PEEK[1.MIME]",
            "* 2 FETCH (BODY[1.MIME] {88}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n)",
        ),
        (
            "BODY.PEEK[HEADER.FIELDS (subject X-None DATE)]",
            "* 2 FETCH (BODY[HEADER.FIELDS (subject X-None DATE)] {82}\nDate: Tue, 6 Jan 2026 09:30:00 +0000\nSubject: The minutes, with an attachment\n\n)",
        ),
        (
            "BODY.PEEK[HEADER.FIELDS.NOT (Date From To Cc Subject Message-ID In-Reply-To)]",
            "* 2 FETCH (BODY[HEADER.FIELDS.NOT (Date From To Cc Subject Message-ID In-Reply-To)] {78}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"demo-boundary\"\n\n)",
        ),
    ])
    .await;
}

#[tokio::test]
async fn whole_messages_and_their_halves_fit_together() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let content = provider.mailbox().read(|content| {
        let message = content.folder("INBOX").unwrap().message(1).unwrap().clone();
        String::from_utf8(message.content.to_vec()).unwrap()
    });
    let (header, text) = content.split_once("\r\n\r\n").unwrap();
    let header = format!("{header}\r\n\r\n");
    for (item, name, part) in [
        ("RFC822", "RFC822", content.as_str()),
        ("BODY[]", "BODY[]", &content),
        ("RFC822.HEADER", "RFC822.HEADER", &header),
        ("BODY[HEADER]", "BODY[HEADER]", &header),
        ("RFC822.TEXT", "RFC822.TEXT", text),
        ("BODY[TEXT]", "BODY[TEXT]", text),
        ("BODY[1]", "BODY[1]", text),
    ] {
        let answer = client.ask(&format!("A1 FETCH 1 {item}")).await;
        let (length, part) = (part.len(), part.replace("\r\n", "\n"));
        assert_eq!(answer, format!("* 1 FETCH ({name} {{{length}}}\n{part})\nA1 OK Done\n"));
    }
}

#[tokio::test]
async fn reading_marks_as_read_and_peeking_does_not() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    client.ask("A1 FETCH 2 BODY.PEEK[TEXT]").await;
    assert_eq!(client.ask("A2 FETCH 2 FLAGS").await, "* 2 FETCH (FLAGS ())\nA2 OK Done\n");
    let answer = client.ask("A3 UID FETCH 2 BODY[1]<0.3>").await;
    let expected = "* 2 FETCH (UID 2 BODY[1]<0> {3}\nThe FLAGS (\\Seen))\nA3 OK Done\n";
    assert_eq!(answer, expected);
    client.ask("A4 EXAMINE INBOX").await;
    client.ask("A5 FETCH 3 RFC822").await;
    assert_eq!(client.ask("A6 FETCH 3 FLAGS").await, "* 3 FETCH (FLAGS (\\Flagged))\nA6 OK Done\n");
}

#[tokio::test]
async fn a_message_inside_a_message_counts_its_own_parts() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let message = "Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
        --o\r\n\r\nfirst\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
        --i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i\r\n\r\nlast\r\n--i--\r\n--o--\r\n";
    client.write(&format!("A1 APPEND INBOX {{{}+}}\r\n{message}\r\n", message.len())).await;
    let answer = client.until("A1 ").await;
    assert_eq!(answer, "* 4 EXISTS\nA1 OK [APPENDUID 1 4] Stored\n");
    for (section, expected) in [
        ("1", "{5}\nfirst"),
        ("2.HEADER", "{61}\nSubject: inner\nContent-Type: multipart/mixed; boundary=i\n\n"),
        ("2.HEADER.FIELDS (SUBJECT)", "{18}\nSubject: inner\n\n"),
        ("2.1", "{3}\n<p>"),
        ("2.1.MIME", "{27}\nContent-Type: text/html\n\n"),
        ("2.2", "{4}\nlast"),
        ("2.3", "NIL"),
        ("2.MIME", "{32}\nContent-Type: message/rfc822\n\n"),
    ] {
        let answer = client.ask(&format!("A2 FETCH 4 BODY.PEEK[{section}]")).await;
        assert_eq!(answer, format!("* 4 FETCH (BODY[{section}] {expected})\nA2 OK Done\n"));
    }
    let answer = client.ask("A3 FETCH 4 BODY").await;
    let expected = concat!(
        r#"* 4 FETCH (BODY (("TEXT" "plain" NIL NIL NIL "7bit" 5 0)"#,
        r#"("MESSAGE" "RFC822" NIL NIL NIL "7bit" 116 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
        r#"(("TEXT" "html" NIL NIL NIL "7bit" 3 0)("TEXT" "plain" NIL NIL NIL "7bit" 4 0) "mixed") 10) "#,
        "\"mixed\"))\nA3 OK Done\n"
    );
    assert_eq!(answer, expected);
}
