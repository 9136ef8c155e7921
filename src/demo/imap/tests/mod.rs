//! The server as a client sees it: over TCP and TLS, octet for octet.

mod change;
mod fetch;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::AsyncReadExt as _;

use crate::demo::{
    Provider,
    tests::{Client, USER, start, token, xoauth2},
};

/// Connects and reads the greeting.
async fn connect(provider: &Provider) -> Client {
    let mut client = Client::open(provider, provider.imap).await;
    let greeting = client.line().await;
    assert_eq!(
        greeting,
        "* OK [CAPABILITY IMAP4REV1 LITERAL+ SASL-IR ID LOGINDISABLED AUTH=XOAUTH2 \
         AUTH=OAUTHBEARER] The saslgate demo's provider\n"
    );
    client
}

impl Client {
    /// Connects, logs in and selects the inbox.
    async fn in_inbox(provider: &Provider) -> Self {
        let mut client = connect(provider).await;
        let token = token(provider).await;
        let answer = client.ask(&format!("L AUTHENTICATE XOAUTH2 {}", xoauth2(USER, &token))).await;
        assert!(answer.starts_with("L OK [CAPABILITY IMAP4REV1 "), "{answer}");
        client.ask("S SELECT INBOX").await;
        client
    }

    /// Sends a command and reads up to the line with its tag.
    async fn ask(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r\n")).await;
        self.until(&format!("{} ", command.split_once(' ').unwrap().0)).await
    }

    /// Reads up to a line that begins like this.
    async fn until(&mut self, start: &str) -> String {
        let mut answer = String::new();
        loop {
            let line = self.line().await;
            answer.push_str(&line);
            if line.starts_with(start) || line.is_empty() {
                return answer;
            }
        }
    }
}

#[tokio::test]
async fn only_tokens_open_the_server() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    let answer = client.ask("A1 LOGIN ada@example.org secret").await;
    assert_eq!(answer, "A1 NO No password opens this server: it takes access tokens only\n");
    assert_eq!(client.ask("A2 SELECT INBOX").await, "A2 BAD Log in first\n");
    let answer = client.ask("A3 AUTHENTICATE PLAIN").await;
    assert_eq!(answer, "A3 NO Only XOAUTH2 and OAUTHBEARER open this server\n");

    // A wrong token gets the challenge, which the client answers with an empty line.
    client.write(&format!("A4 AUTHENTICATE XOAUTH2 {}\r\n", xoauth2(USER, "wrong"))).await;
    let challenge = client.line().await;
    let challenge = STANDARD.decode(challenge.strip_prefix("+ ").unwrap().trim()).unwrap();
    let challenge: serde_json::Value = serde_json::from_slice(&challenge).unwrap();
    assert_eq!(challenge["status"], "401");
    client.write("\r\n").await;
    let refusal = "A4 NO [AUTHENTICATIONFAILED] The access token is not valid\n";
    assert_eq!(client.line().await, refusal);

    // A right token for someone else as well.
    let token = token(&provider).await;
    let other = xoauth2("bob@example.org", &token);
    client.write(&format!("A5 AUTHENTICATE XOAUTH2 {other}\r\n\r\n")).await;
    assert!(client.line().await.starts_with("+ "));
    assert!(client.line().await.starts_with("A5 NO [AUTHENTICATIONFAILED]"));

    // Without an initial response.
    client.write("A6 AUTHENTICATE OAUTHBEARER\r\n").await;
    assert_eq!(client.line().await, "+ \n");
    let response = STANDARD.encode(format!("n,a={USER},\x01auth=Bearer {token}\x01\x01"));
    client.write(&format!("{response}\r\n")).await;
    assert_eq!(
        client.line().await,
        "A6 OK [CAPABILITY IMAP4REV1 LITERAL+ SASL-IR ID IDLE NAMESPACE UNSELECT UIDPLUS MOVE \
         SPECIAL-USE] Logged in\n"
    );
    assert_eq!(client.ask("A7 LOGOUT").await, "* BYE Goodbye\nA7 OK Done\n");
    assert_eq!(client.line().await, "");
    provider.stop().await;
}

#[tokio::test]
async fn who_only_makes_mistakes_is_sent_away() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    for _ in 0..19 {
        assert!(client.ask("A1 NONSENSE").await.starts_with("A1 BAD"));
    }
    assert!(client.ask("A2 NONSENSE").await.starts_with("A2 BAD"));
    assert_eq!(client.line().await, "* BYE Too many mistakes\n");
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn folders_are_listed_made_renamed_and_counted() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let answer = client.ask("A1 LIST \"\" \"*\"").await;
    let expected = r#"* LIST (\Drafts) "/" Drafts
