//! What comes by DATA and by BDAT, and what follows it.

use super::{Client, SIZE_LIMIT, USER, contents, start};

#[tokio::test]
async fn a_message_ends_at_its_dot_and_stays_as_it_is() {
    let provider = start().await;
    let mut client = Client::with_envelope(&provider).await;
    client.expect("DATA", "354 ").await;
    let smuggled = "\n.\nMAIL FROM:<a@b>\r\n\r.\r\n\n.\r\n\r\r\n";
    client.write(&format!("Subject: x\r\n\r\n..\r\n.a\r\n{smuggled}.\r\nNOOP\r\n")).await;
    assert!(client.reply().await.starts_with("250 2.0.0 Ok: queued as "));
    assert_eq!(client.reply().await, "250 2.0.0 Ok\n");
    let expected = format!("Subject: x\r\n\r\n.\r\na\r\n{smuggled}");
    assert_eq!(contents(&provider, "Sent"), [expected]);
}

#[tokio::test]
async fn all_of_an_envelope_may_come_at_once() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    let envelope = format!("MAIL FROM:<{USER}>\r\nRCPT TO:<nobody>\r\nRCPT TO:<{USER}>\r\n");
    client.write(&format!("{envelope}DATA\r\n")).await;
    for start in ["250 2.1.0 ", "501 5.1.3 ", "250 2.1.5 ", "354 "] {
        let reply = client.reply().await;
        assert!(reply.starts_with(start), "{reply}");
    }
    client.write("one\r\n.\r\n").await;
    assert!(client.reply().await.starts_with("250 "));
    client.write(&format!("{envelope}BDAT 3\r\ntwoBDAT 7 LAST\r\n\r\n.\r\nx\nQUIT\r\n")).await;
    for start in ["250 2.1.0 ", "501 5.1.3 ", "250 2.1.5 ", "250 ", "250 ", "221 "] {
        let reply = client.reply().await;
        assert!(reply.starts_with(start), "{reply}");
    }
    assert_eq!(contents(&provider, "Sent"), ["one\r\n", "two\r\n.\r\nx\n"]);
}

#[tokio::test]
async fn chunks_are_counted_whatever_becomes_of_them() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    client.expect("BDAT 6\r\nQUIT", "503 5.5.1 ").await;
    client.expect("MAIL FROM:<>", "250 ").await;
    client.expect("BDAT 6 LAST\r\nQUIT", "554 5.5.1 ").await;
    // What was refused is missing, and so the rest is refused as well (RFC 3030 section 4.2).
    client.expect(&format!("RCPT TO:<{USER}>"), "503 5.5.1 ").await;
    client.expect("BDAT 0 LAST", "503 5.5.1 ").await;
    client.expect("DATA", "503 5.5.1 ").await;
    client.expect("RSET", "250 ").await;
    client.envelope(USER).await;
    assert_eq!(client.command("BDAT 4\r\nab").await, "250 2.0.0 4 octets received\n");
    client.expect("DATA", "503 5.5.1 ").await;
    client.expect(&format!("RCPT TO:<{USER}>"), "503 5.5.1 ").await;
    client.expect("NOOP", "250 ").await;
    client.expect("BDAT 0 LAST", "250 2.0.0 Ok: queued as ").await;
    client.expect("BDAT 0 LAST", "503 5.5.1 ").await;
    assert_eq!(contents(&provider, "Sent"), ["ab\r\n"]);
}

#[tokio::test]
async fn a_chunk_without_a_size_ends_the_connection() {
    let provider = start().await;
    let mut client = Client::with_envelope(&provider).await;
    client.write("BDAT all LAST\r\nRSET\r\n").await;
    assert!(client.reply().await.starts_with("521 5.5.4 "));
    assert_eq!(client.line().await, "");
    assert_eq!(contents(&provider, "Sent"), [""; 0]);
}

#[tokio::test]
async fn what_is_too_large_or_holds_nul_is_refused_when_it_is_over() {
    let provider = start().await;
    let mut client = Client::with_envelope(&provider).await;
    client.expect("DATA", "354 ").await;
    client.expect("a\0b\r\n.", "554 5.6.0 ").await;
    client.envelope(USER).await;
    client.write(&format!("BDAT {}\r\n", SIZE_LIMIT + 1)).await;
    let mebibyte = "x".repeat(1024 * 1024);
    for _ in 0..SIZE_LIMIT / mebibyte.len() {
        client.write(&mebibyte).await;
    }
    client.expect("xNOOP", "552 5.3.4 ").await;
    assert_eq!(client.reply().await, "250 2.0.0 Ok\n");
    client.expect("BDAT 0 LAST", "503 5.5.1 ").await;
    assert_eq!(contents(&provider, "Sent"), [""; 0]);
}
