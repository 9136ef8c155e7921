//! Fastmail. The hard thing is that its developers register applications themselves: the guide says what to write to them,
//! and what to do until they answer.

use super::{Step, Subject, command::argument};

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    vec![
        Step::new("Have the application registered")
            .text("Fastmail registers applications by hand; this page says how to ask:")
            .link("https://www.fastmail.com/developer/oauth/")
            .value("clientName", "saslgate")
            .value("redirectUris", subject.redirect_uri.clone())
            .value("scopes", subject.scope_list())
            .text("It is a public client with PKCE. What comes back is the client_id."),
        Step::new("Until then: an app password")
            .text(
                "Fastmail still takes app passwords (Settings, Privacy & Security, Integrations): write auth = \
                 \"password\" in [account.imap], [account.pop3] and [account.smtp], and give the password to saslgate \
                 for each.",
            )
            .link("https://app.fastmail.com/settings/security/apps")
            .command(format!(
                "saslgate account upstream-password {} --protocol imap",
                argument(&subject.login)
            )),
        subject.last_step(&[&client_id]),
    ]
}
