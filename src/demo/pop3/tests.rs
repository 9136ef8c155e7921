//! The server as a client sees it: over TCP and TLS, octet for octet.

use std::{collections::BTreeSet, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::maildrop::lines;
use crate::demo::{
    Provider,
    mailbox::INBOX,
    tests::{Client, USER, start, token, xoauth2},
};

/// Connects and reads the greeting.
async fn connect(provider: &Provider) -> Client {
    let mut client = Client::open(provider, provider.pop3).await;
    // Without a time stamp in angle brackets, which would offer APOP.
    assert_eq!(client.line().await, "+OK The saslgate demo's provider\n");
    client
}

impl Client {
    /// Connects and logs in.
    async fn reader(provider: &Provider) -> Self {
        let mut client = connect(provider).await;
        let token = token(provider).await;
        assert_eq!(client.single("AUTH XOAUTH2").await, "+ \n");
        let answer = client.single(&xoauth2(USER, &token)).await;
        assert!(answer.starts_with("+OK "), "{answer}");
        client
    }

    /// Sends a command and reads one line.
    async fn single(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r\n")).await;
        self.line().await
    }

    /// Sends a command and reads lines up to the dot.
    async fn multi(&mut self, command: &str) -> String {
        let mut answer = self.single(command).await;
        assert!(answer.starts_with("+OK"), "{answer}");
        loop {
            let line = self.line().await;
            assert_ne!(line, "", "{answer}");
            answer.push_str(&line);
            if line == ".\n" {
                return answer;
            }
        }
    }
}

fn add(provider: &Provider, content: &'static str) {
    let flags = BTreeSet::new();
    provider.mailbox().append(INBOX, content.into(), flags, SystemTime::UNIX_EPOCH).unwrap();
}

fn uids(provider: &Provider) -> Vec<u32> {
    let uids = |content: &crate::demo::mailbox::Content| {
        content.folder(INBOX).unwrap().messages.iter().map(|message| message.uid).collect()
    };
    provider.mailbox().read(uids)
}

#[tokio::test]
async fn only_tokens_open_the_server() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    let capabilities = "TOP\nUIDL\nSASL XOAUTH2 OAUTHBEARER\nRESP-CODES\nAUTH-RESP-CODE\n\
                        PIPELINING\n.\n";
    assert_eq!(client.multi("CAPA").await, format!("+OK Capabilities follow\n{capabilities}"));
    let mechanisms = "+OK Mechanisms follow\nXOAUTH2\nOAUTHBEARER\n.\n";
    assert_eq!(client.multi("AUTH").await, mechanisms);
    let refusal = "-ERR No password opens this server: it takes access tokens only\n";
    assert_eq!(client.single("USER ada@example.org").await, refusal);
    assert_eq!(client.single("PASS secret").await, refusal);
    for command in ["AUTH PLAIN", "STAT", "NOOP", "STLS", "APOP a b", "", "LIST"] {
        assert!(client.single(command).await.starts_with("-ERR "), "{command}");
    }

    // A wrong token gets the challenge, which the client answers with an empty line.
    assert_eq!(client.single("AUTH XOAUTH2").await, "+ \n");
    let challenge = client.single(&xoauth2(USER, "wrong")).await;
    let challenge = STANDARD.decode(challenge.strip_prefix("+ ").unwrap().trim()).unwrap();
    let challenge: serde_json::Value = serde_json::from_slice(&challenge).unwrap();
    assert_eq!(challenge["status"], "401");
    assert_eq!(client.single("").await, "-ERR [AUTH] The access token is not valid\n");

    // A right token for someone else as well.
    let token = token(&provider).await;
    let other = xoauth2("bob@example.org", &token);
    assert!(client.single(&format!("AUTH XOAUTH2 {other}")).await.starts_with("+ ey"));
    assert!(client.single("AQ==").await.starts_with("-ERR [AUTH] "));

    for response in ["*", "not base64!", "="] {
        assert_eq!(client.single("auth oauthbearer").await, "+ \n");
        assert!(client.single(response).await.starts_with("-ERR "), "{response}");
    }
    // RFC 5034 section 4: a response that does not fit comes on its own line.
    let response = STANDARD.encode(format!("n,a={USER},\x01auth=Bearer {token}\x01\x01"));
    let long = format!("AUTH OAUTHBEARER {response}{}", "A".repeat(255));
    assert_eq!(client.single(&long).await, "-ERR This line is too long\n");
    assert_eq!(client.single("AUTH OAUTHBEARER").await, "+ \n");
    assert!(client.single(&response).await.starts_with("+OK 3 messages, "));
    assert_eq!(client.multi("CAPA").await, format!("+OK Capabilities follow\n{capabilities}"));
    assert!(client.single("AUTH XOAUTH2").await.starts_with("-ERR "));
    assert_eq!(client.single("QUIT").await, "+OK Goodbye\n");
    assert_eq!(client.line().await, "");
    provider.stop().await;
}

