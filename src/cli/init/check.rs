//! The check at the end, and the test mail. The hard thing is that it may find what only an administrator can mend: then the
//! account stays, and the same command is run again.

use super::{InitArgs, ask::Ask};
use crate::{
    cli::{
        Failure, Global,
        check::{self, CheckArgs},
        terminal::remark,
    },
    config::{AccountConfig, Config, Protocol},
};

/// What is left to do, in a line.
pub(super) fn check(
    ask: &Ask,
    args: &InitArgs,
    global: &Global,
    config: &Config,
    account: &AccountConfig,
) -> Result<Option<String>, Failure> {
    let sends = account.smtp.is_some() && config.listens_for(Protocol::Smtp);
    let is_address = account.mailbox.contains('@');
    let wants_mail = sends
        && is_address
        && !args.no_test_mail
        && (args.test_mail
            || ask.is_agreed(&format!("Send a test mail to {}?", account.mailbox), false)?);
    let to = wants_mail.then(|| account.mailbox.clone());
    remark("");
    match check::run(&CheckArgs::of(&account.login, to), global) {
        Ok(()) => Ok(None),
        // Yellow: it works. That no daemon runs yet is one of these.
        Err(failure) if failure.code == 1 && failure.text.is_empty() => Ok(None),
        Err(failure) => {
            if !failure.text.is_empty() {
                remark(&failure.text);
            }
            let check = global.command(&["check", &account.login]);
            Ok(Some(format!("Mend what the check has found (above), and check again: {check}")))
        }
    }
}
