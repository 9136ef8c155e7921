//! The keys of an account that say how its access tokens come about. The hard thing is the secret: it is
//! read from its source here, and goes to no other endpoint than the one that it was written for.

mod client;
mod external;
mod grant;
mod sign_in;
pub(super) mod tenant;
mod unused;

use std::{path::PathBuf, time::Duration};

use url::{Host, Url};

use super::{
    ClientAuthentication, ClientSecretMethod, OAuthConfig, Protocol,
    account::unfit_name,
    oauth_config::REFRESH_IDLE,
    resolve::{At, Context},
    show::{Row, Source, quoted},
    text::{GrantText, SecretText},
    values::{Inherit, Values},
};

pub(super) use self::{
    external::external,
    unused::{refuse_unused, written_keys},
};

/// Judges them, for a token that opens the servers of these protocols, in an account of this login and
/// mailbox.
pub(super) fn oauth(
    values: &mut Values<'_, '_>,
    protocols: &[Protocol],
    ca_file: Option<PathBuf>,
    user: [&str; 2],
) -> Option<OAuthConfig> {
    let kind = values.grant();
    offered(values, kind)?;
    let token_url = token_url(values, kind);
    let unused = unused::refuse_of_other_grants(values, kind);
    let client_id = match kind {
        // The key file says who asks.
        GrantText::ServiceAccount => Some(String::new()),
        GrantText::ClientCredentials
        | GrantText::RefreshToken
        | GrantText::Password
        | GrantText::External => client_id(values),
    };
    let client_authentication = client::client_authentication(values, kind);
    let client_secret_method = match client_authentication {
        Some(ClientAuthentication::Secret(_)) => values.client_secret_method(token_url.as_ref()),
        _ => ClientSecretMethod::Post,
    };
    let grant = grant::grant(values, kind, user);
    let scopes = scopes(values, kind, protocols);
    let sign_in = sign_in::sign_in(values, kind, user, token_url.as_ref());
    let proxy = proxy(values);
    let refresh_idle = refresh_idle(values);
    let default = (FRESH_PERCENT, Source::Default);
    let fresh_percent =
        values.small("fresh_percent", |t| &t.fresh_percent, Inherit::Always, default, 95);
    unused?;
    Some(OAuthConfig {
        token_url: token_url?,
        client_id: client_id?,
        client_authentication: client_authentication?,
        client_secret_method,
        scopes: scopes?,
        grant: grant?,
        sign_in: sign_in?,
        ca_file,
        proxy: proxy?,
        fresh_percent: u8::try_from(fresh_percent?.0).ok()?,
        refresh_idle: refresh_idle?,
    })
}

/// Whether the provider knows the grant at all.
fn offered(values: &mut Values<'_, '_>, kind: GrantText) -> Option<()> {
    let grants = values.preset.grants;
    if kind == GrantText::External || grants.contains(&kind) {
        return Some(());
    }
    let written = values.written(|t| &t.grant, Inherit::WithProvider);
    let at = written.map(|(_, at)| At { key: at.key + "grant", ..at });
    let at = at.unwrap_or_else(|| values.own.at("grant"));
    if kind == GrantText::ServiceAccount {
        return values.cx.mistake(&at, NOT_GOOGLE);
    }
    let known: Vec<String> = grants.iter().map(|grant| quoted(grant.name())).collect();
    let text = format!(
        "is \"{}\", which {} does not offer for mail: write {}, or \"external\" for tokens from elsewhere",
        kind.name(),
        values.preset.title,
        known.join(" or ")
    );
    values.cx.mistake(&at, text)
}

fn client_id(values: &mut Values<'_, '_>) -> Option<String> {
    let client_id = values.text("client_id", |t| &t.client_id, Inherit::WithEndpoint);
    let client_id = client_id.or_else(|| {
        let withheld = values.is_withheld(|t| &t.client_id);
        let at = values.own.at("client_id");
        values.cx.mistake(&at, if withheld { CLIENT_WITHHELD } else { CLIENT_ID_MISSING })
    });
    let (id, at) = client_id?;
    if id.is_empty() {
        return values.cx.mistake(&at, CLIENT_ID_EMPTY);
    }
    match unfit_name(&id) {
        Some(fault) => values.cx.mistake(&at, fault),
        None => Some(id),
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

/// RFC 6749 section 3.2: TLS is a must, a fragment is not allowed.
fn token_url(values: &mut Values<'_, '_>, kind: GrantText) -> Option<Url> {
    let preset = match values.preset.token_url {
        None if kind == GrantText::ServiceAccount => Some(GOOGLE_TOKEN_URL.to_owned()),
        None => None,
        Some(_) if values.written(|t| &t.token_url, Inherit::WithProvider).is_some() => None,
        Some(template) => Some(tenant::with_tenant(values, template, kind)?),
    };
    let (text, at) = values.required("token_url", |t| &t.token_url, preset, TOKEN_URL_MISSING)?;
    secure_url(values.cx, &at, &text)
}

/// A URL that secrets may go to: inside TLS, or on loopback.
pub(super) fn secure_url(cx: &mut Context, at: &At<'_>, text: &str) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        return cx.mistake(at, "is not a URL: write it whole, beginning with https://");
    };
    if !is_secure(&url) {
        return cx.mistake(at, "must begin with https:// (http:// only on loopback)");
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return cx.mistake(at, "must have no user, password or #fragment: take it out");
    }
    Some(url)
}

/// Whether secrets may go there at all.
pub(crate) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
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

/// Why a key of `[defaults]` is not taken.
fn withheld(key: &str) -> String {
    format!(
        "is missing: {key} of [defaults] goes only to the token endpoint that [defaults] names (by \
         provider or token_url), and this account has another: write it here, or name its endpoint in \
         [defaults]"
    )
}

/// RFC 6749 section 3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
fn scopes(
    values: &mut Values<'_, '_>,
    kind: GrantText,
    protocols: &[Protocol],
) -> Option<Vec<String>> {
    let preset = values.preset.scopes(kind, protocols);
    let (scopes, at) = values.list("scopes", |t| &t.scopes, preset);
    if scopes.is_empty() && kind == GrantText::ServiceAccount {
        return values.cx.mistake(&at, SERVICE_SCOPES_MISSING);
    }
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

/// As it stands in the key files of service accounts.
const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

const FRESH_PERCENT: u16 = 50;

const SHORTEST_IDLE: Duration = Duration::from_secs(600);
/// Microsoft's window is ninety days, and a gateway may be off for a while.
const LONGEST_IDLE: Duration = Duration::from_secs(60 * 24 * 3600);

const NOT_GOOGLE: &str = "is \"service_account\", which is Google's: write provider = \"google\"";
const CLIENT_ID_MISSING: &str = "is missing: write the application's (client) id as the provider \
    shows it, here or in [defaults]";
const CLIENT_ID_EMPTY: &str =
    "is empty: write the application's (client) id as the provider shows it";
const CLIENT_WITHHELD: &str = "is missing: client_id and client_secret of [defaults] go only to the token \
    endpoint that [defaults] names (by provider or token_url), and this account has another, or a device_url \
    elsewhere: write them here, or name its endpoints in [defaults]";
const TOKEN_URL_MISSING: &str = "is missing: a custom provider needs the URL of its token endpoint (a \
    server that takes a password says auth = \"password\" in its table)";
const SERVICE_SCOPES_MISSING: &str = "is missing: a service account asks for the scopes that the \
    administrator has delegated to it, for example scopes = [\"https://mail.google.com/\"]";
