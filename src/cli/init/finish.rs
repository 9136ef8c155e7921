//! What is left once the configuration is written: sign-in, local password, check, settings. The hard thing is a failure in
//! the middle: it undoes nothing, and whoever reads its last line knows how to go on.

use std::sync::Arc;

use super::{InitArgs, SignInWay, ask::Ask};
use crate::{
    account::password::{self, Passwords},
    cli::{
        Failure, Global, account, block_on, cert, daemon,
        signin::{self, SigninArgs},
        terminal::{complain, remark, say},
    },
    config::{AccountConfig, Config, Protocol, Secrets},
    init::settings,
    platform,
    token::GrantStatus,
};

pub(super) fn finish(
    ask: &Ask,
    args: &InitArgs,
    global: &Global,
    login: &str,
    way: Option<SignInWay>,
) -> Result<(), Failure> {
    let config = Arc::new(global.load(Secrets::Of(login.to_owned()))?.config);
    let account = &*account::find(&config, login)?;
    let again = again(global, login);
    let mut left = Vec::new();
    let mut is_signed_in = true;
    match sign_in(args, global, &config, account, way) {
        Ok(true) => {}
        Ok(false) => {
            is_signed_in = false;
            left.push(format!("Let its owner sign in: {}", global.command(&["signin", login])))
        }
        Err(failure) => {
            complain(&failure.text);
            return Err(Failure::fault(format!(
                "the configuration of {login} is written; nobody has signed in yet\nGo on with: {again}"
            )));
        }
    }
    if let Some(domain) = &account.identity.domain {
        whole_domain(global, &config, account, &domain.name);
        return Ok(());
    }
    let password = local_password(&config, account)?;
    if left.is_empty() {
        left.extend(super::check::check(ask, args, global, &config, account)?);
    }
    remark("");
    let shown = password.as_ref().map(|it| String::from_utf8_lossy(it.expose()));
    say(settings(&config, account, shown.as_deref()))?;
    for line in closing(global, &config, account, shown.is_some()) {
        remark(line);
    }
    if left.is_empty() {
        return Ok(());
    }
    left.push(format!("Then do the same again, which checks everything: {again}"));
    let left = left.join("\n  ");
    // What somebody wanted to leave is no fault.
    if way == Some(SignInWay::Later) && !is_signed_in {
        remark(format_args!("\n{login} is set up. What is left:\n  {left}"));
        return Ok(());
    }
    Err(Failure::fault(format!("{login} is set up, but not finished. What is left:\n  {left}")))
}

/// Of a whole domain nobody has a password, and there is no mailbox to check: what is left is done for each mailbox.
fn whole_domain(global: &Global, config: &Config, account: &AccountConfig, domain: &str) {
    let mailbox = format!("NAME@{domain}");
    let command = |words: &[&str]| global.command(words).replace(MAILBOX, &mailbox);
    remark(format_args!(
        "\n{} is set up. Each mailbox has a local password of its own; for each:\n  {}\n  {}",
        account.login,
        command(&["account", "password", MAILBOX, "--generate"]),
        command(&["check", MAILBOX]),
    ));
    remark(start(global, config));
}

/// Stands for the mailbox until the words are quoted for a shell.
const MAILBOX: &str = "MAILBOX";

/// Whether there is nothing left to sign in for.
fn sign_in(
    args: &InitArgs,
    global: &Global,
    config: &Config,
    account: &AccountConfig,
    way: Option<SignInWay>,
) -> Result<bool, Failure> {
    if !account.oauth.as_ref().is_some_and(|oauth| oauth.grant.needs_sign_in()) {
        return Ok(true);
    }
    let status = block_on(async {
        let store = account::open(config).await?;
        Ok::<_, Failure>(GrantStatus::read(store.as_ref(), account).await?)
    })??;
    if status.signed_in {
        remark(format_args!("{} is signed in already.", account.login));
        return Ok(true);
    }
    remark("");
    let chosen = match way {
        Some(SignInWay::Later) => return Ok(false),
        Some(SignInWay::Browser) => Some(signin::Way::Browser),
        Some(SignInWay::Paste) => Some(signin::Way::Paste),
        Some(SignInWay::Device) => Some(signin::Way::Device),
        Some(SignInWay::AppOnly) | None => None,
    };
    signin::run(&SigninArgs::new(&account.login, chosen, args.no_open), global)?;
    Ok(true)
}

/// Makes one, unless there is one; it is shown at the end, once.
fn local_password(
    config: &Config,
    account: &AccountConfig,
) -> Result<Option<crate::secret::Secret>, Failure> {
    block_on(async {
        let store = account::open(config).await?;
        // Of two at once, one makes it, and the other finds it.
        let state = &config.state_folder;
        let _held = platform::hold_folder(state).map_err(|error| cert::unwritten(state, &error))?;
        let known = store.local_passwords(&account.key()).await?;
        if known.is_some_and(|known| !known.passwords.is_empty()) {
            return Ok(None);
        }
        let fault = |error: std::io::Error| Failure::fault(error.to_string());
        let secret = password::generate().map_err(fault)?;
        let passwords = Passwords::new(store).map_err(fault)?;
        passwords.set(account, account::DEFAULT_NAME, &secret).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok(Some(secret))
    })?
}

/// What is left to know.
fn closing(
    global: &Global,
    config: &Config,
    account: &AccountConfig,
    is_shown: bool,
) -> Vec<String> {
    let login = account.login.as_str();
    let mut lines = Vec::new();
    if is_shown {
        lines.push(
            "The password is made for this gateway alone, and is shown this once.".to_owned(),
        );
    } else {
        let new = global.command(&["account", "password", login, "--generate", "--name", "NAME"]);
        lines.push(format!("It has a local password already. For another one: {new}"));
    }
    for protocol in [Protocol::Imap, Protocol::Smtp] {
        if account.upstream(protocol).is_some() && !config.listens_for(protocol) {
            let name = protocol.name();
            lines.push(format!(
                "There is no port for {protocol}. If you need one, add to saslgate.toml: [[listen]] with protocol = \
                 \"{name}\""
            ));
        }
    }
    lines.push(start(global, config));
    lines
}

/// What to do so that mail programs can connect.
fn start(global: &Global, config: &Config) -> String {
    if block_on(daemon::status(config)).is_ok_and(|status| status.is_ok()) {
        "saslgate runs, and takes the new account up by itself.".to_owned()
    } else if is_service(global) {
        "Start it now, and whenever this machine starts: systemctl enable --now saslgate".to_owned()
    } else {
        format!("Start it: {}", global.command(&["run"]))
    }
}

/// Whether the package's unit serves this configuration.
pub(in crate::cli) fn is_service(global: &Global) -> bool {
    let is_of_system = crate::config::Paths::find(global.config.as_deref(), None)
        .is_ok_and(|paths| paths.is_of_system());
    let units = ["/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system"];
    is_of_system
        && units.iter().any(|folder| std::path::Path::new(folder).join("saslgate.service").exists())
}

pub(super) fn again(global: &Global, login: &str) -> String {
    global.command(&["init", login])
}
