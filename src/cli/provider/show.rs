//! `saslgate provider show`. The hard thing is that commands and addresses are copied from it: so they stand on lines of their
//! own, unbroken however long they are.

use std::fmt::Write as _;

use super::{ShowArgs, named};
use crate::{
    cli::{Failure, Global, account, status::table::wrapped, terminal::say},
    config::{
        AccountConfig, ClientSecretMethod, Protocol, Provider, ProviderServer, Secrets, TenantNeed,
        UpstreamTlsMode,
    },
    guide::{Guide, Line, Step, Subject},
};

pub(super) fn show(args: &ShowArgs, global: &Global) -> Result<(), Failure> {
    let provider = args.name.as_deref().map(named).transpose()?;
    let mut subject = match &args.login {
        None => {
            // Clap has seen to it.
            let provider = provider.ok_or_else(|| Failure::mistake("say which provider"))?;
            Subject::placeholder(provider, false)
        }
        Some(login) => {
            let config = global.load(Secrets::Skip)?.config;
            let account = account::find(&config, login)?;
            Subject::of(&config, account, of_account(account, provider)?)
        }
    };
    if args.app_only && !subject.app_only {
        without_a_person(&mut subject)?;
    }
    let guide = Guide::of(&subject);
    if args.json {
        return say(json(&subject, &guide));
    }
    say(facts(&subject) + &steps(&guide))
}

/// The provider of an account, which must be the one that was named, if one was.
fn of_account(account: &AccountConfig, named: Option<Provider>) -> Result<Provider, Failure> {
    let Some(oauth) = &account.oauth else {
        return named.ok_or_else(|| {
            Failure::mistake(format!(
                "{} has no OAuth settings: name the provider, too",
                account.login
            ))
        });
    };
    let has_its_servers = |provider: &Provider| {
        Protocol::ALL.into_iter().any(|protocol| {
            let theirs = provider.server(protocol).map(ProviderServer::host);
            theirs.is_some() && theirs == account.upstream(protocol).map(|it| it.host.as_str())
        })
    };
    // Two clouds share their endpoint.
    let host = |url: &str| url.split('/').nth(2) == oauth.token_url.host_str();
    let there: Vec<Provider> =
        Provider::all().filter(|it| it.token_url().is_some_and(host)).collect();
    let own = Provider::at(&oauth.token_url);
    let own = own.filter(has_its_servers).or_else(|| there.iter().copied().find(has_its_servers));
    let own = own.or_else(|| there.first().copied());
    match (named, own) {
        (Some(named), _) if there.iter().any(|it| it.name() == named.name()) => Ok(named),
        (Some(named), _) if named.token_url().is_none() => Ok(named),
        (None, Some(own)) => Ok(own),
        (None, None) => super::named("custom"),
        (Some(named), own) => Err(Failure::mistake(format!(
            "the tokens of {} do not come from {}, but from {}",
            account.login,
            named.title(),
            own.map_or_else(|| oauth.token_url.to_string(), |it| it.title().to_owned())
        ))),
    }
}

fn without_a_person(subject: &mut Subject) -> Result<(), Failure> {
    let provider = subject.provider;
    if provider.app_only_grant().is_none() {
        return Err(Failure::mistake(format!(
            "{} lets no application into mailboxes by itself: a person must sign in",
            provider.title()
        )));
    }
    subject.app_only = true;
    subject.confidential = true;
    subject.scopes = provider.scopes(&subject.protocols, true);
    Ok(())
}

const NAME: usize = 14;

fn facts(subject: &Subject) -> String {
    let provider = subject.provider;
    let mut text = format!("{} (provider = \"{}\")\n", provider.title(), provider.name());
    text.push_str(&wrapped(provider.about(), "  "));
    text.push('\n');
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:NAME$}  {value}");
    };
    for protocol in Protocol::ALL {
        if let Some(server) = provider.server(protocol) {
            row(&protocol.to_string(), &words(server));
        }
    }
    if let Some(mechanism) = provider.mechanism() {
        row("mechanism", mechanism);
    }
    match provider.tenant() {
        TenantNeed::None => {}
        TenantNeed::Required if subject.is_configured => row("tenant", &subject.tenant),
        TenantNeed::Required => row("tenant", "required: the tenant's id or one of its domains"),
        TenantNeed::Default(tenant) => {
            row("tenant", &format!("{tenant}, unless you say otherwise"))
        }
    }
    row("grants", &grants(provider));
    if provider.client_secret_method() == ClientSecretMethod::Basic {
        row("client secret", "in the Authorization header (client_secret_method = \"basic\")");
    }
    for (name, url) in endpoints(subject) {
        row(name, &url);
    }
    if !subject.app_only {
        row("redirect", &subject.redirect_uri);
    }
    let mut name = "scopes";
    for scope in &subject.scopes {
        row(name, scope);
        name = "";
    }
    if !provider.limits().is_empty() {
        text.push_str("\nLimits\n");
    }
    for limit in provider.limits() {
        text.push_str("  - ");
        text.push_str(wrapped(limit, "    ").trim_start());
    }
    text
}

