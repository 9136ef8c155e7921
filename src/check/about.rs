//! What the words of a finding need to know of the account: its own values for every command and link.

use crate::config::{AccountConfig, ClientAuthentication, Protocol};

/// The account's own values, without any secret.
#[derive(Clone, Debug)]
pub struct About {
    /// As in the configuration.
    pub login: String,
    /// The account whose sign-in it uses: its own login, unless it has `token_from`.
    pub token_of: String,
    /// What a command needs at its end to mean this configuration and this store, with a space before it;
    /// empty where they are the usual ones.
    pub place: String,
    /// The preset's name.
    pub provider: &'static str,
    /// The user in the SASL exchange, by protocol.
    pub mailboxes: Vec<(Protocol, String)>,
    /// Whose sign-in it is, where a person signs in and the configuration says who.
    pub owner: Option<String>,
    /// Whose the sign-in is taken to be where nothing says so: the account's own mailbox. `None` where that
    /// is meant to be somebody else's.
    pub own: Option<String>,
    /// The application's id at the provider; empty where there is no OAuth.
    pub client_id: String,
    /// Microsoft: the tenant, as it stands in the token URL.
    pub tenant: Option<String>,
    /// The token endpoint.
    pub token_url: Option<String>,
    /// The HTTP proxy on the way there: host and port.
    pub proxy: Option<String>,
    /// Where a browser comes back to.
    pub redirect_uri: Option<String>,
    /// Asked for.
    pub scopes: Vec<String>,
    /// Whether no person stands behind the token.
    pub app_only: bool,
    /// The setting with which the application proves who it is.
    pub proof: Option<&'static str>,
    /// As in the configuration; `None` where its servers take passwords.
    pub grant: Option<&'static str>,
}

impl About {
    /// Of one account.
    pub fn new(account: &AccountConfig) -> Self {
        let oauth = account.oauth.as_ref();
        let with_server = |&protocol: &Protocol| account.upstream(protocol).is_some();
        let mailbox = |protocol| (protocol, account.mailbox(protocol).to_owned());
        Self {
            login: account.login.clone(),
            token_of: account.token_login().into_owned(),
            place: String::new(),
            provider: account.provider,
            mailboxes: Protocol::ALL.into_iter().filter(with_server).map(mailbox).collect(),
            owner: oauth.and_then(|it| it.sign_in.owner.clone()),
            own: own(account).map(str::to_owned),
            client_id: oauth.map(|it| it.client_id.clone()).unwrap_or_default(),
            tenant: oauth.and_then(|it| crate::token::tenant(it)).map(str::to_owned),
            token_url: oauth.map(|it| it.token_url.to_string()),
            proxy: oauth.and_then(|it| it.proxy.as_ref()).map(|it| {
                let port = it.port_or_known_default().unwrap_or_default();
                format!("{}:{port}", it.host_str().unwrap_or_default())
            }),
            redirect_uri: oauth
                .and_then(|it| it.sign_in.redirect_uri.as_ref())
                .map(|it| it.as_str().to_owned()),
            scopes: oauth.map(|it| it.scopes.clone()).unwrap_or_default(),
            app_only: oauth
                .is_some_and(|it| it.grant.user().is_none() && !it.grant.needs_sign_in()),
            proof: oauth.and_then(|it| match it.client_authentication {
                ClientAuthentication::Public => None,
                ClientAuthentication::Secret(_) => Some("client_secret"),
                ClientAuthentication::Certificate { .. } => Some("client_certificate"),
                ClientAuthentication::FederatedToken { .. } => Some("federated_token_file"),
            }),
            grant: oauth
                .map(|it| it.grant.name())
                .or_else(|| account.external_token.as_ref().map(|_| "external")),
        }
    }

    /// The same, for somebody who types commands with these words at their end.
    pub fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// The user in the SASL exchange of this protocol.
    pub fn mailbox(&self, protocol: Protocol) -> &str {
        let found = self.mailboxes.iter().find(|(its, _)| *its == protocol);
        found.map_or(self.login.as_str(), |(_, mailbox)| mailbox)
    }
}

fn own(account: &AccountConfig) -> Option<&str> {
    let identity = &account.identity;
    let is_shared = identity.opens.is_some() || identity.token_from.is_some();
    (!is_shared && identity.domain.is_none()).then_some(account.mailbox.as_str())
}
