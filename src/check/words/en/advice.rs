//! What to do, in English.

use super::super::{advice::Advice, listed, shown};
use crate::{check::About, config::Protocol, guide::command};

/// One thing to do; its lines stand below it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(in super::super) fn advice(advice: &Advice, about: &About) -> String {
    match advice {
        Advice::SetLocalPassword => "Set a password for the mail program:".to_owned(),
        Advice::LiftLimits => {
            "Lift the limits of a password, or widen them (--name NAME for another one than \"default\"):".to_owned()
        }
        Advice::OpenPort => "Or open a port where its limits allow it: a [[listen]] table with that protocol, and with an \
             address that the network reaches."
            .to_owned(),
        Advice::StartDaemon => "Start it (or its service):".to_owned(),
        Advice::LookAtDaemon => "See how it is; if it does not answer, restart it:".to_owned(),
        Advice::LookAtStore => {
            "Put that right; the folder of the store is shown by:".to_owned()
        }
        Advice::SetClock => "Set the clock of this machine right, for instance with:".to_owned(),

        Advice::CheckName { host } => format!(
            "Compare {host} with what the provider says, and see whether this machine can look it \
             up:"
        ),
        Advice::UsePort { port } => format!(
            "Usual is port {port}. Write in the configuration, in the table of this server:"
        ),
        Advice::OpenFirewall { host, port } => format!(
            "Let outgoing connections to {host}, port {port}, through the firewall. Try with:"
        ),
        Advice::AskOperator { host } => {
            format!("If all of this is right, ask whoever runs {host}.")
        }
        Advice::UseTls { .. } => {
            "Write in the configuration, in the table of this server:".to_owned()
        }
        Advice::SuspectInterception => "Look for what stands in between: an antivirus program, a \
             firewall or a proxy that opens connections. Exempt this server there."
            .to_owned(),
        Advice::BelieveAuthority { issuer } => format!(
            "If {} is your company's certificate authority, save its certificate (PEM) beside the \
             configuration and write:",
            shown(issuer.as_deref().unwrap_or("the signer"))
        ),
        Advice::PinCertificate { .. } => "If the server's administrator tells you the same \
             fingerprint (SHA-256), write in the table of this server:"
            .to_owned(),
        Advice::UseCertifiedName { names } => {
            format!("Use a name that the certificate has ({}):", listed(names))
        }
        Advice::VerifyAgain => "Remove danger_skip_certificate_verification from the configuration; \
             for a private certificate use ca_file or pin_sha256."
            .to_owned(),
        Advice::MendWhatIsSilent => {
            "Mend first what did not answer in the steps before, then check again.".to_owned()
        }
        Advice::TryAgain => "Try again; if it stays so, ask whoever runs the server.".to_owned(),

        Advice::SignIn => format!("Sign in as {}:", about.owner()),
        Advice::SignInAs { user } => format!(
            "Sign in as {}; in a private window of the browser, or sign out there first:",
            shown(user)
        ),
        Advice::SignInFromDevice => {
            "Sign in from a device that the company manages (or with --paste through its browser):"
                .to_owned()
        }
        Advice::SignInInsteadOfPassword => {
            "Have the person sign in instead. Write in the account, then run:".to_owned()
        }
        Advice::KeepRunning => {
            "Let saslgate run all the time: then it renews the sign-in before it ends.".to_owned()
        }
        Advice::PublishGoogleApplication => "If it ends every 7 days: the application stands at \
             \"Testing\" in the Google Cloud console. Publish it (\"In production\"), or make it \
             \"Internal\":"
            .to_owned(),
        Advice::EaseFrequency => format!(
            "To have it last longer, ask the administrator to exempt the application {} from the \
             session control \"Sign-in frequency\":",
            about.application()
        ),
        Advice::EasePolicy if about.app_only => format!(
            "Ask the administrator to allow the application {} this. The sign-in log of Microsoft Entra, \
             under \"Service principal sign-ins\", names the policy that forbade it; the policies:",
            about.application()
        ),
        Advice::EasePolicy => format!(
            "Ask the administrator to allow the application {} to {}. The sign-in log of Microsoft \
             Entra names the policy that forbade it; the policies:",
            about.application(),
            about.owner()
        ),
        Advice::AdminConsent if about.is_google() => "Let the administrator of Google Workspace trust the application: \
             Admin console, Security, Access and data control, API controls, Manage app access."
            .to_owned(),
        Advice::AdminConsent if about.cloud().is_none() => {
            "Let an administrator at the provider agree.".to_owned()
        }
        Advice::AdminConsent => format!(
            "Let an administrator of {} open this link and agree:",
            about.tenant_or("the tenant")
        ),
        Advice::UseOwnTenant => format!(
            "Configured is tenant {}. Write the company's own, as a domain or an id (Microsoft Entra, \
             Overview), for instance:",
            about.tenant_or("(none)")
        ),
        Advice::CorrectClientId if about.cloud().is_none() => {
            "Compare with what the provider has registered for the application:".to_owned()
        }
        Advice::CorrectClientId => "Compare with \"Application (client) ID\" on the application's \
             page (not the object id, nor a secret's id):"
            .to_owned(),
        Advice::AssignUser => format!(
            "Let an administrator assign {} to the application (Enterprise applications, \"Users and groups\"), or set \
             \"Assignment required\" to No there. The application:",
            about.owner()
        ),
        Advice::EnableApplication => "Let an administrator enable it again: Enterprise applications, its \"Properties\", \
             \"Enabled for users to sign in\". The application:"
            .to_owned(),
        Advice::CheckProxy => {
            "See whether the proxy runs and lets this machine through; or correct or remove the setting:".to_owned()
        }
        Advice::CorrectSecret if about.cloud().is_none() => {
            "Copy the secret that the provider shows for the application into the file that \
             client_secret names, or have a new one made:"
                .to_owned()
        }
        Advice::CorrectSecret => "Copy the secret's value, not its ID, into the file that \
             client_secret names; if it is not to be seen any more, make a new one under \
             \"Certificates & secrets\":"
            .to_owned(),
        Advice::MakeSecret => "Make a new secret under \"Certificates & secrets\" and put its value \
             into the file that client_secret names:"
            .to_owned(),
        Advice::GiveSecret if !about.app_only => {
            "Or, if it is to stay confidential, make a secret under \"Certificates & secrets\", put its \
             value into a file that only saslgate can read, and write:"
                .to_owned()
        }
        Advice::GiveSecret => "Make a secret under \"Certificates & secrets\", put its value into a \
             file that only saslgate can read, and write:"
            .to_owned(),
        Advice::DropSecret => {
            "Remove client_secret from the account and from [defaults]; or register the redirect \
             address under the platform \"Web\", which makes the application confidential."
                .to_owned()
        }
        Advice::BecomePublic => {
            "Make the application public: on its page \"Authentication\", platform \"Mobile and \
             desktop applications\", and \"Allow public client flows\": Yes."
                .to_owned()
        }
        Advice::RegisterCertificate if about.cloud().is_none() => {
            "Register the certificate that client_certificate names (without its key) with the provider, \
             and see whether it has expired."
                .to_owned()
        }
        Advice::RegisterCertificate => {
            "Upload the certificate that client_certificate names (without its key) to the \
             application, under \"Certificates & secrets\", and see whether it has expired."
                .to_owned()
        }
        Advice::CompareFederation => "Compare issuer, subject and audience of the federated \
             credential with the token in federated_token_file, and see whether that file is renewed:"
            .to_owned(),
        Advice::CheckServiceAccountKey => "See whether the key in service_account_key is still \
             listed at the service account in the Google Cloud console, whether the mailbox exists, \
             and whether this machine's clock is right."
            .to_owned(),
        Advice::RegisterRedirect { .. } if about.is_google() => {
            "Make a client of the type \"Desktop app\", or register exactly this address:".to_owned()
        }
        Advice::RegisterRedirect { .. } => "Register exactly this address with the application, \
             under \"Authentication\", platform \"Mobile and desktop applications\":"
            .to_owned(),
        Advice::CorrectScopes { expected } if about.provider == "custom" => format!(
            "Compare scopes in the configuration with what the provider documents for mail{}. Now it is:",
            expected.as_deref().map(|it| format!("; wanted is {}", shown(it))).unwrap_or_default()
        ),
        Advice::CorrectScopes { expected: Some(expected) } => format!(
            "If scopes stands in the configuration, remove it (then the provider's usual ones are asked for), or correct \
             it so that one for {} is among them. In force is:",
            shown(expected)
        ),
        Advice::CorrectScopes { expected: None } => "If scopes stands in the configuration, remove it (then the \
             provider's usual ones are asked for). Else compare them with what the application may ask for. In force is:"
            .to_owned(),
        Advice::AddPermission { .. } if about.cloud().is_none() => {
            "Have whoever runs the provider allow the application this permission:".to_owned()
        }
        Advice::AddPermission { .. } if about.app_only => {
            "Add this permission to the application, under \"API permissions\", \"APIs my \
             organization uses\", \"Office 365 Exchange Online\", \"Application permissions\":"
                .to_owned()
        }
        Advice::AddPermission { .. } => {
            "Add this permission to the application (at Microsoft: \"API permissions\", \"Delegated \
             permissions\"):"
                .to_owned()
        }
        Advice::UseThisOwner { user } => format!(
            "Or, if {} is to open the mailbox, write in the account (and let it have the permission \
             for the mailbox):",
            shown(user)
        ),
        Advice::FindUser => format!(
            "See whether {} is written as the administrator's list of users has it, and whether the \
             person signs in at this tenant or at another one.",
            about.owner()
        ),
        Advice::RepairUser => format!(
            "Let {} log in at the provider's web page, or ask the administrator to unlock the account \
             or to set a new password.",
            about.owner()
        ),
        Advice::DelegateScopes => {
            "Let the domain's administrator add exactly these on this page (client id, scopes):"
                .to_owned()
        }
        Advice::AllowGrant if about.is_google() => {
            "Make a client of the type \"Desktop app\" and use its client_id:".to_owned()
        }
        Advice::AllowGrant => "Allow it on the application's page (at Microsoft: \
             \"Authentication\", \"Allow public client flows\"):"
            .to_owned(),
        Advice::Wait { seconds: Some(seconds) } => {
            format!("Wait {seconds} seconds; saslgate tries again by itself.")
        }
        Advice::Wait { seconds: None } => {
            "Wait some minutes; saslgate tries again by itself.".to_owned()
        }
        Advice::CheckTokenUrl => {
            "If the address is wrong, correct the tenant, provider or token_url. Now it is:".to_owned()
        }
        Advice::LookUpCode { code } => format!("What Microsoft says of AADSTS{code}:"),
        Advice::CheckExternal => {
            "Run what token_command says, or look at token_file; whether the setting is usable:"
                .to_owned()
        }
        Advice::SetUpstreamPassword { protocol } => {
            format!("Store the password for the {protocol} server:")
        }
        Advice::MakeAppPassword => {
            "Many providers want a password that is made for one program (app password)."
                .to_owned()
        }

        Advice::MindLockout => "Check again only then: every check tries the stored password once, and some \
             servers lock a user after a few wrong ones."
            .to_owned(),

        Advice::OpenExchangeShell => {
            "An administrator does the following in Exchange Online PowerShell:".to_owned()
        }
        Advice::AllowMailbox { mailbox } if about.app_only => format!(
            "Let the application open {} (instead of {}: \"Object ID\" under Enterprise \
             applications):",
            shown(mailbox),
            command::OBJECT_ID
        ),
        Advice::AllowMailbox { mailbox } => {
            format!("Let {} open {}:", about.owner(), shown(mailbox))
        }
        Advice::CheckMailbox { mailbox } if about.cloud().is_none() => {
            format!("See whether the mailbox {} exists under exactly this name.", shown(mailbox))
        }
        Advice::CheckMailbox { mailbox } => format!(
            "See whether the mailbox {} exists under exactly this name and has a licence.",
            shown(mailbox)
        ),
        Advice::CompareServicePrincipal => format!(
            "Compare ObjectId of {} with \"Object ID\" under Enterprise applications (the one under \
             App registrations is another one, and wrong here):",
            about.application()
        ),
        Advice::RenewServicePrincipal => format!(
            "If it is wrong or missing, remove it (where it is there) and make it anew; the right id \
             instead of {}:",
            command::OBJECT_ID
        ),
        Advice::SwitchOn { protocol, mailbox } => {
            switch_on(about, *protocol, mailbox)
        }
        Advice::LookAtSwitches { mailbox } => {
            format!("See whether the protocols of {} are switched on:", shown(mailbox))
        }
        Advice::AllowSmtpAuth { mailbox } => {
            format!("Allow SMTP AUTH for the mailbox {} alone:", shown(mailbox))
        }
        Advice::AllowSmtpAuthForTenant => {
            "Or for the whole tenant; the setting of a mailbox comes first:".to_owned()
        }
        Advice::EndSecurityDefaults => "Microsoft Entra, Overview, Properties, Manage security \
             defaults: disable them, and have conditional access policies demand a second factor \
             instead:"
            .to_owned(),
        Advice::UseOAuth => {
            "Have the account use OAuth for this server; how, says the second line:".to_owned()
        }
        Advice::LeaveMechanismOpen => "Let saslgate choose what the server offers; if it offers no \
             OAuth at all, the host is wrong, or the provider does not have it:"
            .to_owned(),
        Advice::FewerConnections => "If it stays so, close other programs that use the mailbox, or \
             lower connection_limit of the account."
            .to_owned(),
        Advice::SetSharedSmtp { .. } => "Write in the account:".to_owned(),
        Advice::LookAtClaims => {
            "If all of that is right, compare what the token says (the step above) with the mailbox."
                .to_owned()
        }

        Advice::SendTestMail => "To try sending and arrival, too:".to_owned(),
        Advice::WaitLonger => "Look into the junk folder, or wait longer:".to_owned(),
        Advice::LookThere { to } => format!("Look into the mailbox of {}.", shown(to)),
        Advice::AllowSender { from } => format!(
            "Let {} send as {}, or set the sender's address of the mail program to the mailbox:",
            if about.app_only { "the application" } else { about.owner() },
            shown(from)
        ),
        Advice::UseAsciiAddress => {
            "Take a recipient whose address is written in ASCII; so must the account's own be.".to_owned()
        }
        Advice::SendLater => {
            "Check again in some minutes; a mail program's outbox tries it again by itself.".to_owned()
        }
        Advice::CheckRecipient { to } => {
            format!("See whether {} is written right, or take another recipient.", shown(to))
        }
    }
}

fn switch_on(about: &About, protocol: Protocol, mailbox: &str) -> String {
    if about.is_consumer() {
        format!(
            "Switch POP and IMAP on for {} (they are off at first): Settings, Mail, Forwarding and \
             IMAP. If they are on, sign in again as that account.",
            shown(mailbox)
        )
    } else if about.is_google() {
        format!(
            "Switch {protocol} on in the settings of {}; in a company the administrator must allow \
             it, too (Apps, Gmail, End user access):",
            shown(mailbox)
        )
    } else {
        format!("Switch {protocol} on for {}:", shown(mailbox))
    }
}
