//! From what came back to the one finding that names its cause: pure functions. The hard thing is that
//! servers say the same to different faults; so what other steps have found decides ([`Evidence`]), and
//! where nothing decides, the finding's words name what is left.

mod server;
mod token;

use super::{About, Claims, Finding};
use crate::{
    config::{Protocol, UpstreamConfig, UpstreamTlsMode},
    proto::Rejection,
};

pub use server::Certificate;
pub(super) use server::{dial, open, resolve, stalls, tls_good};
pub use token::{signin_error, token_error};

/// What other steps have found, and what is known anyway.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The account.
    pub about: &'a About,
    /// At which server it was.
    pub protocol: Protocol,
    /// The user in the SASL exchange.
    pub user: &'a str,
    /// Whether a token was shown, and no password.
    pub with_token: bool,
    /// What the token says, where it can be read.
    pub claims: Option<&'a Claims>,
    /// What was found in it.
    pub claim_findings: &'a [Finding],
    /// At which other servers the same token was let in as the same user.
    pub let_in: &'a [Protocol],
}

impl Evidence<'_> {
    /// Whether these are Exchange's ways.
    fn is_exchange(&self) -> bool {
        self.about.expects_exchange() || self.claims.is_some_and(Claims::is_for_exchange)
    }

    fn is_app_only(&self) -> bool {
        self.claims.map_or(self.about.app_only, |claims| claims.is_app_only(self.about))
    }

    /// Whether the mailbox is the token owner's own, as far as that is known.
    fn is_own(&self) -> bool {
        let is_user = |name: &str| name.eq_ignore_ascii_case(self.user);
        match self.claims {
            Some(claims) if !claims.names.is_empty() => claims.names.iter().any(|it| is_user(it)),
            Some(_) | None => {
                !self.is_app_only() && self.about.owner.as_deref().is_none_or(is_user)
            }
        }
    }

    /// Whether another protocol shows that the token and the mailbox fit together. SMTP shows so for
    /// one's own mailbox only: elsewhere it asks for another permission.
    fn fits_elsewhere(&self) -> bool {
        self.let_in.iter().any(|it| match it {
            Protocol::Imap | Protocol::Pop3 => true,
            Protocol::Smtp => self.is_own(),
        })
    }

    /// Whether the token opens the mailbox by another protocol. To send as somebody else is another permission
    /// than that.
    fn opens_elsewhere(&self) -> bool {
        self.protocol != Protocol::Smtp && self.fits_elsewhere()
    }

    /// What was found in the token that explains a refusal here.
    fn told_by_token(&self) -> Option<Finding> {
        let explains = |finding: &&Finding| {
            let here = |protocol: &Protocol| *protocol == self.protocol;
            // Another name of the same person's, where the mailbox opens elsewhere.
            let another = matches!(finding, Finding::UserWrong { .. }) && !self.opens_elsewhere();
            another
                || matches!(finding, Finding::AudienceWrong { .. })
                || matches!(
                    finding,
                    Finding::ScopeMissing { protocol, .. } | Finding::RoleMissing { protocol, .. }
                        if here(protocol)
                )
        };
        self.claim_findings.iter().find(explains).cloned().or_else(|| self.another_person())
    }

    /// Nothing says whose the token should be, and it is another one's than the mailbox. That is no fault
    /// where the mailbox opens all the same; where it does not, it is the likeliest one.
    fn another_person(&self) -> Option<Finding> {
        let expected = self.about.own.as_ref().filter(|_| self.about.owner.is_none())?;
        let claims = self.claims.filter(|claims| !claims.is_app_only(self.about))?;
        let user = claims.names.first()?.clone();
        let is_expected =
            claims.names.iter().any(|it| it.to_lowercase() == expected.to_lowercase());
        let fits = is_expected || self.is_own() || self.opens_elsewhere();
        (!fits).then(|| Finding::UserWrong { user, expected: expected.clone() })
    }
}

/// Why a server that can be spoken with does not let us in.
pub fn rejection(rejection: &Rejection, evidence: &Evidence<'_>) -> Finding {
    let protocol = evidence.protocol;
    let mailbox = evidence.user.to_owned();
    if let Some(finding) = coded(rejection, &mailbox) {
        return finding;
    }
    match rejection {
        Rejection::Busy { text } => Finding::ServerThrottles { text: text.clone() },
        Rejection::Protocol { fault } => Finding::ConnectionBroken { text: (*fault).to_owned() },
        Rejection::StartTls { text } => Finding::ConnectionBroken { text: text.clone() },
        Rejection::NoMechanism { offered } => {
            Finding::MechanismMissing { offered: offered.clone() }
        }
        Rejection::NotConnected { text } => {
            let text = text.clone();
            // Somebody else's mailbox does not open, but that is not where to begin.
            if let Some(told @ Finding::UserWrong { .. }) = evidence.told_by_token() {
                told
            } else if evidence.with_token && evidence.fits_elsewhere() {
                Finding::ProtocolOff { protocol, mailbox, text }
            } else {
                Finding::MailboxPermissionMissing { mailbox, text }
            }
        }
        Rejection::Credential { text } if evidence.with_token => token_refused(text, evidence),
        Rejection::Credential { text } => {
            Finding::UpstreamPasswordRefused { protocol, text: text.clone() }
        }
    }
}

