//! Looking for messages, marking, moving and removing them, and who is told of it.

use super::{Client, start};

#[tokio::test]
async fn searches_find_exactly_what_fits() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    client.ask(r"A0 STORE 2 +FLAGS.SILENT ($Later \Answered)").await;
    for (criteria, expected) in [
        ("ALL", "1 2 3"),
        ("UNSEEN", "2 3"),
        ("SEEN", "1"),
        ("FLAGGED", "3"),
        ("UNFLAGGED UNSEEN", "2"),
        ("ANSWERED", "2"),
        ("KEYWORD $LATER", "2"),
        ("UNKEYWORD $later", "1 3"),
        ("NEW", ""),
        ("OLD", "1 2 3"),
        ("FROM ada", "2"),
        ("FROM \"Ren\u{e9}\"", ""),
        ("TO ada@EXAMPLE.org", "1 2 3"),
        ("CC grace", "2"),
        ("SUBJECT minutes", "2"),
        ("SUBJECT \"WELCOME TO\"", "1"),
        ("BODY \"user\"", "1"),
        ("BODY topic", "2"),
        ("TEXT minutes.csv", ""),
        ("TEXT lunch", "3"),
        ("HEADER Message-ID noon@", "3"),
        ("HEADER In-Reply-To \"\"", "2"),
        ("SINCE 6-Jan-2026", "2 3"),
        ("BEFORE 6-Jan-2026", "1"),
        ("ON 6-Jan-2026", "2"),
        ("SENTSINCE 7-Jan-2026", "3"),
        ("LARGER 794", "2"),
        ("LARGER 795", ""),
        ("SMALLER 795", "1 3"),
        ("UID 2:*", "2 3"),
        ("1:2", "1 2"),
        ("NOT 1", "2 3"),
        ("OR SEEN FLAGGED", "1 3"),
        ("OR (SEEN SUBJECT welcome) NOT (UID 1:2)", "1 3"),
        ("CHARSET UTF-8 SEEN", "1"),
    ] {
        let answer = client.ask(&format!("A1 SEARCH {criteria}")).await;
        if criteria.is_ascii() {
            let space = if expected.is_empty() { "" } else { " " };
            assert_eq!(answer, format!("* SEARCH{space}{expected}\nA1 OK Done\n"), "{criteria}");
        } else {
            assert!(answer.starts_with("A1 BAD"), "8-bit in a quoted string: {answer}");
        }
    }
    client.write("A2 SEARCH CHARSET UTF-8 SUBJECT {5+}\r\ncaf\u{e9}\r\n").await;
    assert_eq!(client.until("A2 ").await, "* SEARCH 3\nA2 OK Done\n");
    let answer = client.ask("A3 SEARCH CHARSET KOI8-R ALL").await;
    assert_eq!(answer, "A3 NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset\n");
    client.ask(r"A4 STORE 1 +FLAGS.SILENT (\Deleted)").await;
    assert_eq!(client.ask("A5 EXPUNGE").await, "* 1 EXPUNGE\nA5 OK Done\n");
    assert_eq!(client.ask("A6 SEARCH 1").await, "* SEARCH 1\nA6 OK Done\n");
    assert_eq!(client.ask("A7 UID SEARCH 1").await, "* SEARCH 2\nA7 OK Done\n");
}

#[tokio::test]
async fn flags_are_set_taken_away_and_replaced() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let answer = client.ask(r"A1 STORE 1:2 +FLAGS (\Flagged $Work)").await;
    let expected = r"* 1 FETCH (UID 1 FLAGS (\Flagged \Seen $work))
* 2 FETCH (UID 2 FLAGS (\Flagged $work))
A1 OK Done
";
    assert_eq!(answer, expected);
    let answer = client.ask(r"A2 UID STORE 2 -FLAGS (\Flagged)").await;
    assert_eq!(answer, "* 2 FETCH (UID 2 FLAGS ($work))\nA2 OK Done\n");
    assert_eq!(client.ask(r"A3 STORE 2 FLAGS.SILENT (\Draft)").await, "A3 OK Done\n");
    assert_eq!(client.ask("A4 FETCH 2 FLAGS").await, "* 2 FETCH (FLAGS (\\Draft))\nA4 OK Done\n");
    assert_eq!(
        client.ask("A5 STORE 9 FLAGS ()").await,
        "A5 BAD There are not that many messages\n"
    );
    assert_eq!(client.ask("A6 UID STORE 9 FLAGS ()").await, "A6 OK Done\n");
}

#[tokio::test]
async fn messages_are_copied_moved_and_removed() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let answer = client.ask("A1 COPY 1,3 Sent").await;
    assert_eq!(answer, "A1 OK [COPYUID 3 1,3 1,2] Copied\n");
    assert_eq!(
        client.ask("A2 COPY 1 Nowhere").await,
        "A2 NO [TRYCREATE] There is no such folder\n"
    );
    let answer = client.ask("A3 UID MOVE 2 Trash").await;
    let expected = "* OK [COPYUID 4 2 1] Moved\n* 2 EXPUNGE\nA3 OK Done\n";
    assert_eq!(answer, expected);
    client.ask(r"A4 STORE 1:2 +FLAGS.SILENT (\Deleted)").await;
    assert_eq!(client.ask("A5 UID EXPUNGE 3").await, "* 2 EXPUNGE\nA5 OK Done\n");
    assert_eq!(client.ask("A6 CLOSE").await, "A6 OK Closed\n");
    let answer = client.ask("A7 STATUS INBOX (MESSAGES)").await;
    assert_eq!(answer, "* STATUS INBOX (MESSAGES 0)\nA7 OK Done\n");
    let answer = client.ask("A8 STATUS Sent (MESSAGES)").await;
    assert_eq!(answer, "* STATUS Sent (MESSAGES 2)\nA8 OK Done\n");
}

#[tokio::test]
async fn another_session_is_told_while_it_idles() {
    let provider = start().await;
    let mut idler = Client::in_inbox(&provider).await;
    let mut writer = Client::in_inbox(&provider).await;
    idler.write("I IDLE\r\n").await;
    assert_eq!(idler.line().await, "+ idling\n");

    writer.write("A1 APPEND INBOX (\\Seen) \"07-Jan-2026 12:00:00 +0100\" {11}\r\n").await;
    assert_eq!(writer.line().await, "+ go ahead\n");
    writer.write("Subject: x\n\r\n").await;
    let answer = writer.until("A1 ").await;
    assert_eq!(answer, "* 4 EXISTS\nA1 OK [APPENDUID 1 4] Stored\n");
    assert_eq!(idler.line().await, "* 4 EXISTS\n");

    writer.ask(r"A2 STORE 2 +FLAGS (\Deleted)").await;
    assert_eq!(idler.line().await, "* 2 FETCH (UID 2 FLAGS (\\Deleted))\n");
    writer.ask("A3 EXPUNGE").await;
    assert_eq!(idler.line().await, "* 2 EXPUNGE\n");
    idler.write("DONE\r\n").await;
    assert_eq!(idler.line().await, "I OK Done idling\n");
    let answer = idler.ask("B1 FETCH 3 (FLAGS INTERNALDATE RFC822)").await;
    let expected = "* 3 FETCH (FLAGS (\\Seen) INTERNALDATE \"07-Jan-2026 11:00:00 +0000\" \
        RFC822 {11}\nSubject: x\n)\nB1 OK Done\n";
    assert_eq!(answer, expected);
}
