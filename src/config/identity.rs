//! Who an account is: its login names, whose tokens it uses, and which mailbox each protocol opens. The
//! hard thing is that three keys of the store must not be mixed up: local passwords belong to the
//! person ([`AccountConfig::key`]), tokens to whoever signed in ([`AccountConfig::token_key`]), and a
//! session is found again by what it opens ([`AccountConfig::name`]).

use std::borrow::Cow;

use super::{AccountConfig, Authentication, Grant, Protocol};
use crate::store::account_key;

/// What an account's names are and mean, beside its login and mailbox.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// More login names, compared without case.
    pub aliases: Vec<String>,
    /// The account whose OAuth settings and sign-in it uses; `None`: its own.
    pub token_from: Option<String>,
    /// The mailbox of each protocol that opens another one than [`AccountConfig::mailbox`].
    pub mailboxes: Vec<(Protocol, String)>,
    /// The mailboxes that its login opens beside its own.
    pub shared: Vec<String>,
    /// Who SMTP logs in as, where IMAP opens a shared mailbox.
    pub shared_smtp: SharedSmtp,
    /// With a login such as `*@example.ch`: what it covers.
    pub domain: Option<Domain>,
    /// In an account that was made for one login: the shared mailbox that it asked for.
    pub opens: Option<String>,
}

/// Who SMTP logs in as, where IMAP opens a shared mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedSmtp {
    /// The shared mailbox.
    #[default]
    Shared,
    /// The mailbox of the person who opens it.
    Delegate,
}

impl SharedSmtp {
    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Delegate => "delegate",
        }
    }
}

/// The mailboxes of a whole domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// What stands behind the `@`, in lower case.
    pub name: String,
    /// Only these; `None`: all.
    pub mailboxes: Option<Vec<String>>,
}

impl AccountConfig {
    /// Whose local passwords and stored server passwords it has, as the store knows it.
    pub fn key(&self) -> String {
        account_key(&self.login)
    }

    /// By which it is found again: the login, with the shared mailbox where a login opens one.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.identity.opens {
            Some(shared) => Cow::Owned(format!("{}\\{shared}", self.login)),
            None => Cow::Borrowed(&self.login),
        }
    }

    /// Whose grant it uses: the name for people, and for `saslgate signin`.
    ///
    /// A service account asks for a token of each mailbox, so nobody shares one.
    pub fn token_login(&self) -> Cow<'_, str> {
        let grant = self.oauth.as_ref().map(|oauth| &oauth.grant);
        match (grant, &self.identity.token_from) {
            (Some(Grant::ServiceAccount { .. }), _) => self.name(),
            (_, Some(owner)) => Cow::Borrowed(owner),
            (_, None) => Cow::Borrowed(&self.login),
        }
    }

    /// Whose mailbox its tokens open without anybody's leave: whoever signs in, as far as that is known.
    pub fn token_owner(&self) -> Cow<'_, str> {
        let oauth = self.oauth.as_ref();
        match oauth.map(|oauth| (&oauth.grant, &oauth.sign_in.owner)) {
            Some((Grant::Password { user, .. }, _)) => Cow::Borrowed(user),
            Some((Grant::RefreshToken, Some(owner))) => Cow::Borrowed(owner),
            _ => self.token_login(),
        }
    }

    /// The store's key of that grant.
    pub fn token_key(&self) -> String {
        account_key(&self.token_login())
    }

    /// The user in the SASL exchange with a server of this protocol that takes tokens.
    pub fn mailbox(&self, protocol: Protocol) -> &str {
        let mut others = self.identity.mailboxes.iter();
        others.find(|(of, _)| *of == protocol).map_or(&self.mailbox, |(_, mailbox)| mailbox)
    }

    /// Whom its connections to a server are counted for: the user there, as the server does. But a mailbox
    /// that only the provider may allow counts for who names it, and takes no turn of those who have it.
    pub fn counted_for(&self, protocol: Protocol) -> Cow<'_, str> {
        let user = self.user(protocol);
        let is_written = |shared: &String| self.identity.shared.contains(shared);
        match &self.identity.opens {
            Some(shared) if shared == user && !is_written(shared) => self.name(),
            Some(_) | None => Cow::Borrowed(user),
        }
    }

    /// The user at its server of this protocol, whatever that takes.
    pub fn user(&self, protocol: Protocol) -> &str {
        match self.upstream(protocol).map(|server| &server.authentication) {
            Some(Authentication::Password { user }) => user,
            Some(Authentication::OAuth) | None => self.mailbox(protocol),
        }
    }

    /// Whether its tokens are the application's own, so that the provider tells no person from another:
    /// then only what is written in the configuration may be opened.
    pub fn is_app_only(&self) -> bool {
        match self.oauth.as_ref().map(|oauth| &oauth.grant) {
            Some(Grant::ClientCredentials | Grant::ServiceAccount { .. }) => true,
            Some(Grant::RefreshToken | Grant::Password { .. }) => false,
            // A token from elsewhere is anybody's.
            None => true,
        }
    }

    /// Whether this is one of its login names.
    pub fn is_named(&self, login: &str) -> bool {
        let key = account_key(login);
        self.login_names().any(|name| account_key(name) == key)
    }

    /// Its login and its aliases.
    pub fn login_names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.identity.aliases.iter().map(String::as_str);
        std::iter::once(self.login.as_str()).chain(aliases)
    }

    /// The same account, opening a shared mailbox.
    pub fn opening(&self, shared: &str) -> Self {
        let mut account = self.clone();
        let smtp = match self.identity.shared_smtp {
            SharedSmtp::Shared => shared,
            SharedSmtp::Delegate => self.mailbox(Protocol::Smtp),
        };
        account.identity.mailboxes = vec![(Protocol::Smtp, smtp.to_owned())];
        account.identity.opens = Some(shared.to_owned());
        account.open_mailbox(shared);
        account.leave_passwords();
        account
    }

    /// Leaves out the servers that would open the mailbox of whoever has the password: a password opens its
    /// own user's mailbox and no other. A sender may go through a relay.
    pub(super) fn leave_passwords(&mut self) {
        for server in [&mut self.imap, &mut self.pop3] {
            if server.as_ref().is_some_and(|it| it.authentication != Authentication::OAuth) {
                *server = None;
            }
        }
    }

    /// Of a whole domain: the account of one mailbox.
    pub fn of_mailbox(&self, mailbox: &str) -> Self {
        let mut account = self.clone();
        account.identity = Identity { token_from: Some(self.login.clone()), ..Identity::default() };
        mailbox.clone_into(&mut account.login);
        account.open_mailbox(mailbox);
        account
    }

    /// Opens this mailbox by default. Google's tokens are for one mailbox each.
    pub(super) fn open_mailbox(&mut self, mailbox: &str) {
        mailbox.clone_into(&mut self.mailbox);
        if let Some(oauth) = &mut self.oauth
            && let Grant::ServiceAccount { subject, .. } = &mut oauth.grant
        {
            mailbox.clone_into(subject);
        }
    }
}
