//! `saslgate signin`: a person signs in at the provider. The hard thing is where the person sits: at this
//! machine, at another one with a shell here, or nowhere near a browser.

mod explained;

use std::{io::IsTerminal as _, time::Duration};

use clap::Args;

use super::{
    Failure, Global, account,
    check::language,
    daemon,
    terminal::{read_pasted, remark, say},
};
use crate::{
    config::{AccountConfig, Secrets},
    platform,
    token::{
        TokenError, TokenErrorKind,
        signin::{Pasted, SigningIn, Welcome},
        wall_clock,
    },
};

/// Sign in at the provider, for an account whose tokens a person must allow
///
/// For accounts with grant = "refresh_token". The sign-in is sealed in the store in the place of an
/// earlier one, and a running saslgate uses it from the next login on. The link stands alone on standard
/// output; all else is said on standard error.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SigninArgs {
    /// The account's login, as in the configuration
    login: String,
    /// Use a browser on this machine, which comes back to saslgate [default where there is a screen]
    #[arg(long, conflicts_with_all = ["paste", "device"])]
    browser: bool,
    /// Use a browser anywhere, and paste the address that it shows in the end [default elsewhere]
    ///
    /// The address may come as one line of standard input, too. The browser may well say that it cannot
    /// open the page: its address is all that counts.
    #[arg(long, conflicts_with = "device")]
    paste: bool,
    /// Use a browser anywhere, and enter a code there; many organisations forbid it
    #[arg(long)]
    device: bool,
    /// Do not open the browser: only print the link
    #[arg(long)]
    no_open: bool,
    /// How long to wait for the browser, or for the code to be entered
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

use explained::Fault;

/// How to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Browser,
    Paste,
    Device,
}

/// What decides where nobody has chosen.
#[derive(Clone, Copy)]
struct Place {
    display: bool,
    terminal: bool,
    /// Whether the browser comes back to this machine.
    comes_back: bool,
}

/// Runs `saslgate signin`.
///
/// # Errors
/// The configuration has mistakes, the provider or the store says no, or nobody came.
pub fn run(args: &SigninArgs, global: &Global) -> Result<(), Failure> {
    // Another account's secret may be out of reach for whoever types this.
    let config = global.load(Secrets::Of(args.login.clone()))?.config;
    let account = account::owner(&config, account::find(&config, &args.login)?)?;
    let account = account.as_ref();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    let welcome = runtime.block_on(async {
        let store = account::open(&config).await?;
        let deadline = config.deadlines.token;
        let signing_in = SigningIn::new(account, store.as_ref(), deadline, wall_clock())?;
        let signed_in = match args.way(Place::here(account))? {
            Way::Browser => browser(&signing_in, account, args).await,
            Way::Paste => paste(&signing_in, account).await,
            Way::Device => device(&signing_in, account, args).await,
        };
        let language = language::of_system();
        let welcome = signed_in.map_err(|fault| fault.explained(account, language))?;
        daemon::tell_of(&config, &account.key()).await;
        Ok::<_, Failure>(welcome)
    })?;
    if let Some(text) = &welcome.remark {
        remark(text);
    }
    remark(welcome.summary());
    Ok(())
}

impl Place {
    fn here(account: &AccountConfig) -> Self {
        let redirect_uri = account.oauth.as_ref().and_then(|it| it.sign_in.redirect_uri.as_ref());
        Self {
            display: platform::has_display(),
            terminal: std::io::stdin().is_terminal(),
            comes_back: redirect_uri.is_some_and(|uri| uri.loopback().is_some()),
        }
    }
}

impl SigninArgs {
    /// As if it had been typed; without a way, the place decides.
    pub(super) fn new(login: &str, way: Option<Way>, no_open: bool) -> Self {
        Self {
            login: login.to_owned(),
            browser: way == Some(Way::Browser),
            paste: way == Some(Way::Paste),
            device: way == Some(Way::Device),
            no_open,
            timeout: PATIENCE,
        }
    }

    fn way(&self, place: Place) -> Result<Way, Failure> {
        let chosen =
            [(self.browser, Way::Browser), (self.paste, Way::Paste), (self.device, Way::Device)];
        if let Some((_, way)) = chosen.into_iter().find(|(is_chosen, _)| *is_chosen) {
            return Ok(way);
        }
        match place {
            Place { display: true, comes_back: true, .. } => Ok(Way::Browser),
            Place { terminal: true, .. } => {
                if place.comes_back {
                    remark(NO_DISPLAY);
                }
                Ok(Way::Paste)
            }
            Place { .. } => Err(Failure::mistake(NOWHERE)),
        }
    }
}

