//! The server as a client sees it: over TCP and TLS, octet for octet.

mod change;
mod fetch;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::demo::Provider;

const USER: &str = "ada@example.org";

struct Client {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Client {
    /// Connects and reads the greeting.
    async fn connect(provider: &Provider) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(provider.certificate_pem.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(provider.imap).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        let greeting = client.line().await;
        assert_eq!(
            greeting,
            "* OK [CAPABILITY IMAP4REV1 LITERAL+ SASL-IR ID LOGINDISABLED AUTH=XOAUTH2 \
             AUTH=OAUTHBEARER] The saslgate demo's provider\n"
        );
        client
    }

    /// Connects, logs in and selects the inbox.
    async fn in_inbox(provider: &Provider) -> Self {
        let mut client = Self::connect(provider).await;
        let token = token(provider).await;
        let answer = client.ask(&format!("L AUTHENTICATE XOAUTH2 {}", xoauth2(USER, &token))).await;
        assert!(answer.starts_with("L OK [CAPABILITY IMAP4REV1 "), "{answer}");
        client.ask("S SELECT INBOX").await;
        client
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line with LF for CRLF; empty at the end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.replace("\r\n", "\n")
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

async fn token(provider: &Provider) -> String {
    let secret = String::from_utf8(provider.client_secret.expose().to_vec()).unwrap();
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={secret}",
        provider.client_id
    );
    let (status, answer) = post(provider, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3600);
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn post(provider: &Provider, body: &str) -> (u16, serde_json::Value) {
    let port = provider.token_url.port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

async fn start() -> Provider {
    Provider::start(USER).await.unwrap()
}

#[tokio::test]
async fn the_token_endpoint_knows_one_client_and_one_grant() {
    let provider = start().await;
    token(&provider).await;
    let secret = String::from_utf8(provider.client_secret.expose().to_vec()).unwrap();
    let id = &provider.client_id;
    let wrong = format!("grant_type=client_credentials&client_id={id}&client_secret=no");
    let (status, answer) = post(&provider, &wrong).await;
    assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()));
    let other = format!("grant_type=password&client_id={id}&client_secret={secret}");
    let (status, answer) = post(&provider, &other).await;
    assert_eq!((status, &answer["error"]), (400, &"unsupported_grant_type".into()));
    provider.stop().await;
}

#[tokio::test]
async fn only_tokens_open_the_server() {
    let provider = start().await;
    let mut client = Client::connect(&provider).await;
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
    let mut client = Client::connect(&provider).await;
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
