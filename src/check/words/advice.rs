//! What to do, without words: its commands, links and settings, with the account's own values. The hard
//! thing is that they are copied: each line stands for itself, and a value in it can be nothing but a
//! value.

use crate::{
    check::About,
    config::Protocol,
    guide::command::{self, Cloud},
};

/// One thing to do. A language says it in words; [`Advice::lines`] is what there is to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    // ---- Here -------------------------------------------------------------------------------------
    SetLocalPassword,
    LiftLimits,
    OpenPort,
    StartDaemon,
    LookAtDaemon,
    LookAtStore,
    SetClock,

    // ---- The way to a server ----------------------------------------------------------------------
    CheckName { host: String },
    UsePort { port: u16 },
    OpenFirewall { host: String, port: u16 },
    AskOperator { host: String },
    UseTls { tls: &'static str, port: Option<u16> },
    SuspectInterception,
    BelieveAuthority { issuer: Option<String> },
    PinCertificate { sha256: String },
    UseCertifiedName { names: Vec<String> },
    VerifyAgain,
    TryAgain,
    MendWhatIsSilent,

    // ---- The token --------------------------------------------------------------------------------
    SignIn,
    SignInAs { user: String },
    SignInFromDevice,
    SignInInsteadOfPassword,
    KeepRunning,
    PublishGoogleApplication,
    EaseFrequency,
    EasePolicy,
    AdminConsent,
    UseOwnTenant,
    CorrectClientId,
    AssignUser,
    EnableApplication,
    CheckProxy,
    CorrectSecret,
    MakeSecret,
    GiveSecret,
    DropSecret,
    BecomePublic,
    RegisterCertificate,
    CompareFederation,
    CheckServiceAccountKey,
    RegisterRedirect { uri: String },
    CorrectScopes { expected: Option<String> },
    AddPermission { name: String },
    UseThisOwner { user: String },
    FindUser,
    RepairUser,
    DelegateScopes,
    AllowGrant,
    Wait { seconds: Option<u64> },
    CheckTokenUrl,
    LookUpCode { code: u32 },
    CheckExternal,
    SetUpstreamPassword { protocol: Protocol },
    MakeAppPassword,
    MindLockout,

    // ---- The mailbox ------------------------------------------------------------------------------
    OpenExchangeShell,
    AllowMailbox { mailbox: String },
    CheckMailbox { mailbox: String },
    CompareServicePrincipal,
    RenewServicePrincipal,
    SwitchOn { protocol: Protocol, mailbox: String },
    LookAtSwitches { mailbox: String },
    AllowSmtpAuth { mailbox: String },
    AllowSmtpAuthForTenant,
    EndSecurityDefaults,
    UseOAuth,
    LeaveMechanismOpen,
    FewerConnections,
    SetSharedSmtp { setting: String },
    LookAtClaims,

    // ---- The test mail ----------------------------------------------------------------------------
    SendTestMail,
    WaitLonger,
    LookThere { to: String },
    AllowSender { from: String },
    CheckRecipient { to: String },
    UseAsciiAddress,
    SendLater,
}

impl Advice {
    /// Whether it asks for `saslgate signin`, which an account may have no use for. The one that changes
    /// the grant first has.
    pub(super) fn is_sign_in(&self) -> bool {
        matches!(self, Self::SignIn | Self::SignInAs { .. } | Self::SignInFromDevice)
    }

