//! From credentials to an open upstream, or to the one refusal that says why not.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::{Client, refuse};
use crate::{
    account::{
        guesses::{Asker, Turn},
        limit_words,
        password::{Checked, Origin, Recalled, Verified},
    },
    config::{AccountConfig, Authentication, Config, Protocol, UpstreamConfig},
    gateway::{AccountSlot, Gateway, InForce, Standing},
    proto::{Credentials, Refusal, UpstreamCredential, smtp::extension::Extensions},
    secret::Secret,
    store::StoreError,
    token::{AccessToken, TokenErrorKind},
    upstream::{self, OpenError, OpenUpstream, Route},
};

/// What a login has opened.
pub(super) struct Opened {
    /// By which it was opened.
    pub(super) config: Arc<Config>,
    pub(super) account: Arc<AccountConfig>,
    pub(super) password: Verified,
    pub(super) slot: AccountSlot,
    pub(super) upstream: OpenUpstream,
}

/// A login that has opened nothing.
pub(super) struct NotOpened {
    /// What the client hears.
    pub(super) refusal: Refusal,
    /// Whatever the refusal looks like.
    pub(super) cause: Cause,
}

/// What a login has failed on, as far as it matters for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Name or password were wrong.
    WrongLogin {
        /// So many times the usual delay its answer is worth.
        times: u32,
    },
    /// The password could not be checked.
    Unchecked,
    /// The password was right.
    Beyond,
}

/// Decides on a login, everything included, within the verdict's deadline.
pub(super) async fn open(
    gateway: &Arc<Gateway>,
    client: &Client,
    credentials: Credentials,
) -> Result<Opened, NotOpened> {
    let in_force = gateway.in_force();
    let config = &in_force.config;
    let attempt = Attempt { gateway, client, in_force: &in_force };
    let began = Instant::now();
    let until = began + config.deadlines.verdict;
    let authenticated = timeout_at(until, attempt.authenticate(&credentials)).await;
    let unchecked = NotOpened { refusal: refuse::too_slow(), cause: Cause::Unchecked };
    let (account, password) = authenticated.unwrap_or(Err(unchecked))?;
    drop(credentials);
    let refusal = match timeout_at(until, attempt.open(&account, began.elapsed())).await {
        Ok(Ok((slot, upstream))) => {
            let config = Arc::clone(config);
            return Ok(Opened { config, account, password, slot, upstream });
        }
        Ok(Err(refusal)) => refusal,
        Err(_) => refuse::too_slow(),
    };
    client.place.expose();
    let alert =
        refuse::needs_a_person(refusal.reason) && gateway.may_alert(&account, SystemTime::now());
    warn!(
        connection = client.number,
        account = %account.login,
        protocol = %client.protocol,
        client = %client.address,
        "login not possible: {}", refusal.text,
    );
    let refusal = Refusal { alert, ..refusal };
    let refusal = refuse::as_configured(refusal, config.signin_refusal);
    Err(NotOpened { refusal, cause: Cause::Beyond })
}

struct Attempt<'a> {
    gateway: &'a Arc<Gateway>,
    client: &'a Client,
    in_force: &'a InForce,
}