fn token_refused(text: &str, evidence: &Evidence<'_>) -> Finding {
    if let Some(told) = evidence.told_by_token() {
        return told;
    }
    let (text, user) = (text.to_owned(), evidence.user.to_owned());
    if evidence.is_exchange() && evidence.fits_elsewhere() {
        return Finding::ProtocolOff { protocol: evidence.protocol, mailbox: user, text };
    }
    let has_role = evidence.claims.is_some_and(|claims| {
        claims.is_app_only(evidence.about) && claims.has(role(evidence.protocol))
    });
    if evidence.is_exchange() && has_role {
        return Finding::ServicePrincipalWrong { mailbox: user, text };
    }
    Finding::TokenRefused { user, text }
}

/// What a refused token means where another server has let the same token in as the same user, and then
/// opened nothing: Exchange says so in IMAP only, and refuses the same in POP3 and SMTP.
pub(super) fn beside_not_connected(finding: Finding) -> Finding {
    if let Finding::TokenRefused { user: mailbox, text }
    | Finding::ServicePrincipalWrong { mailbox, text } = &finding
    {
        let (mailbox, text) = (mailbox.clone(), text.clone());
        return Finding::MailboxPermissionMissing { mailbox, text };
    }
    finding
}

/// What Exchange's codes and words say for themselves.
fn coded(rejection: &Rejection, mailbox: &str) -> Option<Finding> {
    let text = match rejection {
        Rejection::Busy { text }
        | Rejection::Credential { text }
        | Rejection::NotConnected { text }
        | Rejection::NoMechanism { offered: text } => text.clone(),
        Rejection::Protocol { .. } | Rejection::StartTls { .. } => return None,
    };
    let lower = text.to_ascii_lowercase();
    let no_passwords =
        ["5.7.30 ", "basic authentication is not supported", "basic authentication is disabled"];
    if no_passwords.iter().any(|words| lower.contains(words)) {
        return Some(Finding::PasswordsNotTaken { text });
    }
    if lower.contains("security defaults") {
        return Some(Finding::SecurityDefaults { text });
    }
    if lower.contains("did not meet the criteria to be authenticated successfully") {
        return Some(Finding::PolicyForbids { text });
    }
    let smtp_auth_off = ["smtpclientauthentication is disabled", "smtp_auth_disabled"];
    if smtp_auth_off.iter().any(|words| lower.contains(words)) {
        return Some(if lower.contains("for the mailbox") {
            Finding::SmtpAuthOffForMailbox { mailbox: mailbox.to_owned(), text }
        } else {
            Finding::SmtpAuthOffForTenant { text }
        });
    }
    let busy = ["432 ", "421 ", "451 ", "454 "].iter().any(|code| lower.starts_with(code))
        || ["server unavailable", "concurrent connections limit", "thread limit exceeded"]
            .iter()
            .any(|words| lower.contains(words));
    busy.then_some(Finding::ServerThrottles { text })
}

/// What a server says in a mail transaction instead of taking the mail.
pub fn mail_refused(words: &str, at_recipient: bool, [from, user, to]: [&str; 3]) -> Finding {
    let text = words.to_owned();
    let lower = words.to_ascii_lowercase();
    let sender = ["5.2.252", "5.7.60", "sendasdenied", "send as"];
    if sender.iter().any(|words| lower.contains(words)) {
        return Finding::SenderNotAllowed { from: from.to_owned(), user: user.to_owned(), text };
    }
    if words.starts_with('4') {
        // Greylisting, a full mailbox, a check that is under way: no fewer connections help against these.
        let throttles = ["432 ", "421 "].iter().any(|code| lower.starts_with(code))
            || ["too many", "limit", "throttl", "concurrent", "exceeded"]
                .iter()
                .any(|words| lower.contains(words));
        return if throttles {
            Finding::ServerThrottles { text }
        } else {
            Finding::MailDelayed { text }
        };
    }
    if at_recipient {
        return Finding::RecipientRefused { to: to.to_owned(), text };
    }
    Finding::MailRefused { text }
}

/// The delegated permission that Exchange wants for a protocol.
pub(super) fn scope(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP.AccessAsUser.All",
        Protocol::Pop3 => "POP.AccessAsUser.All",
        Protocol::Smtp => "SMTP.Send",
    }
}

/// The application's permission that it wants.
pub(super) fn role(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP.AccessAsApp",
        Protocol::Pop3 => "POP.AccessAsApp",
        Protocol::Smtp => "SMTP.SendAsApp",
    }
}

/// The port that is usual for this protocol and TLS mode, where the configured one is another.
fn usual_port(protocol: Protocol, server: &UpstreamConfig) -> Option<u16> {
    use UpstreamTlsMode::{Implicit, StartTls};
    let usual = match (protocol, server.mode) {
        (Protocol::Imap, Implicit) => 993,
        (Protocol::Imap, StartTls) => 143,
        (Protocol::Pop3, Implicit) => 995,
        (Protocol::Pop3, StartTls) => 110,
        (Protocol::Smtp, Implicit) => 465,
        (Protocol::Smtp, StartTls) => 587,
    };
    (usual != server.port).then_some(usual)
}

#[cfg(test)]
mod tests;
