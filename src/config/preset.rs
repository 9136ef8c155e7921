//! What is known of a provider beforehand. The hard thing is that it is only a lowest layer: every
//! value here can be said otherwise in `[defaults]` or in an account.

use super::{
    Grant,
    text::{GrantText, MechanismText, ProviderText, UpstreamTlsText},
};

/// What a provider's accounts have in common; `None` and empty where it must be written.
#[derive(Debug)]
pub(super) struct Preset {
    /// As written in `provider`.
    pub(super) name: &'static str,
    /// `{tenant}` stands for the tenant.
    pub(super) token_url: Option<&'static str>,
    pub(super) client_credentials_scopes: &'static [&'static str],
    pub(super) refresh_token_scopes: &'static [&'static str],
    pub(super) mechanism: Option<MechanismText>,
    pub(super) hide_capabilities: &'static [&'static str],
    pub(super) imap_host: Option<&'static str>,
    pub(super) imap_port: Option<u64>,
    pub(super) imap_tls: Option<UpstreamTlsText>,
}

impl Preset {
    pub(super) fn of(provider: ProviderText) -> &'static Self {
        match provider {
            ProviderText::Microsoft365 => &MICROSOFT365,
            ProviderText::Custom => &CUSTOM,
        }
    }

    pub(super) fn scopes(&self, grant: Grant) -> Vec<String> {
        let scopes = match grant {
            Grant::ClientCredentials => self.client_credentials_scopes,
            Grant::RefreshToken => self.refresh_token_scopes,
        };
        scopes.iter().map(|&scope| scope.to_owned()).collect()
    }
}

/// The grant where nobody says which: a person signs in.
pub(super) const DEFAULT_GRANT: GrantText = GrantText::RefreshToken;

/// Tenants that stand for many: an application cannot sign in to them as itself (AADSTS9001023).
pub(super) const MICROSOFT_SHARED_TENANTS: &[&str] = &["common", "organizations", "consumers"];

/// Microsoft 365 and Outlook.com, worldwide cloud. Source: Microsoft's page "Authenticate an IMAP,
/// POP or SMTP connection using OAuth". IMAP4rev2 and ENABLE are hidden: Exchange offers them, but
/// its answers are not what old clients that then use them expect.
const MICROSOFT365: Preset = Preset {
    name: "microsoft365",
    token_url: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
    client_credentials_scopes: &["https://outlook.office365.com/.default"],
    refresh_token_scopes: &["https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"],
    mechanism: Some(MechanismText::Xoauth2),
    hide_capabilities: &["IMAP4REV2", "ENABLE"],
    imap_host: Some("outlook.office365.com"),
    imap_port: Some(993),
    imap_tls: Some(UpstreamTlsText::Implicit),
};

const CUSTOM: Preset = Preset {
    name: "custom",
    token_url: None,
    client_credentials_scopes: &[],
    refresh_token_scopes: &[],
    mechanism: None,
    hide_capabilities: &[],
    imap_host: None,
    imap_port: None,
    imap_tls: None,
};
