//! Which things to do for a finding, in the order in which to try them: the likeliest first. The hard
//! thing is whom it asks: the same refusal means another thing for a person who signed in, for an
//! application by itself, and at each provider.

use super::advice::Advice;
use crate::{
    check::{About, Finding},
    config::Protocol,
};

/// What to do. Empty where all is as it should be.
pub(super) fn of(finding: &Finding, about: &About) -> Vec<Advice> {
    let mut todo = likeliest(finding, about);
    if !about.signs_in() {
        let asked = todo.len();
        todo.retain(|advice| !advice.is_sign_in());
        if todo.is_empty() && asked > 0 {
            todo.push(about.instead_of_sign_in());
        }
    }
    todo
}

/// As if a person had signed in.
#[expect(clippy::too_many_lines, reason = "a table")]
fn likeliest(finding: &Finding, about: &About) -> Vec<Advice> {
    match finding {
        Finding::ConfigurationGood { .. }
        | Finding::LocalSideGood { .. }
        | Finding::Resolved { .. }
        | Finding::Connected { .. }
        | Finding::TlsGood { .. }
        | Finding::TokenGood { .. }
        | Finding::UpstreamPasswordGood
        | Finding::ClaimsGood { .. }
        | Finding::ClaimsOpaque
        | Finding::LoginGood { .. }
        | Finding::InboxGood { .. }
        | Finding::MailSent { .. }
        | Finding::MailArrived { .. } => Vec::new(),

        Finding::LocalPasswordMissing => vec![Advice::SetLocalPassword],
        Finding::LocalPasswordsShutOut { .. } => vec![Advice::LiftLimits, Advice::OpenPort],
        Finding::NotAssigned => signed_in_after(about, vec![Advice::AssignUser]),
        Finding::ApplicationDisabled => vec![Advice::EnableApplication],
        Finding::ProxyUnreachable { .. } => vec![Advice::CheckProxy],
        Finding::DaemonNotRunning => vec![Advice::StartDaemon],
        Finding::DaemonSilent { .. } => vec![Advice::LookAtDaemon],
        Finding::StoreFault { .. } => vec![Advice::LookAtStore],
        Finding::TimeUp { .. } => vec![Advice::MendWhatIsSilent],

        Finding::NameUnknown { host } | Finding::ResolverFails { host, .. } => {
            vec![Advice::CheckName { host: host.clone() }]
        }
        Finding::ConnectionRefused { host, port, usual_port }
        | Finding::ConnectionTimeout { host, port, usual_port } => {
            let usual = usual_port.map(|port| Advice::UsePort { port });
            let firewall = Advice::OpenFirewall { host: host.clone(), port: *port };
            let operator = Advice::AskOperator { host: host.clone() };
            usual.into_iter().chain([firewall, operator]).collect()
        }
        Finding::ConnectionFailed { host, port, .. } => {
            vec![Advice::OpenFirewall { host: host.clone(), port: *port }]
        }
        Finding::CertificateEndsSoon { host, .. } => {
            vec![Advice::AskOperator { host: host.clone() }]
        }
        Finding::CertificateUnknownIssuer { issuer, sha256, .. } => {
            let pin = sha256.clone().map(|sha256| Advice::PinCertificate { sha256 });
            let believe = Advice::BelieveAuthority { issuer: issuer.clone() };
            [believe].into_iter().chain(pin).collect()
        }
        Finding::CertificateNameMismatch { host, names } => vec![
            Advice::UseCertifiedName { names: names.clone() },
            Advice::AskOperator { host: host.clone() },
        ],
        Finding::CertificateExpired { host } => {
            vec![Advice::SetClock, Advice::AskOperator { host: host.clone() }]
        }
        Finding::CertificateNotYetValid { .. } => vec![Advice::SetClock],
        Finding::CertificatePinMismatch { sha256, .. } => {
            let pin = sha256.clone().map(|sha256| Advice::PinCertificate { sha256 });
            pin.into_iter().chain([Advice::SuspectInterception]).collect()
        }
        Finding::VerificationOff { .. } => vec![Advice::VerifyAgain],
        Finding::NotTls { .. } => {
            vec![Advice::UseTls { tls: "starttls", port: None }, Advice::SuspectInterception]
        }
        Finding::StartTlsMissing { port, .. } => {
            vec![Advice::UseTls { tls: "implicit", port: implicit_port(*port) }]
        }
        Finding::TlsFailed { host, .. } => {
            vec![Advice::SuspectInterception, Advice::AskOperator { host: host.clone() }]
        }
        // Where TLS comes first, a server waits for it.
        Finding::ServerSilent { port: 465 | 993 | 995, .. } => {
            vec![Advice::UseTls { tls: "implicit", port: None }]
        }
        Finding::ServerSilent { host, .. } => {
            vec![Advice::SuspectInterception, Advice::AskOperator { host: host.clone() }]
        }
        Finding::WrongProtocol { protocol, .. } => vec![match protocol {
            Protocol::Imap => Advice::UseTls { tls: "implicit", port: Some(993) },
            Protocol::Pop3 => Advice::UseTls { tls: "implicit", port: Some(995) },
            Protocol::Smtp => Advice::UseTls { tls: "starttls", port: Some(587) },
        }],

        Finding::UpstreamPasswordMissing { protocol } => {
            vec![Advice::SetUpstreamPassword { protocol: *protocol }]
        }
        Finding::SignInMissing => vec![Advice::SignIn],
        Finding::GrantExpired { .. } => vec![Advice::SignIn, Advice::KeepRunning],
        Finding::GrantRevoked { .. } => revoked(about),
        Finding::SignInFrequency => vec![Advice::SignIn, Advice::EaseFrequency],
        Finding::MfaNeeded { .. } if about.grant == Some("password") => {
            vec![Advice::SignInInsteadOfPassword]
        }
        Finding::MfaNeeded { .. } => vec![Advice::SignIn],
        Finding::ConditionalAccess { .. } => signed_in_after(about, vec![Advice::EasePolicy]),
        Finding::DevicePolicy { .. } if about.app_only => vec![Advice::EasePolicy],
        Finding::DevicePolicy { .. } => vec![Advice::SignInFromDevice, Advice::EasePolicy],
        Finding::ConsentMissing { .. } if about.app_only => vec![Advice::AdminConsent],
        Finding::ConsentMissing { .. } if about.is_microsoft_work() => {
            vec![Advice::SignIn, Advice::AdminConsent]
        }
        Finding::ConsentMissing { .. } => vec![Advice::SignIn],
        Finding::AdminConsentMissing { .. } => signed_in_after(about, vec![Advice::AdminConsent]),
        Finding::TenantWrong { .. } => vec![Advice::UseOwnTenant, Advice::CorrectClientId],
        Finding::ClientIdWrong { .. } => vec![Advice::CorrectClientId],
        Finding::SecretWrong if about.cloud().is_none() => {
            vec![Advice::CorrectSecret, Advice::CorrectClientId]
        }
        Finding::SecretWrong => vec![Advice::CorrectSecret],
        Finding::SecretExpired => vec![Advice::MakeSecret],
        // A public application cannot get tokens by itself; one that people sign in with has no need of a
        // secret on each machine.
        Finding::SecretMissing if about.app_only => vec![Advice::GiveSecret],
        Finding::SecretMissing => vec![Advice::BecomePublic, Advice::GiveSecret],
        Finding::SecretNotWanted => vec![Advice::DropSecret],
        Finding::AssertionRefused { .. } => vec![match about.proof {
            Some("federated_token_file") => Advice::CompareFederation,
            _ if about.grant == Some("service_account") => Advice::CheckServiceAccountKey,
            _ => Advice::RegisterCertificate,
        }],
        Finding::ClockWrong if about.proof == Some("federated_token_file") => {
            vec![Advice::CompareFederation, Advice::SetClock]
        }
        Finding::ClockWrong => vec![Advice::SetClock],
        Finding::RedirectMismatch { redirect_uri } => {
            vec![Advice::RegisterRedirect { uri: redirect_uri.clone() }]
        }
        Finding::ScopeWrong { .. } => vec![Advice::CorrectScopes { expected: None }],
        Finding::UserUnknown { .. } => vec![Advice::FindUser, Advice::UseOwnTenant],
        Finding::UserUnusable { .. } => signed_in_after(about, vec![Advice::RepairUser]),
        Finding::DelegationMissing => vec![Advice::DelegateScopes],
        Finding::GrantNotAllowed if about.grant == Some("password") => {
            vec![Advice::SignInInsteadOfPassword]
        }
        Finding::GrantNotAllowed => vec![Advice::AllowGrant],
        Finding::EndpointThrottled { retry_after_seconds } => {
            vec![Advice::Wait { seconds: *retry_after_seconds }]
        }
        Finding::EndpointFault { .. } => vec![Advice::Wait { seconds: None }],
        Finding::EndpointUnreachable { host, .. } => vec![
            Advice::CheckName { host: host.clone() },
            Advice::OpenFirewall { host: host.clone(), port: about.token_port() },
            Advice::CheckTokenUrl,
        ],
        Finding::NoOauthAnswer { .. } => {
            vec![Advice::CheckTokenUrl, Advice::Wait { seconds: None }]
        }
        Finding::ProviderRefused { error: Some(word), code: None, .. }
            if word == "access_denied" =>
        {
            vec![Advice::SignIn]
        }
        Finding::ProviderRefused { code, .. } => {
            code.map(|code| Advice::LookUpCode { code }).into_iter().collect()
        }
        Finding::ExternalTokenFails { .. } => vec![Advice::CheckExternal],

        Finding::AudienceWrong { expected, .. } => {
            let scopes = Advice::CorrectScopes { expected: Some(expected.clone()) };
            signed_in_after(about, vec![scopes])
        }
        Finding::ScopeMissing { scope, .. } => {
            let correct = Advice::CorrectScopes { expected: Some(scope.clone()) };
            let is_asked_for = about.scopes.iter().any(|it| it.eq_ignore_ascii_case(scope));
            let correct = (!is_asked_for).then_some(correct);
            let rest = [Advice::AddPermission { name: scope.clone() }, Advice::SignIn];
            correct.into_iter().chain(rest).collect()
        }
        Finding::RoleMissing { role, .. } => {
            let consent = about.cloud().is_some().then_some(Advice::AdminConsent);
            [Advice::AddPermission { name: role.clone() }].into_iter().chain(consent).collect()
        }
        Finding::UserWrong { user, expected } => vec![
            Advice::SignInAs { user: expected.clone() },
            Advice::UseThisOwner { user: user.clone() },
        ],

        Finding::MailboxPermissionMissing { mailbox, .. } => no_permission(about, mailbox),
        Finding::ServicePrincipalWrong { mailbox, .. } => vec![
            Advice::OpenExchangeShell,
            Advice::CompareServicePrincipal,
            Advice::RenewServicePrincipal,
            Advice::AllowMailbox { mailbox: mailbox.clone() },
        ],
        Finding::ProtocolOff { protocol, mailbox, .. } => {
            let switch = Advice::SwitchOn { protocol: *protocol, mailbox: mailbox.clone() };
            in_exchange_shell(about, vec![switch])
        }
        Finding::SmtpAuthOffForTenant { .. } => vec![
            Advice::OpenExchangeShell,
            Advice::AllowSmtpAuth { mailbox: about.mailbox(Protocol::Smtp).to_owned() },
            Advice::AllowSmtpAuthForTenant,
        ],
        Finding::SmtpAuthOffForMailbox { mailbox, .. } => {
            vec![Advice::OpenExchangeShell, Advice::AllowSmtpAuth { mailbox: mailbox.clone() }]
        }
        Finding::SecurityDefaults { .. } => vec![
            Advice::EndSecurityDefaults,
            Advice::OpenExchangeShell,
            Advice::AllowSmtpAuth { mailbox: about.mailbox(Protocol::Smtp).to_owned() },
        ],
        Finding::PasswordsNotTaken { .. } => vec![Advice::UseOAuth],
        Finding::UpstreamPasswordRefused { protocol, .. } => {
            let set = Advice::SetUpstreamPassword { protocol: *protocol };
            vec![set, Advice::MakeAppPassword, Advice::MindLockout]
        }
        Finding::TokenRefused { user, .. } => refused(about, user),
        Finding::MechanismMissing { .. } => vec![Advice::LeaveMechanismOpen],
        Finding::ServerThrottles { .. } => {
            vec![Advice::Wait { seconds: None }, Advice::FewerConnections]
        }
        Finding::PolicyForbids { .. } => vec![Advice::EasePolicy],
        Finding::ServerUnclear { host, .. } => vec![
            Advice::TryAgain,
            Advice::SuspectInterception,
            Advice::AskOperator { host: host.clone() },
        ],
        Finding::ConnectionBroken { .. } => vec![Advice::TryAgain, Advice::SuspectInterception],
        Finding::SmtpWorksAs { setting, .. } => {
            vec![Advice::SetSharedSmtp { setting: setting.clone() }]
        }
        Finding::InboxMissing { .. } => {
            let mailbox = about.mailbox(Protocol::Imap).to_owned();
            vec![Advice::CheckMailbox { mailbox }, Advice::TryAgain]
        }

        Finding::MailNotSent => vec![Advice::SendTestMail],
        Finding::SenderNotAllowed { from, .. } => {
            in_exchange_shell(about, vec![Advice::AllowSender { from: from.clone() }])
        }
        Finding::RecipientRefused { to, .. } => vec![Advice::CheckRecipient { to: to.clone() }],
        Finding::AddressNotTaken { .. } => vec![Advice::UseAsciiAddress],
        Finding::MailDelayed { .. } => vec![Advice::SendLater],
        Finding::MailRefused { .. } => vec![Advice::TryAgain],
        Finding::MailNotArrived { .. } => vec![Advice::WaitLonger],
        Finding::ArrivalNotVisible { to } => vec![Advice::LookThere { to: to.clone() }],
    }
}

