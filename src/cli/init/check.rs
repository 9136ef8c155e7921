//! The check at the end. The hard thing is that it may find what only an administrator can mend: then the account stays, and
//! the same command is run again.

use std::sync::Arc;

use super::{InitArgs, ask::Ask, finish::command};
use crate::{
    cli::{Failure, Global, terminal::remark},
    config::{AccountConfig, Config, Protocol},
};

/// What is left to do, in lines.
pub(super) fn check(
    ask: &Ask,
    args: &InitArgs,
    global: &Global,
    config: &Arc<Config>,
    account: &AccountConfig,
) -> Result<Option<String>, Failure> {
    let _ = (ask, args.test_mail, args.no_test_mail, config.listens_for(Protocol::Smtp));
    let check = command(global, &["check", &account.login]);
    remark(format_args!("To see whether every server lets it in: {check}"));
    Ok(None)
}
