//! What an access token says of itself, where it can be read. The hard thing is that it is not ours to
//! read: most providers' tokens are opaque, and that is as good as any; so only what is there is judged,
//! and only where it is known what the mail servers want.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{
    About, Finding,
    diagnose::{role, scope},
};
use crate::{config::Protocol, proto::text::printable, secret::Secret};

/// What a readable token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `aud`.
    pub audiences: Vec<String>,
    /// `scp`, or `scope`.
    pub scopes: Vec<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// All that the user is called, the usual first.
    pub names: Vec<String>,
    /// Whether it says that no user stands behind it (`idtyp`).
    pub of_application: bool,
}

#[derive(Deserialize)]
struct Payload {
    aud: Option<Words>,
    scp: Option<Words>,
    scope: Option<Words>,
    roles: Option<Words>,
    idtyp: Option<Words>,
    upn: Option<Words>,
    preferred_username: Option<Words>,
    unique_name: Option<Words>,
    email: Option<Words>,
}

/// One text, several in one, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
    Odd(serde::de::IgnoredAny),
}

impl Words {
    fn split(self) -> Vec<String> {
        let words: Vec<String> = match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
            Self::Odd(_) => Vec::new(),
        };
        let printable = words.iter().map(|word| printable(word.as_bytes(), LONGEST));
        printable.filter(|word| !word.is_empty()).take(MOST).collect()
    }
}

impl Claims {
    /// Reads a JWT's; `None` for any other token.
    pub fn read(token: &Secret) -> Option<Self> {
        let mut parts = token.expose().split(|octet| *octet == b'.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let split = |words: Option<Words>| words.map(Words::split).unwrap_or_default();
        let mut scopes = split(payload.scp);
        scopes.extend(split(payload.scope));
        let names = [payload.upn, payload.preferred_username, payload.unique_name, payload.email];
        Some(Self {
            audiences: split(payload.aud),
            scopes,
            roles: split(payload.roles),
            names: names.into_iter().flat_map(split).collect(),
            of_application: split(payload.idtyp).iter().any(|kind| kind == "app"),
        })
    }

    /// Whether one of Exchange's names stands in it.
    pub(super) fn is_for_exchange(&self) -> bool {
        self.audiences.iter().any(|it| is_exchange(it))
    }

    /// Whether no user stands behind it. Where nobody signs in that is so whatever else it says.
    pub(super) fn is_app_only(&self, about: &About) -> bool {
        self.of_application
            || about.app_only
            || (self.scopes.is_empty() && self.names.is_empty() && !self.roles.is_empty())
    }

    /// Whether it has a permission, as scope or role.
    pub(super) fn has(&self, permission: &str) -> bool {
        let short = |it: &str| short(it).eq_ignore_ascii_case(short(permission));
        self.scopes.iter().chain(&self.roles).any(|it| short(it))
    }

    /// Judges it for the servers that get it.
    pub(super) fn judge(&self, about: &About, protocols: &[Protocol]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let exchange = about.expects_exchange() || self.is_for_exchange();
        let wrong = exchange && !self.audiences.is_empty() && !self.is_for_exchange();
        let is_graph = self.audiences.iter().any(|it| is_named(it, GRAPH));
        if wrong || is_graph {
            findings.push(Finding::AudienceWrong {
                audience: self.audiences.join(" "),
                expected: about.resource().unwrap_or_else(|| about.exchange().to_owned()),
            });
        } else if exchange {
            let missing = protocols.iter().filter_map(|it| self.missing(about, *it));
            findings.extend(missing);
        } else {
            findings.extend(self.missing_elsewhere(about, protocols));
        }
        if let (Some(owner), Some(user)) = (&about.owner, self.names.first())
            && !about.app_only
            && !self.names.iter().any(|name| name.to_lowercase() == owner.to_lowercase())
        {
            findings.push(Finding::UserWrong { user: user.clone(), expected: owner.clone() });
        }
        if findings.is_empty() {
            findings.push(Finding::ClaimsGood {
                audience: Some(self.audiences.join(" ")).filter(|it| !it.is_empty()),
                permissions: [self.scopes.as_slice(), self.roles.as_slice()].concat(),
                user: self.names.first().cloned(),
            });
        }
        findings
    }

    /// The permission of Exchange's that it lacks.
    fn missing(&self, about: &About, protocol: Protocol) -> Option<Finding> {
        if self.is_app_only(about) {
            let role = role(protocol);
            // A broker may give out a person's token all the same: then it has a person's permission.
            let has = self.has(role) || self.has(scope(protocol));
            return (!has).then(|| Finding::RoleMissing {
                protocol,
                role: role.to_owned(),
                has: [self.roles.as_slice(), self.scopes.as_slice()].concat(),
            });
        }
        (!self.has(scope(protocol))).then(|| Finding::ScopeMissing {
            protocol,
            scope: format!(
                "{}/{}",
                about.resource().unwrap_or_else(|| about.exchange().to_owned()),
                scope(protocol)
            ),
            has: self.scopes.clone(),
        })
    }

    /// The scopes that were asked for and are not there, where the token lists any.
    fn missing_elsewhere(&self, about: &About, protocols: &[Protocol]) -> Vec<Finding> {
        if self.scopes.is_empty() {
            return Vec::new();
        }
        let asked = about.scopes.iter().filter(|it| {
            !ABOUT_PEOPLE.contains(&it.as_str()) && short(it) != ".default" && !self.has(it)
        });
        let missing = |scope: &String| {
            let lower = scope.to_ascii_lowercase();
            let named = protocols.iter().find(|it| lower.contains(word(**it)));
            named.or_else(|| protocols.first()).map(|protocol| Finding::ScopeMissing {
                protocol: *protocol,
                scope: scope.clone(),
                has: self.scopes.clone(),
            })
        };
        asked.filter_map(missing).collect()
    }
}

impl About {
    /// Whether the account's mail servers are Exchange's, by its settings.
    pub(super) fn expects_exchange(&self) -> bool {
        self.provider.starts_with("microsoft365")
            || self.provider == "outlook.com"
            || self.scopes.iter().any(|scope| is_exchange(scope))
    }

