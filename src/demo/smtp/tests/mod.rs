//! The server as a client sees it: over TCP and TLS, octet for octet.

mod content;
mod delivery;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{EXTENSIONS, SIZE_LIMIT};
use crate::demo::{
    Provider,
    tests::{Client, USER, start, token, xoauth2},
};

/// Connects and reads the greeting.
async fn connect(provider: &Provider) -> Client {
    let mut client = Client::open(provider, provider.smtp).await;
    assert_eq!(client.line().await, "220 localhost ESMTP The saslgate demo's provider\n");
    client
}

impl Client {
    /// Connects and logs in.
    async fn sender(provider: &Provider) -> Self {
        let mut client = connect(provider).await;
        client.command("EHLO client.example.org").await;
        let token = token(provider).await;
        assert_eq!(client.command("AUTH XOAUTH2").await, "334 \n");
        let answer = client.command(&xoauth2(USER, &token)).await;
        assert_eq!(answer, "235 2.7.0 Authentication successful\n");
        client
    }

    /// Connects, logs in and begins a message to the user.
    async fn with_envelope(provider: &Provider) -> Self {
        let mut client = Self::sender(provider).await;
        client.envelope(USER).await;
        client
    }

    async fn envelope(&mut self, recipient: &str) {
        assert_eq!(self.command(&format!("MAIL FROM:<{USER}>")).await, "250 2.1.0 Ok\n");
        let answer = self.command(&format!("RCPT TO:<{recipient}>")).await;
        assert!(answer.starts_with("250 2.1.5 Ok"), "{answer}");
    }

    /// Sends a line and reads the reply.
    async fn command(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.reply().await
    }

    /// A reply, of however many lines.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Sends a line and expects a reply that begins like this.
    #[track_caller]
    fn expect(&mut self, line: &str, start: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        let (line, start) = (line.to_owned(), start.to_owned());
        async move {
            let reply = self.command(&line).await;
            assert!(reply.starts_with(&start), "{caller}: {line:?}: {reply}");
        }
    }
}

/// The content of a folder's messages.
fn contents(provider: &Provider, folder: &str) -> Vec<String> {
    provider.mailbox().read(|content| {
        let messages = content.folder(folder).unwrap().messages.iter();
        messages.map(|message| String::from_utf8(message.content.to_vec()).unwrap()).collect()
    })
}

#[tokio::test]
async fn only_tokens_open_the_server() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    client.expect("AUTH XOAUTH2", "503 5.5.1 ").await;
    client.expect("HELO client", "250 localhost\n").await;
    client.expect("AUTH XOAUTH2", "503 5.5.1 ").await;
    let expected = "250-localhost The saslgate demo's provider
250-PIPELINING
250-SIZE 31457280
250-8BITMIME
250-ENHANCEDSTATUSCODES
250-CHUNKING
250-SMTPUTF8
250-DSN
250 AUTH XOAUTH2 OAUTHBEARER
";
    assert_eq!(client.command("ehlo client.example.org").await, expected);
    client.expect("AUTH PLAIN AGEAYg==", "504 5.5.4 ").await;
    client.expect("AUTH LOGIN", "504 5.5.4 ").await;
    client.expect("AUTH", "501 5.5.4 ").await;
    for command in ["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"] {
        assert_eq!(client.command(command).await, "530 5.7.0 Authentication required\n");
    }
    client.write("BDAT 6 LAST\r\nQUIT\r\n").await;
    assert_eq!(client.reply().await, "530 5.7.0 Authentication required\n");

    // A wrong token gets the challenge, which the client answers with an empty line.
    client.expect("AUTH XOAUTH2", "334 \n").await;
    let challenge = client.command(&xoauth2(USER, "wrong")).await;
    let challenge = STANDARD.decode(challenge.strip_prefix("334 ").unwrap().trim()).unwrap();
    let challenge: serde_json::Value = serde_json::from_slice(&challenge).unwrap();
    assert_eq!(challenge["status"], "401");
    assert_eq!(client.command("").await, "535 5.7.8 The access token is not valid\n");

    // A right token for someone else as well, here with an initial response.
    let token = token(&provider).await;
    client.expect(&format!("AUTH XOAUTH2 {}", xoauth2("bob@example.org", &token)), "334 ey").await;
    client.expect("AQ==", "535 5.7.8 ").await;

    for response in ["*", "not base64!", "=", "AQ=="] {
        client.expect("AUTH OAUTHBEARER", "334 \n").await;
        client.expect(response, "501 5.").await;
    }
    client.expect("AUTH OAUTHBEARER", "334 \n").await;
    let response = STANDARD.encode(format!("n,a={USER},\x01auth=Bearer {token}\x01\x01"));
    client.expect(&response, "235 2.7.0 ").await;
    client.expect("AUTH XOAUTH2", "503 5.5.1 ").await;
    assert_eq!(client.command("QUIT").await, "221 2.0.0 Goodbye\n");
    assert_eq!(client.line().await, "");
    provider.stop().await;
}

