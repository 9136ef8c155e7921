//! Yahoo and AOL. The hard thing is to say plainly that most people will not get in, and what they can do instead.

use super::{Step, Subject, command::argument};

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    let title = subject.provider.title();
    let password_page = if subject.provider.name() == "aol" {
        "https://login.aol.com/account/security"
    } else {
        "https://login.yahoo.com/account/security"
    };
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    vec![
        Step::new("Ask for access to mail")
            .text(format!(
                "{title} gives the scope mail-w by a commercial agreement only, on request, and often not at all:"
            ))
            .link("https://senders.yahooinc.com/developer/developer-access/")
            .text(format!(
                "Without it, use an app password, which {title} still takes: make one under Account security, \
                 write auth = \"password\" in [account.imap], [account.pop3] and [account.smtp], and give the \
                 password to saslgate for each. The steps below are not needed then."
            ))
            .link(password_page)
            .command(format!(
                "saslgate account upstream-password {} --protocol imap",
                argument(&subject.login)
            )),
        Step::new("Make an application")
            .text("Once the request is granted:")
            .link("https://developer.yahoo.com/apps/create/")
            .value("Application name", "saslgate")
            .value("Redirect URI(s)", subject.redirect_uri.clone())
            .value("OAuth client type", "Confidential Client")
            .value("API permissions", "Mail, Read/Write (shown only once it is granted)")
            .text(
                "If the page takes only https:// addresses, register one of your own (it need not exist), write it \
                 as redirect_uri, and sign in with --paste.",
            )
            .text(
                "Copy the Client ID into the configuration (client_id), and the Client Secret to a file \
                 client-secret that only saslgate can read.",
            ),
        subject.last_step(&[&client_id, "client_secret = { file = \"client-secret\" }"]),
    ]
}
