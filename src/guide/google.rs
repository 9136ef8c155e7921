//! Google: a client for people who sign in, or a service account that acts for mailboxes of a domain. The hard thing is the
//! consent screen: its one choice decides whether a sign-in lasts for a week or for good.

use super::{
    Step, Subject,
    command::{google_connections_url, google_delegation_url},
};
use crate::config::Protocol;

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    if subject.app_only {
        return vec![
            project(),
            service_account(),
            delegation(subject),
            mailbox(subject),
            subject.last_step(&[
                "grant = \"service_account\"",
                "service_account_key = \"service-account.json\"",
            ]),
        ];
    }
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    vec![
        project(),
        consent_screen(subject),
        client(subject),
        mailbox(subject),
        subject.last_step(&[&client_id, "client_secret = { file = \"client-secret\" }"]),
    ]
}

fn project() -> Step {
    Step::new("Make a project")
        .text("Sign in to Google Cloud, with an account of the organization if there is one, and make a project:")
        .link("https://console.cloud.google.com/projectcreate")
        .value("Project name", "saslgate")
        .text("With that project chosen, enable the Gmail API; else its scope cannot be chosen later:")
        .link("https://console.cloud.google.com/apis/library/gmail.googleapis.com")
}

fn consent_screen(subject: &Subject) -> Step {
    Step::new("Set the consent screen")
        .text("Google calls it Google Auth Platform. Under Branding: a name and an address of yours. Then Audience:")
        .link("https://console.cloud.google.com/auth/audience")
        .value("Audience, in an organization at Google Workspace", "Internal")
        .value("Audience, else", "External, then Publish app")
        .text(format!(
            "Internal is for the organization's own people, and no sign-in ends early. External in Testing works, \
             too, with {} among the test users, but each sign-in ends after 7 days. Published without a review, it \
             shows people a warning (Advanced, Go to saslgate) and is limited to 100 of them.",
            subject.owner
        ))
        .text("Under Data access, add the scope:")
        .link("https://console.cloud.google.com/auth/scopes")
        .value("Scope", "https://mail.google.com/")
}

fn client(subject: &Subject) -> Step {
    Step::new("Make a client")
        .text("Choose Create client:")
        .link("https://console.cloud.google.com/auth/clients")
        .value("Application type", "Desktop app")
        .value("Name", "saslgate")
        .text(format!(
            "No redirect address is registered: for a desktop app Google accepts {} with any port. Copy the Client ID \
             into the configuration (client_id), and the Client secret to a file client-secret that only saslgate can \
             read. It is shown once, and for a desktop app it is no real secret, but Google wants to see it.",
            subject.redirect_uri
        ))
        .text("What the person has agreed to can be seen, and taken back, here:")
        .link(google_connections_url())
}

fn service_account() -> Step {
    Step::new("Make a service account")
        .text("Choose Create service account; it needs no role and no users:")
        .link("https://console.cloud.google.com/iam-admin/serviceaccounts")
        .value("Service account name", "saslgate")
        .text(
            "Open it, choose Keys, Add key, Create new key, JSON. Put the file beside saslgate.toml as \
             service-account.json, readable for saslgate alone: whoever has it opens the mailboxes. (Where Google says \
             that keys are disabled, the organization policy iam.disableServiceAccountKeyCreation forbids them.)",
        )
        .text("Under Details, note the Unique ID: a number of 21 digits.")
}

fn delegation(subject: &Subject) -> Step {
    Step::new("Delegate the mailboxes of the domain to it")
        .text("A super administrator of Google Workspace chooses Add new:")
        .link(google_delegation_url())
        .value("Client ID", "the Unique ID of the service account")
        .value("OAuth scopes", subject.scope_list())
        .text("It takes some minutes, at most a day, until that counts.")
}

fn mailbox(subject: &Subject) -> Step {
    let step = Step::new("Switch the protocols on");
    let step = if subject.uses(Protocol::Imap) {
        step.text(
            "IMAP is on for everybody, unless an administrator of Google Workspace has switched it off (Apps, Google \
             Workspace, Gmail, End User Access).",
        )
    } else {
        step
    };
    let step = if subject.uses(Protocol::Pop3) {
        step.text("POP3: the mailbox's owner enables it under Forwarding and POP/IMAP:")
            .link("https://mail.google.com/mail/u/0/#settings/fwdandpop")
    } else {
        step
    };
    step.text(
        "Where the organization lets in only applications that it trusts (Security, Access and data control, API \
         controls), its administrator adds this one.",
    )
}
