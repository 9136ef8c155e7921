//! Tokens from elsewhere: another program knows how to get them. The hard thing is that nothing is known of
//! that program: it may hang, print without an end, or print a token that has nearly ended. So it is run once
//! for all who wait, within bounds, and what it says is believed for a minute at least.

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{io::AsyncReadExt as _, process};
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::{
    AccessToken, Cause, ForcedRefresh, TokenError, TokenErrorKind, Tokens,
    external_answer::{self, Printed},
    grant::{self, Need},
};
use crate::{
    config::{AccountConfig, ExternalToken},
    platform,
    secret::Secret,
    signing_key,
};

/// By account and source. Bounded by the accounts of the configurations that were in force.
#[derive(Default)]
pub(super) struct ExternalTokens(Mutex<HashMap<(String, String), Arc<Slot>>>);

type Slot = tokio::sync::Mutex<Known>;

/// What the last run has brought.
#[derive(Default)]
struct Known {
    last: Option<(SystemTime, Result<AccessToken, TokenError>)>,
    /// When it was last run because an upstream had refused its token.
    forced: Option<SystemTime>,
}

impl Known {
    /// What can be answered without another run.
    fn answer(&self, now: SystemTime) -> Option<Result<AccessToken, TokenError>> {
        let (asked, result) = self.last.as_ref()?;
        let age = grant::age(*asked, now)?;
        let good = match result {
            Ok(token) if age < BELIEVED => Need::Valid.is_met(token, now),
            Ok(token) => Need::Fresh(FRESH_PERCENT).is_met(token, now),
            Err(_) => age < PAUSE,
        };
        good.then(|| result.clone())
    }

    /// The token in the place of this one.
    fn other(&self, refused: &Secret, now: SystemTime) -> Option<AccessToken> {
        let (_, Ok(token)) = self.last.as_ref()? else { return None };
        Need::Other(refused).is_met(token, now).then(|| token.clone())
    }
}

impl ExternalTokens {
    fn slot(&self, account: &AccountConfig, source: &ExternalToken) -> Arc<Slot> {
        let key = (account.token_key(), format!("{source:?}"));
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }
}

impl Tokens {
    /// A token from elsewhere: the one that is known, or what another run brings.
    pub(super) async fn external(
        &self,
        account: &AccountConfig,
        source: &ExternalToken,
        refused: Option<&AccessToken>,
    ) -> Result<AccessToken, TokenError> {
        let slot = self.shared.external.slot(account, source);
        let run = Run {
            source: source.clone(),
            login: account.token_login().into_owned(),
            deadline: self.shared.endpoint.deadline(),
            clock: Arc::clone(&self.shared.clock),
            forced: self.shared.forced,
            refused: refused.cloned(),
        };
        // A task of its own, so that a client that hangs up takes nothing away.
        let flight = self.shared.flights.spawn(async move {
            let mut known = slot.lock_owned().await;
            run.answer(&mut known).await
        });
        flight.await.unwrap_or_else(|_| {
            Err(TokenError {
                kind: TokenErrorKind::Unavailable,
                text: format!(
                    "Getting the token of {} broke off. Please report it.",
                    account.login
                ),
                cause: Cause::Own,
            })
        })
    }
}

struct Run {
    source: ExternalToken,
    login: String,
    deadline: Duration,
    clock: super::Clock,
    forced: ForcedRefresh,
    refused: Option<AccessToken>,
}

impl Run {
    async fn answer(&self, known: &mut Known) -> Result<AccessToken, TokenError> {
        let now = (self.clock)();
        match &self.refused {
            None => {
                if let Some(answer) = known.answer(now) {
                    return answer;
                }
                self.ask(known, now).await
            }
            Some(refused) => self.replace(known, refused, now).await,
        }
    }

    async fn replace(
        &self,
        known: &mut Known,
        refused: &AccessToken,
        now: SystemTime,
    ) -> Result<AccessToken, TokenError> {
        if let Some(token) = known.other(&refused.secret, now) {
            return Ok(token);
        }
        let recent = known.forced.and_then(|then| grant::age(then, now));
        if recent.is_some_and(|age| age < self.forced.interval) {
            return Err(self.same_again());
        }
        known.forced = Some(now);
        let token = self.ask(known, now).await?;
        if token.secret.expose() == refused.secret.expose() {
            return Err(self.same_again());
        }
        Ok(token)
    }