async fn browser(
    signing_in: &SigningIn<'_>,
    account: &AccountConfig,
    args: &SigninArgs,
) -> Result<Welcome, Fault> {
    let flow = signing_in.browser().await?;
    remark(format_args!(
        "To sign in for {}, open this link in a browser on this machine:",
        account.login
    ));
    let link = flow.link().to_string();
    say(&link)?;
    if !args.no_open {
        platform::open_link(link, || remark("No browser could be opened: open the link yourself."));
    }
    let patience = humantime::format_duration(args.timeout);
    remark(format_args!("Waiting for the browser for at most {patience} …"));
    Ok(flow.finish(signing_in, args.timeout).await?)
}

async fn paste(signing_in: &SigningIn<'_>, account: &AccountConfig) -> Result<Welcome, Fault> {
    let flow = signing_in.paste()?;
    remark(format_args!(
        "To sign in for {}, open this link in a browser, on any machine:",
        account.login
    ));
    say(flow.link())?;
    remark(
        "After the sign-in the browser shows a page, or says that it cannot open one. Copy its address \
         and paste it here; it is not shown.",
    );
    let tries = if std::io::stdin().is_terminal() { PASTES } else { 1 };
    let mut fault = "nothing was pasted";
    for _ in 0..tries {
        // Nothing else goes on meanwhile.
        let pasted = read_pasted("Address or code")?;
        match flow.finish(signing_in, &pasted).await {
            Pasted::Done(result) => return Ok(result?),
            Pasted::Unfit(reason) => {
                fault = reason;
                if tries > 1 {
                    remark(format_args!("Not yet: {reason}."));
                }
            }
        }
    }
    Err(Failure::fault(format!("nobody has signed in: {fault}")).into())
}

async fn device(
    signing_in: &SigningIn<'_>,
    account: &AccountConfig,
    args: &SigninArgs,
) -> Result<Welcome, Fault> {
    let flow = signing_in.device().await?;
    remark(format_args!(
        "To sign in for {}, open this address in a browser, on any machine:",
        account.login
    ));
    say(flow.verification_uri())?;
    let patience = humantime::format_duration(flow.lifetime().min(args.timeout));
    remark(format_args!(
        "and enter this code there within {patience} (it is for you alone): {}",
        flow.user_code()
    ));
    Ok(flow.finish(signing_in, args.timeout).await?)
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error.kind {
            TokenErrorKind::Configuration => Self::mistake(error.text),
            TokenErrorKind::SignIn
            | TokenErrorKind::Policy
            | TokenErrorKind::Unavailable
            | TokenErrorKind::TooSoon => Self::fault(error.text),
        }
    }
}

/// How long a browser is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often a person may paste something else.
const PASTES: usize = 5;

const NO_DISPLAY: &str = "There is no screen here, so the sign-in goes by paste. Other ways: --device; or \
    --browser, with a port in redirect_uri (http://localhost:8400, say) that your own machine forwards \
    here: ssh -L 8400:localhost:8400";

const NOWHERE: &str = "there is neither a screen nor a terminal here: choose --paste (the address comes \
    as one line of standard input), --device or --browser";

const EXAMPLES: &str = "\
Examples:
  saslgate signin me@example.com
  saslgate signin me@example.com --paste      in a shell on a machine without a screen
  saslgate signin me@example.com --device     where the provider allows it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_chosen_by_the_place() {
        let args = |browser, paste, device| SigninArgs {
            login: String::new(),
            browser,
            paste,
            device,
            no_open: false,
            timeout: Duration::ZERO,
        };
        let place = |display, terminal, comes_back| Place { display, terminal, comes_back };
        let free = args(false, false, false);
        assert_eq!(free.way(place(true, false, true)).unwrap(), Way::Browser);
        assert_eq!(free.way(place(true, true, false)).unwrap(), Way::Paste);
        assert_eq!(free.way(place(false, true, true)).unwrap(), Way::Paste);
        assert_eq!(free.way(place(false, false, true)).unwrap_err().code, 2);
        assert_eq!(free.way(place(true, false, false)).unwrap_err().code, 2);
        let nowhere = place(false, false, true);
        assert_eq!(args(true, false, false).way(nowhere).unwrap(), Way::Browser);
        assert_eq!(args(false, true, false).way(nowhere).unwrap(), Way::Paste);
        assert_eq!(args(false, false, true).way(nowhere).unwrap(), Way::Device);
    }
}
