//! `saslgate account remove`. The hard thing is that it cannot be undone, so it says what will go.

use super::{account_key, borrowers, find_by_key, open, show::kept};
use crate::{
    account::Accounts,
    cli::{
        Failure, block_on, daemon,
        status::open_to_read,
        terminal::{confirm, remark, say},
    },
    config::Config,
    status::Facts,
};

pub(super) fn remove(config: &Config, login: &str, yes: bool) -> Result<(), Failure> {
    // Only what was named: not what an alias of it stands for.
    let key = account_key(login);
    let account = find_by_key(config, &key);
    let login = account.as_ref().map_or(login, |account| account.login.as_str());
    block_on(async {
        let known = open_to_read(config).await?.accounts().await?;
        if !known.contains(&key) {
            return Err(Failure::mistake(format!(
                "the store keeps nothing of {login}; `saslgate status` shows all accounts"
            )));
        }
        let store = open(config).await?;
        let facts = Facts::read(key.clone(), account.clone(), config, store.as_ref(), None).await;
        remark(format_args!("The store keeps of {login}: {}.", kept(&facts).join(", ")));
        if let Some(borrowers) = account.as_ref().and_then(|it| borrowers(config, it)) {
            remark(borrowers);
        }
        confirm(&format!("Remove all of it for good? ({login})"), yes)?;
        store.remove_account(&key).await?;
        daemon::tell_of(config, &key).await;
        Ok(())
    })??;
    say(format_args!("Everything that the store kept of {login} is removed."))?;
    if account.is_some() {
        remark(still_there(config, login));
    }
    Ok(())
}

/// What goes on standing in the configuration.
fn still_there(config: &Config, login: &str) -> String {
    let domains: Vec<_> =
        config.accounts.iter().filter(|it| it.identity.domain.is_some()).cloned().collect();
    let covering = Accounts::new(&domains).find(login.as_bytes());
    let covering = covering.as_ref().and_then(|it| it.identity.token_from.as_deref());
    let is_written = config.accounts.iter().any(|it| it.key() == account_key(login));
    match covering {
        None => "It is still in the configuration: take its [[account]] out there if it should go."
            .to_owned(),
        Some(domain) if is_written => format!(
            "It is still in the configuration: if its [[account]] is taken out there, it is a mailbox of {domain} \
             like any other, unless that has a list (mailboxes) without it."
        ),
        Some(domain) => format!(
            "It is still a mailbox of {domain}: to leave it out, list the others there (mailboxes)."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::judge;

    #[test]
    fn a_whole_domain_goes_on_covering_what_is_removed() {
        let text = "[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.ch\"\nclient_id = \"id\"\n\
            [[account]]\nlogin = \"*@example.ch\"\ngrant = \"client_credentials\"\n\
            client_secret = { env = \"S\" }\n\
            [[account]]\nlogin = \"anna@example.ch\"\n[[account]]\nlogin = \"bert@example.org\"\n\
            [[account]]\nlogin = \"info@example.org\"\ntoken_from = \"bert@example.org\"\n";
        let config = judge(text).unwrap_or_else(|error| panic!("{error}")).config;
        let said = |login: &str| still_there(&config, login);
        assert!(said("bert@example.org").contains("take its [[account]] out"));
        assert!(
            said("Anna@example.ch").contains("taken out there, it is a mailbox of *@example.ch")
        );
        assert!(said("x@example.ch").starts_with("It is still a mailbox of *@example.ch"));
        let told = borrowers(&config, &config.accounts[2]);
        assert!(told.is_some_and(|it| it.ends_with("lose access, too: info@example.org.")));
        assert_eq!(borrowers(&config, &config.accounts[1]), None);
    }
}
