//! Sign-ins and local passwords. The hard thing is never to replace a sign-in that lives: by now the gateway
//! may have spent the refresh token that is in the file, and using it again would revoke the new one.

use super::{
    super::{
        Failure, Global,
        account::{find, open},
        block_on, daemon,
    },
    ask::Answer,
    draft::Draft,
};
use crate::{
    account::password::Passwords,
    config::{AccountConfig, Secrets},
    guide::command::argument,
    import::emailproxy::{Account, Installation},
    secret::Secret,
    store::{Store, StoreError},
    token,
};

/// Those of the configuration's accounts that lack nothing a password could bring.
pub(super) fn carried_over(draft: &Draft) -> Result<Vec<String>, Failure> {
    let Some(config) = draft.present.as_ref().map(|it| &it.config) else { return Ok(Vec::new()) };
    block_on(async {
        let store = open(config).await?;
        let mut done = Vec::new();
        for account in draft.accounts.iter().filter(|it| it.is_there) {
            let found = &*find(config, &account.login)?;
            let needs_token = wants_token(found) && !has_grant(store.as_ref(), found).await?;
            if has_password(store.as_ref(), found).await? && !needs_token {
                done.push(account.login.clone());
            }
        }
        Ok::<_, Failure>(done)
    })?
}

/// Brings them into the store.
pub(super) fn carry_over(
    draft: &mut Draft,
    installation: &Installation,
    answers: &[Answer],
    global: &Global,
) -> Result<(), Failure> {
    if draft.accounts.is_empty() {
        return Ok(());
    }
    let (config, state) = (draft.paths.config.clone(), draft.paths.state.clone());
    let global = Global { config: Some(config), state: Some(state), ..global.clone() };
    let config = global.load(Secrets::Skip)?.config;
    block_on(async {
        let store = open(&config).await?;
        let passwords = Passwords::new(store.clone());
        let passwords = passwords.map_err(|error| Failure::fault(error.to_string()))?;
        let logins: Vec<(String, usize)> =
            draft.accounts.iter().map(|it| (it.login.clone(), it.plan.index)).collect();
        for (login, index) in logins {
            let Some(of) = installation.accounts.get(index) else { continue };
            let account = &*find(&config, &login)?;
            let mut bring = Bring { draft: &mut *draft, store: store.as_ref(), account, of };
            // A domain's passwords are its mailboxes' own.
            let answer = answers.iter().find(|it| it.index == index && !of.is_domain());
            if let Some(answer) = answer {
                bring.password(&passwords, &answer.password).await?;
                bring.token(answer.opened.refresh_token.as_ref()).await?;
                daemon::tell_of(&config, &account.key()).await;
            } else {
                bring.nothing().await?;
            }
        }
        Ok::<_, Failure>(())
    })?
}

struct Bring<'a> {
    draft: &'a mut Draft,
    store: &'a dyn Store,
    account: &'a AccountConfig,
    of: &'a Account,
}

impl Bring<'_> {
    async fn password(&mut self, passwords: &Passwords, password: &Secret) -> Result<(), Failure> {
        let login = &self.account.login;
        if has_password(self.store, self.account).await? {
            self.draft.outcome.unchanged(login, "the local password");
            return Ok(());
        }
        match passwords.set(self.account, PASSWORD_NAME, password).await {
            Ok(()) => self.draft.outcome.done(login, "its password, as the local one"),
            Err(error) => self.draft.outcome.remark(
                login,
                format!(
                    "its password cannot be the local one: {error}: `saslgate account password {}`",
                    argument(login)
                ),
            ),
        }
        Ok(())
    }

    async fn token(&mut self, token: Option<&Secret>) -> Result<(), Failure> {
        let login = &self.account.login;
        if !wants_token(self.account) {
            return Ok(());
        }
        if has_grant(self.store, self.account).await? {
            self.draft.outcome.unchanged(login, "the sign-in");
            return Ok(());
        }
        let oauth = self.account.oauth.as_ref();
        let is_same = oauth.is_some_and(|it| {
            it.client_id == self.of.application.client_id
                && it.token_url.as_str() == normal(&self.of.token_url)
        });
        match token {
            // RFC 6749 appendix A.17: refresh-token = 1*VSCHAR
            Some(token)
                if !token.is_empty()
                    && token.expose().iter().all(|it| (0x20..=0x7E).contains(it)) =>
            {
                if is_same {
                    token::import(self.store, self.account, token.clone()).await?;
                    self.draft.outcome.done(login, "its sign-in (refresh token)");
                } else {
                    let text = "its sign-in belongs to another application or token endpoint than the \
                        configuration has for this account: not carried over";
                    self.draft.outcome.remark(login, text);
                }
            }
            Some(_) | None => self.draft.outcome.remark(
                login,
                format!("had no refresh token: `saslgate signin {}`", argument(login)),
            ),
        }
        Ok(())
    }

    /// What remains to be done by hand.
    async fn nothing(&mut self) -> Result<(), Failure> {
        let login = &self.account.login;
        if self.of.is_domain() {
            let text =
                "a local password is needed for each mailbox: `saslgate account password MAILBOX`";
            self.draft.outcome.remark(login, text);
            return Ok(());
        }
        let mut todo = Vec::new();
        if self
            .store
            .local_passwords(&self.account.key())
            .await?
            .is_none_or(|it| it.passwords.is_empty())
        {
            todo.push(format!(
                "`saslgate account password {}` (type the one that its mail programs send)",
                argument(login)
            ));
        }
        if wants_token(self.account) && !has_grant(self.store, self.account).await? {
            todo.push(format!("`saslgate signin {}`", argument(login)));
        }
        if !todo.is_empty() {
            self.draft.outcome.remark(login, format!("still needs {}", todo.join(" and ")));
        }
        Ok(())
    }
}

fn normal(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |it| it.to_string())
}

/// Whether it has a sign-in of its own: one that it borrows (`token_from`) is somebody else's, and lives.
fn wants_token(account: &AccountConfig) -> bool {
    let signs_in = account.oauth.as_ref().is_some_and(|oauth| oauth.grant.needs_sign_in());
    signs_in && account.token_key() == account.key()
}

async fn has_grant(store: &dyn Store, account: &AccountConfig) -> Result<bool, StoreError> {
    match store.grant(&account.token_key()).await {
        // What cannot be opened is of no use to anybody.
        Err(StoreError::Unusable(_)) => Ok(false),
        found => Ok(found?.is_some_and(|record| record.grant.refresh_token.is_some())),
    }
}

async fn has_password(store: &dyn Store, account: &AccountConfig) -> Result<bool, StoreError> {
    let stored = store.local_passwords(&account.key()).await?;
    Ok(stored.is_some_and(|it| it.passwords.iter().any(|it| it.name == PASSWORD_NAME)))
}

/// Of the local password.
const PASSWORD_NAME: &str = "emailproxy";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::judge;

    #[test]
    fn a_borrowed_sign_in_is_never_replaced() {
        let text = "[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.ch\"\nclient_id = \"id\"\n\
            [[account]]\nlogin = \"anna@example.ch\"\n\
            [[account]]\nlogin = \"info@example.ch\"\ntoken_from = \"anna@example.ch\"\n";
        let accounts = judge(text).unwrap_or_else(|error| panic!("{error}")).config.accounts;
        let wanted: Vec<bool> = accounts.iter().map(|account| wants_token(account)).collect();
        assert_eq!(wanted, [true, false]);
    }
}
