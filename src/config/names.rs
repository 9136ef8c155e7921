//! The names of an account: aliases, shared mailboxes, a whole domain. The hard thing is that a name
//! must mean one thing: none may stand twice, and none may look like somebody's `user\shared`.

use std::collections::HashMap;

use toml::Spanned;

use super::{
    AccountConfig, Domain, Identity, Protocol, SharedSmtp,
    account::unfit_name,
    resolve::{At, Context},
    show::{Row, Source, list, quoted},
    text::{AccountText, GrantText, SharedSmtpText, WrittenList},
    upstream::{self, Server},
    values::{Inherit, Layer, Values},
};
use crate::store::account_key;

/// `[defaults]` on its own: what can only be said of one account.
pub(super) fn refuse_in_defaults(defaults: &Layer<'_>, cx: &mut Context) {
    let text = defaults.text;
    let lists =
        [("aliases", &text.aliases), ("shared", &text.shared), ("mailboxes", &text.mailboxes)];
    let lists = lists.map(|(key, list)| (key.to_owned(), list.as_ref().map(Spanned::span)));
    let one = ("token_from".to_owned(), text.token_from.as_ref().map(Spanned::span));
    let servers = Protocol::ALL.map(|protocol| {
        let mailbox = upstream::mailbox_text(text, protocol).as_ref().map(Spanned::span);
        (format!("{}.mailbox", protocol.name()), mailbox)
    });
    for (key, span) in lists.into_iter().chain([one]).chain(servers) {
        if let Some(span) = span {
            let at = At::new(defaults.file, span.start, format!("defaults.{key}"));
            cx.mistake::<()>(&at, ONE_ACCOUNT);
        }
    }
}

/// Judges the login: a name, or a whole domain.
pub(super) fn login(own: &Layer<'_>, cx: &mut Context) -> Option<(String, Option<String>)> {
    let Some(written) = &own.text.login else {
        return cx.mistake(&own.at("login"), LOGIN_MISSING);
    };
    let at = At::new(own.file, written.span().start, "account.login");
    let login = written.get_ref();
    if let Some(fault) = unfit_name(login) {
        return cx.mistake(&at, fault);
    }
    if !login.contains('*') {
        return Some((login.clone(), None));
    }
    let domain = login.strip_prefix("*@").map(account_key).filter(|it| is_domain(it));
    match domain {
        Some(domain) => Some((login.clone(), Some(domain))),
        None => cx.mistake(&at, STAR),
    }
}

fn is_domain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['*', '@', '\\', '/'])
}

/// Judges the other names, of an account with this login.
pub(super) fn identity(values: &mut Values<'_, '_>, domain: Option<&str>) -> Option<Identity> {
    let own = values.own;
    let aliases = aliases(&own, &mut values.rows, values.cx);
    let shared = names(values, "shared", &own.text.shared);
    let shared_smtp = shared_smtp(values, own.text.shared.is_some());
    let mailboxes = names(values, "mailboxes", &own.text.mailboxes);
    let domain = match domain {
        Some(name) => {
            let alone = domain_alone(values);
            let inside = mailboxes_inside(values, name);
            alone?;
            inside?;
            let listed = own.text.mailboxes.is_some();
            let mailboxes = mailboxes?;
            Some(Domain { name: name.to_owned(), mailboxes: listed.then_some(mailboxes) })
        }
        None => match &own.text.mailboxes {
            Some(written) => {
                let at = At::new(own.file, written.span().start, "account.mailboxes");
                return values.cx.mistake(&at, NOT_A_DOMAIN);
            }
            None => None,
        },
    };
    Some(Identity {
        aliases: aliases?,
        shared: shared?,
        shared_smtp,
        domain,
        ..Identity::default()
    })
}

/// The same in sight of the account's servers.
pub(super) fn with_servers(
    values: &mut Values<'_, '_>,
    identity: Identity,
    servers: &[Server],
) -> Option<Identity> {
    let others = servers.iter().filter_map(|it| Some((it.protocol, it.mailbox.clone()?)));
    let identity = Identity { mailboxes: others.collect(), ..identity };
    let mut takes_tokens = servers.iter().map(|it| it.takes_tokens);
    // That there is no server at all is a mistake of its own.
    let takes_tokens = servers.is_empty()
        || if identity.domain.is_some() {
            takes_tokens.all(|it| it)
        } else {
            takes_tokens.any(|it| it)
        };
    let grant = values.grant_text();
    judge_use(values, &identity, takes_tokens, grant).map(|()| identity)
}