    /// What there is to copy.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(super) fn lines(&self, about: &About) -> Vec<String> {
        let (login, place) = (command::argument(&about.login), &about.place);
        let sign_in = format!("saslgate signin {}{place}", command::argument(&about.token_of));
        let one = |line: String| vec![line];
        match self {
            Self::SetLocalPassword => one(format!("saslgate account password {login}{place}")),
            Self::LiftLimits => one(format!(
                "saslgate account limit-password {login} --network any --protocol any{place}"
            )),
            Self::CheckProxy => about
                .proxy
                .iter()
                .map(|proxy| setting("proxy", &format!("http://{proxy}")))
                .collect(),
            Self::AssignUser | Self::EnableApplication => application_page(about),
            Self::StartDaemon => one(format!("saslgate run{place}")),
            Self::LookAtDaemon => one(format!("saslgate status{place}")),
            Self::LookAtStore => one(format!("saslgate config show{place}")),
            Self::SetClock => one(CLOCK.to_owned()),
            Self::CheckName { host } => one(format!("nslookup {}", command::argument(host))),
            Self::UsePort { port } => one(format!("port = {port}")),
            Self::OpenFirewall { host, port } => one(try_port(host, *port)),
            Self::UseTls { tls, port } => {
                let tls = one(setting("tls", tls)).into_iter();
                tls.chain(port.map(|port| format!("port = {port}"))).collect()
            }
            Self::BelieveAuthority { .. } => one(setting("ca_file", "company-ca.pem")),
            Self::PinCertificate { sha256 } => one(setting("pin_sha256", sha256)),
            Self::UseCertifiedName { names } => {
                let plain = names.iter().find(|name| !name.contains('*'));
                plain.map(|name| setting("host", name)).into_iter().collect()
            }
            Self::SignIn | Self::SignInAs { .. } | Self::SignInFromDevice => one(sign_in),
            Self::SignInInsteadOfPassword => {
                vec![setting("grant", "refresh_token"), sign_in]
            }
            Self::PublishGoogleApplication => one(GOOGLE_AUDIENCE.to_owned()),
            Self::EaseFrequency | Self::EasePolicy => one(format!("{}{POLICIES}", center(about))),
            Self::AdminConsent => about.admin_consent_url().into_iter().collect(),
            Self::UseOwnTenant => one(setting("tenant", &about.own_tenant())),
            Self::CorrectClientId => application(about),
            // How the account names its file is its own affair; where it has none yet, it is shown how.
            Self::CorrectSecret | Self::MakeSecret => application_page(about),
            Self::GiveSecret => {
                let mut lines = one("client_secret = { file = \"client-secret\" }".to_owned());
                lines.extend(application_page(about));
                lines
            }
            Self::BecomePublic
            | Self::RegisterCertificate
            | Self::CompareFederation
            | Self::AllowGrant => application_page(about),
            Self::RegisterRedirect { uri } => {
                let mut lines = one(uri.clone());
                lines.extend(application_page(about));
                lines
            }
            Self::CorrectScopes { .. } => one(setting_list("scopes", &about.scopes)),
            Self::AddPermission { name } => {
                let mut lines = one(name.clone());
                lines.extend(application_page(about));
                lines
            }
            Self::UseThisOwner { user } => one(setting("token_owner", user)),
            Self::DelegateScopes => vec![
                command::google_delegation_url().to_owned(),
                about.client_id.clone(),
                about.scopes.join(","),
            ],
            Self::CheckTokenUrl => {
                about.token_url.iter().map(|url| setting("token_url", url)).collect()
            }
            Self::LookUpCode { code } => {
                one(format!("{}/error?code={code}", about.worldwide_or_own().login_base()))
            }
            Self::CheckExternal => one(format!("saslgate config check{place}")),
            Self::SetUpstreamPassword { protocol } => one(format!(
                "saslgate account upstream-password {login} --protocol {}{place}",
                protocol.name()
            )),
            Self::MakeAppPassword => app_passwords(about).map(str::to_owned).into_iter().collect(),
            Self::OpenExchangeShell => {
                one(command::connect_exchange_online(about.worldwide_or_own()))
            }
            Self::AllowMailbox { mailbox } => {
                one(command::add_mailbox_permission(mailbox, who(about)))
            }
            Self::CompareServicePrincipal => {
                let mut lines = one(command::list_service_principals());
                lines.extend(application_page(about));
                lines
            }
            Self::RenewServicePrincipal => vec![
                command::remove_service_principal(&about.client_id),
                command::new_service_principal(&about.client_id, None),
            ],
            Self::SwitchOn { protocol, mailbox } => switch_on(about, *protocol, mailbox),
            Self::LookAtSwitches { mailbox } => one(command::show_protocols(mailbox)),
            Self::AllowSmtpAuth { mailbox } => one(command::enable_smtp_auth(mailbox)),
            Self::AllowSmtpAuthForTenant => one(command::enable_smtp_auth_tenant()),
            Self::EndSecurityDefaults => one(center(about).to_owned()),
            Self::UseOAuth => vec![
                setting("auth", "oauth"),
                format!("saslgate provider show {} --login {login}{place}", about.provider),
            ],
            Self::LeaveMechanismOpen => one(setting("mechanism", "auto")),
            Self::SetSharedSmtp { setting: value } => one(setting("shared_smtp", value)),
            Self::SendTestMail => one(format!(
                "saslgate check {login} --send-to {} --wait{place}",
                command::argument(about.mailbox(Protocol::Smtp))
            )),
            Self::WaitLonger => one(format!(
                "saslgate check {login} --send-to {} --wait=10m{place}",
                command::argument(about.mailbox(Protocol::Smtp))
            )),
            Self::AllowSender { from } => one(command::add_send_as(from, who(about))),
            Self::AskOperator { .. }
            | Self::OpenPort
            | Self::SuspectInterception
            | Self::VerifyAgain
            | Self::TryAgain
            | Self::MendWhatIsSilent
            | Self::KeepRunning
            | Self::DropSecret
            | Self::CheckServiceAccountKey
            | Self::FindUser
            | Self::RepairUser
            | Self::Wait { .. }
            | Self::CheckMailbox { .. }
            | Self::FewerConnections
            | Self::LookAtClaims
            | Self::LookThere { .. }
            | Self::CheckRecipient { .. }
            | Self::UseAsciiAddress
            | Self::SendLater
            | Self::MindLockout => Vec::new(),
        }
    }
}

