//! The files. The hard thing is the order: secrets before the accounts that name them, accounts before the
//! configuration that needs them, and each all at once or not at all, in the place of nothing else.

use std::{fs, io, path::Path};

use super::{
    super::{Failure, publish},
    ask::Answer,
    draft::Draft,
};
use crate::{
    import::emailproxy::{
        Account, Installation, NewAccount, OwnSecret, owner_password_file_name, secret_file_name,
    },
    platform::{self, OWNER_ONLY},
    secret::Secret,
};

pub(super) fn write(
    draft: &mut Draft,
    installation: &Installation,
    answers: &[Answer],
) -> Result<(), Failure> {
    let folder = draft.paths.config.with_file_name("accounts.d");
    fs::create_dir_all(&folder).map_err(|error| fault(&folder, &error))?;
    let accounts = std::mem::take(&mut draft.accounts);
    for account in accounts {
        if account.is_there {
            draft.outcome.unchanged(&account.login, "the account");
            draft.accounts.push(account);
            continue;
        }
        let answer = answers.iter().find(|it| it.index == account.plan.index);
        match secrets(&account.plan, installation, answer) {
            Err(text) => draft.outcome.remark(&account.login, text),
            Ok(secrets) => match write_account(draft, &account.plan, &folder, &secrets) {
                Ok(()) => {
                    draft.outcome.done(&account.login, "the account");
                    draft.accounts.push(account);
                }
                Err(error) => {
                    draft.outcome.fault(&account.login, format!("not carried over: {error}"))
                }
            },
        }
    }
    match &draft.main {
        Some(main) if !draft.accounts.is_empty() => {
            publish(&draft.paths.config, main.as_bytes(), FOR_ALL)?;
            draft.ports_done();
        }
        Some(_) | None => {}
    }
    Ok(())
}

fn write_account(
    draft: &Draft,
    account: &NewAccount,
    folder: &Path,
    secrets: &Secrets,
) -> Result<(), Failure> {
    for (name, secret) in secrets {
        let path = folder.join(name);
        publish(&path, secret.expose(), OWNER_ONLY)?;
        if draft.paths.is_of_system() {
            // The service is another user than root, who runs this.
            platform::give_to_service(&path).map_err(|error| fault(&path, &error))?;
        }
    }
    publish(&draft.account_path(account), draft.account_text(account).as_bytes(), FOR_ALL)
}

type Secrets = Vec<(String, Secret)>;

/// What must lie beside the account's file, or why the account cannot be written.
fn secrets(
    account: &NewAccount,
    installation: &Installation,
    answer: Option<&Answer>,
) -> Result<Secrets, &'static str> {
    let of = installation.accounts.get(account.index);
    let mut secrets = Vec::new();
    let own = match account.own_secret {
        OwnSecret::None => None,
        OwnSecret::Written => of.and_then(|it| it.application.secret.clone()),
        OwnSecret::Sealed => {
            Some(answer.and_then(|it| it.opened.client_secret.clone()).ok_or(NEEDS_PASSWORD)?)
        }
        OwnSecret::LoginPassword => Some(password(of, answer)?),
    };
    secrets.extend(own.map(|it| (secret_file_name(&account.file_name), it)));
    if account.needs_owner_password {
        secrets.push((owner_password_file_name(&account.file_name), password(of, answer)?));
    }
    Ok(secrets)
}

/// The password, where it could be judged by what it opens.
fn password(of: Option<&Account>, answer: Option<&Answer>) -> Result<Secret, &'static str> {
    let is_asked_for = of.is_some_and(|it| it.sealed.is_there());
    let missing = if is_asked_for { NEEDS_PASSWORD } else { NEVER_USED };
    answer.map(|it| it.password.clone()).ok_or(missing)
}

fn publish(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    publish::publish(path, content, mode).map(|_| ()).map_err(|error| fault(path, &error))
}

fn fault(path: &Path, error: &io::Error) -> Failure {
    let error = platform::explain(path, error);
    Failure::fault(format!("cannot write {}: {error}", path.display()))
}

/// There is no secret in it, and the service may be another user.
const FOR_ALL: u32 = 0o644;

const NEEDS_PASSWORD: &str = "not carried over: a secret of it is only to be had with the password that its \
    mail programs send: run the import again with that password";
const NEVER_USED: &str = "not carried over: a secret of it is the password that its mail programs send, and nothing in the \
    file can tell whether one is right, for it was never used there: set the account up with `saslgate init`";
