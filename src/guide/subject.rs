//! Whom a guide is for. The hard thing is that it may be nobody yet: then placeholders stand in the places of an account's
//! values, and look like nothing else.

use super::{
    Step,
    command::{Cloud, argument},
};
use crate::config::{
    AccountConfig, Authentication, ClientAuthentication, Config, Grant, Protocol, Provider,
};

/// An account, as far as a guide tells of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where its mail is.
    pub provider: Provider,
    /// Whether the application itself signs in.
    pub app_only: bool,
    /// Whether the application proves who it is where a person signs in.
    pub confidential: bool,
    /// Whether the account is in the configuration already.
    pub is_configured: bool,
    /// What the mail program sends as its user name.
    pub login: String,
    /// What it opens.
    pub mailbox: String,
    /// Other mailboxes that it opens beside that one.
    pub shared: Vec<String>,
    /// Who signs in.
    pub owner: String,
    /// Of the application.
    pub client_id: String,
    /// Of Microsoft.
    pub tenant: String,
    /// Where the browser comes back to.
    pub redirect_uri: String,
    /// Of a token, and beside them those of a sign-in.
    pub scopes: Vec<String>,
    /// For which there are a listener and a server that takes tokens.
    pub protocols: Vec<Protocol>,
}

impl Subject {
    /// Nobody yet.
    pub fn placeholder(provider: Provider, app_only: bool) -> Self {
        let protocols = Protocol::ALL.to_vec();
        let mut scopes = provider.scopes(&protocols, app_only);
        if !app_only {
            scopes.extend(provider.sign_in_scopes().iter().map(|&scope| scope.to_owned()));
        }
        Self {
            provider,
            app_only,
            confidential: app_only,
            is_configured: false,
            login: LOGIN.to_owned(),
            mailbox: MAILBOX.to_owned(),
            shared: Vec::new(),
            owner: MAILBOX.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            tenant: TENANT.to_owned(),
            redirect_uri: provider.redirect_uri().unwrap_or("http://127.0.0.1").to_owned(),
            scopes,
            protocols,
        }
    }

    /// An account of the configuration. What it does not say (of one whose tokens come from elsewhere, say) stays a
    /// placeholder.
    pub fn of(config: &Config, account: &AccountConfig, provider: Provider) -> Self {
        let is_app_only = |grant: &Grant| {
            matches!(grant, Grant::ClientCredentials | Grant::ServiceAccount { .. })
        };
        let app_only = account.oauth.as_ref().is_some_and(|oauth| is_app_only(&oauth.grant));
        let mut subject = Self {
            is_configured: true,
            login: account.login.clone(),
            mailbox: account.mailbox.clone(),
            shared: account.identity.shared.clone(),
            owner: account.mailbox.clone(),
            ..Self::placeholder(provider, app_only)
        };
        let takes_tokens = |protocol: &Protocol| {
            let server = account.upstream(*protocol);
            server.is_some_and(|it| it.authentication == Authentication::OAuth)
                && config.listens_for(*protocol)
        };
        subject.protocols = Protocol::ALL.into_iter().filter(takes_tokens).collect();
        let Some(oauth) = &account.oauth else { return subject };
        let beside = oauth.sign_in.scopes.iter().filter(|scope| !oauth.scopes.contains(scope));
        subject.scopes = oauth.scopes.iter().chain(beside).cloned().collect();
        subject.client_id = oauth.client_id.clone();
        subject.confidential = !matches!(oauth.client_authentication, ClientAuthentication::Public);
        if let Some(tenant) = super::command::microsoft_tenant(oauth) {
            subject.tenant = tenant.to_owned();
        }
        if let Some(owner) = &oauth.sign_in.owner {
            subject.owner = owner.clone();
        }
        if let Some(uri) = &oauth.sign_in.redirect_uri {
            subject.redirect_uri = uri.as_str().to_owned();
        }
        subject
    }

    /// Every mailbox that it opens.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.mailbox).chain(&self.shared)
    }

    /// Microsoft's cloud that its provider stands for.
    pub(super) fn cloud(&self) -> Cloud {
        match self.provider.name() {
            "microsoft365-gcc-high" => Cloud::GccHigh,
            "microsoft365-dod" => Cloud::Dod,
            "microsoft365-21vianet" => Cloud::China,
            _ => Cloud::Worldwide,
        }
    }

    pub(super) fn uses(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// The scopes as a console takes them.
    pub(super) fn scope_list(&self) -> String {
        self.scopes.join(" ")
    }

    /// The configuration of such an account, and the commands that bring it to life; `more` are the settings that only its
    /// provider needs.
    pub(super) fn last_step(&self, more: &[&str]) -> Step {
        let step = if self.is_configured {
            Step::new("Bring it to life")
        } else {
            let quoted = |key: &str, value: &str| format!("{key} = {}", toml::Value::from(value));
            let mut settings = vec![
                "[[account]]".to_owned(),
                quoted("login", &self.login),
                quoted("mailbox", &self.mailbox),
                quoted("provider", self.provider.name()),
            ];
            settings.extend(more.iter().map(|&setting| setting.to_owned()));
            Step::new("Write the configuration, and bring it to life")
                .text(
                    "In saslgate.toml (the login is what the mail program sends as its user name, and may well \
                     be the mailbox's address):",
                )
                .settings(settings)
                .text("Then, in a shell on this machine:")
        };
        let step = step.command("saslgate config check");
        let step = if self.app_only {
            step
        } else {
            step.command(format!("saslgate signin {}", argument(&self.login)))
        };
        step.text("A password for the mail program, which is another one than the provider's; then all is tried:")
            .command(format!("saslgate account password {}", argument(&self.login)))
            .command(format!("saslgate check {}", argument(&self.login)))
            .text("Start saslgate (or its service); where it runs already, saslgate reload is enough:")
            .command("saslgate run")
    }
}

const LOGIN: &str = "YOUR-LOGIN";
const MAILBOX: &str = "YOUR-MAILBOX";
pub(super) const CLIENT_ID: &str = "YOUR-CLIENT-ID";
pub(super) const TENANT: &str = "YOUR-TENANT";

/// What stands for a value that is not known.
#[cfg(test)]
pub(super) const PLACEHOLDERS: [&str; 4] = [LOGIN, MAILBOX, CLIENT_ID, TENANT];