/// Who opens the mailbox: the person who signs in, or the application's service principal.
fn who(about: &About) -> &str {
    if about.app_only { command::OBJECT_ID } else { about.owner() }
}

fn center(about: &About) -> &'static str {
    about.worldwide_or_own().admin_center()
}

/// Where the application is registered; empty where we know no page for it.
fn application_page(about: &About) -> Vec<String> {
    if let Some(cloud) = about.cloud() {
        vec![command::application_url(cloud, &about.client_id)]
    } else if about.is_google() {
        vec![GOOGLE_CLIENTS.to_owned()]
    } else {
        Vec::new()
    }
}

fn application(about: &About) -> Vec<String> {
    let mut lines = vec![setting("client_id", &about.client_id)];
    lines.extend(about.tenant.iter().map(|tenant| setting("tenant", tenant)));
    lines.extend(application_page(about));
    lines
}

/// A person's own mailbox has its switches on a page, one of a company in its administrator's shell.
fn switch_on(about: &About, protocol: Protocol, mailbox: &str) -> Vec<String> {
    if about.is_consumer() {
        vec!["https://outlook.live.com/mail/0/options/mail/forwarding".to_owned()]
    } else if about.cloud().is_some() {
        vec![command::enable_protocols(mailbox, &[protocol]), command::show_protocols(mailbox)]
    } else if about.is_google() {
        vec!["https://mail.google.com/mail/u/0/#settings/fwdandpop".to_owned()]
    } else {
        Vec::new()
    }
}

fn app_passwords(about: &About) -> Option<&'static str> {
    match about.provider {
        "google" => Some("https://myaccount.google.com/apppasswords"),
        "yahoo" => Some("https://login.yahoo.com/account/security"),
        "aol" => Some("https://login.aol.com/account/security"),
        "fastmail" => Some("https://app.fastmail.com/settings/security/tokens"),
        _ => None,
    }
}

