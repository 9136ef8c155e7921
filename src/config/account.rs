//! `[[account]]`: four layers make one account: its own table, `[defaults]`, the provider's preset,
//! and the built-in defaults. The hard thing is what must *not* flow from `[defaults]`: an account
//! with another provider than theirs takes none of their client ids, secrets or servers, or one
//! provider's secret would be sent to another; and an account with another token endpoint than theirs
//! takes neither their client id nor their secret.

use super::{
    AccountConfig, oauth,
    resolve::{At, Context},
    upstream,
    values::{Layer, Values},
};

/// `[defaults]` on its own: what can only be said of one account.
pub(super) fn judge_defaults(defaults: &Layer<'_>, cx: &mut Context) {
    for (key, written) in [("login", &defaults.text.login), ("mailbox", &defaults.text.mailbox)] {
        if let Some(written) = written {
            let at = At::new(defaults.file, written.span().start, format!("defaults.{key}"));
            cx.mistake::<()>(
                &at,
                "cannot be the same for all accounts: write it in each [[account]]",
            );
        }
    }
}

/// Judges one account.
pub(super) fn resolve(
    own: &Layer<'_>,
    defaults: &Layer<'_>,
    cx: &mut Context,
) -> Option<AccountConfig> {
    let login = login(own, cx)?;
    let mut values = Values::new(own, defaults, cx)?;
    let mailbox = values.mailbox(&login);
    let oauth = oauth::oauth(&mut values);
    let mechanism = values.mechanism();
    let connection_limit = values.small("connection_limit", |t| &t.connection_limit, 16, 1000);
    let imap = upstream::imap(&mut values, connection_limit.unwrap_or(16).into());
    let hide_capabilities = hide_capabilities(&mut values);
    let Values { rows, cx, .. } = values;
    cx.section(format!("[[account]] {login}"), rows);
    Some(AccountConfig {
        login,
        mailbox: mailbox?,
        oauth: Some(oauth?),
        mechanism: mechanism?,
        imap: Some(imap?),
        pop3: None,
        smtp: None,
        hide_capabilities: hide_capabilities?,
    })
}

fn login(own: &Layer<'_>, cx: &mut Context) -> Option<String> {
    let Some(written) = &own.text.login else {
        return cx.mistake(
            &own.at("login"),
            "is missing: write what the mail program will send as its user name",
        );
    };
    let at = At::new(own.file, written.span().start, "account.login");
    match unfit_name(written.get_ref()) {
        Some(fault) => cx.mistake(&at, fault),
        None => Some(written.get_ref().clone()),
    }
}

/// Names travel in SASL strings, whose separators are control characters (RFC 4616, XOAUTH2), and in
/// log lines; mail programs trim spaces or not.
pub(super) fn unfit_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty: write the user name")
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Some("contains a space or a control character: take it out")
    } else if name.len() > MAX_NAME {
        Some("is longer than 320 octets, which no mail address is")
    } else {
        None
    }
}

/// RFC 3501: `capability = ("AUTH=" auth-type) / atom`
fn hide_capabilities(values: &mut Values<'_, '_>) -> Option<Vec<String>> {
    let preset = values.preset.hide_capabilities.iter().map(|&name| name.to_owned()).collect();
    let (names, at) = values.list("hide_capabilities", |t| &t.hide_capabilities, preset);
    let fit = |c: char| c.is_ascii_graphic() && !"(){%*\"\\]".contains(c);
    match names.iter().find(|name| name.is_empty() || !name.chars().all(fit)) {
        Some(name) => {
            let text = format!("`{name}` is not a capability's name, such as \"CONDSTORE\"");
            values.cx.mistake(&at, text)
        }
        None => Some(names.iter().map(|name| name.to_ascii_uppercase()).collect()),
    }
}

/// A mail address has at most 64 + 1 + 255 octets (RFC 5321 section 4.5.3.1).
const MAX_NAME: usize = 320;
