//! The questions in their order. The hard thing is to ask little: what follows from an earlier answer is a default, and what
//! has only one answer is no question.

use std::path::{Path, PathBuf};

use super::{
    InitArgs, SignInWay, application,
    ask::{Ask, Question, choice},
    custom,
    place::Place,
    ports,
};
use crate::{
    cli::{Failure, terminal::remark},
    config::{Provider, TenantNeed, is_tenant, unfit_name},
    init::{Answers, is_address, provider_of, tenant_of},
    platform,
    secret::Secret,
};

/// All that was told.
pub(super) struct Told {
    pub(super) answers: Answers,
    pub(super) way: SignInWay,
    /// A client secret that was typed, and is to be written to the file of the answers' proof.
    pub(super) secret: Option<Secret>,
}

/// The first question.
pub(super) fn address(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
) -> Result<Option<String>, Failure> {
    if ask.is_interactive() {
        remark(
            "Every question has an explanation (?), and most have an answer in [brackets] that Enter takes.",
        );
    }
    let question = Question {
        flag: "ADDRESS",
        name: "Mail address",
        about: "The address of the mailbox. The mail program will log in at saslgate with it.",
        default: None,
        help: "Write the whole address, such as anna@example.ch. (For another user name than the address: --mailbox.)",
    };
    if let Some(mailbox) = &args.mailbox
        && !is_address(mailbox)
    {
        return Err(Failure::mistake(format!(
            "--mailbox: `{}` {NO_ADDRESS}",
            mailbox.escape_debug()
        )));
    }
    ask.text(&question, args.address.as_deref(), |text| {
        fit(text)?;
        // With a mailbox, and in a configuration, the login may be any name.
        if is_address(text) || args.mailbox.is_some() || place.known(text).is_some() {
            Ok(text.to_owned())
        } else {
            Err(NO_ADDRESS.to_owned())
        }
    })
}

/// The others.
pub(super) fn hold(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
    login: Option<String>,
) -> Result<Option<Told>, Failure> {
    let address = login.clone().unwrap_or_default();
    // Where an answer is missing, the questions go on with the usual one, so that all that is missing is named.
    let Some(provider) = provider(ask, args, &address)?.or_else(|| Provider::all().next()) else {
        return Ok(None);
    };
    let tenant = tenant(ask, args, provider, &address)?;
    let way = way(ask, args, provider)?.unwrap_or(SignInWay::Later);
    let app_only = way == SignInWay::AppOnly;
    let grant = grant(provider, app_only)?;
    let protocols = ports::protocols(ask, args, place)?;
    let (endpoints, servers) = if provider.name() == "custom" {
        let endpoints = custom::endpoints(ask, args, app_only)?;
        (endpoints, custom::servers(ask, args, &protocols)?)
    } else {
        (None, Vec::new())
    };
    let is_known = endpoints.is_some() || provider.name() != "custom";
    let client_id = application::client_id(ask, args, provider, grant)?;
    let proof = application::proof(ask, args, place, (provider, grant), &address)?;
    let ports = ports::ports(ask, args, place, &protocols)?;
    let (Some(login), Some(client_id), Some((proof, secret)), true) =
        (login, client_id, proof, is_known)
    else {
        return Ok(None);
    };
    let answers = Answers {
        mailbox: args.mailbox.clone().unwrap_or_else(|| login.clone()),
        login,
        owner: args.owner.clone(),
        provider,
        tenant,
        grant,
        client_id,
        proof,
        redirect_uri: args.application.redirect_uri.clone(),
        ca_file: args.custom.ca_file.as_deref().map(place_of).transpose()?,
        endpoints,
        servers,
        ports,
    };
    Ok(Some(Told { answers, way, secret }))
}

fn provider(ask: &mut Ask, args: &InitArgs, address: &str) -> Result<Option<Provider>, Failure> {
    let names: Vec<(Provider, &str)> = Provider::all().map(|it| (it, it.name())).collect();
    if ask.is_interactive() && args.provider.is_none() {
        remark("");
        for (index, (provider, name)) in names.iter().enumerate() {
            remark(format_args!("  {:>2}  {name:<22}  {}", index + 1, provider.about()));
        }
    }
    let guess = provider_of(address);
    // For a script, a guess that may be wrong is none.
    let default = match guess {
        Some(guess) => Some(guess.name().to_owned()),
        None => ask.is_interactive().then(|| "microsoft365".to_owned()),
    };
    let question = Question {
        flag: "--provider",
        name: "Provider",
        about: "Whose mailbox it is: a number or a name of the list (`saslgate provider list`).",
        default,
        help: "Who runs the mail server: not who sold the domain. Organizations with Outlook and Teams are at \
               microsoft365. `saslgate provider show NAME` tells more of each.",
    };
    ask.text(&question, args.provider.as_deref(), |text| choice(&names, text, "a provider"))
}

