//! Microsoft 365: registering the application, public or confidential, and letting it or its people into mailboxes. The hard
//! thing is that Exchange has a list of applications of its own, with ids that look like others.

use super::{
    Step, Subject,
    command::{
        OBJECT_ID, add_mailbox_permission, add_send_as, admin_consent_url, application_url,
        connect_exchange_online, enable_protocols, enable_smtp_auth_tenant,
        install_exchange_module, list_service_principals, new_service_principal, show_protocols,
    },
    subject::{CLIENT_ID, TENANT},
};
use crate::config::Protocol;

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    if subject.app_only {
        return vec![
            register(subject),
            prove(subject),
            app_permissions(subject),
            consent(subject),
            service_principal(subject),
            mailbox_permissions(subject),
            protocols(subject),
            last(subject),
        ];
    }
    let mut steps = vec![register(subject), redirect(subject)];
    if subject.confidential {
        steps.push(prove(subject));
    }
    steps.extend([permissions(subject), consent(subject), protocols(subject)]);
    if !others(subject).is_empty() {
        steps.push(delegate(subject));
    }
    steps.push(last(subject));
    steps
}

fn register(subject: &Subject) -> Step {
    let cloud = subject.cloud();
    let audience = match subject.tenant.as_str() {
        "common" => "Accounts in any organizational directory and personal Microsoft accounts",
        "organizations" => "Accounts in any organizational directory",
        "consumers" => "Personal Microsoft accounts only",
        _ => "Accounts in this organizational directory only",
    };
    let step = Step::new("Register the application")
        .text("Sign in as an administrator, choose App registrations, then New registration:")
        .link(cloud.admin_center())
        .value("Name", "saslgate")
        .value("Supported account types", audience)
        .value("Redirect URI", "leave it empty");
    let known = step.text("After Register, the page Overview shows what the configuration calls:");
    let ids = |step: Step| {
        let step = step.value(
            "client_id",
            format!("Application (client) ID{}", shown(&subject.client_id, CLIENT_ID)),
        );
        step.value("tenant", format!("Directory (tenant) ID{}", shown(&subject.tenant, TENANT)))
    };
    let step = ids(known);
    if subject.client_id == CLIENT_ID {
        return step;
    }
    step.text("The registration of this account's application, if it is there already:")
        .link(application_url(cloud, &subject.client_id))
}

/// The account's own value, if there is one.
fn shown(value: &str, placeholder: &str) -> String {
    if value == placeholder { String::new() } else { format!(", here: {value}") }
}

fn redirect(subject: &Subject) -> Step {
    let platform = if subject.confidential {
        "Web (the application has a secret or a certificate)"
    } else {
        "Mobile and desktop applications"
    };
    let step = Step::new("Register the redirect address")
        .text("In the registration, choose Authentication, then Add a platform (or Add Redirect URI):")
        .value("Platform", platform)
        .value("Redirect URI", subject.redirect_uri.clone());
    if subject.confidential {
        return step;
    }
    step.text(
        "Not Web and not Single-page application: those want a secret, or end the sign-in after a day. The port \
         does not matter, a path would.",
    )
    .text(
        "Only for a sign-in with a device code (--device): set Allow public client flows to Yes on the same \
         page.",
    )
}

fn prove(subject: &Subject) -> Step {
    let step = Step::new("Give the application a certificate, or a secret");
    let step = if subject.is_configured {
        step.text("What the configuration of this account names must be registered under Certificates & secrets.")
    } else {
        step
    };
    step.text("A certificate is better, for it never leaves this machine. In a shell, beside saslgate.toml:")
        .command(
            "openssl req -x509 -newkey rsa:3072 -sha256 -days 730 -nodes -subj '/CN=saslgate' -keyout client-key.pem \
             -out client.pem && chmod 600 client-key.pem",
        )
        .text(
            "In the registration, choose Certificates & secrets, Certificates, Upload certificate, and upload \
             client.pem (never client-key.pem).",
        )
        .text(
            "Or choose Client secrets, New client secret, and write its Value (not its Secret ID; it is shown once) \
             to a file client-secret that only saslgate can read. Note when it ends.",
        )
}

fn permissions(subject: &Subject) -> Step {
    let names: Vec<&str> =
        subject.scopes.iter().filter_map(|scope| scope.rsplit('/').next()).collect();
    Step::new("Add the permissions")
        .text(
            "In the registration, choose API permissions, Add a permission, Microsoft Graph, Delegated \
             permissions, and tick:",
        )
        .value("Permissions", names.join(", "))
}

