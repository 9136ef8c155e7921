//! Who may log in: from the name that a client sent to the account. The hard thing is to give away
//! nothing: an unknown name costs as much as a wrong password ([`password`]), and a mailbox that the
//! configuration does not allow is an unknown name.
//!
//! | typed | is |
//! |---|---|
//! | a login or an alias | that account; always looked for first |
//! | `user\shared`, `user/shared`, `dom\user\shared` | the account of `user`, opening `shared` |
//! | `dom\user` | the account of `user` |
//! | `info@example.ch`, `dom\info@example.ch` | a mailbox of the account `*@example.ch` |

pub mod guesses;
mod last_use;
pub(crate) mod limit_words;
pub mod password;
mod successes;
mod worker;

use std::{collections::HashMap, sync::Arc};

use crate::{config::AccountConfig, store::account_key};

/// The accounts by login name, without case.
#[derive(Debug, Default)]
pub struct Accounts {
    /// By login and alias.
    by_name: HashMap<String, Arc<AccountConfig>>,
    /// By domain.
    domains: HashMap<String, Arc<AccountConfig>>,
}

impl Accounts {
    /// The accounts of a configuration, which has made sure that names are unique.
    pub fn new(accounts: &[Arc<AccountConfig>]) -> Self {
        let mut known = Self::default();
        for account in accounts {
            if let Some(domain) = &account.identity.domain {
                known.domains.insert(domain.name.clone(), Arc::clone(account));
                continue;
            }
            for name in account.login_names() {
                known.by_name.insert(account_key(name), Arc::clone(account));
            }
        }
        known
    }

    /// The account that a client means by this name, with the mailboxes that it opens. Names are UTF-8;
    /// anything else is no account's name.
    ///
    /// What is made here for one login is kept nowhere: a client chooses the names.
    pub fn find(&self, login: &[u8]) -> Option<Arc<AccountConfig>> {
        if login.len() > LONGEST {
            return None;
        }
        let login = std::str::from_utf8(login).ok()?;
        self.named(login).or_else(|| self.with_domain(login)).or_else(|| self.of_domain(login))
    }

    fn named(&self, login: &str) -> Option<Arc<AccountConfig>> {
        self.by_name.get(&account_key(login)).map(Arc::clone)
    }

    /// `user\shared`; or `dom\user\shared` and `dom\user`, with a Windows domain that nobody here knows.
    fn with_domain(&self, login: &str) -> Option<Arc<AccountConfig>> {
        let user_first = self.first_split(login);
        if user_first.is_some() {
            // Whoever is a user is no Windows domain, so a mailbox that is not allowed leads nowhere else.
            return user_first.and_then(|(account, shared)| opening(&account, shared));
        }
        let at = login.find(SEPARATORS)?;
        let (separator, user) = (login.get(at..=at)?, login.get(at + 1..)?);
        if let Some((account, shared)) = self.first_split(user) {
            return opening(&account, shared);
        }
        let is_domain = separator == "\\" && at > 0;
        let found = self.named(user).filter(|_| is_domain);
        // What has an `@` is a user whom nobody here knows, and no Windows domain.
        let is_domain = is_domain && !login.get(..at)?.contains('@');
        found.or_else(|| self.of_domain(user).filter(|_| is_domain))
    }

    /// The first part that is a user's name, and what follows it.
    fn first_split<'a>(&self, login: &'a str) -> Option<(Arc<AccountConfig>, &'a str)> {
        login.match_indices(SEPARATORS).find_map(|(at, _)| {
            let (user, shared) = (login.get(..at)?, login.get(at + 1..)?);
            Some((self.named(user)?, shared))
        })
    }

    /// A mailbox of a domain that is there as a whole.
    fn of_domain(&self, login: &str) -> Option<Arc<AccountConfig>> {
        let mailbox = account_key(login);
        let (_, domain) = mailbox.rsplit_once('@')?;
        let account = self.domains.get(domain)?;
        let listed = account.identity.domain.as_ref()?.mailboxes.as_ref();
        match listed {
            Some(listed) => Some(Arc::new(account.of_mailbox(same(listed, &mailbox)?))),
            None if is_address(&mailbox) => Some(Arc::new(account.of_mailbox(&mailbox))),
            None => None,
        }
    }
}

/// The account, opening a shared mailbox, if it may. With a person's token the provider decides on what
/// the configuration does not list; but not for whoever only uses that token, or the password of a shared
/// mailbox would open its owner's, and all that the owner may open.
fn opening(account: &AccountConfig, shared: &str) -> Option<Arc<AccountConfig>> {
    if let Some(listed) = same(&account.identity.shared, shared) {
        return Some(Arc::new(account.opening(listed)));
    }
    let borrows = account.identity.token_from.is_some();
    if borrows || account.is_app_only() || !is_address(shared) {
        return None;
    }
    // One mailbox, one spelling: its connections are counted by it.
    Some(Arc::new(account.opening(&account_key(shared))))
}

/// The entry of a list that is this name, as the configuration writes it.
fn same<'a>(listed: &'a [String], name: &str) -> Option<&'a str> {
    let key = account_key(name);
    listed.iter().map(String::as_str).find(|listed| account_key(listed) == key)
}

/// Whether a name that a client chose may stand in an exchange with a mail server: less than mail
/// addresses may be, since nobody has looked at it. What is stranger has to be written in the
/// configuration.
fn is_address(name: &str) -> bool {
    let Some((local, domain)) = name.split_once('@') else { return false };
    let in_local = |c: char| c.is_ascii_alphanumeric() || "._+-&'#".contains(c);
    let in_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(in_label);
    (1..=64).contains(&local.len())
        && local.chars().all(in_local)
        && domain.len() <= 253
        && domain.split('.').all(label)
}

const SEPARATORS: [char; 2] = ['\\', '/'];

/// A Windows domain, a user and a mailbox, with what separates them.
const LONGEST: usize = 2 * 320 + 64 + 2;

#[cfg(test)]
pub(crate) mod tests;