    /// What Exchange is called in its scopes, in the account's cloud.
    fn exchange(&self) -> &'static str {
        match self.provider {
            "microsoft365-gcc-high" | "microsoft365-dod" => "https://outlook.office365.us",
            "microsoft365-21vianet" => "https://partner.outlook.cn",
            _ if self.app_only => EXCHANGE_DEFAULT,
            _ => "https://outlook.office.com",
        }
    }

    /// For what the scopes ask: their common front.
    fn resource(&self) -> Option<String> {
        // Where the mail servers are Exchange's, a scope of another service is the very fault.
        let is_of_servers = |scope: &&String| !self.expects_exchange() || is_exchange(scope);
        let url = self
            .scopes
            .iter()
            .filter(is_of_servers)
            .find_map(|scope| Url::parse(scope).ok().filter(|url| url.has_host()))?;
        Some(url.origin().ascii_serialization())
    }
}

/// A permission without the resource before it.
fn short(permission: &str) -> &str {
    permission.rsplit('/').next().unwrap_or(permission)
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop",
        Protocol::Smtp => "smtp",
    }
}

fn is_exchange(audience: &str) -> bool {
    is_named(audience, EXCHANGE)
}

/// By its id, or by its host in a URL.
fn is_named(audience: &str, names: &[&str]) -> bool {
    let host = Url::parse(audience).ok().and_then(|url| url.host_str().map(str::to_owned));
    names.iter().any(|name| audience == *name || host.as_deref() == Some(name))
}

/// Exchange Online's application id, and its hosts in all clouds.
const EXCHANGE: &[&str] = &[
    "00000002-0000-0ff1-ce00-000000000000",
    "outlook.office.com",
    "outlook.office365.com",
    "outlook.office365.us",
    "outlook-dod.office365.us",
    "partner.outlook.cn",
    "ps.outlook.com",
];

/// Whose tokens no mail server takes.
const GRAPH: &[&str] = &[
    "00000003-0000-0000-c000-000000000000",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
];

const EXCHANGE_DEFAULT: &str = "https://outlook.office365.com";

/// Scopes that open no mailbox.
const ABOUT_PEOPLE: [&str; 4] = ["offline_access", "openid", "profile", "email"];

const LONGEST: usize = 256;
const MOST: usize = 100;
