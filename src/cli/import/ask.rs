//! The accounts' passwords in the other program. The hard thing is that whoever pipes them in must know
//! which lines are read: one for each account with something encrypted, in the order of the file, always.

use std::io::IsTerminal as _;

use super::{
    super::{
        Failure,
        terminal::{next_secret, read_secret, remark},
    },
    draft::Draft,
};
use crate::{
    import::emailproxy::{Account, Installation, Opened, Unsealed},
    secret::Secret,
};

/// A password that was right, and what it opened.
pub(super) struct Answer {
    /// The account's place in the installation.
    pub(super) index: usize,
    pub(super) password: Secret,
    pub(super) opened: Opened,
}

pub(super) fn ask(
    installation: &Installation,
    draft: &mut Draft,
    done: &[String],
) -> Result<Vec<Answer>, Failure> {
    let mut answers: Vec<Answer> = Vec::new();
    let is_terminal = std::io::stdin().is_terminal();
    for (index, account) in installation.accounts.iter().enumerate() {
        if !account.sealed.is_there() {
            continue;
        }
        let wanted = draft.accounts.iter().any(|it| it.plan.index == index)
            && !done.contains(&account.login);
        let found = match (is_terminal, wanted) {
            (true, true) => at_terminal(account, &answers)?,
            (true, false) => continue,
            (false, _) => {
                let line = next_secret()?.filter(|it| !it.is_empty());
                if !wanted {
                    continue;
                }
                line.map(|password| open(account, password))
            }
        };
        match found {
            None if account.sealed.has_refresh_token() => {
                draft.outcome.remark(&account.login, SKIPPED)
            }
            None => {}
            Some(Err(Unsealed::Wrong)) => draft.outcome.remark(&account.login, WRONG),
            Some(Err(Unsealed::Iterations)) => draft.outcome.remark(&account.login, ITERATIONS),
            Some(Ok((password, opened))) => answers.push(Answer { index, password, opened }),
        }
    }
    Ok(answers)
}

type Found = Result<(Secret, Opened), Unsealed>;

fn open(account: &Account, password: Secret) -> Found {
    let opened = account.sealed.open(&password)?;
    Ok((password, opened))
}

/// One password often serves several accounts.
fn at_terminal(account: &Account, known: &[Answer]) -> Result<Option<Found>, Failure> {
    for answer in known {
        if let Ok(opened) = account.sealed.open(&answer.password) {
            return Ok(Some(Ok((answer.password.clone(), opened))));
        }
    }
    let prompt = format!(
        "Password that mail programs send for {} (Enter: leave its sign-in behind)",
        account.login.replace(|c: char| c.is_control(), "?")
    );
    for _ in 1..TRIES {
        let password = read_secret(&prompt, false)?;
        if password.is_empty() {
            return Ok(None);
        }
        match open(account, password) {
            Err(Unsealed::Wrong) => remark("That password does not open it."),
            found => return Ok(Some(found)),
        }
    }
    let password = read_secret(&prompt, false)?;
    Ok(if password.is_empty() { None } else { Some(open(account, password)) })
}

const TRIES: usize = 3;

const SKIPPED: &str = "its sign-in was left behind, for no password was given: run the import again, or use \
    `saslgate signin` and `saslgate account password`";
const WRONG: &str = "the password is wrong, so nothing encrypted was carried over: run the import again with \
    the password that its mail programs send";
const ITERATIONS: &str = "its token_iterations is not a number up to 10000000, so its sign-in was left \
    behind: use `saslgate signin`";
