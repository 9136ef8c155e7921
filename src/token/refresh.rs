//! A refresh, from "no good token" to "a new one, safely stored". The hard thing is what may happen
//! between the two: another process is faster, the disk is full, the provider is silent, the process
//! is killed. So each flight goes the same way:
//!
//! ```text
//! read the store ─ good? ──────────────────────────────► take over
//!   └ take the lease (or wait until its owner is done, and read again)
//!       └ write the intent, fenced ─ full disk shows here, nothing is spent
//!           └ HTTP, outside any transaction
//!               ├ answer: write the successor, fenced, durably ─► hand out
//!               └ refusal: put the intent back as it was
//! ```
//!
//! **Invariant:** a refresh token is replaced only by its successor, and the successor is stored
//! before the access token that came with it is used.

use std::{
    sync::{Arc, OnceLock, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::{
    AccessToken, Cause, Shared, TokenError, TokenErrorKind,
    advice::{self, Advice},
    answer::{Answer, Failure},
    endpoint::Errand,
    grant::{self, Fingerprint, Need},
    history::{self, Outcome, Refused},
    pause::{self, Fused},
    save::{self, FIRST_PAUSE, ROUNDS},
    slot::{Heard, Slot, Unsaved},
};
use crate::{
    config::OAuthConfig,
    guide::command::admin_consent_url_of,
    guide::command::argument,
    secret::Secret,
    store::{Grant, GrantRecord, StoreError},
};

/// One flight's errand.
pub(super) struct Refresh {
    pub(super) shared: Arc<Shared>,
    pub(super) slot: Arc<Slot>,
    pub(super) login: String,
    pub(super) oauth: OAuthConfig,
    pub(super) key: String,
    pub(super) purpose: String,
    /// Who holds the lease: another name for each flight.
    pub(super) owner: String,
    pub(super) reason: Reason,
    /// What the provider has said, for the account's history.
    pub(super) outcome: OnceLock<Outcome>,
}

/// Why a token is wanted.
pub(super) enum Reason {
    /// For a login.
    Login,
    /// An upstream has refused this one.
    Refused(AccessToken),
    /// In time: for the login that will come. With when the stored token was obtained, so that one
    /// that has come meanwhile will do.
    Ahead(Option<SystemTime>),
    /// The same, to see whether one comes: the old one is no answer.
    Inspection(Option<SystemTime>),
}

/// What one round under the lease came to.
enum Round {
    Done(AccessToken),
    /// Someone else has written in between: look again.
    Again,
}

impl Refresh {
    /// Gets a token, and falls back on the old one while that lasts.
    pub(super) async fn fly(&self) -> Result<AccessToken, TokenError> {
        let result = self.obtain().await;
        let Err(error) = &result else {
            return result;
        };
        if let Reason::Refused(_) | Reason::Inspection(_) = self.reason {
            return result;
        }
        let Some(token) = self.slot.held(Need::Valid, None, self.now()) else {
            return result;
        };
        warn!(account = self.login, "the old access token is used while it lasts: {error}");
        Ok(token)
    }

    async fn obtain(&self) -> Result<AccessToken, TokenError> {
        let lease = self.shared.endpoint.deadline() + STORE_TIME;
        let give_up = Instant::now() + lease * 2;
        let mut pause = FIRST_PAUSE;
        loop {
            let record = self.read().await?;
            if let Some(token) = self.good(record.as_ref()) {
                return Ok(token);
            }
            self.check_askable(record.as_ref()).await?;
            if self.take_lease(lease).await? {
                let result = self.under_lease().await;
                self.release_lease().await;
                return result;
            }
            if Instant::now() >= give_up {
                return Err(unavailable(format!(
                    "Another saslgate process has been refreshing the token of {} for too long. \
                     It will be tried again.",
                    self.login
                )));
            }
            if pause == FIRST_PAUSE {
                info!(
                    account = self.login,
                    "another process is refreshing the token, or was killed while it did: waiting \
                     for at most {lease:?}"
                );
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    async fn under_lease(&self) -> Result<AccessToken, TokenError> {
        self.save_all_unsaved().await?;
        for _ in 0..ROUNDS {
            match self.round().await? {
                Round::Done(token) => return Ok(token),
                Round::Again => {}
            }
        }
        Err(unavailable(format!(
            "The sign-in of {} is being changed by others all the time. It will be tried again.",
            self.login
        )))
    }

    /// One try: the record is read again, since it may have changed before the lease was ours.
    async fn round(&self) -> Result<Round, TokenError> {
        let record = self.read().await?;
        if let Some(token) = self.good(record.as_ref()) {
            return Ok(Round::Done(token));
        }
        self.check_askable(record.as_ref()).await?;
        self.check_fuse()?;
        let expected = record.as_ref().map(|record| record.version);
        let old = record.map(|record| record.grant).unwrap_or_default();
        let Some(version) = self.declare(&old, expected).await? else {
            return Ok(Round::Again);
        };
        let (started, clock) = (self.now(), Instant::now());
        let exchanged = {
            let errand = self.spent(&old).map_or(Errand::Own, Errand::Refresh);
            self.shared.endpoint.exchange(&self.oauth, errand).await
        };
        match exchanged {
            Ok(answer) => self.commit(old, answer, started, clock).await,
            Err(failure) => self.give_up(&old, version, failure).await,
        }
    }

    /// Writes the intent, where a refresh may cost the old token. Returns the version to go on with.
    async fn declare(
        &self,
        old: &Grant,
        expected: Option<i64>,
    ) -> Result<Option<Option<i64>>, TokenError> {
        if !self.oauth.grant.needs_sign_in() {
            return Ok(Some(expected));
        }
        let intent = Grant { refresh_started: Some(self.now()), ..old.clone() };
        let version = self.write(expected, &intent).await.map_err(|error| self.store(&error))?;
        Ok(version.map(Some))
    }

    async fn commit(
        &self,
        old: Grant,
        answer: Answer,
        started: SystemTime,
        clock: Instant,
    ) -> Result<Round, TokenError> {
        let token = AccessToken {
            secret: answer.access_token,
            obtained: started,
            expires: started + answer.lifetime,
        };
        // Where nobody signs in, one that comes all the same would never be used.
        let refresh_token = answer.refresh_token.filter(|_| self.oauth.grant.needs_sign_in());
        let rotated = refresh_token.is_some();
        let ends = answer.window.map(|length| started + length);
        let successor = grant::successor(&old, refresh_token, ends, &token, &self.purpose);
        let ends = history::nearing_end(&old, &successor, started);
        self.slot.keep_unsaved(Unsaved { spent: old, successor });
        self.slot.succeed(answer.lifetime);
        if let Reason::Refused(_) = self.reason {
            self.slot.force(started);
        }
        let saved = self.save_unsaved().await?.is_some();
        info!(
            account = self.login,
            rotated,
            saved,
            elapsed_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            lifetime_s = answer.lifetime.as_secs(),
            "access token refreshed",
        );
        if !saved {
            return Ok(Round::Again);
        }
        let _ = self.outcome.set(Outcome::Succeeded { at: started, ends });
        self.slot.hold(Some(token.clone()), None);
        Ok(Round::Done(token))
    }

    /// Also what was given out under settings that have been changed since: the store must not show a
    /// refresh token that is spent.
    async fn save_all_unsaved(&self) -> Result<(), TokenError> {
        let slots: Vec<_> = {
            let slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let own = slots.iter().filter(|((account, _), _)| *account == self.key);
            own.map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            let saved = save::unsaved(self.shared.store.as_ref(), &slot, &self.key).await;
            saved.map_err(|error| self.store(&error))?;
        }
        Ok(())
    }

    /// See [`save::unsaved`].
    async fn save_unsaved(&self) -> Result<Option<i64>, TokenError> {
        let saved = save::unsaved(self.shared.store.as_ref(), &self.slot, &self.key).await;
        saved.map_err(|error| self.store(&error))
    }

    /// After a refusal: keeps what must be kept, and turns it into the words for people.
    async fn give_up(
        &self,
        old: &Grant,
        version: Option<i64>,
        failure: Failure,
    ) -> Result<Round, TokenError> {
        let reason = self.describe(old, &failure);
        let next_step = failure.advice.sentence(&self.login, &self.oauth);
        let text = format!("{reason} {next_step}");
        let error = TokenError { kind: failure.kind, text, cause: failure.cause(&self.oauth) };
        let heard = if failure.never_stood() {
            self.slot.uncount_request();
            Heard::Nothing
        } else {
            Heard::Answer(failure.retry_after)
        };
        let rotated = failure.rotated.map(|refresh_token| Grant {
            refresh_token: Some(refresh_token),
            // What was said was said of the one before.
            refresh_token_expires: None,
            refresh_started: None,
            ..old.clone()
        });
        let fingerprint = self.fingerprint(Some(rotated.as_ref().unwrap_or(old))).await;
        let another = self.slot.refused_another(fingerprint);
        let now = self.now();
        let share = pause::share(&self.key, now);
        let first = self.slot.refuse(fingerprint, version, heard, error.clone(), share, now);
        let (kind, trace_id) = (failure.kind.name(), failure.trace_id);
        if first {
            warn!(account = self.login, kind, trace_id, "no new access token: {error}");
        } else {
            info!(account = self.login, kind, trace_id, "still no new access token: {error}");
        }
        let outcome = Outcome::Refused(Refused {
            at: now,
            kind: failure.kind,
            link: self.link(failure.advice),
            reason,
            next_step,
            another,
            signed_in: old.signed_in.as_ref().map(|it| it.at),
        });
        if !self.oauth.grant.needs_sign_in() {
            let _ = self.outcome.set(outcome);
            return Err(error);
        }
        if let Some(successor) = rotated {
            self.slot.keep_unsaved(Unsaved { spent: old.clone(), successor });
            match self.save_unsaved().await {
                Ok(saved) => self.slot.move_refusal(saved.or(version)),
                Err(fault) => {
                    warn!(account = self.login, "the new refresh token is not saved yet: {fault}");
                }
            }
        } else if failure.unspent {
            match self.write(version, old).await {
                Ok(written) if written.is_some() => self.slot.move_refusal(written),
                // Another process went on without us, or someone has signed in: theirs may be good.
                Ok(_) => return Ok(Round::Again),
                Err(fault) => debug!(account = self.login, "the mark stays: {fault}"),
            }
        }
        // Else the mark stays: the provider may have given out a token that never arrived.
        let _ = self.outcome.set(outcome);
        Err(error)
    }

    fn describe(&self, old: &Grant, failure: &Failure) -> String {
        let interrupted = if failure.refused_grant && old.refresh_started.is_some() {
            " An earlier refresh was interrupted before its answer was stored, so the provider may \
             have replaced the token by one that never arrived."
        } else {
            ""
        };
        format!("{} {}.{interrupted}", advice::provider(&self.oauth), failure.what)
    }

    /// Where the advice can be followed, if that is a page.
    fn link(&self, advice: Advice) -> Option<String> {
        (advice == Advice::Consent).then(|| admin_consent_url_of(&self.oauth))?
    }

    /// What the store holds now. The memory takes it over, so that a sign-in, a removal or another
    /// process's refresh is seen at once.
    async fn read(&self) -> Result<Option<GrantRecord>, TokenError> {
        let store = &self.shared.store;
        let generation = store.generation().await.map_err(|error| self.store(&error))?;
        let record = store.grant(&self.key).await.map_err(|error| self.store(&error))?;
        let token =
            record.as_ref().and_then(|record| grant::stored_token(&record.grant, &self.purpose));
        self.slot.hold(token, Some(generation));
        Ok(record)
    }

    /// The stored token, if it will do.
    fn good(&self, record: Option<&GrantRecord>) -> Option<AccessToken> {
        let token = grant::stored_token(&record?.grant, &self.purpose)?;
        let fresh = Need::Fresh(self.oauth.fresh_percent);
        let good = match &self.reason {
            Reason::Login => fresh.is_met(&token, self.now()),
            Reason::Refused(refused) => Need::Other(&refused.secret).is_met(&token, self.now()),
            Reason::Ahead(seen) | Reason::Inspection(seen) => {
                *seen != Some(token.obtained) && fresh.is_met(&token, self.now())
            }
        };
        good.then_some(token)
    }

    /// Whether it makes sense to ask the provider.
    async fn check_askable(&self, record: Option<&GrantRecord>) -> Result<(), TokenError> {
        // A request that nobody waits for could cost the answer, and with it the sign-in.
        if self.shared.stopping.load(Ordering::SeqCst) {
            return Err(unavailable("The gateway is stopping.".to_owned()));
        }
        let grant = record.map(|record| &record.grant);
        let has_token = grant.is_some_and(|grant| grant.refresh_token.is_some());
        if self.oauth.grant.needs_sign_in() && !has_token {
            let login = &self.login;
            return Err(TokenError {
                kind: TokenErrorKind::SignIn,
                text: format!(
                    "Nobody has signed in for {login} yet. Do it with: saslgate signin {}",
                    argument(login)
                ),
                cause: Cause::SignInMissing,
            });
        }
        let version = record.map(|record| record.version);
        let fingerprint = self.fingerprint(grant).await;
        self.slot.refusal(fingerprint, version, self.now()).map_or(Ok(()), Err)
    }

    /// What should never happen, and would cost the application its good name.
    fn check_fuse(&self) -> Result<(), TokenError> {
        let Fused::Blown { first, limit } = self.slot.count_request(self.now()) else {
            return Ok(());
        };
        let error = unavailable(format!(
            "{} was asked for a token of {} {limit} times within an hour, so it is not asked again \
             before the hour is over. Check fresh_percent and the lifetime of its tokens.",
            advice::provider(&self.oauth),
            self.login
        ));
        if first {
            error!(account = self.login, "{error}");
        }
        Err(error)
    }

    async fn fingerprint(&self, grant: Option<&Grant>) -> Fingerprint {
        let spent = grant.and_then(|grant| self.spent(grant));
        Fingerprint::of(&self.oauth, &self.purpose, spent).await
    }

    /// The refresh token that an exchange uses up.
    fn spent<'a>(&self, grant: &'a Grant) -> Option<&'a Secret> {
        let needed = self.oauth.grant.needs_sign_in();
        grant.refresh_token.as_ref().filter(|_| needed)
    }

    async fn take_lease(&self, length: Duration) -> Result<bool, TokenError> {
        let owner = &self.owner;
        self.shared
            .store
            .take_lease(&self.key, owner, length)
            .await
            .map_err(|error| self.store(&error))
    }

    /// A lease that cannot be given back runs out.
    async fn release_lease(&self) {
        let owner = &self.owner;
        if let Err(error) = self.shared.store.release_lease(&self.key, owner).await {
            debug!(account = self.login, "the lease was not given back: {error}");
        }
    }

    async fn write(&self, expected: Option<i64>, grant: &Grant) -> Result<Option<i64>, StoreError> {
        self.shared.store.write_grant(&self.key, expected, grant).await
    }

    fn now(&self) -> SystemTime {
        (self.shared.clock)()
    }

    fn store(&self, error: &StoreError) -> TokenError {
        TokenError {
            cause: Cause::Store { text: error.to_string() },
            ..unavailable(format!("The sign-in of {} is out of reach. {error}", self.login))
        }
    }
}

fn unavailable(text: String) -> TokenError {
    TokenError { kind: TokenErrorKind::Unavailable, text, cause: Cause::Own }
}

/// What a lease has beyond the HTTP exchange, for reading and writing. Not more: after a kill the
/// next process waits for the lease to end, and a client waits with it.
const STORE_TIME: Duration = Duration::from_secs(10);

/// How rarely a waiting process looks whether another one is done.
const LONGEST_POLL: Duration = Duration::from_secs(1);