fn revoked(about: &About) -> Vec<Advice> {
    let mut todo = vec![Advice::SignIn];
    if about.is_google() {
        todo.push(Advice::PublishGoogleApplication);
    }
    todo
}

/// What an administrator mended counts from the next sign-in.
fn signed_in_after(about: &About, mut todo: Vec<Advice>) -> Vec<Advice> {
    if !about.app_only {
        todo.push(Advice::SignIn);
    }
    todo
}

fn in_exchange_shell(about: &About, mut todo: Vec<Advice>) -> Vec<Advice> {
    if about.is_microsoft_work() {
        todo.insert(0, Advice::OpenExchangeShell);
    }
    todo
}

/// "Authenticated but not connected".
fn no_permission(about: &About, mailbox: &str) -> Vec<Advice> {
    let mailbox = mailbox.to_owned();
    let exists = Advice::CheckMailbox { mailbox: mailbox.clone() };
    if !about.is_microsoft_work() {
        return vec![exists];
    }
    let mut todo = vec![Advice::OpenExchangeShell];
    if about.app_only || !about.owner().eq_ignore_ascii_case(&mailbox) {
        todo.push(Advice::AllowMailbox { mailbox: mailbox.clone() });
    }
    todo.extend([exists, Advice::LookAtSwitches { mailbox }]);
    todo
}

