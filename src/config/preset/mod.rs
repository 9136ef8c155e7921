//! What is known of a provider beforehand, one file a family. The hard thing is that it is only a lowest layer: every
//! value here can be said otherwise in `[defaults]` or in an account.

mod fastmail;
mod google;
mod microsoft;
mod yahoo;

use url::Url;

use super::{
    Protocol,
    oauth_config::ClientSecretMethod,
    text::{GrantText, MechanismText, ProviderText, UpstreamTlsText},
};

/// What a provider's accounts have in common; `None` and empty where it must be written.
#[derive(Debug)]
pub(super) struct Preset {
    /// As written in `provider`.
    pub(super) name: &'static str,
    /// As people call it.
    pub(super) title: &'static str,
    /// Whose mail it is, in a few words.
    pub(super) about: &'static str,
    /// `{tenant}` stands for the tenant.
    pub(super) token_url: Option<&'static str>,
    pub(super) tenant: TenantRule,
    /// Those that its token endpoint knows for mail; tokens from elsewhere are never its business.
    pub(super) grants: &'static [GrantText],
    /// For the grants in which the application itself is who asks.
    pub(super) app_scopes: &'static [&'static str],
    /// Beside those of the servers.
    pub(super) refresh_token_scopes: &'static [&'static str],
    pub(super) client_secret_method: ClientSecretMethod,
    pub(super) sign_in: Option<&'static SignInPreset>,
    pub(super) mechanism: Option<MechanismText>,
    pub(super) hide_capabilities: &'static [&'static str],
    imap: Option<&'static ServerPreset>,
    pop3: Option<&'static ServerPreset>,
    smtp: Option<&'static ServerPreset>,
    /// What its accounts run into, in sentences.
    pub(super) limits: &'static [&'static str],
}

/// What `tenant` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TenantRule {
    /// There are none.
    None,
    /// Organizations, and it must be said which; `consumers` where people of their own live in the same cloud.
    Organization { consumers: bool },
    /// People of their own, who all live in one.
    Consumers,
}

/// How a person signs in there.
#[derive(Debug)]
pub(super) struct SignInPreset {
    pub(super) authorization_url: &'static str,
    pub(super) device_url: Option<&'static str>,
    pub(super) redirect_uri: &'static str,
    /// So that the provider says who has signed in.
    pub(super) scopes: &'static [&'static str],
    /// What its authorization endpoint wants beside the standard.
    pub(super) parameters: &'static [(&'static str, &'static str)],
}

/// One of a provider's servers. Its port is the usual one of its protocol and TLS mode.
#[derive(Debug)]
pub(super) struct ServerPreset {
    pub(super) host: &'static str,
    pub(super) tls: UpstreamTlsText,
    /// What a person must have allowed for a token to open it.
    pub(super) scope: &'static str,
    pub(super) connection_limit: Option<u16>,
    /// SMTP: the EHLO keywords that it shows inside TLS.
    pub(super) extensions: &'static [&'static str],
}

impl Preset {
    /// In the order in which people look for theirs.
    pub(super) const ALL: [&'static Self; 10] = [
        &microsoft::WORLDWIDE,
        &microsoft::GCC_HIGH,
        &microsoft::DOD,
        &microsoft::CHINA,
        &microsoft::OUTLOOK_COM,
        &google::GOOGLE,
        &yahoo::YAHOO,
        &yahoo::AOL,
        &fastmail::FASTMAIL,
        &CUSTOM,
    ];

    pub(super) fn of(provider: ProviderText) -> &'static Self {
        match provider {
            ProviderText::Microsoft365 => &microsoft::WORLDWIDE,
            ProviderText::Microsoft365GccHigh => &microsoft::GCC_HIGH,
            ProviderText::Microsoft365Dod => &microsoft::DOD,
            ProviderText::Microsoft365China => &microsoft::CHINA,
            ProviderText::OutlookCom => &microsoft::OUTLOOK_COM,
            ProviderText::Google => &google::GOOGLE,
            ProviderText::Yahoo => &yahoo::YAHOO,
            ProviderText::Aol => &yahoo::AOL,
            ProviderText::Fastmail => &fastmail::FASTMAIL,
            ProviderText::Custom => &CUSTOM,
        }
    }

    /// The one whose token endpoint this is, whatever an account calls its provider. Of several at one host the first
    /// stands for all, but for the tenant of people of their own.
    pub(super) fn at(token_url: &Url) -> Option<&'static Self> {
        let consumers = token_url.path_segments().and_then(|mut it| it.next()) == Some("consumers");
        let here = |preset: &Self| {
            let host = preset.token_url.and_then(|template| template.split('/').nth(2));
            host.is_some_and(|host| token_url.host_str() == Some(host))
        };
        let mut there = Self::ALL.into_iter().filter(|preset| here(preset));
        let by_people = |preset: &&Self| consumers == (preset.tenant == TenantRule::Consumers);
        let first = there.next()?;
        Some(std::iter::once(first).chain(there).find(by_people).unwrap_or(first))
    }

    pub(super) fn server(&self, protocol: Protocol) -> Option<&'static ServerPreset> {
        match protocol {
            Protocol::Imap => self.imap,
            Protocol::Pop3 => self.pop3,
            Protocol::Smtp => self.smtp,
        }
    }

    /// The scopes for a token that opens the servers of these protocols, each once.
    pub(super) fn scopes(&self, grant: GrantText, protocols: &[Protocol]) -> Vec<String> {
        let servers = protocols.iter().filter_map(|&protocol| self.server(protocol));
        let scopes: Vec<&str> = match grant {
            GrantText::ClientCredentials | GrantText::ServiceAccount => self.app_scopes.to_vec(),
            GrantText::RefreshToken => servers
                .map(|it| it.scope)
                .chain(self.refresh_token_scopes.iter().copied())
                .collect(),
            GrantText::Password => servers.map(|it| it.scope).collect(),
            GrantText::External => Vec::new(),
        };
        let mut each_once: Vec<String> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            if !each_once.iter().any(|known| known == scope) {
                each_once.push(scope.to_owned());
            }
        }
        each_once
    }
}

/// The grant where nobody says which: a person signs in.
pub(super) const DEFAULT_GRANT: GrantText = GrantText::RefreshToken;

/// Tenants that stand for many: an application cannot sign in to them as itself (AADSTS9001023).
pub(super) const MICROSOFT_SHARED_TENANTS: &[&str] = &["common", "organizations", "consumers"];

const CUSTOM: Preset = Preset {
    name: "custom",
    title: "Another provider",
    about: "any other server that takes OAuth tokens or passwords",
    token_url: None,
    tenant: TenantRule::None,
    grants: &[
        GrantText::RefreshToken,
        GrantText::ClientCredentials,
        GrantText::ServiceAccount,
        GrantText::Password,
    ],
    app_scopes: &[],
    refresh_token_scopes: &[],
    client_secret_method: ClientSecretMethod::Post,
    sign_in: None,
    mechanism: None,
    hide_capabilities: &[],
    imap: None,
    pop3: None,
    smtp: None,
    limits: &[],
};
