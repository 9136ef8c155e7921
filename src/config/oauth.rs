//! The keys of an account that say how its access tokens come about. The hard thing is the secret: it is
//! read from its source here, and goes to no other endpoint than the one that it was written for.

mod sign_in;

use std::{path::PathBuf, time::Duration};

use toml::Spanned;
use url::{Host, Url};

use super::{
    ClientAuthentication, ExternalToken, Grant, OAuthConfig, Protocol, SignIn,
    account::unfit_name,
    oauth_config::REFRESH_IDLE,
    preset::MICROSOFT_SHARED_TENANTS,
    resolve::{At, Context},
    show::{Row, Source, quoted},
    text::{GrantText, SecretText},
    values::{Inherit, Values},
};
use crate::secret::Secret;

/// Judges them, for a token that opens the servers of these protocols, in an account of this login and
/// mailbox.
pub(super) fn oauth(
    values: &mut Values<'_, '_>,
    protocols: &[Protocol],
    ca_file: Option<PathBuf>,
    user: [&str; 2],
) -> Option<OAuthConfig> {
    let kind = values.grant();
    let token_url = token_url(values, kind);
    let client_id = values.text("client_id", |t| &t.client_id, Inherit::WithEndpoint);
    let client_id = client_id.or_else(|| {
        let withheld = values.is_withheld(|t| &t.client_id);
        let at = values.own.at("client_id");
        values.cx.mistake(&at, if withheld { CLIENT_WITHHELD } else { CLIENT_ID_MISSING })
    });
    let client_id = client_id.and_then(|(id, at)| match unfit_name(&id) {
        Some(fault) => values.cx.mistake(&at, fault),
        None => Some(id),
    });
    let client_authentication = client_authentication(values, kind);
    let grant = grant(values, kind);
    let scopes = scopes(values, kind, protocols);
    let sign_in = sign_in::sign_in(values, kind, user);
    let proxy = proxy(values);
    let refresh_idle = refresh_idle(values);
    let default = (FRESH_PERCENT, Source::Default);
    let fresh_percent =
        values.small("fresh_percent", |t| &t.fresh_percent, Inherit::Always, default, 95);
    Some(OAuthConfig {
        token_url: token_url?,
        client_id: client_id?,
        client_authentication: client_authentication?,
        scopes: scopes?,
        grant: grant?,
        sign_in: sign_in?,
        ca_file,
        proxy: proxy?,
        fresh_percent: u8::try_from(fresh_percent?.0).ok()?,
        refresh_idle: refresh_idle?,
    })
}

/// With `grant = "external"`: where the tokens come from; nothing else is asked for.
pub(super) fn external(values: &mut Values<'_, '_>) -> Option<ExternalToken> {
    values.grant();
    let at = values.own.at("grant");
    values.cx.mistake(&at, "is not built yet")
}

fn grant(values: &mut Values<'_, '_>, kind: GrantText) -> Option<Grant> {
    match kind {
        GrantText::ClientCredentials => Some(Grant::ClientCredentials),
        GrantText::RefreshToken => Some(Grant::RefreshToken),
        GrantText::ServiceAccount | GrantText::Password | GrantText::External => {
            let at = values.own.at("grant");
            values.cx.mistake(&at, "is not built yet")
        }
    }
}

/// An HTTP proxy, for the token endpoint alone.
fn proxy(values: &mut Values<'_, '_>) -> Option<Option<Url>> {
    let Some((text, at)) = values.text("proxy", |t| &t.proxy, Inherit::Always) else {
        return Some(None);
    };
    match Url::parse(&text) {
        Ok(url)
            if url.scheme() == "http"
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Some(Some(url))
        }
        Ok(_) | Err(_) => values.cx.mistake(
            &at,
            "is not the URL of an HTTP proxy: write it as http://host:port, without user and password",
        ),
    }
}

fn refresh_idle(values: &mut Values<'_, '_>) -> Option<Duration> {
    let Some((wait, at)) = values.written(|t| &t.refresh_idle, Inherit::Always) else {
        let words = humantime::format_duration(REFRESH_IDLE).to_string();
        values.rows.push(Row::new("refresh_idle", quoted(&words), Source::Default));
        return Some(REFRESH_IDLE);
    };
    let at = At { key: at.key + "refresh_idle", ..at };
    let words = humantime::format_duration(wait.0).to_string();
    values.rows.push(Row::new("refresh_idle", quoted(&words), at.source()));
    if (SHORTEST_IDLE..=LONGEST_IDLE).contains(&wait.0) {
        Some(wait.0)
    } else {
        values.cx.mistake(&at, "must lie between 10m and 60d")
    }
}