/// A token that looks right is refused: what is left, the likeliest first.
fn refused(about: &About, user: &str) -> Vec<Advice> {
    let mailbox = user.to_owned();
    let exists = Advice::CheckMailbox { mailbox: mailbox.clone() };
    if about.is_microsoft_work() && about.app_only {
        return vec![
            Advice::OpenExchangeShell,
            Advice::CompareServicePrincipal,
            Advice::RenewServicePrincipal,
            Advice::AllowMailbox { mailbox: mailbox.clone() },
            Advice::LookAtSwitches { mailbox },
            Advice::LookAtClaims,
        ];
    }
    if about.is_microsoft_work() {
        let mut todo =
            vec![Advice::OpenExchangeShell, Advice::LookAtSwitches { mailbox: mailbox.clone() }];
        if !about.owner().eq_ignore_ascii_case(user) {
            todo.push(Advice::AllowMailbox { mailbox });
        }
        todo.extend([exists, Advice::LookAtClaims]);
        return todo;
    }
    let mut todo = Vec::new();
    if about.is_consumer() {
        todo.push(Advice::SwitchOn { protocol: Protocol::Imap, mailbox });
    }
    if about.grant == Some("service_account") {
        todo.push(Advice::DelegateScopes);
    } else if !about.app_only {
        todo.push(Advice::SignInAs { user: about.owner().to_owned() });
    }
    todo.extend([exists, Advice::CorrectScopes { expected: None }]);
    todo
}

fn implicit_port(port: u16) -> Option<u16> {
    match port {
        143 => Some(993),
        110 => Some(995),
        25 | 587 => Some(465),
        _ => None,
    }
}

impl About {
    /// Whether an administrator with Exchange's shell stands behind the mailbox.
    fn is_microsoft_work(&self) -> bool {
        self.cloud().is_some() && !self.is_consumer()
    }

    /// Where the token endpoint listens.
    fn token_port(&self) -> u16 {
        let url = self.token_url.as_deref().and_then(|url| url.parse::<url::Url>().ok());
        url.and_then(|url| url.port_or_known_default()).unwrap_or(HTTPS)
    }

    /// Whether `saslgate signin` is for it.
    fn signs_in(&self) -> bool {
        self.grant == Some("refresh_token")
    }

    /// Where its token comes from, for whoever cannot sign in.
    fn instead_of_sign_in(&self) -> Advice {
        if self.grant == Some("external") { Advice::CheckExternal } else { Advice::CorrectClientId }
    }
}

const HTTPS: u16 = 443;
