//! The test mail and its arrival. The hard thing is to find it again: it carries an id of its own, and is
//! looked for where the recipient's mailbox is one of ours.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::rand;
use tokio::time::Instant;

use super::{
    Finding, StepKind,
    credential::with_tokens,
    diagnose,
    dialogue::{Dialogue, Refused},
    login::Smtp,
    run::{Blocked, Check, Tried},
};
use crate::{
    config::{AccountConfig, Authentication, Protocol},
    proto::UpstreamCredential,
};

impl Check<'_> {
    pub(super) async fn mail(&mut self, smtp: Smtp) {
        let Some(smtp) = smtp else { return };
        let to = self.options.send_to.clone();
        let sent = self.send(smtp, to.as_deref()).await;
        let Some(wait) = self.options.wait else { return };
        let what = to.clone().unwrap_or_default();
        let tried = Tried { kind: StepKind::Arrival, protocols: &[], what };
        match (sent, to) {
            (Ok(id), Some(to)) => self.arrival(tried, &id, &to, wait).await,
            (Ok(_), None) => {}
            (Err(blocked), _) => self.wait(tried, blocked),
        }
    }

    /// Returns the id of the mail that was sent.
    async fn send(
        &mut self,
        smtp: Result<(Dialogue, String), Blocked>,
        to: Option<&str>,
    ) -> Result<String, Blocked> {
        let began = Instant::now();
        let protocols = [Protocol::Smtp];
        let what = to.unwrap_or_default().to_owned();
        let tried = Tried { kind: StepKind::Mail, protocols: &protocols, what };
        let (mut dialogue, user) = match smtp {
            Ok(open) => open,
            Err(blocked) => {
                self.wait(tried, blocked);
                return Err(blocked);
            }
        };
        let Some(to) = to else {
            dialogue.leave("QUIT\r\n").await;
            let _ = self.done(tried, began, vec![Finding::MailNotSent]);
            return Err(self.last());
        };
        let from = self.account.mailbox(Protocol::Smtp).to_owned();
        let mail = Mail::new(&from, to);
        let finding = match mail.hand_over(&mut dialogue).await {
            Ok(text) => Finding::MailSent { to: to.to_owned(), text },
            Err((Refused::Said(text), at_recipient)) => {
                diagnose::mail_refused(&text, at_recipient, [&from, &user, to])
            }
            Err((Refused::Broken(text), _)) => Finding::ConnectionBroken { text },
        };
        dialogue.leave("QUIT\r\n").await;
        let sent = matches!(finding, Finding::MailSent { .. });
        self.done(tried, began, vec![finding])?;
        if sent { Ok(mail.id) } else { Err(self.last()) }
    }

    async fn arrival(&mut self, tried: Tried<'_>, id: &str, to: &str, wait: Duration) {
        let began = Instant::now();
        let until = began + wait;
        let mut finding = Finding::ArrivalNotVisible { to: to.to_owned() };
        if let Some((account, mut protocols)) = self.recipient(to) {
            let mut pause = FIRST_PAUSE;
            loop {
                let look = self.look_by_any(&account, &mut protocols, id);
                let looked = tokio::time::timeout_at(until, look).await;
                match looked {
                    Ok(Some(true)) => {
                        finding = Finding::MailArrived { seconds: began.elapsed().as_secs() };
                        break;
                    }
                    Ok(Some(false)) if Instant::now() + pause < until => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    Ok(Some(false)) | Err(_) => {
                        finding = Finding::MailNotArrived { seconds: wait.as_secs() };
                        break;
                    }
                    // Its mailbox does not open.
                    Ok(None) => break,
                }
            }
        }
        let _ = self.done(tried, began, vec![finding]);
    }

    /// By the first protocol that opens the mailbox; one that does not is not tried again.
    async fn look_by_any(
        &self,
        account: &AccountConfig,
        protocols: &mut Vec<Protocol>,
        id: &str,
    ) -> Option<bool> {
        while let Some(protocol) = protocols.first().copied() {
            if let Some(found) = self.look(account, protocol, id).await {
                return Some(found);
            }
            protocols.remove(0);
        }
        None
    }

    /// The account whose mailbox the recipient's is, and how it may be looked into.
    fn recipient(&self, to: &str) -> Option<(Arc<AccountConfig>, Vec<Protocol>)> {
        let is_its = |account: &AccountConfig| {
            account.is_named(to) || account.mailbox.eq_ignore_ascii_case(to)
        };
        let account = if is_its(self.account) {
            Arc::new(self.account.clone())
        } else {
            Arc::clone(self.cx.config.accounts.iter().find(|account| is_its(account))?)
        };
        let mut protocols = vec![Protocol::Imap, Protocol::Pop3];
        protocols.retain(|protocol| account.upstream(*protocol).is_some());
        Some((account, protocols))
    }

    /// Whether it is there; `None` if nobody can look.
    async fn look(&self, account: &AccountConfig, protocol: Protocol, id: &str) -> Option<bool> {
        let server = account.upstream(protocol)?;
        let (user, credential) = match &server.authentication {
            Authentication::OAuth if with_tokens(account).contains(&protocol) => {
                let token = self.cx.tokens.inspected_token(account, None).await.ok()?;
                (account.mailbox(protocol).to_owned(), UpstreamCredential::Bearer(token.secret))
            }
            Authentication::OAuth => return None,
            Authentication::Password { user } => {
                let (key, host) = (account.key(), server.host_key());
                let stored = self.cx.store.upstream_password(&key, protocol.name(), &host).await;
                (user.clone(), UpstreamCredential::Password(stored.ok().flatten()?))
            }
        };
        let opened = self.open(protocol, server, &user, credential).await.ok()?;
        let mut dialogue = Dialogue::new(opened, self.cx.config.deadlines.upstream_answer);
        let (found, goodbye) = match protocol {
            Protocol::Imap => {
                dialogue.examine().await.ok()?;
                (dialogue.search(id).await.ok(), "CX LOGOUT\r\n")
            }
            Protocol::Pop3 | Protocol::Smtp => {
                let messages = dialogue.stat().await.ok()?;
                (dialogue.top(messages, id).await.ok(), "QUIT\r\n")
            }
        };
        dialogue.leave(goodbye).await;
        found
    }
}

