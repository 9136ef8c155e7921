//! `saslgate account remove`. The hard thing is that it cannot be undone, so it says what will go.

use super::{account_key, find_by_key, open, show::kept};
use crate::{
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
        confirm(&format!("Remove all of it for good? ({login})"), yes)?;
        store.remove_account(&key).await?;
        daemon::tell_of(config, &key).await;
        Ok(())
    })??;
    say(format_args!("Everything that the store kept of {login} is removed."))?;
    if account.is_some() {
        remark("It is still in the configuration: take its [[account]] out there if it should go.");
    }
    Ok(())
}