fn app_permissions(subject: &Subject) -> Step {
    let names: Vec<&str> = subject
        .protocols
        .iter()
        .map(|protocol| match protocol {
            Protocol::Imap => "IMAP.AccessAsApp",
            Protocol::Pop3 => "POP.AccessAsApp",
            Protocol::Smtp => "SMTP.SendAsApp",
        })
        .collect();
    Step::new("Add the permissions")
        .text(
            "In the registration, choose API permissions, Add a permission, the tab APIs my organization uses, \
             Office 365 Exchange Online (search for it), Application permissions, and tick:",
        )
        .value("Permissions", names.join(", "))
        .text("Those of the same purpose under Microsoft Graph do not help here.")
}

fn consent(subject: &Subject) -> Step {
    let link = admin_consent_url(subject.cloud().login_base(), &subject.tenant, &subject.client_id);
    let step = Step::new("Agree to the permissions");
    let step = if subject.app_only {
        step.text("An administrator agrees for the tenant, with Grant admin consent on the same page, or here:")
    } else {
        step.text(
            "Each person is asked at the first sign-in, if the tenant lets people decide. An administrator agrees \
             for all with Grant admin consent on the same page, or here:",
        )
    };
    step.link(link).text(
        "At the end the browser may show an error about a missing page or redirect address: the consent counts all \
         the same; API permissions shows it as Granted.",
    )
}

fn connect(step: Step, subject: &Subject) -> Step {
    step.text("In PowerShell, as an Exchange administrator (the first line once per machine):")
        .command(install_exchange_module())
        .command(connect_exchange_online(subject.cloud()))
}

fn service_principal(subject: &Subject) -> Step {
    let step = Step::new("Make the application known to Exchange").text(
        "Exchange wants the Object ID of the ENTERPRISE APPLICATION: in the admin center, Enterprise applications, \
         the application, Overview, Object ID. (In the registration, the link Managed application in local \
         directory leads there.) The Object ID that the registration itself shows is another one: with it every \
         login is refused.",
    );
    connect(step, subject)
        .command(new_service_principal(&subject.client_id, None))
        .text("This shows what Exchange knows now:")
        .command(list_service_principals())
}

fn mailbox_permissions(subject: &Subject) -> Step {
    let step = Step::new("Let it into the mailbox")
        .text("For each mailbox that it is to open, with the same Object ID as before:");
    let open =
        |step: Step, mailbox: &String| step.command(add_mailbox_permission(mailbox, OBJECT_ID));
    let step = subject.mailboxes().fold(step, open);
    let step = if subject.uses(Protocol::Smtp) {
        let send = |step: Step, mailbox: &String| step.command(add_send_as(mailbox, OBJECT_ID));
        subject.mailboxes().fold(step.text("To send from it:"), send)
    } else {
        step
    };
    step.text("It may take an hour until permissions count everywhere in Exchange.")
}

/// The mailboxes that are not the person's own.
fn others(subject: &Subject) -> Vec<&String> {
    subject.mailboxes().filter(|it| !it.eq_ignore_ascii_case(&subject.owner)).collect()
}

fn delegate(subject: &Subject) -> Step {
    let owner = &subject.owner;
    let others = others(subject);
    let step = Step::new("Let the person into the other mailbox").text(format!(
        "{owner} signs in, and opens {}. In the same PowerShell:",
        others.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ")
    ));
    others.into_iter().fold(step, |step, mailbox| {
        let step = step.command(add_mailbox_permission(mailbox, owner));
        if subject.uses(Protocol::Smtp) { step.command(add_send_as(mailbox, owner)) } else { step }
    })
}

fn protocols(subject: &Subject) -> Step {
    let mailbox = &subject.mailbox;
    let step = Step::new("Switch the protocols on");
    let step = if subject.app_only {
        step.text("In the same PowerShell:")
    } else {
        connect(step, subject)
    };
    let step = subject
        .mailboxes()
        .fold(step, |step, mailbox| step.command(enable_protocols(mailbox, &subject.protocols)));
    let step =
        step.text("This shows what the mailbox allows now:").command(show_protocols(mailbox));
    if !subject.uses(Protocol::Smtp) {
        return step;
    }
    step.text(
        "The mailbox's own switch for SMTP is stronger than the tenant's, which is off in most tenants. To switch it \
         on for all:",
    )
    .command(enable_smtp_auth_tenant())
    .text(
        "Security defaults (in the admin center under Overview, Properties) forbid SMTP for everybody, whatever the \
         switches say: such a tenant needs conditional access in their place.",
    )
}

fn last(subject: &Subject) -> Step {
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    let tenant = format!("tenant = \"{}\"", subject.tenant);
    let mut more = vec![tenant.as_str(), client_id.as_str()];
    if subject.app_only {
        more.extend([
            "grant = \"client_credentials\"",
            "client_certificate = \"client.pem\"",
            "client_key = \"client-key.pem\"",
            "# or, with a secret: client_secret = { file = \"client-secret\" }",
        ]);
    }
    subject.last_step(&more)
}