* LIST () "/" INBOX
* LIST (\Sent) "/" Sent
* LIST (\Trash) "/" Trash
A1 OK Done
"#;
    assert_eq!(answer, expected);
    let answer = client.ask("A2 LIST \"\" \"\"").await;
    assert_eq!(answer, "* LIST (\\Noselect) \"/\" \"\"\nA2 OK Done\n");
    assert_eq!(client.ask("A3 CREATE Work/2026").await, "A3 OK Done\n");
    assert!(client.ask("A4 CREATE Work/2026").await.starts_with("A4 NO [ALREADYEXISTS]"));
    assert_eq!(client.ask("A5 RENAME Work/2026 \"Work/two words\"").await, "A5 OK Done\n");
    assert_eq!(client.ask("A6 UNSUBSCRIBE Sent").await, "A6 OK Done\n");
    let answer = client.ask("A7 LSUB \"\" *").await;
    let expected = r#"* LSUB (\Drafts) "/" Drafts
* LSUB () "/" INBOX
* LSUB (\Trash) "/" Trash
* LSUB () "/" "Work/two words"
A7 OK Done
"#;
    assert_eq!(answer, expected);
    let answer = client.ask("A8 STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)").await;
    let expected =
        "* STATUS INBOX (MESSAGES 3 UNSEEN 2 UIDNEXT 4 UIDVALIDITY 1 RECENT 0)\nA8 OK Done\n";
    assert_eq!(answer, expected);
    assert!(client.ask("A9 STATUS Nowhere (MESSAGES)").await.starts_with("A9 NO [NONEXISTENT]"));
    assert_eq!(client.ask("B1 DELETE \"Work/two words\"").await, "B1 OK Done\n");
    let answer = client.ask("B2 NAMESPACE").await;
    assert_eq!(answer, "* NAMESPACE ((\"\" \"/\")) NIL NIL\nB2 OK Done\n");
    let answer = client.ask("B3 ID NIL").await;
    assert_eq!(answer, "* ID (\"name\" \"saslgate demo\")\nB3 OK Done\n");
}

#[tokio::test]
async fn select_tells_what_clients_need() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let expected = r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
* 3 EXISTS
* 0 RECENT
* OK [UNSEEN 2] First unseen
* OK [PERMANENTFLAGS ()] Flags that stay
* OK [UIDNEXT 4] Next UID
* OK [UIDVALIDITY 1] UIDs valid
A1 OK [READ-ONLY] Selected
";
    assert_eq!(client.ask("A1 EXAMINE INBOX").await, expected);
    let answer = client.ask(r"A2 STORE 1 +FLAGS (\Deleted)").await;
    assert_eq!(answer, "A2 NO The folder is open for reading only\n");
    assert!(client.ask("A3 SELECT Nowhere").await.starts_with("A3 NO [NONEXISTENT]"));
    assert!(client.ask("A4 FETCH 1 FLAGS").await.starts_with("A4 BAD "));
}

#[tokio::test]
async fn a_literal_that_is_too_large_is_refused_before_it_is_sent() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let answer = client.ask("A1 APPEND INBOX {99999999}").await;
    assert_eq!(answer, "A1 NO [TOOBIG] This is larger than the demo takes\n");
    assert_eq!(client.ask("A2 NOOP").await, "A2 OK Done\n");
}

#[tokio::test]
async fn a_large_message_comes_back_as_it_went() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    let message = "Subject: large\r\n\r\n".to_owned() + &"0123456789abcdef\r\n".repeat(100_000);
    let length = message.len();
    client.write(&format!("A1 APPEND INBOX {{{length}+}}\r\n{message}\r\n")).await;
    assert!(client.until("A1 ").await.ends_with("A1 OK [APPENDUID 1 4] Stored\n"));
    client.write("A2 FETCH 4 BODY.PEEK[]\r\n").await;
    assert_eq!(client.line().await, format!("* 4 FETCH (BODY[] {{{length}}}\n"));
    let mut back = vec![0; length];
    client.stream.read_exact(&mut back).await.unwrap();
    assert!(back == message.as_bytes());
    assert_eq!(client.until("A2 ").await, ")\nA2 OK Done\n");
}

#[tokio::test]
async fn stopping_ends_idle_sessions() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    client.write("I IDLE\r\n").await;
    client.line().await;
    provider.stop().await;
    let mut rest = String::new();
    // The server goes without TLS's goodbye; what matters is that the session is over.
    let _ = client.stream.read_to_string(&mut rest).await;
    assert_eq!(rest, "");
}
