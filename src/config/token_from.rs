//! An account that uses the tokens of another one: its names are its own, and all else is the other's.
//! The hard thing is to refuse whatever would only look as if it counted.

use std::ops::Range;

use toml::Spanned;

use super::{
    AccountConfig, Authentication, Identity, Protocol, SharedSmtp,
    account::unfit_name,
    names, oauth,
    resolve::{At, Context},
    show::{Row, Source, quoted},
    text::{ProviderText, SharedSmtpText},
    upstream,
    values::Layer,
};
use crate::store::account_key;

/// The account whose tokens are used.
pub(super) struct Owner<'a> {
    /// As it was written.
    pub(super) layer: Layer<'a>,
    /// As it is in force; `None` after a mistake in it, which has been said.
    pub(super) account: Option<&'a AccountConfig>,
}

/// Judges an account with `token_from`; `find` finds the account of a login or alias.
pub(super) fn resolve<'a>(
    own: &Layer<'a>,
    defaults: &Layer<'a>,
    find: impl Fn(&str) -> Option<Owner<'a>>,
    cx: &mut Context,
) -> Option<AccountConfig> {
    let written = own.text.token_from.as_ref()?;
    let (login, domain) = names::login(own, cx)?;
    let at = At::new(own.file, written.span().start, "account.token_from");
    if domain.is_some() {
        return cx.mistake(&at, OF_A_DOMAIN);
    }
    let owner = usable(own, defaults, &at, find(written.get_ref()), cx)?;
    let mut rows = vec![Row::new("token_from", quoted(written.get_ref()), at.source())];
    let mailbox = mailbox(own, &login, &mut rows, cx);
    let aliases = names::aliases(own, &mut rows, cx);
    let shared_smtp = shared_smtp(own, defaults, owner, &mut rows, cx)?;
    let mailboxes = mailboxes(own, owner, shared_smtp, &mut rows, cx);
    let (mailbox, aliases, mailboxes) = (mailbox?, aliases?, mailboxes?);
    let title = format!("[[account]] {login}");
    let mut account = AccountConfig {
        login,
        identity: Identity {
            aliases,
            token_from: Some(owner.login.clone()),
            mailboxes,
            shared_smtp,
            ..Identity::default()
        },
        ..owner.clone()
    };
    account.open_mailbox(&mailbox);
    account.leave_passwords();
    cx.borrow_rows(&owner.login, &account, &mut rows);
    cx.section(title, rows);
    Some(account)
}

/// The owner, if its tokens can be used and nothing here says otherwise.
fn usable<'a>(
    own: &Layer<'a>,
    defaults: &Layer<'a>,
    at: &At<'_>,
    owner: Option<Owner<'a>>,
    cx: &mut Context,
) -> Option<&'a AccountConfig> {
    let name = own.text.token_from.as_ref()?.get_ref();
    let Some(owner) = owner else {
        return cx.mistake(at, format!("there is no account {name} in the configuration"));
    };
    if let Some(other) = &owner.layer.text.token_from {
        let text = format!(
            "{name} uses the tokens of another account itself: write token_from = {}",
            quoted(other.get_ref())
        );
        return cx.mistake(at, text);
    }
    refuse_foreign_keys(own, name, cx)?;
    refuse_other_provider(own, defaults, &owner.layer, name, cx)?;
    let owner = owner.account?;
    if owner.oauth.is_none() && owner.external_token.is_none() {
        let text = format!("{} has no tokens: its servers take passwords", owner.login);
        return cx.mistake(at, text);
    }
    Some(owner)
}

fn mailbox(own: &Layer<'_>, login: &str, rows: &mut Vec<Row>, cx: &mut Context) -> Option<String> {
    let Some(written) = &own.text.mailbox else {
        rows.push(Row::new("mailbox", quoted(login), Source::Default));
        return Some(login.to_owned());
    };
    let at = At::new(own.file, written.span().start, "account.mailbox");
    rows.push(Row::new("mailbox", quoted(written.get_ref()), at.source()));
    match unfit_name(written.get_ref()) {
        Some(fault) => cx.mistake(&at, fault),
        None => Some(written.get_ref().clone()),
    }
}