/// In an account whose servers all take passwords: who writes these believes that tokens are used.
pub(super) fn refuse_unused(values: &mut Values<'_, '_>) -> Option<()> {
    let text = values.own.text;
    let written = [
        ("grant", text.grant.as_ref().map(Spanned::span)),
        ("tenant", text.tenant.as_ref().map(Spanned::span)),
        ("token_url", text.token_url.as_ref().map(Spanned::span)),
        ("client_id", text.client_id.as_ref().map(Spanned::span)),
        ("client_secret", text.client_secret.as_ref().map(Spanned::span)),
        ("client_certificate", text.client_certificate.as_ref().map(Spanned::span)),
        ("federated_token_file", text.federated_token_file.as_ref().map(Spanned::span)),
        ("service_account_key", text.service_account_key.as_ref().map(Spanned::span)),
        ("owner_password", text.owner_password.as_ref().map(Spanned::span)),
        ("token_command", text.token_command.as_ref().map(Spanned::span)),
        ("token_file", text.token_file.as_ref().map(Spanned::span)),
        ("token_owner", text.token_owner.as_ref().map(Spanned::span)),
        ("authorization_url", text.authorization_url.as_ref().map(Spanned::span)),
        ("device_url", text.device_url.as_ref().map(Spanned::span)),
        ("redirect_uri", text.redirect_uri.as_ref().map(Spanned::span)),
        ("issuer", text.issuer.as_ref().map(Spanned::span)),
        ("signin_scopes", text.signin_scopes.as_ref().map(Spanned::span)),
        ("proxy", text.proxy.as_ref().map(Spanned::span)),
        ("refresh_idle", text.refresh_idle.as_ref().map(Spanned::span)),
        ("scopes", text.scopes.as_ref().map(Spanned::span)),
        ("mechanism", text.mechanism.as_ref().map(Spanned::span)),
        ("fresh_percent", text.fresh_percent.as_ref().map(Spanned::span)),
    ];
    match written.into_iter().find_map(|(key, span)| Some((key, span?))) {
        None => Some(()),
        Some((key, span)) => {
            let at = At::new(values.own.file, span.start, format!("account.{key}"));
            values.cx.mistake(&at, NO_TOKENS)
        }
    }
}

/// RFC 6749 section 3.2: TLS is a must, a fragment is not allowed.
fn token_url(values: &mut Values<'_, '_>, kind: GrantText) -> Option<Url> {
    let preset = match values.preset.token_url {
        None => None,
        Some(_) if values.written(|t| &t.token_url, Inherit::WithProvider).is_some() => None,
        Some(template) => Some(with_tenant(values, template, kind)?),
    };
    let (text, at) = values.required("token_url", |t| &t.token_url, preset, TOKEN_URL_MISSING)?;
    secure_url(values.cx, &at, &text)
}

/// A preset's URL, with the account's tenant in it. The tenant's own row is shown once, by the token URL.
fn with_tenant(values: &mut Values<'_, '_>, template: &str, kind: GrantText) -> Option<String> {
    let tenant = values.optional("tenant", |t| &t.tenant);
    Some(template.replace("{tenant}", &fit_tenant(values, tenant, kind)?))
}

