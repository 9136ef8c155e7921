//! Where a message goes, and what is told about it.

use std::{net::Ipv4Addr, sync::Arc};

use mail_parser::{MessageParser, MimeHeaders as _};
use tokio::sync::Semaphore;

use super::{Client, USER, contents, start};
use crate::demo::{
    Certificate,
    mailbox::{Mailbox, MailboxError, MailboxLimits},
    server::Server,
    smtp::{
        delivery::{self, quoted},
        session::Hello,
        transaction::Transaction,
    },
    token::Tokens,
};

#[tokio::test]
async fn what_is_sent_to_the_user_arrives_and_a_copy_stays() {
    let provider = start().await;
    let mut client = Client::with_envelope(&provider).await;
    client.expect("RCPT TO:<Bob@example.com>", "250 2.1.5 Ok, for the folder Sent").await;
    client.expect("DATA", "354 ").await;
    let message = "Subject: both\r\n\r\nx\r\n";
    let reply = client.command(&format!("{message}.")).await;
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap().trim();
    assert_eq!(contents(&provider, "Sent"), [message]);
    let inbox = contents(&provider, "INBOX");
    assert_eq!(inbox.len(), 4);
    let (fields, rest) = inbox[3].split_once("Subject").unwrap();
    assert_eq!(format!("Subject{rest}"), message);
    let (fixed, date) = fields.rsplit_once("; ").unwrap();
    let expected = format!(
        "Return-Path: <{USER}>\r\nReceived: from client.example.org ([127.0.0.1])\r\n\
         \tby localhost (saslgate demo) with ESMTPSA id {id}\r\n\tfor <{USER}>"
    );
    assert_eq!(fixed, expected);
    let read = MessageParser::default().parse(&inbox[3]).unwrap();
    assert!(read.received().unwrap().date().is_some(), "{date}");
    let flags = |folder: &str| {
        let of = |content: &crate::demo::mailbox::Content| {
            content.folder(folder).unwrap().messages.last().unwrap().flags.len()
        };
        provider.mailbox().read(of)
    };
    assert_eq!((flags("Sent"), flags("INBOX")), (1, 0));
}

#[tokio::test]
async fn what_is_sent_to_others_stays_in_sent_however_that_is_called() {
    let provider = start().await;
    provider.mailbox().change(|content| content.rename("Sent", "Postausgang")).unwrap();
    let mut client = Client::sender(&provider).await;
    for expected in 1..=2 {
        client.envelope("bob@example.com").await;
        client.expect("DATA", "354 ").await;
        client.expect("x\r\n.", "250 ").await;
        let folder = if expected == 1 { "Postausgang" } else { "Sent" };
        assert_eq!(contents(&provider, folder), ["x\r\n"]);
        provider.mailbox().change(|content| content.delete(folder)).unwrap();
    }
    assert_eq!(contents(&provider, "INBOX").len(), 3);
}

#[tokio::test]
async fn a_report_comes_to_who_asks_for_one() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    client.expect(&format!("MAIL FROM:<{USER}> RET=FULL ENVID=Q+2BQ"), "250 ").await;
    let own = format!("RCPT TO:<{USER}> NOTIFY=SUCCESS ORCPT=rfc822;list+2Bx@example.org");
    client.expect(&own, "250 ").await;
    client.expect("RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE", "250 ").await;
    client.expect("RCPT TO:<eve@example.com> NOTIFY=FAILURE", "250 ").await;
    client.expect("DATA", "354 ").await;
    client.expect("Subject: x\r\n\r\nbody\r\n.", "250 ").await;
    let inbox = contents(&provider, "INBOX");
    assert_eq!(inbox.len(), 5);
    let report = MessageParser::default().parse(&inbox[4]).unwrap();
    let kind = report.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    let text = |index: u32| {
        let part = report.part(index).unwrap();
        String::from_utf8(part.contents().to_vec()).unwrap().replace("\r\n", "\n")
    };
    let status = text(2);
    let status = status.split_once("\n\n").unwrap();
    assert!(status.0.starts_with("Reporting-MTA: dns; localhost\nArrival-Date: "), "{}", status.0);
    assert!(status.0.ends_with("\nOriginal-Envelope-Id: Q+Q"), "{}", status.0);
    let expected = "\
Original-Recipient: rfc822; list+x@example.org
Final-Recipient: rfc822; ada@example.org
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822; bob@example.com
Action: relayed
Status: 2.0.0
";
    assert_eq!(status.1, expected);
    assert_eq!(text(3), "Subject: x\n");
}

#[tokio::test]
async fn nobody_else_gets_a_report() {
    let provider = start().await;
    let mut client = Client::sender(&provider).await;
    for sender in ["", "bob@example.com"] {
        client.expect(&format!("MAIL FROM:<{sender}>"), "250 ").await;
        client.expect("RCPT TO:<bob@example.com> NOTIFY=SUCCESS", "250 ").await;
        client.expect("DATA", "354 ").await;
        client.expect(".", "250 ").await;
    }
    assert_eq!(contents(&provider, "INBOX").len(), 3);
    assert_eq!(contents(&provider, "Sent"), ["", ""]);
}

#[test]
fn a_message_is_filed_twice_or_not_at_all() {
    let limits = MailboxLimits { messages: 1, ..MailboxLimits::default() };
    let server = Server {
        user: USER.into(),
        tokens: Arc::new(Tokens::new().unwrap()),
        mailbox: Arc::new(Mailbox::new(limits)),
        acceptor: Certificate::generate().unwrap().acceptor,
        maildrop: Arc::new(Semaphore::new(1)),
    };
    let mut transaction = Transaction::begin(<_>::default()).unwrap();
    transaction.add(smtp_proto::RcptTo { address: USER.into(), ..<_>::default() }).unwrap();
    let hello = Hello { name: "a\u{e4} b".into(), extended: false };
    let trace = delivery::Trace::new(Some(&hello), Ipv4Addr::LOCALHOST.into()).unwrap();
    let delivered = delivery::deliver(&server, &trace, &transaction, "x".into());
    assert_eq!(delivered, Err(MailboxError::Full));
    server.mailbox.read(|content| {
        assert!(content.folders().all(|(_, folder)| folder.messages.is_empty()));
    });
}

#[test]
fn addresses_are_quoted_where_they_must() {
    for (address, expected) in [
        ("ada@example.org", "ada@example.org"),
        ("a b@example.org", "\"a b\"@example.org"),
        ("a\"\\@b@example.org", "\"a\\\"\\\\@b\"@example.org"),
        ("grüezi@example.org", "grüezi@example.org"),
        ("", ""),
    ] {
        assert_eq!(quoted(address), expected);
    }
}
