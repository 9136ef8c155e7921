//! One example of every finding, for tests. The hard thing is that none is forgotten: the tests of the
//! words compare the list with the names of all.

use std::time::{Duration, SystemTime};

use super::Finding;
use crate::config::Protocol;

/// One of each.
#[expect(clippy::too_many_lines, reason = "a list")]
pub(crate) fn findings() -> Vec<Finding> {
    let strings = |them: &[&str]| them.iter().map(|&it| it.to_owned()).collect();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    vec![
        Finding::ConfigurationGood {
            provider: "microsoft365".to_owned(),
            grant: Some("refresh_token".to_owned()),
        },
        Finding::LocalPasswordMissing,
        Finding::LocalPasswordsShutOut { names: strings(&["printer"]) },
        Finding::LocalSideGood {
            listeners: strings(&["127.0.0.1:1143 (IMAP)", "127.0.0.1:1587 (SMTP)"]),
            passwords: 3,
        },
        Finding::DaemonNotRunning,
        Finding::DaemonSilent { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::StoreFault { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::TimeUp { seconds: 42 },
        Finding::Resolved { addresses: strings(&["192.0.2.7", "2001:db8::7"]) },
        Finding::NameUnknown { host: "mail.example.ch".to_owned() },
        Finding::ResolverFails {
            host: "mail.example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::Connected { address: "192.0.2.7:993".to_owned() },
        Finding::ConnectionRefused {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            usual_port: Some(993),
        },
        Finding::ConnectionTimeout {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            usual_port: Some(993),
        },
        Finding::ConnectionFailed {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::TlsGood { version: "TLS 1.3".to_owned(), expires: Some(time) },
        Finding::CertificateEndsSoon { host: "mail.example.ch".to_owned(), expires: time },
        Finding::CertificateUnknownIssuer {
            host: "mail.example.ch".to_owned(),
            issuer: Some("Example Proxy CA".to_owned()),
            sha256: Some("0123456789abcdef".to_owned()),
        },
        Finding::CertificateNameMismatch {
            host: "mail.example.ch".to_owned(),
            names: strings(&["*.example.org", "mx.example.org"]),
        },
        Finding::CertificateExpired { host: "mail.example.ch".to_owned() },
        Finding::CertificateNotYetValid { host: "mail.example.ch".to_owned() },
        Finding::CertificatePinMismatch {
            host: "mail.example.ch".to_owned(),
            sha256: Some("0123456789abcdef".to_owned()),
        },
        Finding::VerificationOff { host: "mail.example.ch".to_owned() },
        Finding::NotTls { host: "mail.example.ch".to_owned(), port: 2525 },
        Finding::StartTlsMissing {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::TlsFailed {
            host: "mail.example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ServerSilent { host: "mail.example.ch".to_owned(), port: 2525 },
        Finding::WrongProtocol {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            protocol: Protocol::Smtp,
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::TokenGood { refreshed: true, expires: time },
        Finding::UpstreamPasswordGood,
        Finding::UpstreamPasswordMissing { protocol: Protocol::Smtp },
        Finding::SignInMissing,
        Finding::GrantExpired { code: Some(90210) },
        Finding::GrantRevoked { code: Some(90210) },
        Finding::SignInFrequency,
        Finding::MfaNeeded { code: Some(90210) },
        Finding::ConditionalAccess { code: Some(90210) },
        Finding::DevicePolicy { code: Some(90210) },
        Finding::ConsentMissing { code: Some(90210) },
        Finding::AdminConsentMissing { code: Some(90210) },
        Finding::TenantWrong { code: Some(90210) },
        Finding::ClientIdWrong { code: Some(90210) },
        Finding::NotAssigned,
        Finding::ApplicationDisabled,
        Finding::SecretWrong,
        Finding::SecretExpired,
        Finding::SecretMissing,
        Finding::SecretNotWanted,
        Finding::AssertionRefused { code: Some(90210) },
        Finding::ClockWrong,
        Finding::RedirectMismatch { redirect_uri: "http://localhost:8080/back".to_owned() },
        Finding::ScopeWrong { code: Some(90210) },
        Finding::UserUnknown { code: Some(90210) },
        Finding::UserUnusable { code: Some(90210) },
        Finding::DelegationMissing,
        Finding::GrantNotAllowed,
        Finding::EndpointThrottled { retry_after_seconds: Some(37) },
        Finding::EndpointFault {
            status: Some(503),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::EndpointUnreachable {
            host: "mail.example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ProxyUnreachable {
            host: "proxy.example.ch:3128".to_owned(),
            text: "Connection refused".to_owned(),
        },
        Finding::NoOauthAnswer {
            status: Some(404),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ProviderRefused {
            error: Some("invalid_request".to_owned()),
            code: Some(90210),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ExternalTokenFails { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::ClaimsGood {
            audience: Some("https://outlook.office.com".to_owned()),
            permissions: strings(&["IMAP.AccessAsUser.All", "SMTP.Send"]),
            user: Some("user@example.ch".to_owned()),
        },
        Finding::ClaimsOpaque,
        Finding::AudienceWrong {
            audience: "https://graph.microsoft.com".to_owned(),
            expected: "expected@example.ch".to_owned(),
        },
        Finding::ScopeMissing {
            protocol: Protocol::Smtp,
            scope: "https://outlook.office.com/SMTP.Send".to_owned(),
            has: strings(&["Mail.Read", "User.Read"]),
        },
        Finding::RoleMissing {
            protocol: Protocol::Smtp,
            role: "IMAP.AccessAsApp".to_owned(),
            has: strings(&["Mail.Read", "User.Read"]),
        },
        Finding::UserWrong {
            user: "user@example.ch".to_owned(),
            expected: "expected@example.ch".to_owned(),
        },
        Finding::LoginGood { user: "user@example.ch".to_owned() },
        Finding::InboxGood { messages: 42 },
        Finding::MailboxPermissionMissing {
            mailbox: "info@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ServicePrincipalWrong {
            mailbox: "info@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ProtocolOff {
            protocol: Protocol::Smtp,
            mailbox: "info@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::SmtpAuthOffForTenant { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::SmtpAuthOffForMailbox {
            mailbox: "info@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::SecurityDefaults { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::PolicyForbids { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::PasswordsNotTaken { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::UpstreamPasswordRefused {
            protocol: Protocol::Smtp,
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::TokenRefused {
            user: "user@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::MechanismMissing { offered: "AUTH=PLAIN AUTH=LOGIN".to_owned() },
        Finding::ServerThrottles { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::ServerUnclear {
            host: "mail.example.ch".to_owned(),
            port: 2525,
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::ConnectionBroken { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::SmtpWorksAs {
            user: "user@example.ch".to_owned(),
            configured: "configured@example.ch".to_owned(),
            setting: "delegate".to_owned(),
        },
        Finding::InboxMissing { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::MailSent {
            to: "to@example.net".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::MailNotSent,
        Finding::SenderNotAllowed {
            from: "from@example.ch".to_owned(),
            user: "user@example.ch".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::RecipientRefused {
            to: "to@example.net".to_owned(),
            text: "535 5.7.3 words of the other side".to_owned(),
        },
        Finding::AddressNotTaken { address: "ü@example.net".to_owned() },
        Finding::MailDelayed { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::MailRefused { text: "535 5.7.3 words of the other side".to_owned() },
        Finding::MailArrived { seconds: 42 },
        Finding::MailNotArrived { seconds: 42 },
        Finding::ArrivalNotVisible { to: "to@example.net".to_owned() },
    ]
}
