//! Outlook.com. The hard thing is that its people cannot register an application with their mailbox alone: that takes a
//! directory, which a mailbox does not bring.

use super::{Step, Subject, command::Cloud};

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    let names: Vec<&str> =
        subject.scopes.iter().filter_map(|scope| scope.rsplit('/').next()).collect();
    let audience = if subject.tenant == "common" {
        "Accounts in any organizational directory and personal Microsoft accounts"
    } else {
        "Personal Microsoft accounts only"
    };
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    vec![
        Step::new("Switch the protocols on")
            .text("The mailbox's owner signs in and chooses Settings, Mail, Forwarding and IMAP:")
            .link("https://outlook.live.com/mail/0/options/mail/accounts")
            .value("Let devices and apps use POP", "on, for POP3")
            .value("Let devices and apps use IMAP", "on, for IMAP"),
        Step::new("Register the application")
            .text(
                "This takes a directory (a tenant) of an organization, or of a free Azure account; whose it is does \
                 not matter. Choose App registrations, then New registration:",
            )
            .link(Cloud::Worldwide.admin_center())
            .value("Name", "saslgate")
            .value("Supported account types", audience)
            .value("Redirect URI, platform", "Public client/native (mobile & desktop)")
            .value("Redirect URI, address", subject.redirect_uri.clone())
            .text("After Register, the page Overview shows the Application (client) ID: it is the client_id."),
        Step::new("Add the permissions")
            .text(
                "In the registration, choose API permissions, Add a permission, Microsoft Graph, Delegated \
                 permissions, and tick:",
            )
            .value("Permissions", names.join(", "))
            .text("The owner agrees to them at the first sign-in; no administrator is needed."),
        subject.last_step(&[&client_id]),
    ]
}
