//! What was seen, in English.

use super::super::{code, listed, said, shown, status_unless_in};
use crate::check::{About, Finding};

/// What was seen, and whose fault it is.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(in super::super) fn what(finding: &Finding, about: &About) -> String {
    match finding {
        Finding::ConfigurationGood { provider, grant: Some(grant) } => {
            format!("The configuration is good (provider {provider}, grant {grant}).")
        }
        Finding::ConfigurationGood { provider, grant: None } => {
            format!("The configuration is good (provider {provider}, with passwords).")
        }
        Finding::LocalPasswordMissing => {
            "No mail program can log in: the account has no local password yet.".to_owned()
        }
        Finding::LocalPasswordsShutOut { names } => format!(
            "No mail program can log in: the limits of the local passwords ({}) leave no protocol and no network from \
             which anybody can connect.",
            listed(names)
        ),
        Finding::LocalSideGood { listeners, passwords } => format!(
            "saslgate runs and listens ({}); local passwords: {passwords}.",
            listed(listeners)
        ),
        Finding::DaemonNotRunning => {
            "No saslgate runs for this configuration, so no mail program can connect.".to_owned()
        }
        Finding::DaemonSilent { text } => {
            format!("A saslgate runs, but cannot be asked: {}", shown(text))
        }
        Finding::StoreFault { text } => format!(
            "The store of passwords and tokens on this machine cannot be used: {}",
            shown(text)
        ),

        Finding::TimeUp { seconds } => format!(
            "Not tried: the check has taken more than {seconds} seconds already, for something before \
             answers late or not at all."
        ),

        Finding::Resolved { addresses } => format!("Its addresses: {}.", listed(addresses)),
        Finding::NameUnknown { host } => format!(
            "There is no server of the name {host}. Either the name is written wrong, or this \
             machine asks a name server (DNS) that does not know it."
        ),
        Finding::ResolverFails { host, text } => format!(
            "The name {host} could not be looked up: this machine's network or its name server \
             (DNS) is at fault. The system says: {}",
            shown(text)
        ),
        Finding::Connected { address } => format!("{address} answers."),
        Finding::ConnectionRefused { host, port, .. } => format!(
            "{host} is there, but nothing answers at port {port}: the port is wrong, or the server \
             is switched off."
        ),
        Finding::ConnectionTimeout { host, port, .. } => format!(
            "{host} does not answer at port {port}. Mostly a firewall on the way drops it, or the \
             port is wrong."
        ),
        Finding::ConnectionFailed { host, port, text } => format!(
            "The network does not bring a connection to {host}:{port} about. The system says: {}",
            shown(text)
        ),
        Finding::TlsGood { version, expires: None } => {
            format!("{version}; the certificate is good.")
        }
        Finding::TlsGood { version, expires: Some(expires) } => format!(
            "{version}; the certificate is good until {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::CertificateEndsSoon { host, expires } => format!(
            "The certificate of {host} ends soon, at {}. From then on nobody can connect; whoever \
             runs the server must renew it.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::CertificateUnknownIssuer { host, issuer: Some(issuer), .. } => format!(
            "The certificate of {host} is signed by \"{}\", and this machine does not trust that \
             one. Either it is a private certificate authority, or somebody stands in between.",
            shown(issuer)
        ),
        Finding::CertificateUnknownIssuer { host, issuer: None, .. } => format!(
            "Nobody whom this machine trusts has signed the certificate of {host}. Either it is \
             self-signed or of a private certificate authority, or somebody stands in between."
        ),
        Finding::CertificateNameMismatch { host, names } => format!(
            "The certificate that {host} shows is for other names: {}. The configured host is an \
             alias or wrong, or another server answers.",
            listed(names)
        ),
        Finding::CertificateExpired { host } => format!(
            "The certificate of {host} has expired: its operator has not renewed it, or the clock of \
             this machine is wrong."
        ),
        Finding::CertificateNotYetValid { host } => format!(
            "The certificate of {host} is not valid yet: the clock of this machine is behind."
        ),
        Finding::CertificatePinMismatch { host, .. } => format!(
            "{host} shows another certificate than the one that pin_sha256 demands: it was renewed, \
             or somebody stands in between."
        ),
        Finding::VerificationOff { host } => format!(
            "The configuration switches off the verification of {host}'s certificate: whoever stands \
             in between reads mail, tokens and passwords."
        ),
        Finding::NotTls { host, port } => format!(
            "What answers at {host}:{port} does not begin with TLS: the setting tls does not fit \
             this port."
        ),
        Finding::StartTlsMissing { host, port, text } => format!(
            "The server {host}:{port} does not begin STARTTLS: the setting tls does not fit this \
             port, or a program in between has taken it out.{}",
            said(" It says: ", text)
        ),
        Finding::TlsFailed { host, text } => format!(
            "The TLS handshake with {host} fails: its TLS is too old, or a program in between \
             disturbs it. What happened: {}",
            shown(text)
        ),
        Finding::ServerSilent { host, port } => format!(
            "{host}:{port} accepts the connection and says nothing: it waits for TLS, is overloaded, \
             or a firewall answers in its place."
        ),
        Finding::WrongProtocol { host, port, protocol, text } => format!(
            "What answers at {host}:{port} is no {protocol} server: host or port in the \
             configuration is wrong. It says: {}",
            shown(text)
        ),

        Finding::TokenGood { refreshed: true, expires } => format!(
            "The provider gave an access token, good until {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::TokenGood { refreshed: false, expires } => format!(
            "An access token is at hand, good until {}.",
            humantime::format_rfc3339_seconds(*expires)
        ),
        Finding::UpstreamPasswordGood => "The password for the mail server is stored.".to_owned(),
        Finding::UpstreamPasswordMissing { protocol } => {
            format!("The {protocol} server takes a password, and none is stored for it.")
        }
        Finding::SignInMissing => format!("{} has not signed in yet.", about.owner()),
        Finding::GrantExpired { code: number } => format!(
            "The sign-in of {} has ended because it was not used for too long{}.",
            about.owner(),
            code(*number)
        ),
        Finding::GrantRevoked { code: number } => format!(
            "The sign-in of {} is no longer valid{}: it was revoked, or the password was changed.",
            about.owner(),
            code(*number)
        ),
        Finding::SignInFrequency => format!(
            "The administrator's rule on how often people must sign in (sign-in frequency) has ended \
             the sign-in of {} (AADSTS70043). It will happen again.",
            about.owner()
        ),
        Finding::MfaNeeded { code: number } => format!(
            "The provider wants a second factor from {}{}, and only a person can give it.",
            about.owner(),
            code(*number)
        ),
        Finding::ConditionalAccess { code: number } => format!(
            "A conditional access policy of the administrator forbids this{}. It is neither the \
             password nor saslgate.",
            code(*number)
        ),
        Finding::DevicePolicy { code: number } => {
            format!("The administrator allows sign-ins from managed devices only{}.", code(*number))
        }
        Finding::ConsentMissing { code: number } => format!(
            "Nobody has agreed to what the application {} asks for{}.",
            about.application(),
            code(*number)
        ),
        Finding::AdminConsentMissing { code: number } => format!(
            "Only an administrator can agree to what the application {} asks for{}, and none has.",
            about.application(),
            code(*number)
        ),
        Finding::TenantWrong { code: number } => format!(
            "The tenant {} does not exist or does not fit the application{}: a setting is wrong.",
            about.tenant_or("(none)"),
            code(*number)
        ),
        Finding::ClientIdWrong { code: number } => format!(
            "The provider does not know the application {} here, or it is disabled{}: client_id or \
             tenant is wrong.",
            about.application(),
            code(*number)
        ),
        Finding::NotAssigned => format!(
            "{} may not use the application {}: it demands that its users are assigned to it (AADSTS50105).",
            about.owner(),
            about.application()
        ),
        Finding::ApplicationDisabled => format!(
            "The application {} is disabled in this tenant (AADSTS7000112).",
            about.application()
        ),
        Finding::SecretWrong if about.cloud().is_none() => format!(
            "The provider does not take what the application {} shows: the client secret is wrong, or the client id, or \
             the application was deleted.",
            about.application()
        ),
        Finding::SecretWrong => format!(
            "The client secret of the application {} is wrong (AADSTS7000215). Often the \
             secret's ID was copied instead of its value.",
            about.application()
        ),
        Finding::SecretExpired => format!(
            "The client secret of the application {} has expired (AADSTS7000222).",
            about.application()
        ),
        Finding::SecretMissing => format!(
            "The application {} is registered as a confidential one, and the configuration has no \
             client secret for it (AADSTS7000218).",
            about.application()
        ),
        Finding::SecretNotWanted => format!(
            "The application {} is registered as a public one, and must not send a client secret \
             (AADSTS700025).",
            about.application()
        ),
        Finding::AssertionRefused { code: number } => format!(
            "The provider does not accept how the application {} proves who it is ({}){}: what is \
             registered there is something else.",
            about.application(),
            about.proof.unwrap_or("service_account_key"),
            code(*number)
        ),
        Finding::ClockWrong => {
            "The application's proof is not valid at this time (AADSTS700024 at \
             Microsoft): a clock is wrong, or the proof was not renewed."
                .to_owned()
        }
        Finding::RedirectMismatch { redirect_uri } => format!(
            "The address {} to which the browser comes back is not registered with the application \
             {} (AADSTS50011 at Microsoft).",
            shown(redirect_uri),
            about.application()
        ),
        Finding::ScopeWrong { code: number } => format!(
            "The provider does not know a scope that the configuration asks for, or the application \
             lacks it{}. Asked for: {}.",
            code(*number),
            about.scopes.join(" ")
        ),
        Finding::UserUnknown { code: number } => format!(
            "The user {} does not exist in the tenant {}{}.",
            about.owner(),
            about.tenant_or("of this application"),
            code(*number)
        ),
        Finding::UserUnusable { code: number } => format!(
            "The account of {} at the provider is locked or disabled, or its password is wrong or \
             expired{}.",
            about.owner(),
            code(*number)
        ),
        Finding::DelegationMissing => format!(
            "The domain's administrator has not allowed the service account {} to act for its users \
             with these scopes.",
            about.application()
        ),
        Finding::GrantNotAllowed => format!(
            "The application {} may not get tokens in this way (grant {}; unauthorized_client).",
            about.application(),
            about.grant.unwrap_or("none")
        ),
        Finding::EndpointThrottled { retry_after_seconds: Some(seconds) } => format!(
            "The provider is busy or limits us, and wants to be asked again in {seconds} seconds."
        ),
        Finding::EndpointThrottled { retry_after_seconds: None } => {
            "The provider is busy or limits us.".to_owned()
        }
        Finding::EndpointFault { status, text } => {
            format!(
                "The provider has a fault of its own{}: it {}.",
                status_unless_in(*status, text),
                shown(text)
            )
        }
        Finding::EndpointUnreachable { host, text } => format!(
            "The provider's token endpoint at {host} cannot be reached from this machine: {}",
            shown(text)
        ),
        Finding::ProxyUnreachable { host, text } => format!(
            "The way to the token endpoint goes over the proxy {host} of the configuration, and that does not bring it \
             about. What happened: {}",
            shown(text)
        ),
        Finding::NoOauthAnswer { status, text } => format!(
            "What answers at the configured address is no token endpoint of OAuth's, or is out of order{}. \
             Mostly token_url, tenant or provider is wrong. It {}.",
            status.map(|it| format!(" (HTTP status {it})")).unwrap_or_default(),
            shown(text)
        ),
        Finding::ProviderRefused { error, code: number, text } => format!(
            "The provider refuses{}{}: {}",
            error.as_deref().map(|it| format!(" ({})", shown(it))).unwrap_or_default(),
            code(*number),
            shown(text)
        ),
        Finding::ExternalTokenFails { text } => format!(
            "The program or file that should give the access token does not: {}",
            shown(text)
        ),

        Finding::ClaimsGood { audience, permissions, user } => format!(
            "The token is for {} with {}{}.",
            shown(audience.as_deref().unwrap_or("an audience it does not name")),
            if permissions.is_empty() {
                "no named permissions".to_owned()
            } else {
                listed(permissions)
            },
            user.as_deref().map(|it| format!(", of {}", shown(it))).unwrap_or_default()
        ),
        Finding::ClaimsOpaque => {
            "The token cannot be read; only the provider can. Nothing is wrong with that."
                .to_owned()
        }
        Finding::AudienceWrong { audience, expected } => format!(
            "The token is for another service: {}. The mail servers take only one for {}. The scopes \
             in the configuration are at fault.",
            shown(audience),
            shown(expected)
        ),
        Finding::ScopeMissing { protocol, scope, has } => format!(
            "The token does not open {protocol}: the scope {} is missing. It has: {}.",
            shown(scope),
            if has.is_empty() { "none".to_owned() } else { listed(has) }
        ),
        Finding::RoleMissing { protocol, role, has } => format!(
            "The token does not open {protocol}: the application lacks the permission {}, or no \
             administrator has agreed to it. It has: {}.",
            shown(role),
            if has.is_empty() { "none".to_owned() } else { listed(has) }
        ),
        Finding::UserWrong { user, expected } => format!(
            "{} has signed in, but it should be {}: that is another name of the same person, or the browser \
             was still signed in as somebody else.",
            shown(user),
            shown(expected)
        ),

        Finding::LoginGood { user } => format!("The server let {} in.", shown(user)),
        Finding::InboxGood { messages } => format!("INBOX opens; messages: {messages}."),
        Finding::MailboxPermissionMissing { mailbox, text } => format!(
            "The server takes the token, but does not open the mailbox {}: {} has no permission for \
             it, or there is no such mailbox. It says: {}",
            shown(mailbox),
            if about.app_only { "the application" } else { about.owner() },
            shown(text)
        ),
        Finding::ServicePrincipalWrong { mailbox, text } => format!(
            "Exchange does not know the application {} for the mailbox {}: its service principal is \
             missing, or was made with a wrong object id. It says: {}",
            about.application(),
            shown(mailbox),
            shown(text)
        ),
        Finding::ProtocolOff { protocol, mailbox, text } => format!(
            "{protocol} is switched off for the mailbox {}. The server says: {}",
            shown(mailbox),
            shown(text)
        ),
        Finding::SmtpAuthOffForTenant { text } => format!(
            "The administrator has switched off sending with a login (SMTP AUTH) for the whole \
             tenant. The server says: {}",
            shown(text)
        ),
        Finding::SmtpAuthOffForMailbox { mailbox, text } => format!(
            "Sending with a login (SMTP AUTH) is switched off for the mailbox {}. The server says: \
             {}",
            shown(mailbox),
            shown(text)
        ),
        Finding::SecurityDefaults { text } => format!(
            "The tenant's security defaults forbid sending with a login (SMTP AUTH). The server \
             says: {}",
            shown(text)
        ),
        Finding::PolicyForbids { text } => format!(
            "A conditional access or authentication policy of the administrator forbids this login. It is \
             neither the password nor the token nor saslgate. The server says: {}",
            shown(text)
        ),
        Finding::PasswordsNotTaken { text } => format!(
            "The server no longer takes passwords, and the configuration says that it does. It says: \
             {}",
            shown(text)
        ),
        Finding::UpstreamPasswordRefused { protocol, text } => {
            format!("The {protocol} server refuses the stored password. It says: {}", shown(text))
        }
        Finding::TokenRefused { user, text } => format!(
            "The server refuses the token for {} and does not say why. What is left, the likeliest \
             first. It says: {}",
            shown(user),
            shown(text)
        ),
        Finding::MechanismMissing { offered } => format!(
            "The server does not offer the login that the configuration wants. It offers: {}.",
            shown(offered)
        ),
        Finding::ServerThrottles { text } => format!(
            "The server is busy, or the mailbox has too many connections at once. It says: {}",
            shown(text)
        ),
        Finding::ServerUnclear { host, port, text } => format!(
            "{host}:{port} can be reached and then does not speak as it must: it is overloaded or broken, \
             or something in between disturbs it. What happened: {}",
            shown(text)
        ),
        Finding::ConnectionBroken { text } => {
            format!("The connection ended in the middle: {}", shown(text))
        }
        Finding::SmtpWorksAs { user, configured, .. } => format!(
            "SMTP does not let {} in, as the configuration says, but it lets {} in.",
            shown(configured),
            shown(user)
        ),
        Finding::InboxMissing { text } => {
            format!("The login works, but INBOX does not open. The server says: {}", shown(text))
        }

        Finding::MailSent { to, text } => {
            format!("The server took the test mail to {}. It says: {}", shown(to), shown(text))
        }
        Finding::MailNotSent => "No test mail was asked for, so sending was not tried.".to_owned(),
        Finding::SenderNotAllowed { from, user, text } => format!(
            "{} may not send as {}: the permission is missing. The server says: {}",
            shown(user),
            shown(from),
            shown(text)
        ),
        Finding::RecipientRefused { to, text } => {
            format!("The server does not take mail to {}. It says: {}", shown(to), shown(text))
        }
        Finding::AddressNotTaken { address } => format!(
            "The address {} has letters beyond A to Z, and the server does not take such addresses: it has \
             no SMTPUTF8.",
            shown(address)
        ),
        Finding::MailDelayed { text } => format!(
            "The server does not take the test mail now, but may do so later (greylisting, say). It says: {}",
            shown(text)
        ),
        Finding::MailRefused { text } => {
            format!("The server does not take the test mail. It says: {}", shown(text))
        }
        Finding::MailArrived { seconds } => format!("It arrived within {seconds} seconds."),
        Finding::MailNotArrived { seconds } => format!(
            "It was not in INBOX after {seconds} seconds: it is late, or was put elsewhere (junk, a \
             rule)."
        ),
        Finding::ArrivalNotVisible { to } => format!(
            "Whether it arrived cannot be seen from here: {} is not this account's mailbox.",
            shown(to)
        ),
    }
}