#[tokio::test]
async fn a_token_of_some_kilobytes_is_read_and_a_longer_response_passed_over() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    client.command("EHLO client").await;
    client.expect("AUTH XOAUTH2", "334 ").await;
    client.expect(&xoauth2(USER, &"t".repeat(9000)), "334 ey").await;
    client.expect("", "535 ").await;
    client.expect("AUTH XOAUTH2", "334 ").await;
    client.expect(&"QUIT".repeat(4000), "500 5.5.6 ").await;
    client.expect(&format!("NOOP {}", "x".repeat(2040)), "250 ").await;
    client.expect(&format!("NOOP {}", "x".repeat(2042)), "500 5.5.2 ").await;
    client.expect("NOOP", "250 ").await;
}

#[tokio::test]
async fn commands_have_an_order() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    client.expect("RCPT TO:<a@b>", "503 5.5.1 ").await;
    client.expect("DATA", "503 5.5.1 ").await;
    client.expect("MAIL FROM:<>", "250 2.1.0 ").await;
    client.expect("MAIL FROM:<>", "503 5.5.1 ").await;
    client.expect("DATA", "554 5.5.1 ").await;
    client.expect("RSET", "250 2.0.0 ").await;
    client.expect("RCPT TO:<a@b>", "503 5.5.1 ").await;
    client.envelope(USER).await;
    // RFC 5321 section 4.1.4.
    client.expect("EHLO again", "250-").await;
    client.expect("RCPT TO:<a@b>", "503 5.5.1 ").await;
    for command in ["STARTTLS", "LHLO a", "EXPN list", "ETRN a", "ATRN a", "BURL imap://a LAST"] {
        client.expect(command, "50").await;
    }
    for (command, start) in [("VRFY a", "252 2."), ("HELP", "214 2."), ("NOOP a", "250 2.")] {
        client.expect(command, start).await;
    }
}

#[tokio::test]
async fn parameters_count_only_if_their_extension_is_offered() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    let begin = format!("MAIL FROM:<{USER}>");
    for (parameters, start) in [
        ("SIZE=31457280", "250 "),
        ("SIZE=31457281", "552 5.3.4 "),
        ("BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2Bq AUTH=<>", "250 "),
        ("BODY=BINARYMIME", "555 5.5.4 "),
        ("MT-PRIORITY=3", "555 5.5.4 "),
        ("HOLDFOR=60", "555 5.5.4 "),
        ("REQUIRETLS", "555 5.5.4 "),
        ("OTHER=1", "555 5.5.4 "),
        ("SIZE=much", "501 5.5.4 "),
    ] {
        client.expect(&format!("{begin} {parameters}"), start).await;
        client.expect("RSET", "250 ").await;
    }
    client.expect(&begin, "250 ").await;
    for (recipient, start) in [
        ("<a@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a@b", "250 "),
        ("<a@b> NOTIFY=NEVER", "250 "),
        ("<a@b> NOTIFY=NEVER,SUCCESS", "501 5.5.4 "),
        ("<a@b> RRVS=2026-01-05T09:00:00Z", "555 5.5.4 "),
        ("<>", "501 5.1.3 "),
        ("<no address>", "501 5.1.3 "),
    ] {
        client.expect(&format!("RCPT TO:{recipient}"), start).await;
    }
    let known = EXTENSIONS.iter().find_map(|keyword| keyword.strip_prefix("SIZE "));
    assert_eq!(known, Some(SIZE_LIMIT.to_string().as_str()));
}

#[tokio::test]
async fn addresses_beyond_ascii_need_the_word_for_it() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    client.expect("MAIL FROM:<grüezi@example.org>", "553 5.6.7 ").await;
    client.expect("MAIL FROM:<ada@example.org>", "250 ").await;
    client.expect("RCPT TO:<grüezi@example.org>", "553 5.6.7 ").await;
    client.expect("RSET", "250 ").await;
    client.expect("MAIL FROM:<grüezi@example.org> SMTPUTF8", "250 ").await;
    client.expect("RCPT TO:<grüezi@example.org>", "250 ").await;
    client.expect("RCPT TO:<ada@example.org>", "250 ").await;
    client.expect("DATA", "354 ").await;
    client.expect("Subject: Grüezi\r\n\r\n.", "250 2.0.0 ").await;
    let arrived = contents(&provider, "INBOX").pop().unwrap();
    assert!(arrived.starts_with("Return-Path: <grüezi@example.org>\r\n"), "{arrived}");
    assert!(arrived.contains(" with UTF8SMTPSA id "), "{arrived}");
}

#[tokio::test]
async fn recipients_are_bounded() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    client.expect("MAIL FROM:<>", "250 ").await;
    for number in 0..100 {
        client.expect(&format!("RCPT TO:<r{number}@example.com>"), "250 ").await;
    }
    client.expect("RCPT TO:<more@example.com>", "452 4.5.3 ").await;
}

#[tokio::test]
async fn who_only_makes_mistakes_is_sent_away() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    for _ in 0..20 {
        client.expect("NONSENSE", "500 5.5.2 ").await;
    }
    assert_eq!(client.line().await, "421 4.7.0 Too many mistakes\n");
    assert_eq!(client.line().await, "");
}
