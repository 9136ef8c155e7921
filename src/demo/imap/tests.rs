//! The server as a client sees it: over TCP and TLS, octet for octet.

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
    let status = answer[9..12].parse().unwrap();
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
async fn a_message_is_fetched_in_all_its_parts() {
    let provider = start().await;
    let mut client = Client::in_inbox(&provider).await;
    for (items, expected) in [
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
    ] {
        let answer = client.ask(&format!("A1 FETCH 2 {items}")).await;
        assert_eq!(answer, format!("{expected}\nA1 OK Done\n"));
    }
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