fn tenant(
    ask: &mut Ask,
    args: &InitArgs,
    provider: Provider,
    address: &str,
) -> Result<Option<String>, Failure> {
    if provider.tenant() != TenantNeed::Required {
        return match &args.tenant {
            Some(_) if provider.tenant() == TenantNeed::None => Err(Failure::mistake(format!(
                "--tenant: {} knows no tenants: take it out",
                provider.title()
            ))),
            given => Ok(given.clone()),
        };
    }
    let question = Question {
        flag: "--tenant",
        name: "Tenant",
        about: "The organization at Microsoft: one of its domains, or the Directory (tenant) ID of the page that shows \
                the application.",
        default: tenant_of(address),
        help: "Entra admin centre (https://entra.microsoft.com), Overview: Tenant ID, or Primary domain.",
    };
    ask.text(&question, args.tenant.as_deref(), |text| {
        if is_tenant(text) {
            Ok(text.to_owned())
        } else {
            Err("is neither a tenant's id (36 characters) nor a domain such as example.com"
                .to_owned())
        }
    })
}

fn way(ask: &mut Ask, args: &InitArgs, provider: Provider) -> Result<Option<SignInWay>, Failure> {
    use SignInWay::{AppOnly, Browser, Device, Later, Paste};
    let is_custom = provider.name() == "custom";
    let has_device = is_custom || provider.device_url().is_some();
    let has_app_only = is_custom || provider.app_only_grant().is_some();
    let ways: Vec<(SignInWay, &str)> = [Browser, Paste, Device, AppOnly, Later]
        .into_iter()
        .filter(|&way| (way != Device || has_device) && (way != AppOnly || has_app_only))
        .map(|way| (way, way.name()))
        .collect();
    if ask.is_interactive() && args.sign_in.is_none() {
        remark("");
        for (index, (way, name)) in ways.iter().enumerate() {
            remark(format_args!("  {:>2}  {name:<9} {}", index + 1, words(*way)));
        }
    }
    let default = if platform::has_display() { Browser } else { Paste };
    let question = Question {
        flag: "--sign-in",
        name: "Sign-in",
        about: "How saslgate comes by its tokens: a person signs in once, or (app-only) the application itself may open \
                the mailbox, which an administrator must allow.",
        default: ask.is_interactive().then(|| default.name().to_owned()),
        help: "A person is right for one's own mailbox. App-only is right for mailboxes of machines (scan@, invoices@): \
               nothing ends when somebody leaves or changes a password. `saslgate provider show NAME --app-only` tells \
               what an administrator does for it.",
    };
    let given = args.sign_in.map(SignInWay::name);
    ask.text(&question, given, |text| {
        choice(&ways, text, format_args!("a way to sign in at {}", provider.title()))
    })
}

fn words(way: SignInWay) -> &'static str {
    match way {
        SignInWay::Browser => "a person, in a browser on this machine",
        SignInWay::Paste => "a person, in a browser anywhere, whose last address is pasted here",
        SignInWay::Device => "a person, who enters a code in a browser anywhere (often forbidden)",
        SignInWay::AppOnly => "nobody: the application itself may open the mailbox",
        SignInWay::Later => "a person, later (`saslgate signin`)",
    }
}

fn grant(provider: Provider, app_only: bool) -> Result<&'static str, Failure> {
    if !app_only {
        return Ok("refresh_token");
    }
    match provider.app_only_grant() {
        Some(grant) => Ok(grant),
        None if provider.name() == "custom" => Ok("client_credentials"),
        None => Err(Failure::mistake(format!(
            "{} lets no application into mailboxes by itself: a person must sign in",
            provider.title()
        ))),
    }
}

/// What the configuration itself says of names.
fn fit(name: &str) -> Result<(), String> {
    unfit_name(name).map_or(Ok(()), |fault| Err(fault.to_owned()))
}

/// A file as the configuration names it, wherever we are.
pub(super) fn place_of(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(at_home(path))
        .map_err(|error| Failure::mistake(format!("{}: {error}", path.display())))
}

/// `~/` is a shell's, and no shell reads what is typed here or stands behind a `=`.
pub(super) fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), etcetera::home_dir()) {
        (Ok(rest), Ok(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

const NO_ADDRESS: &str = "is no mail address: write the whole address, such as anna@example.ch";
