//! A provider that no preset knows. The hard thing is that its addresses are long and easily mistyped: it is asked for them
//! itself, and only where it does not say are they typed.

use std::time::Duration;

use url::Url;

use super::{
    InitArgs,
    ask::{Ask, Question},
    conversation::at_home,
};
use crate::{
    cli::{Failure, block_on, terminal::remark},
    config::{ClientSecretMethod, Protocol, is_secure},
    discovery::{Metadata, discover},
    init::{Endpoints, ServerAnswer},
};

/// Where tokens come from.
pub(super) fn endpoints(
    ask: &mut Ask,
    args: &InitArgs,
    app_only: bool,
) -> Result<Option<Endpoints>, Failure> {
    let given = &args.custom;
    let mut endpoints = if given.token_url.is_some() {
        Some(Endpoints {
            issuer: given.issuer.clone(),
            token_url: given.token_url.clone().unwrap_or_default(),
            authorization_url: given.authorization_url.clone(),
            ..Endpoints::default()
        })
    } else {
        discovered(ask, args)?
    };
    if let Some(endpoints) = &mut endpoints
        && !app_only
        && endpoints.authorization_url.is_none()
    {
        endpoints.authorization_url = url(ask, "--authorization-url", "Where people sign in.")?;
    }
    let usual = endpoints.as_ref().map(|it| it.scopes.join(" ")).filter(|it| !it.is_empty());
    let question = Question {
        flag: "--scopes",
        name: "Scopes",
        about: "What a token is asked for so that it opens the mailbox, with blanks between the scopes.",
        default: usual,
        help: "The provider's page about IMAP and OAuth names them. Refresh tokens often need offline_access, too.",
    };
    let scopes = ask.text(&question, given.scopes.as_deref(), |text| {
        Ok(text.split_whitespace().map(str::to_owned).collect())
    })?;
    let (Some(endpoints), Some(scopes)) = (endpoints, scopes) else { return Ok(None) };
    Ok(Some(Endpoints { scopes, ..endpoints }))
}

fn discovered(ask: &mut Ask, args: &InitArgs) -> Result<Option<Endpoints>, Failure> {
    let question = Question {
        flag: "--issuer (or --token-url and --authorization-url)",
        name: "Issuer",
        about: "What the provider calls itself: an address that it is asked for all others. Or - to type them all.",
        default: None,
        help: "Its page about OpenID Connect or OAuth names the issuer: https://login.example.org, say; the document \
               .well-known/openid-configuration lies there.",
    };
    loop {
        let issuer = ask.text(&question, args.custom.issuer.as_deref(), |text| match text {
            "-" => Ok(None),
            text => Url::parse(text).map(Some).map_err(|_| "is not an address".to_owned()),
        })?;
        let Some(issuer) = issuer else { return Ok(None) };
        let Some(issuer) = issuer else { return typed(ask) };
        let ca_file = args.custom.ca_file.as_deref().map(at_home);
        match block_on(discover(&issuer, ca_file.as_deref(), None, PATIENCE))? {
            Ok(metadata) => return Ok(Some(told(&metadata))),
            Err(error) if ask.is_interactive() && args.custom.issuer.is_none() => {
                remark(format_args!("  {error}"));
            }
            Err(error) => return Err(Failure::fault(error.to_string())),
        }
    }
}

fn told(metadata: &Metadata) -> Endpoints {
    let offline = metadata.offers_offline_access().then(|| "offline_access".to_owned());
    Endpoints {
        issuer: Some(metadata.issuer.clone()),
        token_url: metadata.token_url.to_string(),
        authorization_url: metadata.authorization_url.as_ref().map(Url::to_string),
        device_url: metadata.device_url.as_ref().map(Url::to_string),
        scopes: offline.into_iter().collect(),
        sign_in_scopes: metadata.sign_in_scopes().into_iter().map(str::to_owned).collect(),
        secret_in_header: metadata.client_secret_method == ClientSecretMethod::Basic,
    }
}

fn typed(ask: &mut Ask) -> Result<Option<Endpoints>, Failure> {
    let token_url = url(ask, "--token-url", "Where the provider gives out tokens.")?;
    Ok(token_url.map(|token_url| Endpoints { token_url, ..Endpoints::default() }))
}

fn url(ask: &mut Ask, flag: &'static str, about: &str) -> Result<Option<String>, Failure> {
    let question = Question {
        flag,
        name: "Address",
        about,
        default: None,
        help: "The provider's page about OAuth names it; it begins with https://",
    };
    ask.text(&question, None, |text| match Url::parse(text) {
        Ok(url) if is_secure(&url) => Ok(text.to_owned()),
        _ => Err("must begin with https:// (http:// only on loopback)".to_owned()),
    })
}

/// Its mail servers.
pub(super) fn servers(
    ask: &mut Ask,
    args: &InitArgs,
    protocols: &[Protocol],
) -> Result<Vec<(Protocol, ServerAnswer)>, Failure> {
    let mut servers = Vec::new();
    for &protocol in protocols {
        if let Some(server) = args.custom.server(protocol) {
            servers.push((protocol, server.clone()));
            continue;
        }
        let (flag, name) = match protocol {
            Protocol::Imap => ("--imap-server", "IMAP server"),
            Protocol::Pop3 => ("--pop3-server", "POP3 server"),
            Protocol::Smtp => ("--smtp-server", "SMTP server"),
        };
        let question = Question {
            flag,
            name,
            about: "The provider's mail server: HOST or HOST:PORT. (143, 110 and 587 mean STARTTLS.)",
            default: None,
            help: "Its page about mail programs names it. HOST:PORT/starttls and HOST:PORT/implicit say outright how TLS \
                   begins; there is no server without TLS.",
        };
        let server = ask.text(&question, None, |text| {
            text.parse().map_err(|error: crate::init::UnfitServer| error.to_string())
        })?;
        servers.extend(server.map(|server| (protocol, server)));
    }
    Ok(servers)
}

const PATIENCE: Duration = Duration::from_secs(20);
