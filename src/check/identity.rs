//! As whom SMTP could log in, too: a shared mailbox, or whoever the token belongs to.

use crate::config::{AccountConfig, Protocol};

/// Somebody else to log in as, and the setting that would choose it.
pub(super) struct Identity {
    pub(super) user: String,
    pub(super) setting: &'static str,
}

/// Who is worth a try beside whom the configuration says.
pub(super) fn others(account: &AccountConfig, protocol: Protocol) -> Vec<Identity> {
    if protocol != Protocol::Smtp {
        return Vec::new();
    }
    let owner = account.oauth.as_ref().and_then(|oauth| oauth.sign_in.owner.as_deref());
    let delegate = owner.filter(|owner| !owner.eq_ignore_ascii_case(&account.mailbox));
    delegate.map(|it| Identity { user: it.to_owned(), setting: "delegate" }).into_iter().collect()
}