#[tokio::test]
async fn messages_are_listed_read_and_cut() {
    let provider = start().await;
    provider.mailbox().change(|content| {
        content.folder_mut(INBOX).unwrap().messages.truncate(1);
    });
    add(&provider, "Subject: x\r\n\r\n.one\r\n\r\n..\r\nlast");
    add(&provider, "bare\n.\nline ends\r");
    add(&provider, "");
    let mut client = Client::reader(&provider).await;
    let first = provider
        .mailbox()
        .read(|content| content.folder(INBOX).unwrap().message(1).unwrap().content.clone());
    let size = first.len();
    assert_eq!(client.single("STAT").await, format!("+OK 4 {}\n", size + 32 + 20));
    let list = format!("+OK A list follows\n1 {size}\n2 32\n3 20\n4 0\n.\n");
    assert_eq!(client.multi("LIST").await, list);
    assert_eq!(client.single("list 2").await, "+OK 2 32\n");
    let ids = "+OK A list follows\n1 1.1\n2 1.4\n3 1.5\n4 1.6\n.\n";
    assert_eq!(client.multi("UIDL").await, ids);
    assert_eq!(client.single("UIDL 3").await, "+OK 3 1.5\n");
    let whole = "+OK The message follows\nSubject: x\n\n..one\n\n...\nlast\n.\n";
    assert_eq!(client.multi("RETR 2").await, whole);
    let bare = "+OK The message follows\nbare\n..\nline ends\n.\n";
    assert_eq!(client.multi("RETR 3").await, bare);
    assert_eq!(client.multi("RETR 4").await, "+OK The message follows\n.\n");
    let first = String::from_utf8(first.to_vec()).unwrap().replace("\r\n", "\n");
    let expected = format!("+OK The message follows\n{first}.\n");
    assert_eq!(client.multi("RETR 1").await, expected);
    for (command, body) in
        [("TOP 2 0", ""), ("TOP 2 1", "..one\n"), ("TOP 2 9", "..one\n\n...\nlast\n")]
    {
        let expected = format!("+OK The message follows\nSubject: x\n\n{body}.\n");
        assert_eq!(client.multi(command).await, expected);
    }
    for command in ["RETR 0", "RETR 5", "LIST 5", "UIDL 0", "TOP 9 1", "DELE 5"] {
        assert_eq!(client.single(command).await, "-ERR There is no such message\n");
    }
    for command in ["RETR", "RETR x", "RETR +1", "RETR 1 2", "TOP 1", "LIST 1 2", "XTND", "LAST"] {
        assert!(client.single(command).await.starts_with("-ERR Not known here"), "{command}");
    }
}

#[tokio::test]
async fn what_is_deleted_goes_with_quit_and_only_then() {
    let provider = start().await;
    let mut client = Client::reader(&provider).await;
    assert!(client.single("DELE 2").await.starts_with("+OK "));
    assert_eq!(client.single("DELE 2").await, "-ERR There is no such message\n");
    assert_eq!(client.single("RETR 2").await, "-ERR There is no such message\n");
    assert!(client.single("STAT").await.starts_with("+OK 2 "));
    assert!(client.multi("UIDL").await.ends_with("\n1 1.1\n3 1.3\n.\n"));
    assert!(client.single("RSET").await.starts_with("+OK"));
    assert!(client.single("STAT").await.starts_with("+OK 3 "));
    assert!(client.single("DELE 1").await.starts_with("+OK "));
    drop(client);
    assert_eq!(uids(&provider), [1, 2, 3]);

    let mut client = Client::reader(&provider).await;
    assert!(client.single("STAT").await.starts_with("+OK 3 "));
    assert!(client.single("DELE 1").await.starts_with("+OK "));
    // What came and what went meanwhile is neither shown nor touched.
    add(&provider, "new");
    provider.mailbox().change(|content| {
        content.folder_mut(INBOX).unwrap().messages.retain(|message| message.uid != 3);
    });
    assert!(client.single("STAT").await.starts_with("+OK 2 "));
    assert!(client.multi("RETR 3").await.contains("Subject: "));
    assert_eq!(client.single("QUIT").await, "+OK Goodbye\n");
    assert_eq!(uids(&provider), [2, 4]);
}

#[tokio::test]
async fn one_client_at_a_time_reads_the_mailbox() {
    let provider = start().await;
    let mut client = Client::reader(&provider).await;
    let token = token(&provider).await;
    let mut second = connect(&provider).await;
    assert_eq!(second.single("AUTH XOAUTH2").await, "+ \n");
    let refusal = "-ERR [IN-USE] Another POP3 client has this mailbox just now\n";
    assert_eq!(second.single(&xoauth2(USER, &token)).await, refusal);
    assert_eq!(client.single("QUIT").await, "+OK Goodbye\n");
    assert_eq!(second.single("AUTH XOAUTH2").await, "+ \n");
    assert!(second.single(&xoauth2(USER, &token)).await.starts_with("+OK "));
}

#[tokio::test]
async fn commands_may_come_together() {
    let provider = start().await;
    let mut client = Client::reader(&provider).await;
    client.write("NOOP\r\nUIDL 1\r\nDELE 1\r\nRETR 1\r\nquit\r\n").await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(client.line().await);
    }
    let expected = [
        "+OK\n",
        "+OK 1 1.1\n",
        "+OK It goes when you QUIT\n",
        "-ERR There is no such message\n",
        "+OK Goodbye\n",
    ];
    assert_eq!(answers, expected);
    assert_eq!(uids(&provider), [2, 3]);
}

#[tokio::test]
async fn who_only_makes_mistakes_is_sent_away() {
    let provider = start().await;
    let mut client = connect(&provider).await;
    for _ in 0..20 {
        assert!(client.single("NONSENSE").await.starts_with("-ERR "));
    }
    assert_eq!(client.line().await, "");
}

#[test]
fn lines_are_sent_with_crlf_whatever_they_had() {
    let read = |content: &'static str| lines(content.as_bytes()).collect::<Vec<_>>();
    assert_eq!(read(""), [b""; 0]);
    assert_eq!(read("\r\n"), [b""]);
    assert_eq!(read("a\nb\r\n\r\rc"), [&b"a"[..], b"b", b"\r\rc"]);
}
