//! `saslgate check`: the road of a connection, step by step, with the cause and the remedy where it ends.
//! The hard thing is to be of use on the worst day: each step is printed as soon as it is done, and a
//! program reads the same as a person.

mod json;
pub(super) mod language;
pub(super) mod text;

use std::{sync::Arc, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    Failure, Global, account, status,
    terminal::{remark, say, shows_colours, write_out},
};
use crate::{
    account::Accounts,
    check::{self, About, CheckContext, Language, Light, Options, Report},
    config::{AccountConfig, Config, Secrets},
    proto::text::printable,
    store::Store,
};

/// Find out what is wrong with an account, and what to do
///
/// Goes the way of a mail program's connection step by step: configuration, local password and ports, the
/// servers' names, connections and certificates, the access token and what it says, the logins, INBOX,
/// and, if asked for, a test mail. What is not green says why, whose fault it is, and the command, link or
/// setting that mends it. Nothing is changed but by the mail that was asked for; each login counts at the
/// provider as any other (a mailbox may have few at once), and a stored password that is wrong counts as a wrong one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES_AND_FIELDS)]
pub struct CheckArgs {
    /// Logins of accounts, as in the configuration [default: the only account there is]
    #[arg(value_name = "LOGIN")]
    logins: Vec<String>,
    /// Every account of the configuration
    #[arg(long, conflicts_with = "logins")]
    all: bool,
    /// Send a test mail to this address
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
    /// Wait until the test mail arrives in the account's own INBOX, at most this long [2m if not said]
    #[arg(
        long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "2m",
        value_parser = humantime::parse_duration, requires = "send_to"
    )]
    wait: Option<Duration>,
    /// Leave the step for the test mail out, which is yellow where none is sent
    #[arg(long, conflicts_with = "send_to")]
    no_mail: bool,
    /// Get a new access token for an account that a person has signed in for
    ///
    /// Else a stored token that is still good is used as it is. This spends one refresh token, as any refresh
    /// does; a running saslgate goes on with the new one. It shows at once what the stored token would hide
    /// for up to an hour: a sign-in that was revoked, or a secret that has ended. Where nobody signs in, a new
    /// access token is got anyway.
    #[arg(long)]
    fresh: bool,
    /// Language of the findings [default: that of your system, else English]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "en|de")]
    lang: Option<Language>,
    /// One JSON object instead of text, when all is done
    #[arg(long)]
    json: bool,
}

/// One account's check, with what its words need.
pub(super) struct Checked {
    pub(super) about: About,
    pub(super) report: Report,
}

impl CheckArgs {
    /// As if it had been typed; without a recipient there is no step for a test mail.
    pub(super) fn of(login: &str, send_to: Option<String>) -> Self {
        Self {
            logins: vec![login.to_owned()],
            all: false,
            no_mail: send_to.is_none(),
            send_to,
            wait: None,
            fresh: false,
            lang: None,
            json: false,
        }
    }
}

/// Runs `saslgate check`.
///
/// # Errors
/// The configuration has mistakes, an account is unknown, or the store cannot be opened. An account that is
/// not green is a [`Failure`] without a text.
pub fn run(args: &CheckArgs, global: &Global) -> Result<(), Failure> {
    // A check that could not be made is not yellow.
    let worst = look(args, global).map_err(|failure| Failure { code: 2, ..failure })?;
    match worst.exit_code() {
        0 => Ok(()),
        code => Err(Failure { text: String::new(), code }),
    }
}

fn look(args: &CheckArgs, global: &Global) -> Result<Light, Failure> {
    if let Some(to) = &args.send_to
        && !check::is_address(to)
    {
        let to = printable(to.as_bytes(), 100);
        let text = format!("--send-to: \"{to}\" is no mail address; write it as name@example.com");
        return Err(Failure::mistake(text));
    }
    let language = args.lang.unwrap_or_else(language::of_system);
    let paths = global.paths()?;
    let secrets = match args.logins.as_slice() {
        [login] => secrets_of(login, global)?,
        _ => Secrets::Read,
    };
    let config = Arc::new(global.load(secrets)?.config);
    let options = Options {
        mail: !args.no_mail,
        send_to: args.send_to.clone(),
        wait: args.wait,
        fresh_token: args.fresh,
        ..Options::default()
    };
    // A mistake is one with any store.
    let named = if args.all { Vec::new() } else { chosen(args, &config)? };
    super::block_on(async {
        let store = status::open_to_read(&config).await?;
        let (accounts, skipped) = if args.all {
            with_mailbox(&config.accounts, store.as_ref()).await?
        } else {
            (named, Vec::new())
        };
        let place = global.place();
        let file = paths.config.display().to_string();
        let context = CheckContext::new(Arc::clone(&config), file, store);
        let mut checks = Vec::with_capacity(accounts.len());
        for account in &accounts {
            checks.push(if args.json {
                one(&context, account, &options, &place, &mut |_| {}).await
            } else {
                aloud(&context, account, &options, &place, language).await?
            });
        }
        if args.json {
            say(json::text(&checks, skipped, language)?)?;
        } else {
            write_out(text::summaries(&checks, language).as_bytes())?;
        }
        // Of whom nothing was checked, nothing is known to be green.
        Ok(checks.iter().map(|it| it.report.light()).max().unwrap_or(Light::Yellow))
    })?
}