/// What each stands for stands beside it, and what is not advised.
fn grants(provider: Provider) -> String {
    let words = |grant: &&str| match *grant {
        "password" => "password (a last resort)".to_owned(),
        "external" => "external (tokens from elsewhere)".to_owned(),
        other => other.to_owned(),
    };
    provider.grants().iter().map(words).collect::<Vec<_>>().join(", ")
}

fn words(server: ProviderServer) -> String {
    let tls = match server.mode() {
        UpstreamTlsMode::Implicit => "TLS",
        UpstreamTlsMode::StartTls => "STARTTLS",
    };
    let limit = server.connection_limit();
    let limit = limit.map_or_else(String::new, |it| format!(", at most {it} connections at once"));
    format!("{}:{}, {tls}{limit}", server.host(), server.port())
}

fn endpoints(subject: &Subject) -> Vec<(&'static str, String)> {
    let provider = subject.provider;
    let sign_in = |url: Option<&'static str>| url.filter(|_| !subject.app_only);
    [
        ("tokens", provider.token_url()),
        ("sign-in", sign_in(provider.authorization_url())),
        ("device codes", sign_in(provider.device_url())),
    ]
    .into_iter()
    .filter_map(|(name, url)| Some((name, url?.replace("{tenant}", &tenant(subject)))))
    .collect()
}

fn tenant(subject: &Subject) -> String {
    match subject.provider.tenant() {
        TenantNeed::Default(tenant) if !subject.is_configured => tenant.to_owned(),
        TenantNeed::Default(_) | TenantNeed::None | TenantNeed::Required => subject.tenant.clone(),
    }
}

fn steps(guide: &Guide) -> String {
    let mut text = format!("\n{}\n", guide.title);
    for (number, step) in guide.steps.iter().enumerate() {
        let _ = write!(text, "\n{}. {}\n", number + 1, step.title);
        lines(&mut text, step);
    }
    text.truncate(text.trim_end().len());
    text
}

fn lines(text: &mut String, step: &Step) {
    for line in &step.lines {
        match line {
            Line::Text(words) => text.push_str(&wrapped(words, "   ")),
            Line::Link(it) | Line::Command(it) | Line::Setting(it) => {
                let _ = writeln!(text, "     {it}");
            }
            Line::Value(name, value) => {
                let _ = writeln!(text, "     {name}: {value}");
            }
        }
    }
}

fn json(subject: &Subject, guide: &Guide) -> String {
    let provider = subject.provider;
    let servers: Vec<_> = Protocol::ALL
        .into_iter()
        .filter_map(|protocol| Some((protocol, provider.server(protocol)?)))
        .map(|(protocol, server)| {
            serde_json::json!({
                "protocol": protocol.name(),
                "host": server.host(),
                "port": server.port(),
                "tls": match server.mode() {
                    UpstreamTlsMode::Implicit => "implicit",
                    UpstreamTlsMode::StartTls => "starttls",
                },
                "connection_limit": server.connection_limit(),
            })
        })
        .collect();
    let line = |line: &Line| match line {
        Line::Text(it) => serde_json::json!({ "text": it }),
        Line::Link(it) => serde_json::json!({ "link": it }),
        Line::Value(name, value) => serde_json::json!({ "name": name, "value": value }),
        Line::Command(it) => serde_json::json!({ "command": it }),
        Line::Setting(it) => serde_json::json!({ "setting": it }),
    };
    let step = |step: &Step| {
        let lines: Vec<_> = step.lines.iter().map(line).collect();
        serde_json::json!({ "title": step.title, "lines": lines })
    };
    let url = |url: Option<&str>| url.map(|it| it.replace("{tenant}", &tenant(subject)));
    let object = serde_json::json!({
        "provider": provider.name(),
        "title": provider.title(),
        "about": provider.about(),
        "app_only": subject.app_only,
        "servers": servers,
        "mechanism": provider.mechanism(),
        "grants": provider.grants(),
        "token_url": url(provider.token_url()),
        "authorization_url": url(provider.authorization_url()),
        "device_url": url(provider.device_url()),
        "redirect_uri": subject.redirect_uri,
        "scopes": subject.scopes,
        "limits": provider.limits(),
        "guide": { "title": guide.title, "steps": guide.steps.iter().map(step).collect::<Vec<_>>() },
    });
    // Maps of strings always become JSON.
    serde_json::to_string_pretty(&object).unwrap_or_default()
}