    fn same_again(&self) -> TokenError {
        TokenError {
            kind: TokenErrorKind::TooSoon,
            text: format!(
                "The mail server refuses the access token of {}, and {} brings no other. Check whose \
                 token it is, and its scopes.",
                self.login,
                self.name()
            ),
            cause: Cause::Refused,
        }
    }

    async fn ask(&self, known: &mut Known, now: SystemTime) -> Result<AccessToken, TokenError> {
        let brought = self.bring().await.and_then(|output| external_answer::read(&output, now));
        let result = match brought {
            Ok(Printed { token, lifetime }) => {
                info!(account = self.login, "access token taken from {}", self.name());
                let expires = now + lifetime.unwrap_or(BELIEVED + LAST_MOMENT);
                let token = AccessToken { secret: token, obtained: now, expires };
                if Need::Valid.is_met(&token, now) {
                    Ok(token)
                } else {
                    Err(self.fault("brings a token that has ended"))
                }
            }
            Err(fault) => Err(self.fault(&fault)),
        };
        if let Err(error) = &result {
            warn!(account = self.login, "no new access token: {error}");
        }
        known.last = Some((now, result.clone()));
        result
    }

    fn fault(&self, what: &str) -> TokenError {
        let remedy = match &self.source {
            ExternalToken::Command(_) => "Run it by hand as the user that saslgate runs as.",
            ExternalToken::File(_) => "Check the program that writes it.",
        };
        let text = format!("No token of {}: {} {what}. {remedy}", self.login, self.name());
        TokenError { kind: TokenErrorKind::Unavailable, text, cause: Cause::External }
    }

    /// The program without its arguments, in which there may be a secret.
    fn name(&self) -> String {
        match &self.source {
            ExternalToken::Command(words) => {
                format!("token_command ({})", words.first().map_or("", String::as_str))
            }
            ExternalToken::File(path) => format!("token_file ({})", path.display()),
        }
    }

    async fn bring(&self) -> Result<Secret, String> {
        match &self.source {
            ExternalToken::Command(words) => {
                match tokio::time::timeout(self.deadline, run(words)).await {
                    Ok(output) => output,
                    Err(_) => Err(format!("has not ended within {} s", self.deadline.as_secs())),
                }
            }
            ExternalToken::File(path) => {
                let path = path.clone();
                let read = move || signing_key::read_file(&path);
                let read = tokio::task::spawn_blocking(read).await;
                read.map_err(|_| "cannot be read: the gateway is stopping".to_owned())?
                    .map_err(|fault| format!("cannot be used: {fault}"))
            }
        }
    }
}

/// Without a shell. What it says on its standard error may hold a token, and is dropped.
async fn run(words: &[String]) -> Result<Secret, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("names no program".to_owned());
    };
    let mut child = process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(platform::environment_of_program())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Whoever stops waiting ends it.
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let mut output = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT + 1));
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = stdout.take(LONGEST_OUTPUT as u64 + 1);
        stdout.read_to_end(&mut output).await.map_err(|error| format!("broke off: {error}"))?;
    }
    if output.len() > LONGEST_OUTPUT {
        return Err(format!("prints more than {LONGEST_OUTPUT} octets"));
    }
    let status = child.wait().await.map_err(|error| format!("broke off: {error}"))?;
    if !status.success() {
        return Err(format!("failed ({status})"));
    }
    Ok(Secret::new(output.as_slice()))
}

/// How long what was brought is believed, so that a burst of logins asks once.
const BELIEVED: Duration = Duration::from_secs(60);

/// What [`Need::Valid`] wants to be left.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// After a failure.
const PAUSE: Duration = Duration::from_secs(3);

/// Of a token that says how long it lasts: below it another one is asked for.
const FRESH_PERCENT: u8 = 50;

/// Signed tokens with many groups have some ten thousand octets.
const LONGEST_OUTPUT: usize = 256 * 1024;
