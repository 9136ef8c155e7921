//! Which provider an account is at. The hard thing is that the other program does not say: a token
//! endpoint and mail servers are all there is, and any account may use any port. One row is one provider.

use url::Url;

use super::{Account, Server};
use crate::config::Protocol;

/// What a provider is known by.
#[derive(Debug)]
pub(super) struct Known {
    /// The preset that fits; `None` writes everything out (`provider = "custom"`).
    pub(super) preset: Option<&'static str>,
    token_host: &'static str,
    /// What stands around the tenant in the token URL's path, where there is one.
    tenant: Option<[&'static str; 2]>,
    /// Its mail servers' domains.
    mail: &'static [&'static str],
    /// What the preset says itself: IMAP, POP3, SMTP.
    servers: &'static [(Protocol, &'static str, u16, bool)],
}

impl Known {
    /// The provider of the account's token endpoint.
    pub(super) fn of(account: &Account) -> Option<&'static Self> {
        let host = host_of(&account.token_url)?;
        PROVIDERS.iter().find(|it| it.token_host == host)
    }

    /// The preset, and the tenant for it; `None` where everything is to be written out.
    pub(super) fn preset_for(&self, account: &Account) -> Option<(&'static str, Option<String>)> {
        let preset = self.preset?;
        let Some([before, after]) = self.tenant else { return Some((preset, None)) };
        let url = Url::parse(&account.token_url).ok()?;
        let tenant = url.path().strip_prefix(before)?.strip_suffix(after)?;
        (!tenant.is_empty() && !tenant.contains('/')).then(|| (preset, Some(tenant.to_owned())))
    }

    /// Whether the preset names this server itself.
    pub(super) fn knows(&self, protocol: Protocol, server: &Server) -> bool {
        self.servers.iter().any(|&(of, host, port, starttls)| {
            of == protocol
                && host.eq_ignore_ascii_case(&server.host)
                && (port, starttls) == (server.port, server.starttls)
        })
    }

    fn has(&self, host: &str) -> bool {
        self.mail.iter().any(|domain| is_within(host, domain))
    }
}

/// The one of these servers that belongs to the account's provider.
pub(super) fn choose<'a>(account: &Account, servers: &[&'a Server]) -> Choice<'a> {
    let known = Known::of(account);
    // Which provider's a server is, where that is known.
    let owner = |server: &Server| PROVIDERS.iter().find(|it| it.has(&server.host));
    let mine = |server: &&&Server| match (known, owner(server)) {
        (Some(known), Some(owner)) => std::ptr::eq(known, owner),
        _ => true,
    };
    let fit: Vec<&Server> = servers.iter().filter(mine).copied().collect();
    let ([] | [_]) = fit.as_slice() else {
        let domains =
            [host_of(&account.token_url), account.login.rsplit('@').next().map(str::to_owned)];
        let near = |server: &&&Server| match known {
            Some(known) => known.has(&server.host),
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

fn is_within(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The last two labels: near enough to tell one's own servers from another's.
fn domain_of(host: &str) -> String {
    let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
}

static PROVIDERS: &[Known] = &[
    Known {
        preset: Some("microsoft365"),
        token_host: "login.microsoftonline.com",
        tenant: Some(["/", "/oauth2/v2.0/token"]),
        mail: &["office365.com", "outlook.com"],
        servers: &[
            (Protocol::Imap, "outlook.office365.com", 993, false),
            (Protocol::Pop3, "outlook.office365.com", 995, false),
            (Protocol::Smtp, "smtp.office365.com", 587, true),
        ],
    },
    Known {
        preset: None,
        token_host: "oauth2.googleapis.com",
        tenant: None,
        mail: &["gmail.com", "googlemail.com"],
        servers: &[],
    },
    Known {
        preset: None,
        token_host: "api.login.yahoo.com",
        tenant: None,
        mail: &["mail.yahoo.com"],
        servers: &[],
    },
    Known {
        preset: None,
        token_host: "api.login.aol.com",
        tenant: None,
        mail: &["aol.com"],
        servers: &[],
    },
];