fn shared_smtp(
    own: &Layer<'_>,
    defaults: &Layer<'_>,
    owner: &AccountConfig,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<SharedSmtp> {
    // No mailbox is called `*@example.ch`. What `[defaults]` say for others is no mistake here.
    let nobody = owner.identity.domain.is_some();
    let own_text = own.text.shared_smtp.as_ref().filter(|_| nobody);
    if let Some(written) = own_text.filter(|it| matches!(it.get_ref(), SharedSmtpText::Delegate)) {
        let at = At::new(own.file, written.span().start, "account.shared_smtp");
        return cx.mistake(&at, DELEGATE_OF_A_DOMAIN);
    }
    let layers = [Some(own), Some(defaults).filter(|_| !nobody)];
    let written = layers.into_iter().flatten().find_map(|layer| {
        let written = layer.text.shared_smtp.as_ref()?;
        let smtp = match written.get_ref() {
            SharedSmtpText::Shared => SharedSmtp::Shared,
            SharedSmtpText::Delegate => SharedSmtp::Delegate,
        };
        Some((smtp, At::new(layer.file, written.span().start, "").source()))
    });
    let (smtp, source) = written.unwrap_or_else(|| (SharedSmtp::default(), Source::Default));
    rows.push(Row::new("shared_smtp", quoted(smtp.name()), source));
    Some(smtp)
}

/// The mailboxes that single protocols open.
fn mailboxes(
    own: &Layer<'_>,
    owner: &AccountConfig,
    shared_smtp: SharedSmtp,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<Vec<(Protocol, String)>> {
    let one_each = owner.oauth.as_ref().is_some_and(|it| it.grant.opens_one_mailbox());
    let mut mailboxes = Vec::new();
    for protocol in Protocol::ALL {
        let Some(written) = upstream::mailbox_text(own.text, protocol) else {
            if protocol == Protocol::Smtp && shared_smtp == SharedSmtp::Delegate {
                mailboxes.push((protocol, owner.mailbox(protocol).to_owned()));
            }
            continue;
        };
        let key = format!("{}.mailbox", protocol.name());
        let at = At::new(own.file, written.span().start, format!("account.{key}"));
        let takes_tokens = owner
            .upstream(protocol)
            .is_some_and(|server| server.authentication == Authentication::OAuth);
        if !takes_tokens {
            let text =
                format!("has no effect: {} has no {protocol} server with tokens", owner.login);
            return cx.mistake(&at, text);
        }
        if let Some(fault) = unfit_name(written.get_ref()) {
            return cx.mistake(&at, fault);
        }
        rows.push(Row::new(key, quoted(written.get_ref()), at.source()));
        mailboxes.push((protocol, written.get_ref().clone()));
    }
    if one_each && !mailboxes.is_empty() {
        let text = "uses a service account, whose tokens open one mailbox each: take shared_smtp = \
                    \"delegate\" and the servers' own mailboxes out";
        return cx.mistake(&own.at("token_from"), text);
    }
    Some(mailboxes)
}

/// Who writes these beside `token_from` believes that they count.
fn refuse_foreign_keys(own: &Layer<'_>, owner: &str, cx: &mut Context) -> Option<()> {
    let text = own.text;
    let of_tokens = oauth::written_keys(text);
    let others: [(&str, Option<Range<usize>>); 5] = [
        ("shared", text.shared.as_ref().map(Spanned::span)),
        ("mailboxes", text.mailboxes.as_ref().map(Spanned::span)),
        ("ca_file", text.ca_file.as_ref().map(Spanned::span)),
        ("hide_capabilities", text.hide_capabilities.as_ref().map(Spanned::span)),
        ("connection_limit", text.connection_limit.as_ref().map(Spanned::span)),
    ];
    let others = others.into_iter().filter_map(|(key, span)| Some((key.to_owned(), span?)));
    let servers = Protocol::ALL.into_iter().filter_map(|protocol| {
        let span = upstream::beside_mailbox(text, protocol)?;
        Some((protocol.name().to_owned(), span))
    });
    match of_tokens.chain(others).chain(servers).next() {
        None => Some(()),
        Some((key, span)) => {
            let at = At::new(own.file, span.start, format!("account.{key}"));
            let text = format!(
                "has no effect beside token_from: servers and tokens are those of {owner}: take it out"
            );
            cx.mistake(&at, text)
        }
    }
}

fn refuse_other_provider(
    own: &Layer<'_>,
    defaults: &Layer<'_>,
    owner: &Layer<'_>,
    name: &str,
    cx: &mut Context,
) -> Option<()> {
    let Some(written) = &own.text.provider else { return Some(()) };
    let of = |layer: &Layer<'_>| -> Option<ProviderText> {
        layer.text.provider.as_ref().map(|it| *it.get_ref())
    };
    if of(owner).or_else(|| of(defaults)) == Some(*written.get_ref()) {
        return Some(());
    }
    let at = At::new(own.file, written.span().start, "account.provider");
    cx.mistake(
        &at,
        format!("is another provider than that of {name}, whose tokens are used: take it out"),
    )
}

/// The layer with this login or alias.
pub(super) fn is_named(layer: &Layer<'_>, name: &str) -> bool {
    let key = account_key(name);
    let login = layer.text.login.iter().map(|it| it.get_ref());
    let aliases = layer.text.aliases.iter().flat_map(|it| it.get_ref()).map(Spanned::get_ref);
    login.chain(aliases).any(|name| account_key(name) == key)
}

const OF_A_DOMAIN: &str = "stands beside a whole domain, which has tokens of its own: take it out";
const DELEGATE_OF_A_DOMAIN: &str = "is \"delegate\", but token_from names a whole domain, which has no mailbox \
    that SMTP could log in as: take it out, or write the mailbox in [account.smtp]";
