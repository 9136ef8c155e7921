//! What is known of a provider beforehand. The hard thing is that it is only a lowest layer: every
//! value here can be said otherwise in `[defaults]` or in an account.

use super::{
    Protocol,
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
    /// Beside those of the servers.
    pub(super) refresh_token_scopes: &'static [&'static str],
    pub(super) sign_in: Option<&'static SignInPreset>,
    pub(super) mechanism: Option<MechanismText>,
    pub(super) hide_capabilities: &'static [&'static str],
    imap: Option<&'static ServerPreset>,
    pop3: Option<&'static ServerPreset>,
    smtp: Option<&'static ServerPreset>,
}

/// How a person signs in there.
#[derive(Debug)]
pub(super) struct SignInPreset {
    pub(super) authorization_url: &'static str,
    pub(super) device_url: &'static str,
    pub(super) redirect_uri: &'static str,
    /// So that the provider says who has signed in.
    pub(super) scopes: &'static [&'static str],
}

/// One of a provider's servers. Its port is the usual one of its protocol and TLS mode.
#[derive(Debug)]
pub(super) struct ServerPreset {
    pub(super) host: &'static str,
    pub(super) tls: UpstreamTlsText,
    /// What a person must have allowed for a token to open it.
    scope: &'static str,
    pub(super) connection_limit: Option<u16>,
    /// SMTP: the EHLO keywords that it shows inside TLS.
    pub(super) extensions: &'static [&'static str],
}

impl Preset {
    pub(super) fn of(provider: ProviderText) -> &'static Self {
        match provider {
            ProviderText::Microsoft365 => &MICROSOFT365,
            ProviderText::Custom => &CUSTOM,
        }
    }

    pub(super) fn server(&self, protocol: Protocol) -> Option<&'static ServerPreset> {
        match protocol {
            Protocol::Imap => self.imap,
            Protocol::Pop3 => self.pop3,
            Protocol::Smtp => self.smtp,
        }
    }

    /// The scopes for a token that opens the servers of these protocols.
    pub(super) fn scopes(&self, grant: GrantText, protocols: &[Protocol]) -> Vec<String> {
        let servers = protocols.iter().filter_map(|&protocol| self.server(protocol));
        let scopes: Vec<&str> = match grant {
            GrantText::ClientCredentials => self.client_credentials_scopes.to_vec(),
            GrantText::RefreshToken => servers
                .map(|it| it.scope)
                .chain(self.refresh_token_scopes.iter().copied())
                .collect(),
            GrantText::Password => servers.map(|it| it.scope).collect(),
            GrantText::ServiceAccount | GrantText::External => Vec::new(),
        };
        scopes.into_iter().map(str::to_owned).collect()
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
    refresh_token_scopes: &["offline_access"],
    sign_in: Some(&SignInPreset {
        authorization_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
        device_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
        // Any port matches, but a path would have to be registered.
        redirect_uri: "http://localhost",
        scopes: &["openid", "profile"],
    }),
    mechanism: Some(MechanismText::Xoauth2),
    hide_capabilities: &["IMAP4REV2", "ENABLE"],
    imap: Some(&ServerPreset {
        host: "outlook.office365.com",
        tls: UpstreamTlsText::Implicit,
        scope: "https://outlook.office.com/IMAP.AccessAsUser.All",
        connection_limit: None,
        extensions: &[],
    }),
    pop3: Some(&ServerPreset {
        host: "outlook.office365.com",
        tls: UpstreamTlsText::Implicit,
        scope: "https://outlook.office.com/POP.AccessAsUser.All",
        connection_limit: None,
        extensions: &[],
    }),
    smtp: Some(&ServerPreset {
        host: "smtp.office365.com",
        tls: UpstreamTlsText::StartTls,
        scope: "https://outlook.office.com/SMTP.Send",
        // Beyond it Exchange answers 432 4.3.2, and the mail waits for the client's next attempt.
        connection_limit: Some(3),
        // The size is what Exchange advertises; a mailbox may have a lower limit of its own.
        extensions: &[
            "SIZE 157286400",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8",
        ],
    }),
};

const CUSTOM: Preset = Preset {
    name: "custom",
    token_url: None,
    client_credentials_scopes: &[],
    refresh_token_scopes: &[],
    sign_in: None,
    mechanism: None,
    hide_capabilities: &[],
    imap: None,
    pop3: None,
    smtp: None,
};
