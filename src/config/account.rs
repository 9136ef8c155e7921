//! `[[account]]`: four layers make one account: its own table, `[defaults]`, the provider's preset,
//! and the built-in defaults. The hard thing is what must *not* flow from `[defaults]`: an account
//! with another provider than theirs takes none of their client ids, secrets or servers, or one
//! provider's secret would be sent to another; and an account with another token endpoint than theirs
//! takes neither their client id nor their secret.

use super::{
    AccountConfig, Protocol, oauth,
    resolve::{At, Context},
    show::Source,
    text::GrantText,
    upstream,
    values::{Inherit, Layer, MAX_CONNECTION_LIMIT, Values},
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
    upstream::refuse_passwords(defaults, "LOGIN", cx);
}

/// Judges one account.
pub(super) fn resolve(
    own: &Layer<'_>,
    defaults: &Layer<'_>,
    in_use: &[Protocol],
    cx: &mut Context,
) -> Option<AccountConfig> {
    let login = login(own, cx)?;
    upstream::refuse_passwords(own, &login, cx);
    let mut values = Values::new(own, defaults, cx)?;
    let mailbox = values.mailbox(&login);
    let default = (CONNECTION_LIMIT, Source::Default);
    let limit = values.small(
        "connection_limit",
        |t| &t.connection_limit,
        Inherit::Always,
        default.clone(),
        MAX_CONNECTION_LIMIT,
    );
    let hide_capabilities = hide_capabilities(&mut values);
    let ca_file = values.ca_file("ca_file", |t| &t.ca_file, Inherit::Always);
    // What the servers ask for decides whether there is OAuth at all; in the listing they come last.
    let above = values.rows.len();
    let user = mailbox.as_deref().unwrap_or(&login);
    let servers = upstream::servers(&mut values, user, limit.as_ref().unwrap_or(&default));
    let server_rows = values.rows.split_off(above);
    let with_tokens: Vec<Protocol> =
        servers.iter().filter(|it| it.takes_tokens).map(|it| it.protocol).collect();
    let mut external_token = Some(None);
    let (oauth, mechanism) = if with_tokens.is_empty() && !servers.is_empty() {
        (oauth::refuse_unused(&mut values).map(|()| None), Some(None))
    } else if values.grant_text() == GrantText::External {
        external_token = oauth::external(&mut values).map(Some);
        (Some(None), values.mechanism())
    } else {
        let used: Vec<Protocol> =
            with_tokens.into_iter().filter(|protocol| in_use.contains(protocol)).collect();
        let names = [login.as_str(), user];
        let oauth = oauth::oauth(&mut values, &used, ca_file.clone().flatten(), names);
        (oauth.map(Some), values.mechanism())
    };
    values.rows.extend(server_rows);
    let provider = values.preset.name;
    let Values { rows, cx, .. } = values;
    cx.section(format!("[[account]] {login}"), rows);
    let [imap, pop3, smtp] = upstream::by_protocol(servers)?;
    limit?;
    ca_file?;
    Some(AccountConfig {
        login,
        mailbox: mailbox?,
        oauth: oauth?,
        external_token: external_token?,
        mechanism: mechanism?,
        imap,
        pop3,
        smtp,
        hide_capabilities: hide_capabilities?,
        provider,
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

/// IMAP capabilities, POP3 capability tags and EHLO keywords alike: of the three grammars RFC 3501's
/// `capability = ("AUTH=" auth-type) / atom` is the widest that names have in practice.
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

/// Exchange's own limit for IMAP.
const CONNECTION_LIMIT: u16 = 16;
