//! What is known of the providers, for whoever tells people about them: `saslgate provider`, guides, `init`. The hard
//! thing is to be a view of the presets and nothing more, so that what is told is what is in force.

use url::Url;

use super::{
    ClientSecretMethod, Protocol, UpstreamTlsMode,
    mistake::nearest,
    preset::{Preset, ServerPreset, TenantRule},
    text::{GrantText, MechanismText, UpstreamTlsText},
};

/// A provider that `provider = "…"` can name.
#[derive(Clone, Copy, Debug)]
pub struct Provider(&'static Preset);

/// What `tenant` is to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantNeed {
    /// Unknown there.
    None,
    /// Must be written.
    Required,
    /// Need not be written: this one is the usual one.
    Default(&'static str),
}

/// One of its mail servers.
#[derive(Clone, Copy, Debug)]
pub struct ProviderServer(&'static ServerPreset, Protocol);

impl Provider {
    /// All of them; `custom`, of which nothing is known, is the last.
    pub fn all() -> impl Iterator<Item = Self> {
        Preset::ALL.into_iter().map(Self)
    }

    /// The one of this name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// The name that somebody who wrote this probably meant.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let names: Vec<&'static str> = Self::all().map(Self::name).collect();
        nearest(name, &names)
    }

    /// The one whose token endpoint this is.
    pub fn at(token_url: &Url) -> Option<Self> {
        Preset::at(token_url).map(Self)
    }

    /// As written in `provider`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// Whose mail it is, in a few words.
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// What its accounts run into, in sentences.
    pub fn limits(self) -> &'static [&'static str] {
        self.0.limits
    }

    /// Whether `tenant` is to be written.
    pub fn tenant(self) -> TenantNeed {
        match self.0.tenant {
            TenantRule::None => TenantNeed::None,
            TenantRule::Organization { .. } => TenantNeed::Required,
            TenantRule::Consumers => TenantNeed::Default("consumers"),
        }
    }

    /// The values that `grant` may have.
    pub fn grants(self) -> Vec<&'static str> {
        let external = GrantText::External;
        self.0.grants.iter().copied().chain([external]).map(GrantText::name).collect()
    }

    /// The grant in which the application itself is who asks, if there is one.
    pub fn app_only_grant(self) -> Option<&'static str> {
        let app_only = [GrantText::ClientCredentials, GrantText::ServiceAccount];
        app_only.into_iter().find(|grant| self.0.grants.contains(grant)).map(GrantText::name)
    }

    /// The token endpoint; `{tenant}` stands for the tenant here and below.
    pub fn token_url(self) -> Option<&'static str> {
        self.0.token_url
    }

    /// Where people sign in.
    pub fn authorization_url(self) -> Option<&'static str> {
        self.0.sign_in.map(|it| it.authorization_url)
    }

    /// Where device codes are made.
    pub fn device_url(self) -> Option<&'static str> {
        self.0.sign_in?.device_url
    }

    /// The redirect address to register, unless an account says otherwise.
    pub fn redirect_uri(self) -> Option<&'static str> {
        self.0.sign_in.map(|it| it.redirect_uri)
    }

    /// How it takes a client secret.
    pub fn client_secret_method(self) -> ClientSecretMethod {
        self.0.client_secret_method
    }

    /// The name of the mechanism that carries tokens, if it is always the same.
    pub fn mechanism(self) -> Option<&'static str> {
        match self.0.mechanism? {
            MechanismText::Xoauth2 => Some("XOAUTH2"),
            MechanismText::Oauthbearer => Some("OAUTHBEARER"),
            MechanismText::Auto => None,
        }
    }

    /// Its server of this protocol.
    pub fn server(self, protocol: Protocol) -> Option<ProviderServer> {
        self.0.server(protocol).map(|server| ProviderServer(server, protocol))
    }

    /// What a token for these protocols is asked for, where a person signs in or where the application itself asks.
    pub fn scopes(self, protocols: &[Protocol], app_only: bool) -> Vec<String> {
        let grant = if app_only { GrantText::ClientCredentials } else { GrantText::RefreshToken };
        self.0.scopes(grant, protocols)
    }

    /// What is asked for at a sign-in beside those.
    pub fn sign_in_scopes(self) -> &'static [&'static str] {
        self.0.sign_in.map_or(&[], |it| it.scopes)
    }
}

impl ProviderServer {
    /// Its name.
    pub fn host(self) -> &'static str {
        self.0.host
    }

    /// How TLS begins.
    pub fn mode(self) -> UpstreamTlsMode {
        match self.0.tls {
            UpstreamTlsText::Implicit => UpstreamTlsMode::Implicit,
            UpstreamTlsText::StartTls => UpstreamTlsMode::StartTls,
        }
    }

    /// The usual one of its protocol and TLS mode.
    pub fn port(self) -> u16 {
        super::upstream::usual_port(self.1, self.mode())
    }

    /// What a person must have allowed for a token to open it.
    pub fn scope(self) -> &'static str {
        self.0.scope
    }

    /// How many connections a mailbox may have to it at once, where that is known.
    pub fn connection_limit(self) -> Option<u16> {
        self.0.connection_limit
    }
}