/// A line of the configuration.
fn setting(key: &str, value: &str) -> String {
    format!("{key} = {}", toml::Value::from(value))
}

fn setting_list(key: &str, values: &[String]) -> String {
    format!("{key} = {}", toml::Value::from(values.to_vec()))
}

fn try_port(host: &str, port: u16) -> String {
    if cfg!(windows) {
        format!("Test-NetConnection {} -Port {port}", command::argument(host))
    } else {
        format!("nc -vz {} {port}", command::argument(host))
    }
}

impl About {
    /// Which of Microsoft's clouds its tokens come from.
    pub(super) fn cloud(&self) -> Option<Cloud> {
        let host = self.token_url.as_deref()?.parse::<url::Url>().ok()?;
        match (host.host_str()?, self.provider) {
            ("login.microsoftonline.com", _) => Some(Cloud::Worldwide),
            ("login.microsoftonline.us", "microsoft365-dod") => Some(Cloud::Dod),
            ("login.microsoftonline.us", _) => Some(Cloud::GccHigh),
            ("login.partner.microsoftonline.cn" | "login.chinacloudapi.cn", _) => {
                Some(Cloud::China)
            }
            // A test's or a broker's token endpoint; what the account says it is remains.
            (_, "microsoft365" | "outlook.com") => Some(Cloud::Worldwide),
            (_, "microsoft365-gcc-high") => Some(Cloud::GccHigh),
            (_, "microsoft365-dod") => Some(Cloud::Dod),
            (_, "microsoft365-21vianet") => Some(Cloud::China),
            _ => None,
        }
    }

    fn worldwide_or_own(&self) -> Cloud {
        self.cloud().unwrap_or(Cloud::Worldwide)
    }

    /// Whether it is a private mailbox at Microsoft: no administrator, no shell.
    pub(super) fn is_consumer(&self) -> bool {
        let consumers = self.tenant.as_deref().is_some_and(|it| it == "consumers");
        self.provider == "outlook.com" || consumers
    }

    pub(super) fn is_google(&self) -> bool {
        let host = |url: &String| url.contains("://oauth2.googleapis.com/");
        self.provider == "google" || self.token_url.as_ref().is_some_and(host)
    }

    /// Who signs in.
    pub(super) fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.token_of)
    }

    /// In a sentence.
    pub(super) fn application(&self) -> &str {
        if self.client_id.is_empty() { "client_id" } else { &self.client_id }
    }

    pub(super) fn tenant_or(&self, none: &'static str) -> &str {
        self.tenant.as_deref().unwrap_or(none)
    }

    fn admin_consent_url(&self) -> Option<String> {
        let tenant = self.tenant.as_deref()?;
        let cloud = self.cloud()?;
        Some(command::admin_consent_url(cloud.login_base(), tenant, &self.client_id))
    }

    /// The domain of its mailbox is one of its tenant's names; private mailboxes have one tenant.
    fn own_tenant(&self) -> String {
        if self.is_consumer() {
            return "consumers".to_owned();
        }
        let mailbox = self.mailboxes.first().map_or(&self.login, |(_, mailbox)| mailbox);
        match mailbox.rsplit_once('@') {
            Some((_, domain)) if !domain.is_empty() => domain.to_owned(),
            _ => self.tenant.clone().unwrap_or_default(),
        }
    }
}

const POLICIES: &str = "/#view/Microsoft_AAD_ConditionalAccess/ConditionalAccessBlade/~/Policies";
const GOOGLE_AUDIENCE: &str = "https://console.cloud.google.com/auth/audience";
const GOOGLE_CLIENTS: &str = "https://console.cloud.google.com/auth/clients";

#[cfg(target_os = "linux")]
const CLOCK: &str = "sudo timedatectl set-ntp true";
#[cfg(target_os = "macos")]
const CLOCK: &str = "sudo sntp -sS time.apple.com";
#[cfg(windows)]
const CLOCK: &str = "w32tm /resync";
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
const CLOCK: &str = "date -u";