impl Attempt<'_> {
    /// The account, if name and password are right. Unknown name, wrong password and one outside its limits
    /// are the same answer, at the same cost.
    async fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> Result<(Arc<AccountConfig>, Verified), NotOpened> {
        let account = self.in_force.accounts.find(&credentials.login);
        let origin = Origin { protocol: self.client.protocol, address: self.client.address.ip() };
        let (checked, guess) = self.check(account.as_deref(), credentials, origin).await;
        match (account, checked) {
            (Some(account), Ok(Checked::Right(password))) => Ok((account, password)),
            (Some(account), Ok(Checked::OutOfLimits { name, limits, fault })) => {
                warn!(
                    connection = self.client.number,
                    client = %self.client.address,
                    protocol = %self.client.protocol,
                    account = %account.login,
                    "{}",
                    limit_words::refusal(&account.login, &name, &limits, fault, origin),
                );
                Err(self.wrong(guess))
            }
            (_, Ok(_)) => {
                warn!(
                    connection = self.client.number,
                    client = %self.client.address,
                    protocol = %self.client.protocol,
                    login = %printable(&credentials.login),
                    method = ?credentials.method,
                    "wrong login name or local password (set one with: saslgate account password \
                     LOGIN)",
                );
                Err(self.wrong(guess))
            }
            (_, Err(error)) => {
                warn!(
                    connection = self.client.number,
                    client = %self.client.address,
                    protocol = %self.client.protocol,
                    login = %printable(&credentials.login),
                    "cannot check a local password: {error}"
                );
                Err(NotOpened { refusal: refuse::store_unavailable(), cause: Cause::Unchecked })
            }
        }
    }

    /// What is right costs nothing if it is remembered; all else waits for a place among the guesses.
    async fn check(
        &self,
        account: Option<&AccountConfig>,
        credentials: &Credentials,
        origin: Origin,
    ) -> (Result<Checked, StoreError>, Option<(Asker, Turn)>) {
        let Gateway { passwords, guesses, .. } = self.gateway.as_ref();
        let password = &credentials.password;
        let stranger = match passwords.recall(account, password, origin).await {
            Ok(Recalled::Right(verified)) => return (Ok(Checked::Right(verified)), None),
            Ok(Recalled::Not { stranger }) => stranger,
            Err(error) => return (Err(error), None),
        };
        let asker = guesses.asker(&credentials.login, origin.address).as_stranger(stranger);
        let Some(turn) = guesses.turn(&asker, password).await else {
            let text = "too many wrong logins of this name are waiting; try again";
            return (Err(StoreError::Unavailable(text.to_owned())), None);
        };
        let checked = passwords.verify(account, password, origin, Some(asker.lane())).await;
        (checked, Some((asker, turn)))
    }

    fn wrong(&self, guess: Option<(Asker, Turn)>) -> NotOpened {
        let delay = self.client.deadlines.failed_login_delay;
        let times = guess.map_or(1, |(asker, turn)| {
            // However long a delay is configured: nobody waits longer for another one's guesses than that.
            let most = LONGEST_DELAY.as_millis() / delay.as_millis().max(1);
            let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
            let times = self.gateway.guesses.wrong(&asker).min(most);
            turn.pay(delay.saturating_mul(times));
            times
        });
        NotOpened { refusal: refuse::wrong_login(), cause: Cause::WrongLogin { times } }
    }

    async fn open(
        &self,
        account: &AccountConfig,
        password_took: Duration,
    ) -> Result<(AccountSlot, OpenUpstream), Refusal> {
        let protocol = self.client.protocol;
        let Some(config) = account.upstream(protocol) else {
            return Err(refuse::no_upstream(account, protocol));
        };
        let Some(slot) = self.slot(account, config).await else {
            return Err(refuse::account_limit(account, config.connection_limit));
        };
        // Not before: an account has few places, so there are few that nobody can push out.
        if !self.client.place.shelter() {
            return Err(refuse::crowded());
        }
        let began = Instant::now();
        let (opened, credential_took) = match &config.authentication {
            Authentication::OAuth => {
                let tokens = &self.gateway.tokens;
                let token = match protocol {
                    Protocol::Imap | Protocol::Pop3 => tokens.access_token(account).await,
                    Protocol::Smtp => tokens.brief_access_token(account).await,
                };
                let token = token.map_err(|error| refuse::token(&error))?;
                let took = began.elapsed();
                debug!(connection = self.client.number, account = %account.login, "a token is at hand");
                (self.open_with_token(account, config, &token).await?, took)
            }
            Authentication::Password { user } => {
                (self.open_with_password(account, config, user).await?, Duration::ZERO)
            }
        };
        if protocol == Protocol::Smtp {
            let said = Extensions::from_keywords(&opened.welcome.capabilities);
            self.gateway.learn_extensions(config, said);
        }
        self.log_opened(account, config, [password_took, credential_took], &opened);
        Ok((slot, opened))
    }

    /// One of the account's connections. Senders wait for their turn: providers allow very few at
    /// once, and a job that is turned away may not come again.
    async fn slot(&self, account: &AccountConfig, config: &UpstreamConfig) -> Option<AccountSlot> {
        match self.client.protocol {
            Protocol::Imap | Protocol::Pop3 => {
                self.gateway.take_slot(account, self.client.protocol, config)
            }
            Protocol::Smtp => {
                self.gateway.wait_for_slot(account, self.client.protocol, config).await
            }
        }
    }

    async fn stored_password(
        &self,
        account: &AccountConfig,
        config: &UpstreamConfig,
    ) -> Result<(Secret, Standing), Refusal> {
        let protocol = self.client.protocol;
        match self.gateway.upstream_password(account, protocol, config).await {
            Ok(Some((_, Standing::Refused))) => {
                Err(refuse::password_refused_before(account, protocol))
            }
            Ok(Some(stored)) => Ok(stored),
            Ok(None) => Err(refuse::no_stored_password(account, config, protocol)),
            Err(error) => {
                warn!(connection = self.client.number, "cannot read a stored password: {error}");
                Err(refuse::no_password_from_store(account, protocol, &error))
            }
        }
    }

    async fn open_with_password(
        &self,
        account: &AccountConfig,
        config: &UpstreamConfig,
        user: &str,
    ) -> Result<OpenUpstream, Refusal> {
        let protocol = self.client.protocol;
        let (mut password, standing) = self.stored_password(account, config).await?;
        let mut _turn = None;
        if standing == Standing::Untried {
            _turn = Some(self.gateway.trial(account, protocol).await);
            // Whoever tried it meanwhile knows more.
            password = self.stored_password(account, config).await?.0;
        }
        let credential = UpstreamCredential::Password(password.clone());
        let opened = upstream::open(&self.route(), account, config, user, credential).await;
        match &opened {
            Ok(_) => self.gateway.note_password(account, protocol, &password, true),
            Err(error) if error.refused_credential().is_some() => {
                self.gateway.note_password(account, protocol, &password, false);
            }
            Err(_) => {}
        }
        opened.map_err(|error| refuse::upstream(account, config, protocol, &error))
    }

    async fn open_with_token(
        &self,
        account: &AccountConfig,
        config: &UpstreamConfig,
        token: &AccessToken,
    ) -> Result<OpenUpstream, Refusal> {
        let first = match self.authenticate_upstream(account, config, token).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if let Some(text) = first.refused_credential() {
            warn!(
                connection = self.client.number,
                account = %account.login,
                upstream = %config,
                "the upstream refused the access token: {text}",
            );
        }
        let refusal =
            |error: &OpenError| refuse::upstream(account, config, self.client.protocol, error);
        match upstream::another_token(&self.gateway.tokens, account, token, &first).await {
            None => Err(refusal(&first)),
            Some(Ok(fresh)) => {
                let second = self.authenticate_upstream(account, config, &fresh).await;
                second.map_err(|error| refusal(&error))
            }
            Some(Err(error)) if error.kind == TokenErrorKind::TooSoon => Err(refusal(&first)),
            Some(Err(error)) => Err(refuse::token(&error)),
        }
    }

    async fn authenticate_upstream(
        &self,
        account: &AccountConfig,
        config: &UpstreamConfig,
        token: &AccessToken,
    ) -> Result<OpenUpstream, OpenError> {
        let credential = UpstreamCredential::Bearer(token.secret.clone());
        let user = account.mailbox(self.client.protocol);
        upstream::open(&self.route(), account, config, user, credential).await
    }

    fn route(&self) -> Route<'_> {
        let number = self.client.number;
        Route {
            connectors: &self.gateway.connectors,
            deadlines: &self.in_force.config.deadlines,
            protocol: self.client.protocol,
            number,
            tap: self.gateway.tap.as_ref().map(|tap| (number, Arc::clone(tap))),
        }
    }

    fn log_opened(
        &self,
        account: &AccountConfig,
        config: &UpstreamConfig,
        [password_took, credential_took]: [Duration; 2],
        opened: &OpenUpstream,
    ) {
        let mailbox = account.user(self.client.protocol);
        let token_of = account.token_login();
        let takes_token = config.authentication == Authentication::OAuth;
        info!(
            connection = self.client.number,
            account = %account.login,
            mailbox = (!mailbox.eq_ignore_ascii_case(&account.login)).then_some(mailbox),
            token_of = (takes_token && token_of != account.login).then_some(token_of.as_ref()),
            protocol = %self.client.protocol,
            client = %self.client.address,
            upstream = %config,
            password_ms = password_took.as_millis(),
            token_ms = credential_took.as_millis(),
            connect_ms = opened.connect_took.as_millis(),
            login_ms = opened.login_took.as_millis(),
            "logged in",
        );
    }
}

/// A login name as it may stand in a log line: nothing in it can end the line or move the cursor.
fn printable(login: &[u8]) -> String {
    login.iter().take(LOGGED_LOGIN).flat_map(|octet| octet.escape_ascii()).map(char::from).collect()
}

const LOGGED_LOGIN: usize = 100;

/// The answer to a wrong login comes no later, unless the configuration says so. Mail programs wait for about a minute.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
