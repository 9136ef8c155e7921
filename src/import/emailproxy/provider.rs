//! Which provider an account is at. The hard thing is that the other program does not say: a token
//! endpoint and mail servers are all there is, and any account may use any port.

use url::Url;

use super::{Account, Server};
use crate::config::{Protocol, Provider, TenantNeed, UpstreamTlsMode};

/// The provider of the account's token endpoint.
pub(super) fn of(account: &Account) -> Option<Provider> {
    Provider::at(&Url::parse(&account.token_url).ok()?)
}

/// A preset that says of an account what its file says.
pub(super) struct Fit {
    pub(super) provider: Provider,
    /// Where the preset needs one.
    pub(super) tenant: Option<String>,
}

impl Fit {
    /// Of the presets at the token endpoint the one that knows most of these servers; `None` where everything is to be
    /// written out.
    pub(super) fn of(account: &Account, servers: &[(Protocol, &Server)]) -> Option<Self> {
        let known = of(account)?;
        let fits = Provider::all().filter(|it| is_one_house(*it, known));
        let fits = fits.filter_map(|it| Self::with(account, it));
        let known_servers = |it: &Self| {
            let known = servers.iter().filter(|(protocol, server)| it.knows(*protocol, server));
            // For people of their own, the preset that is made for them.
            (it.tenant.is_none(), known.count())
        };
        // Of equals the first one: `max_by_key` takes the last.
        let mut fits: Vec<Self> = fits.collect();
        fits.reverse();
        fits.into_iter().max_by_key(known_servers)
    }

    fn with(account: &Account, provider: Provider) -> Option<Self> {
        if !provider.grants().contains(&account.flow.grant()) {
            return None;
        }
        if provider.tenant() == TenantNeed::None {
            return Some(Self { provider, tenant: None });
        }
        let (before, after) = provider.token_url()?.split_once("{tenant}")?;
        let tenant = account.token_url.strip_prefix(before)?.strip_suffix(after)?;
        let tenant = match provider.tenant() {
            TenantNeed::Default(usual) if usual == tenant => None,
            TenantNeed::Required if !tenant.is_empty() && !tenant.contains('/') => {
                Some(tenant.to_owned())
            }
            TenantNeed::None | TenantNeed::Required | TenantNeed::Default(_) => return None,
        };
        Some(Self { provider, tenant })
    }

    /// Whether the preset names this server itself.
    pub(super) fn knows(&self, protocol: Protocol, server: &Server) -> bool {
        self.provider.server(protocol).is_some_and(|it| {
            it.host().eq_ignore_ascii_case(&server.host)
                && it.port() == server.port
                && (it.mode() == UpstreamTlsMode::StartTls) == server.starttls
        })
    }

    /// Whether the preset's address, with the tenant in it, is this one.
    pub(super) fn says(&self, template: Option<&str>, url: &str) -> bool {
        let tenant = match self.provider.tenant() {
            TenantNeed::Default(usual) => Some(usual),
            TenantNeed::None | TenantNeed::Required => self.tenant.as_deref(),
        };
        template.is_some_and(|it| it.replace("{tenant}", tenant.unwrap_or_default()) == url)
    }
}

/// Whether the token endpoints are at one host: then they are one provider's, which has several presets.
fn is_one_house(one: Provider, other: Provider) -> bool {
    let host = |it: Provider| it.token_url().and_then(|it| it.split('/').nth(2));
    host(one).is_some() && host(one) == host(other)
}

/// Whose mail server it is, where that is known: one of the presets of that house.
fn owner(host: &str) -> Option<Provider> {
    let domain = domain_of(host);
    let preset = OTHER_DOMAINS.iter().find(|(other, _)| *other == domain).map(|(_, preset)| preset);
    preset.and_then(|it| Provider::named(it)).or_else(|| {
        Provider::all().find(|provider| {
            let servers = Protocol::ALL.into_iter().filter_map(|it| provider.server(it));
            servers.map(|it| domain_of(it.host())).any(|it| it == domain)
        })
    })
}

/// What servers are called that no preset names.
const OTHER_DOMAINS: &[(&str, &str)] =
    &[("googlemail.com", "google"), ("messagingengine.com", "fastmail")];

/// The one of these servers that belongs to the account's provider.
pub(super) fn choose<'a>(account: &Account, servers: &[&'a Server]) -> Choice<'a> {
    let known = of(account);
    let mine = |server: &&&Server| match (known, owner(&server.host)) {
        (Some(known), Some(owner)) => is_one_house(known, owner),
        _ => true,
    };
    let fit: Vec<&Server> = servers.iter().filter(mine).copied().collect();
    let ([] | [_]) = fit.as_slice() else {
        let domains =
            [host_of(&account.token_url), account.login.rsplit('@').next().map(str::to_owned)];
        let near = |server: &&&Server| match known {
            Some(known) => owner(&server.host).is_some_and(|it| is_one_house(known, it)),
            None => domains.iter().flatten().any(|it| domain_of(it) == domain_of(&server.host)),
        };
        let near: Vec<&Server> = fit.iter().filter(near).copied().collect();
        return match near.as_slice() {
            [server] => Choice::Server(server),
            _ => Choice::Unclear,
        };
    };
    fit.first().map_or(Choice::Nothing, |server| Choice::Server(server))
}

/// Which server serves an account.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    Server(&'a Server),
    /// None is the account's provider's.
    Nothing,
    /// Several may be.
    Unclear,
}

fn host_of(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host_str()?.to_ascii_lowercase())
}

/// The last two labels: near enough to tell one's own servers from another's.
fn domain_of(host: &str) -> String {
    let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
}