/// A URL that secrets may go to: inside TLS, or on loopback.
pub(super) fn secure_url(cx: &mut Context, at: &At<'_>, text: &str) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        return cx.mistake(at, "is not a URL: write it whole, beginning with https://");
    };
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return cx.mistake(at, "must begin with https:// (http:// only on loopback)");
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return cx.mistake(at, "must have no user, password or #fragment: take it out");
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn fit_tenant(
    values: &mut Values<'_, '_>,
    tenant: Option<(String, At<'_>)>,
    kind: GrantText,
) -> Option<String> {
    let Some((tenant, at)) = tenant else {
        let at = values.own.at("tenant");
        return values.cx.mistake(&at, TENANT_MISSING);
    };
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if tenant.is_empty() || !tenant.chars().all(fit) {
        return values.cx.mistake(&at, "is neither a tenant's id nor a domain such as example.com");
    }
    let shared = MICROSOFT_SHARED_TENANTS.contains(&tenant.to_ascii_lowercase().as_str());
    if kind == GrantText::ClientCredentials && shared {
        return values.cx.mistake(
            &at,
            format!(
                "`{tenant}` stands for many tenants, and grant = \"client_credentials\" needs one: \
                 write the tenant's id or domain"
            ),
        );
    }
    Some(tenant)
}

fn client_authentication(
    values: &mut Values<'_, '_>,
    kind: GrantText,
) -> Option<ClientAuthentication> {
    Some(match client_secret(values, kind)? {
        Some(secret) => ClientAuthentication::Secret(secret),
        None => ClientAuthentication::Public,
    })
}

fn client_secret(values: &mut Values<'_, '_>, kind: GrantText) -> Option<Option<Secret>> {
    let Some((written, at)) = values.written(|t| &t.client_secret, Inherit::WithEndpoint) else {
        if kind == GrantText::ClientCredentials {
            let withheld = values.is_withheld(|t| &t.client_secret);
            let at = values.own.at("client_secret");
            let text = if withheld { CLIENT_WITHHELD } else { SECRET_MISSING };
            return values.cx.mistake(&at, text);
        }
        return Some(None);
    };
    let at = At { key: at.key + "client_secret", ..at };
    values.rows.push(Row::new("client_secret", show_secret(written), at.source()));
    match values.cx.secrets.read(at.file, written) {
        Ok(secret) => Some(Some(secret)),
        Err(fault) => values.cx.mistake(&at, fault),
    }
}

fn show_secret(written: &SecretText) -> String {
    match written {
        SecretText::File(path) => format!("{{ file = {} }}", quoted(path)),
        SecretText::Env(name) => format!("{{ env = {} }}", quoted(name)),
        SecretText::Command(words) => {
            format!("{{ command = [{}, …] }}", quoted(words.first().map_or("", String::as_str)))
        }
        SecretText::Credential(name) => format!("{{ credential = {} }}", quoted(name)),
    }
}

/// RFC 6749 section 3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
fn scopes(
    values: &mut Values<'_, '_>,
    kind: GrantText,
    protocols: &[Protocol],
) -> Option<Vec<String>> {
    let preset = values.preset.scopes(kind, protocols);
    let (scopes, at) = values.list("scopes", |t| &t.scopes, preset);
    fit_scopes(values, scopes, &at)
}

fn fit_scopes(
    values: &mut Values<'_, '_>,
    scopes: Vec<String>,
    at: &At<'_>,
) -> Option<Vec<String>> {
    let fit = |c: char| matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
    match scopes.iter().find(|scope| scope.is_empty() || !scope.chars().all(fit)) {
        Some(scope) => {
            let text = format!("`{scope}` is not one scope: write each as a string of its own");
            values.cx.mistake(at, text)
        }
        None => Some(scopes),
    }
}

const FRESH_PERCENT: u16 = 50;

const SHORTEST_IDLE: Duration = Duration::from_secs(600);
/// Microsoft's window is ninety days, and a gateway may be off for a while.
const LONGEST_IDLE: Duration = Duration::from_secs(60 * 24 * 3600);

const NO_TOKENS: &str = "has no effect: every server of this account says auth = \"password\", so no token \
    is asked for: take it out, or say auth = \"oauth\" for the server that takes tokens";
const TENANT_MISSING: &str = "is missing: write the Microsoft tenant's id or one of its domains, here \
    or in [defaults]";
const CLIENT_ID_MISSING: &str = "is missing: write the application's (client) id as the provider \
    shows it, here or in [defaults]";
const CLIENT_WITHHELD: &str = "is missing: client_id and client_secret of [defaults] go only to the token \
    endpoint that [defaults] names (by provider or token_url), and this account has another, or a device_url \
    elsewhere: write them here, or name its endpoints in [defaults]";
const TOKEN_URL_MISSING: &str = "is missing: a custom provider needs the URL of its token endpoint (a \
    server that takes a password says auth = \"password\" in its table)";
const SECRET_MISSING: &str = "is missing: grant = \"client_credentials\" needs the application's \
    secret, for example client_secret = { file = \"client-secret\" }";
