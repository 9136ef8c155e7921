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
    proto::{UpstreamCredential, text::printable},
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
        let not_taken = [from.as_str(), to]
            .into_iter()
            .find(|address| !address.is_ascii() && !dialogue.takes_utf8());
        let finding = if let Some(address) = not_taken {
            Finding::AddressNotTaken { address: address.to_owned() }
        } else {
            match mail.hand_over(&mut dialogue).await {
                Ok(text) => Finding::MailSent { to: to.to_owned(), text },
                Err((Refused::Said(text), at_recipient)) => {
                    diagnose::mail_refused(&text, at_recipient, [&from, &user, to])
                }
                Err((Refused::Unclear(text), _)) => self.unclear(Protocol::Smtp, text),
                Err((Refused::Broken(text), _)) => Finding::ConnectionBroken { text },
            }
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
        // It is looked for in commands that take ASCII alone.
        let domain = from.rsplit('@').next().filter(|it| it.is_ascii()).unwrap_or("localhost");
        Self { from, to, id: format!("saslgate-check-{random}@{domain}") }
    }

    fn is_ascii(&self) -> bool {
        self.from.is_ascii() && self.to.is_ascii()
    }

    /// RFC 5322, with RFC 6532 for addresses beyond ASCII; RFC 3834 section 5 for who answers automatically.
    fn text(&self) -> String {
        let Self { from, to, id } = self;
        let date = httpdate::fmt_http_date(SystemTime::now()).replace("GMT", "+0000");
        let short: String = id.chars().skip("saslgate-check-".len()).take(8).collect();
        let charset = if self.is_ascii() { "us-ascii" } else { "utf-8" };
        format!(
            "Date: {date}\r\nFrom: <{from}>\r\nTo: <{to}>\r\nMessage-ID: <{id}>\r\n\
             Subject: saslgate check {short}\r\nAuto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\r\n\
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
        // RFC 6531 section 3.4.
        let beyond = if self.is_ascii() { "" } else { " BODY=8BITMIME SMTPUTF8" };
        let from = format!("MAIL FROM:<{}>{beyond}\r\n", self.from);
        dialogue.smtp(from.as_bytes(), 250).await.map_err(elsewhere)?;
        let to = format!("RCPT TO:<{}>\r\n", self.to);
        dialogue.smtp(to.as_bytes(), 250).await.map_err(|refused| (refused, true))?;
        dialogue.smtp(b"DATA\r\n", 354).await.map_err(elsewhere)?;
        let message = format!("{}.\r\n", self.text());
        dialogue.smtp(message.as_bytes(), 250).await.map_err(elsewhere)
    }
}

/// Whether mail can be sent there at all, as far as its shape tells (RFC 5321 sections 4.1.2 and 4.5.3.1):
/// nothing quoted, nothing that a command line or a header could take for something else.
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_dotted = |part: &str| !part.split('.').any(str::is_empty);
    let in_local = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || LOCAL.contains(c);
    let in_label = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-';
    let is_label = |label: &str| {
        label.len() <= 63
            && label.chars().all(in_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_shown = printable(text.as_bytes(), text.len()) == text;
    is_shown
        && text.len() <= 254
        && local.len() <= 64
        && !local.starts_with('-')
        && is_dotted(local)
        && local.chars().all(in_local)
        && is_dotted(domain)
        && domain.split('.').all(is_label)
        && !text.chars().any(char::is_whitespace)
}

/// RFC 5322's atext, and the dot.
const LOCAL: &str = ".!#$%&'*+-/=?^_`{|}~";

/// Nothing that could end the path or the line, or begin another header.
fn is_fit(address: &str) -> bool {
    address.contains('@')
        && address.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>,;\"".contains(c))
}

/// Between two looks. Each is a login, and providers count those; so they become rare.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_known_by_its_shape() {
        for address in
            ["a@b", "a.b+c@d.example", "jürg@example.ch", "a@bücher.example", "o'x@y.example"]
        {
            assert!(is_address(address), "{address}");
        }
        let long = format!("{}@b.example", "a".repeat(65));
        let longer = format!("a@{}example", "b.".repeat(140));
        for address in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "-f@x",
            "a@-b",
            ".a@b",
            "a..b@c",
            "a@b.",
            "a b@c",
            "a@b\r\nRCPT TO:<x@y>",
            "<a@b>",
            "a@b,c@d",
            "a\u{202e}@b",
            "a\u{a0}b@c",
            "\"a\"@b",
            &long,
            &longer,
        ] {
            assert!(!is_address(address), "{address}");
        }
    }

    #[test]
    fn letters_beyond_ascii_are_declared() {
        let plain = Mail::new("me@example.ch", "you@example.ch");
        assert!(plain.is_ascii() && plain.text().contains("charset=us-ascii"));
        let other = Mail::new("me@bücher.example", "jürg@example.ch");
        assert!(!other.is_ascii() && other.text().contains("charset=utf-8"));
        assert!(other.text().contains("To: <jürg@example.ch>"));
        assert!(other.id.is_ascii(), "{}", other.id);
    }
}