/// Prints each step as it is done.
async fn aloud(
    context: &CheckContext,
    account: &AccountConfig,
    options: &Options,
    place: &str,
    language: Language,
) -> Result<Checked, Failure> {
    let about = About::new(account).at(place.to_owned());
    let coloured = shows_colours();
    say(format_args!("{} ({})\n", account.name(), account.provider))?;
    let mut written = Ok(());
    let checked = one(context, account, options, place, &mut |step| {
        if written.is_ok() {
            written = write_out(text::step(step, &about, language, coloured).as_bytes());
        }
    })
    .await;
    written.map(|()| checked)
}

async fn one(
    context: &CheckContext,
    account: &AccountConfig,
    options: &Options,
    place: &str,
    on_step: check::OnStep<'_>,
) -> Checked {
    let report = check::run(context, account, options, on_step).await;
    Checked { about: About::new(account).at(place.to_owned()), report }
}

/// Which accounts were asked for.
fn chosen(args: &CheckArgs, config: &Config) -> Result<Vec<Arc<AccountConfig>>, Failure> {
    match (args.logins.as_slice(), config.accounts.as_slice()) {
        ([], [only]) => Ok(vec![single(Arc::clone(only))?]),
        ([], _) => Err(Failure::mistake(
            "say which account: its login, or --all for every one of the configuration",
        )),
        (logins, _) => logins.iter().map(|login| single(find(config, login)?)).collect(),
    }
}

/// An account that has a mailbox of its own: a whole domain is nobody's login at a mail server.
pub(super) fn single(account: Arc<AccountConfig>) -> Result<Arc<AccountConfig>, Failure> {
    let Some(domain) = &account.identity.domain else { return Ok(account) };
    let listed = domain.mailboxes.iter().flatten().next();
    let example = listed.map_or_else(|| format!("name@{}", domain.name), String::clone);
    Err(Failure::mistake(format!(
        "{} stands for a whole domain: name one of its mailboxes instead, such as {example}",
        account.login
    )))
}

/// As a mail program would be found: by any of the names that log in.
pub(super) fn find(config: &Config, login: &str) -> Result<Arc<AccountConfig>, Failure> {
    match Accounts::new(&config.accounts).find(login.as_bytes()) {
        Some(account) => Ok(account),
        None => account::find(config, login),
    }
}

/// The secrets that a look at this account needs. A shared mailbox, or one of a whole domain, has none of its
/// own.
pub(super) fn secrets_of(login: &str, global: &Global) -> Result<Secrets, Failure> {
    let config = global.load(Secrets::Skip)?.config;
    let account = find(&config, login)?;
    Ok(Secrets::Of(account.identity.token_from.clone().unwrap_or_else(|| account.login.clone())))
}

/// A whole domain has no mailbox of its own to look into, but those on its list that somebody may log in to.
async fn with_mailbox(
    accounts: &[Arc<AccountConfig>],
    store: &dyn Store,
) -> Result<(Vec<Arc<AccountConfig>>, Vec<Skipped>), Failure> {
    let mut skipped = Vec::new();
    let mut single = Vec::with_capacity(accounts.len());
    for account in accounts {
        let Some(domain) = &account.identity.domain else {
            single.push(Arc::clone(account));
            continue;
        };
        let before = single.len();
        for mailbox in domain.mailboxes.iter().flatten() {
            // An account of its own is the one that logs in.
            if accounts.iter().any(|other| other.is_named(mailbox)) {
                continue;
            }
            let account = account.of_mailbox(mailbox);
            let known = store.local_passwords(&account.key()).await?;
            if known.is_some_and(|known| !known.passwords.is_empty()) {
                single.push(Arc::new(account));
            }
        }
        if single.len() == before {
            let (reason, why) = match domain.mailboxes {
                Some(_) => ("no_local_password", "none of its mailboxes has a local password"),
                None => ("no_mailboxes", "name one of its mailboxes"),
            };
            let login = account.login.clone();
            remark(format_args!("{login} stands for a whole domain and is left out: {why}"));
            skipped.push(Skipped { login, reason });
        }
    }
    Ok((single, skipped))
}

/// An account of the configuration that was not checked.
#[derive(Serialize)]
struct Skipped {
    login: String,
    reason: &'static str,
}

macro_rules! examples {
    () => {
        "\
Examples:
  saslgate check me@example.com                  every step but the test mail
  saslgate check me@example.com --send-to me@example.com --wait
                                                 send a mail to oneself, and see it arrive
  saslgate check me@example.com --fresh          ask the provider even if the stored token is good
  saslgate check --all --no-mail --json          all accounts, for a program
  saslgate check me@example.com --lang de        the findings in German

Exit codes:
  0  all is green
  1  something is yellow: it works, or may pass, but somebody should look (no test mail was sent, say)
  2  something is red; or the check could not be made (a mistake in the configuration or on the
     command line)"
    };
}

const EXAMPLES: &str = examples!();

const EXAMPLES_AND_FIELDS: &str = concat!(
    examples!(),
    "

Fields of --json (fields and findings may be added, none changes its meaning):
  version            of this command
  language           of the texts
  light              green, yellow or red: the worst of all
  skipped            a list of what --all left out, each with login (a whole domain's) and reason:
                     no_mailboxes (the configuration lists none) or no_local_password
  accounts           a list, each with
    login, light
    begin_at         null, or the number of the step to look at first
    steps            a list, each with
      number, kind, title, protocols, tried, milliseconds
      light          null where the step was not tried
      waits_for      null, or the number of the step that must be mended first
      findings       a list, each with id and its parameters, and
        light
        what         what was seen, and whose fault it is
        remedy       a list of what to do, each with text and lines (to copy)"
);

#[cfg(test)]
mod tests;