/// What can be judged only in sight of the servers and the grant.
fn judge_use(
    values: &mut Values<'_, '_>,
    identity: &Identity,
    takes_tokens: bool,
    grant: GrantText,
) -> Option<()> {
    let text = values.own.text;
    let shared = text.shared.as_ref().map(|it| ("shared", it.span()));
    let smtp = text.shared_smtp.as_ref().map(|it| ("shared_smtp", it.span()));
    if !takes_tokens && let Some((key, span)) = shared.or(smtp) {
        let at = At::new(values.own.file, span.start, format!("account.{key}"));
        return values.cx.mistake(&at, NO_TOKENS);
    }
    let app_only = match grant {
        GrantText::ClientCredentials | GrantText::ServiceAccount | GrantText::External => true,
        GrantText::RefreshToken | GrantText::Password => false,
    };
    if identity.domain.is_some() && !(app_only && takes_tokens) {
        let at = place(values, "login", text.login.as_ref().map(Spanned::span));
        return values.cx.mistake(&at, DOMAIN_GRANT);
    }
    if grant == GrantText::ServiceAccount && identity.shared_smtp == SharedSmtp::Delegate {
        let at = place(values, "shared_smtp", text.shared_smtp.as_ref().map(Spanned::span));
        return values.cx.mistake(&at, ONE_MAILBOX);
    }
    if grant == GrantText::ServiceAccount
        && let Some((protocol, _)) = identity.mailboxes.first()
    {
        let written = upstream::mailbox_text(text, *protocol).as_ref().map(Spanned::span);
        let at = place(values, &format!("{}.mailbox", protocol.name()), written);
        return values.cx.mistake(&at, ONE_MAILBOX);
    }
    Some(())
}

fn place<'a>(values: &Values<'a, '_>, key: &str, span: Option<std::ops::Range<usize>>) -> At<'a> {
    match span {
        Some(span) => At::new(values.own.file, span.start, format!("account.{key}")),
        None => values.own.at(key),
    }
}

/// Judges the aliases alone.
pub(super) fn aliases(
    own: &Layer<'_>,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<Vec<String>> {
    let aliases = list_of(own, "aliases", &own.text.aliases, rows, cx)?;
    let star =
        own.text.aliases.iter().flat_map(|it| it.get_ref()).find(|it| it.get_ref().contains('*'));
    match star {
        Some(alias) => {
            let at = At::new(own.file, alias.span().start, "account.aliases");
            cx.mistake(&at, ALIAS_STAR)
        }
        None => Some(aliases),
    }
}

fn names(values: &mut Values<'_, '_>, key: &str, written: &WrittenList) -> Option<Vec<String>> {
    let own = values.own;
    list_of(&own, key, written, &mut values.rows, values.cx)
}

/// A list of names, each fit and none twice.
fn list_of(
    own: &Layer<'_>,
    key: &str,
    written: &WrittenList,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<Vec<String>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let at = |offset| At::new(own.file, offset, format!("account.{key}"));
    let mut names: Vec<String> = Vec::new();
    let mut seen = HashMap::new();
    let mut fit = Some(());
    for name in written.get_ref() {
        let at = at(name.span().start);
        if let Some(fault) = unfit_name(name.get_ref()) {
            fit = cx.mistake(&at, fault);
        } else if seen.insert(account_key(name.get_ref()), ()).is_some() {
            fit = cx.mistake(&at, format!("`{}` stands there twice", name.get_ref()));
        }
        names.push(name.get_ref().clone());
    }
    rows.push(Row::new(key, list(&names), at(written.span().start).source()));
    fit.map(|()| names)
}

fn shared_smtp(values: &mut Values<'_, '_>, shown: bool) -> SharedSmtp {
    let written = values.written(|t| &t.shared_smtp, Inherit::Always);
    let (smtp, source) = match written {
        Some((SharedSmtpText::Shared, at)) => (SharedSmtp::Shared, at.source()),
        Some((SharedSmtpText::Delegate, at)) => (SharedSmtp::Delegate, at.source()),
        None => (SharedSmtp::default(), Source::Default),
    };
    if shown || source != Source::Default {
        values.rows.push(Row::new("shared_smtp", quoted(smtp.name()), source));
    }
    smtp
}

/// What a whole domain cannot have beside it.
fn domain_alone(values: &mut Values<'_, '_>) -> Option<()> {
    let text: &AccountText = values.own.text;
    let keys = [
        ("aliases", text.aliases.as_ref().map(Spanned::span)),
        ("mailbox", text.mailbox.as_ref().map(Spanned::span)),
        ("shared", text.shared.as_ref().map(Spanned::span)),
    ];
    let servers = Protocol::ALL.map(|protocol| {
        let mailbox = upstream::mailbox_text(text, protocol).as_ref().map(Spanned::span);
        (mailbox_of(protocol), mailbox)
    });
    match keys.into_iter().chain(servers).find_map(|(key, span)| Some((key, span?))) {
        None => Some(()),
        Some((key, span)) => {
            let at = At::new(values.own.file, span.start, format!("account.{key}"));
            values.cx.mistake(&at, DOMAIN_ALONE)
        }
    }
}