/// A test mail.
struct Mail<'a> {
    from: &'a str,
    to: &'a str,
    id: String,
}

impl<'a> Mail<'a> {
    fn new(from: &'a str, to: &'a str) -> Self {
        let mut octets = [0; 12];
        // Without random numbers TLS would not have come about.
        let _ = rand::fill(&mut octets);
        let random: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let domain = from.rsplit('@').next().unwrap_or("localhost");
        Self { from, to, id: format!("saslgate-check-{random}@{domain}") }
    }

    /// RFC 5322; RFC 3834 section 5 for who answers automatically.
    fn text(&self) -> String {
        let Self { from, to, id } = self;
        let date = httpdate::fmt_http_date(SystemTime::now()).replace("GMT", "+0000");
        let short: String = id.chars().skip("saslgate-check-".len()).take(8).collect();
        format!(
            "Date: {date}\r\nFrom: <{from}>\r\nTo: <{to}>\r\nMessage-ID: <{id}>\r\n\
             Subject: saslgate check {short}\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This mail was sent by `saslgate check`, to see that mail can be sent.\r\n\
             Nobody needs to answer it.\r\n"
        )
    }

    /// Gives it to the server; an error says whether it was about the recipient.
    async fn hand_over(&self, dialogue: &mut Dialogue) -> Result<String, (Refused, bool)> {
        for address in [self.from, self.to] {
            if !is_fit(address) {
                let text = format!("no mail can be sent to or from the address {address}");
                return Err((Refused::Said(text), address == self.to));
            }
        }
        let elsewhere = |refused| (refused, false);
        let from = format!("MAIL FROM:<{}>\r\n", self.from);
        dialogue.smtp(from.as_bytes(), 250).await.map_err(elsewhere)?;
        let to = format!("RCPT TO:<{}>\r\n", self.to);
        dialogue.smtp(to.as_bytes(), 250).await.map_err(|refused| (refused, true))?;
        dialogue.smtp(b"DATA\r\n", 354).await.map_err(elsewhere)?;
        let message = format!("{}.\r\n", self.text());
        dialogue.smtp(message.as_bytes(), 250).await.map_err(elsewhere)
    }
}

/// Nothing that could end the path or the line, or begin another header.
fn is_fit(address: &str) -> bool {
    address.contains('@')
        && address.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>,;\"".contains(c))
}

/// Between two looks. Each is a login, and providers count those; so they become rare.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(24);
