//! Everything that a check can find, as an id with parameters. The hard thing is that a finding names
//! one cause, not a symptom: where several causes have the same symptom, the evidence of other steps
//! decides ([`super::diagnose`]), and what is left open says so.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::{Light, report::unix_seconds};
use crate::config::Protocol;

/// One finding. As JSON: `id` and its parameters; ids and parameters never change their meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "id", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Finding {
    // ---- Configuration and the local side -------------------------------------------------------
    /// The configuration can be used.
    ConfigurationGood {
        /// As in the configuration.
        provider: String,
        /// How its tokens come about; `None` where its servers take passwords.
        grant: Option<String>,
    },
    /// No mail program can log in.
    LocalPasswordMissing,
    /// There are local passwords, and none may be used by anybody who can connect.
    LocalPasswordsShutOut {
        /// Their names.
        names: Vec<String>,
    },
    /// A local password is there, and a daemon listens.
    LocalSideGood {
        /// Local addresses, with their protocols.
        listeners: Vec<String>,
        /// How many local passwords open the account.
        passwords: usize,
    },
    /// No saslgate runs for this configuration.
    DaemonNotRunning,
    /// One runs, and cannot be asked.
    DaemonSilent {
        /// Why.
        text: String,
    },
    /// The store does not give out what it has.
    StoreFault {
        /// The store's own words.
        text: String,
    },

    /// The check has taken too long already, so that this was not tried.
    TimeUp {
        /// How long it may take.
        seconds: u64,
    },

    // ---- The way to a server ----------------------------------------------------------------------
    /// The name has addresses.
    Resolved {
        /// All of them.
        addresses: Vec<String>,
    },
    /// Nobody knows the name.
    NameUnknown {
        /// The name asked for.
        host: String,
    },
    /// The name could not be asked for.
    ResolverFails {
        /// The name asked for.
        host: String,
        /// The system's words.
        text: String,
    },
    /// TCP works.
    Connected {
        /// Who answered.
        address: String,
    },
    /// Nothing listens at that port.
    ConnectionRefused {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// The port that is usual for this protocol and TLS mode, where it is another.
        usual_port: Option<u16>,
    },
    /// No answer: a firewall, a wrong port or a server that is down.
    ConnectionTimeout {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// The port that is usual for this protocol and TLS mode, where it is another.
        usual_port: Option<u16>,
    },
    /// Another fault of the network.
    ConnectionFailed {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// The system's words.
        text: String,
    },
    /// The handshake and the certificate are good.
    TlsGood {
        /// `TLS 1.3` or `TLS 1.2`.
        version: String,
        /// When the certificate ends.
        #[serde(with = "unix_seconds::option")]
        expires: Option<SystemTime>,
    },
    /// The certificate ends within two weeks.
    CertificateEndsSoon {
        /// The configured host.
        host: String,
        /// When.
        #[serde(with = "unix_seconds")]
        expires: SystemTime,
    },
    /// Nobody we believe has signed the certificate.
    CertificateUnknownIssuer {
        /// The configured host.
        host: String,
        /// Who has signed it, as the certificate says.
        issuer: Option<String>,
        /// SHA-256 of the certificate, as `pin_sha256` takes it.
        sha256: Option<String>,
    },
    /// The certificate is for other names.
    CertificateNameMismatch {
        /// The name looked for.
        host: String,
        /// Those in the certificate.
        names: Vec<String>,
    },
    /// The certificate has ended, or this machine's clock is wrong.
    CertificateExpired {
        /// The configured host.
        host: String,
    },
    /// The certificate is not yet valid: this machine's clock is wrong.
    CertificateNotYetValid {
        /// The configured host.
        host: String,
    },
    /// Another certificate than the pinned one.
    CertificatePinMismatch {
        /// The configured host.
        host: String,
        /// SHA-256 of the one that was shown.
        sha256: Option<String>,
    },
    /// The configuration switches verification off.
    VerificationOff {
        /// The configured host.
        host: String,
    },
    /// What answers there does not speak TLS: the port of another TLS mode.
    NotTls {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
    },
    /// The server does not begin STARTTLS.
    StartTlsMissing {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// The server's words.
        text: String,
    },
    /// Another fault of the handshake.
    TlsFailed {
        /// The configured host.
        host: String,
        /// What went wrong.
        text: String,
    },
    /// It accepts connections and says nothing.
    ServerSilent {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
    },
    /// What answers there is no server of this protocol.
    WrongProtocol {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// What was expected.
        protocol: Protocol,
        /// Its words.
        text: String,
    },

    // ---- The token --------------------------------------------------------------------------------
    /// A token is at hand.
    TokenGood {
        /// Whether the provider was asked for it now.
        refreshed: bool,
        /// When it ends.
        #[serde(with = "unix_seconds")]
        expires: SystemTime,
    },
    /// The server takes a password, and the store has it.
    UpstreamPasswordGood,
    /// The server takes a password, and there is none.
    UpstreamPasswordMissing {
        /// Which server.
        protocol: Protocol,
    },
    /// Nobody has signed in yet.
    SignInMissing,
    /// The sign-in has ended because it was not used (AADSTS700082, 70008).
    GrantExpired {
        /// The AADSTS number, where there was one.
        code: Option<u32>,
    },
    /// The sign-in was revoked, or the user's password has changed (50173, 50132, 50133; `invalid_grant`).
    GrantRevoked {
        /// The AADSTS number, where there was one.
        code: Option<u32>,
    },
    /// The administrator's sign-in frequency (70043).
    SignInFrequency,
    /// Multi-factor authentication is asked for (50076, 50079, 50072, 50074, 50078).
    MfaNeeded {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// Conditional access (53003, 50158, 530032).
    ConditionalAccess {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// Rules about devices (53000, 53001, 50097, 50005).
    DevicePolicy {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// Nobody has agreed to the permissions (65001, 65004; `consent_required`).
    ConsentMissing {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// Only an administrator can agree (90094, 90095).
    AdminConsentMissing {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The tenant does not exist (90002), or does not fit the application (50194, 9001023, …).
    TenantWrong {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The provider does not know the application in this tenant, or it is disabled (700016, 70001).
    ClientIdWrong {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The user is not assigned to the application, which demands it (50105).
    NotAssigned,
    /// The application is disabled in the tenant (7000112).
    ApplicationDisabled,
    /// The client secret is wrong (7000215).
    SecretWrong,
    /// The client secret has ended (7000222).
    SecretExpired,
    /// The application is confidential and no secret was sent (7000218).
    SecretMissing,
    /// The application is public and a secret was sent (700025).
    SecretNotWanted,
    /// The certificate or assertion is not accepted (700027, 50012, 70021, …).
    AssertionRefused {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The assertion's time is wrong (700024).
    ClockWrong,
    /// The redirect address is not registered (50011).
    RedirectMismatch {
        /// The one that is configured.
        redirect_uri: String,
    },
    /// A scope or resource is not known, or the application lacks it (70011, 650052, 500011, …).
    ScopeWrong {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The user is not known in this tenant (50020, 50034).
    UserUnknown {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// The user is locked (50053), disabled (50057), or has an expired password (50055, 50144).
    UserUnusable {
        /// The AADSTS number.
        code: Option<u32>,
    },
    /// Google: the domain has not delegated these scopes to the service account.
    DelegationMissing,
    /// The application may not use this grant (`unauthorized_client`).
    GrantNotAllowed,
    /// The provider is busy or limits us.
    EndpointThrottled {
        /// When it wants to be asked again.
        retry_after_seconds: Option<u64>,
    },
    /// The provider has a fault of its own.
    EndpointFault {
        /// HTTP status.
        status: Option<u16>,
        /// What it was.
        text: String,
    },
    /// The token endpoint cannot be reached.
    EndpointUnreachable {
        /// Its host.
        host: String,
        /// Why.
        text: String,
    },
    /// The HTTP proxy of the configuration does not bring a connection to the token endpoint about.
    ProxyUnreachable {
        /// Its host and port.
        host: String,
        /// Why.
        text: String,
    },
    /// What answers gives no answer of OAuth's: another server, mostly, or one that is too slow.
    NoOauthAnswer {
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// What it did.
        text: String,
    },
    /// Another refusal.
    ProviderRefused {
        /// OAuth's word.
        error: Option<String>,
        /// The AADSTS number.
        code: Option<u32>,
        /// What happened and what to do, in English.
        text: String,
    },
    /// A token that another program gets does not come.
    ExternalTokenFails {
        /// Why, in English.
        text: String,
    },

    // ---- What the token says ------------------------------------------------------------------------
    /// Audience, scopes or roles, and user are as they should be.
    ClaimsGood {
        /// `aud`.
        audience: Option<String>,
        /// `scp` or `roles`.
        permissions: Vec<String>,
        /// Who.
        user: Option<String>,
    },
    /// The token cannot be read: nothing wrong with that.
    ClaimsOpaque,
    /// The token is for another service.
    AudienceWrong {
        /// `aud`.
        audience: String,
        /// What the mail servers take.
        expected: String,
    },
    /// The user has not allowed this protocol.
    ScopeMissing {
        /// Which.
        protocol: Protocol,
        /// The missing one.
        scope: String,
        /// `scp`.
        has: Vec<String>,
    },
    /// The application lacks this permission.
    RoleMissing {
        /// Which.
        protocol: Protocol,
        /// The missing one.
        role: String,
        /// `roles`.
        has: Vec<String>,
    },
    /// Somebody else has signed in.
    UserWrong {
        /// Who has.
        user: String,
        /// Who should have.
        expected: String,
    },

    // ---- Logging in -------------------------------------------------------------------------------
    /// The server let us in.
    LoginGood {
        /// The user in the SASL exchange.
        user: String,
    },
    /// The mailbox opens.
    InboxGood {
        /// Messages in it.
        messages: u64,
    },
    /// The login is accepted and the mailbox is not opened: no permission for it (delegated), or it has no
    /// mailbox at all.
    MailboxPermissionMissing {
        /// The mailbox.
        mailbox: String,
        /// The server's words.
        text: String,
    },
    /// App-only: Exchange does not know the application, or knows it by a wrong object id.
    ServicePrincipalWrong {
        /// The mailbox.
        mailbox: String,
        /// The server's words.
        text: String,
    },
    /// The protocol is switched off for the mailbox.
    ProtocolOff {
        /// Which.
        protocol: Protocol,
        /// The mailbox.
        mailbox: String,
        /// The server's words.
        text: String,
    },
    /// SMTP AUTH is switched off for the tenant (5.7.139).
    SmtpAuthOffForTenant {
        /// The server's words.
        text: String,
    },
    /// SMTP AUTH is switched off for the mailbox (5.7.139).
    SmtpAuthOffForMailbox {
        /// The mailbox.
        mailbox: String,
        /// The server's words.
        text: String,
    },
    /// Security defaults forbid SMTP AUTH (5.7.139).
    SecurityDefaults {
        /// The server's words.
        text: String,
    },
    /// Conditional access or an authentication policy forbids the login (5.7.139).
    PolicyForbids {
        /// The server's words.
        text: String,
    },
    /// The server takes no passwords (5.7.30).
    PasswordsNotTaken {
        /// The server's words.
        text: String,
    },
    /// The server refuses the stored password.
    UpstreamPasswordRefused {
        /// Which server.
        protocol: Protocol,
        /// The server's words.
        text: String,
    },
    /// The server refuses a token that looks right; the causes that are left, in words.
    TokenRefused {
        /// The user in the SASL exchange.
        user: String,
        /// The server's words.
        text: String,
    },
    /// The server does not offer the login that is set for it.
    MechanismMissing {
        /// What it offers.
        offered: String,
    },
    /// The server is busy or limits us (432, `Server Unavailable`).
    ServerThrottles {
        /// The server's words.
        text: String,
    },
    /// The server can be reached, and does not say what it must: too little, too much, too late.
    ServerUnclear {
        /// The configured host.
        host: String,
        /// The configured port.
        port: u16,
        /// What it did.
        text: String,
    },
    /// The connection ended in the middle.
    ConnectionBroken {
        /// What happened.
        text: String,
    },
    /// SMTP works only as the other one of shared mailbox and delegate.
    SmtpWorksAs {
        /// Whom the server let in.
        user: String,
        /// Whom the configuration says.
        configured: String,
        /// The setting to write: `shared` or `delegate`.
        setting: String,
    },
    /// The mailbox's INBOX does not open.
    InboxMissing {
        /// The server's words.
        text: String,
    },

    // ---- The test mail ------------------------------------------------------------------------------
    /// The server took the test mail.
    MailSent {
        /// To whom.
        to: String,
        /// The server's words.
        text: String,
    },
    /// None was asked for.
    MailNotSent,
    /// The mailbox may not send as this sender (5.2.252, 5.7.60).
    SenderNotAllowed {
        /// The sender.
        from: String,
        /// The user in the SASL exchange.
        user: String,
        /// The server's words.
        text: String,
    },
    /// The recipient was refused.
    RecipientRefused {
        /// The recipient.
        to: String,
        /// The server's words.
        text: String,
    },
    /// The address has letters beyond ASCII, and the server lacks SMTPUTF8.
    AddressNotTaken {
        /// Sender or recipient.
        address: String,
    },
    /// The server does not take the mail now, and says that it may later (4xx).
    MailDelayed {
        /// The server's words.
        text: String,
    },
    /// The mail was refused for another reason.
    MailRefused {
        /// The server's words.
        text: String,
    },
    /// The test mail is in the INBOX.
    MailArrived {
        /// How long it took.
        seconds: u64,
    },
    /// It is not, or not yet.
    MailNotArrived {
        /// How long was waited.
        seconds: u64,
    },
    /// The recipient's mailbox is not one that can be looked into.
    ArrivalNotVisible {
        /// The recipient.
        to: String,
    },
}

impl Finding {
    /// As programs read it.
    pub fn id(&self) -> &'static str {
        self.into()
    }

    /// Its colour.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn light(&self) -> Light {
        match self {
            Self::ConfigurationGood { .. }
            | Self::LocalSideGood { .. }
            | Self::Resolved { .. }
            | Self::Connected { .. }
            | Self::TlsGood { .. }
            | Self::TokenGood { .. }
            | Self::UpstreamPasswordGood
            | Self::ClaimsGood { .. }
            | Self::ClaimsOpaque
            | Self::LoginGood { .. }
            | Self::InboxGood { .. }
            | Self::MailSent { .. }
            | Self::MailArrived { .. } => Light::Green,
            Self::LocalPasswordMissing
            | Self::LocalPasswordsShutOut { .. }
            | Self::DaemonNotRunning
            | Self::DaemonSilent { .. }
            | Self::TimeUp { .. }
            | Self::CertificateEndsSoon { .. }
            | Self::VerificationOff { .. }
            | Self::EndpointThrottled { .. }
            | Self::ServerThrottles { .. }
            | Self::SmtpWorksAs { .. }
            | Self::MailNotSent
            | Self::MailDelayed { .. }
            | Self::MailNotArrived { .. }
            | Self::ArrivalNotVisible { .. } => Light::Yellow,
            Self::StoreFault { .. }
            | Self::NameUnknown { .. }
            | Self::ResolverFails { .. }
            | Self::ConnectionRefused { .. }
            | Self::ConnectionTimeout { .. }
            | Self::ConnectionFailed { .. }
            | Self::CertificateUnknownIssuer { .. }
            | Self::CertificateNameMismatch { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::CertificatePinMismatch { .. }
            | Self::NotTls { .. }
            | Self::StartTlsMissing { .. }
            | Self::TlsFailed { .. }
            | Self::ServerSilent { .. }
            | Self::WrongProtocol { .. }
            | Self::UpstreamPasswordMissing { .. }
            | Self::SignInMissing
            | Self::GrantExpired { .. }
            | Self::GrantRevoked { .. }
            | Self::SignInFrequency
            | Self::MfaNeeded { .. }
            | Self::ConditionalAccess { .. }
            | Self::DevicePolicy { .. }
            | Self::ConsentMissing { .. }
            | Self::AdminConsentMissing { .. }
            | Self::TenantWrong { .. }
            | Self::ClientIdWrong { .. }
            | Self::NotAssigned
            | Self::ApplicationDisabled
            | Self::SecretWrong
            | Self::SecretExpired
            | Self::SecretMissing
            | Self::SecretNotWanted
            | Self::AssertionRefused { .. }
            | Self::ClockWrong
            | Self::RedirectMismatch { .. }
            | Self::ScopeWrong { .. }
            | Self::UserUnknown { .. }
            | Self::UserUnusable { .. }
            | Self::DelegationMissing
            | Self::GrantNotAllowed
            | Self::EndpointFault { .. }
            | Self::EndpointUnreachable { .. }
            | Self::ProxyUnreachable { .. }
            | Self::NoOauthAnswer { .. }
            | Self::ProviderRefused { .. }
            | Self::ExternalTokenFails { .. }
            | Self::AudienceWrong { .. }
            | Self::ScopeMissing { .. }
            | Self::RoleMissing { .. }
            | Self::UserWrong { .. }
            | Self::MailboxPermissionMissing { .. }
            | Self::ServicePrincipalWrong { .. }
            | Self::ProtocolOff { .. }
            | Self::SmtpAuthOffForTenant { .. }
            | Self::SmtpAuthOffForMailbox { .. }
            | Self::SecurityDefaults { .. }
            | Self::PolicyForbids { .. }
            | Self::PasswordsNotTaken { .. }
            | Self::UpstreamPasswordRefused { .. }
            | Self::TokenRefused { .. }
            | Self::MechanismMissing { .. }
            | Self::ServerUnclear { .. }
            | Self::ConnectionBroken { .. }
            | Self::InboxMissing { .. }
            | Self::SenderNotAllowed { .. }
            | Self::RecipientRefused { .. }
            | Self::AddressNotTaken { .. }
            | Self::MailRefused { .. } => Light::Red,
        }
    }
}