fn mailboxes_inside(values: &mut Values<'_, '_>, domain: &str) -> Option<()> {
    let own = values.own;
    let mut inside = Some(());
    for mailbox in own.text.mailboxes.iter().flat_map(|it| it.get_ref()) {
        let key = account_key(mailbox.get_ref());
        let local = key.strip_suffix(domain).and_then(|local| local.strip_suffix('@'));
        if local.is_none_or(|local| local.is_empty() || local.contains(['@', '*', '\\', '/'])) {
            let at = At::new(own.file, mailbox.span().start, "account.mailboxes");
            let text = format!(
                "`{}` is no mailbox of {domain}: write each whole, such as \"info@{domain}\"",
                mailbox.get_ref()
            );
            inside = values.cx.mistake(&at, text);
        }
    }
    inside
}

/// Each name stands once, over all logins and aliases, and means one thing.
pub(super) fn judge_unique(accounts: &[(Layer<'_>, &AccountConfig)], cx: &mut Context) {
    let mut seen: HashMap<String, String> = HashMap::new();
    for (own, account) in accounts {
        let login = own.text.login.as_ref().map(Spanned::span).map(|_| own.at("login"));
        let login = login.map(|at| (account.login.as_str(), at));
        for (name, at) in login.into_iter().chain(alias_places(own)) {
            let place = format!("{}:{}", at.file.path().display(), at.file.line(at.offset));
            let Some(other) = seen.insert(account_key(name), place) else { continue };
            let text = if at.key == "account.login" {
                format!(
                    "there is already an account with this login at {other} (upper and lower case \
                     are the same): each login stands once"
                )
            } else {
                format!(
                    "`{name}` is already a login or an alias at {other} (upper and lower case are \
                     the same): each stands once"
                )
            };
            cx.mistake::<()>(&at, text);
        }
    }
    for (own, account) in accounts {
        let login = (account.login.as_str(), own.at("login"));
        for (name, at) in std::iter::once(login).chain(alias_places(own)) {
            let users = name.match_indices(['\\', '/']).filter_map(|(at, _)| name.get(..at));
            let Some(user) = users.map(account_key).find(|user| seen.contains_key(user)) else {
                continue;
            };
            let text = format!(
                "`{name}` looks like a shared mailbox of the login `{user}`, which is written so: \
                 choose a name without \\ and /"
            );
            cx.mistake::<()>(&at, text);
        }
    }
}

fn alias_places<'a>(own: &Layer<'a>) -> impl Iterator<Item = (&'a str, At<'a>)> {
    let file = own.file;
    own.text.aliases.iter().flat_map(|it| it.get_ref()).map(move |alias| {
        (alias.get_ref().as_str(), At::new(file, alias.span().start, "account.aliases"))
    })
}

fn mailbox_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap.mailbox",
        Protocol::Pop3 => "pop3.mailbox",
        Protocol::Smtp => "smtp.mailbox",
    }
}

const LOGIN_MISSING: &str = "is missing: write what the mail program will send as its user name";
const ONE_ACCOUNT: &str = "cannot be the same for all accounts: write it in each [[account]]";
const STAR: &str = "has a `*`, which stands for all mailboxes of a domain and for nothing else: write \
    \"*@example.com\", or a name without it";
const ALIAS_STAR: &str =
    "has a `*`: a whole domain is an account of its own, with login = \"*@example.com\"";
const NOT_A_DOMAIN: &str = "belongs to a whole domain, login = \"*@example.com\": the mailboxes that another \
    login opens beside its own are `shared`";
const NO_TOKENS: &str = "has no effect: every server of this account says auth = \"password\", and a password \
    opens its own user's mailbox: take it out";
const DOMAIN_GRANT: &str = "is a whole domain, which needs tokens of the application itself: grant = \
    \"client_credentials\", \"service_account\" or \"external\", and servers that take tokens";
const DOMAIN_ALONE: &str = "has no meaning for a whole domain, where each login is its own mailbox: take it \
    out, or give that mailbox an [[account]] of its own with token_from";
const ONE_MAILBOX: &str = "cannot be another mailbox: a token of a service account opens one mailbox, for all \
    protocols";
