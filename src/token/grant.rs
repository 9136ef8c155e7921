//! Judgements about a grant, without I/O: is a token good enough, what was it obtained for, is a
//! refusal about this very grant. The hard thing is that all of it goes by a wall clock that people
//! and time servers set: a token from the future is not trusted.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;

use super::AccessToken;
use crate::{
    config::{self, ClientAuthentication, OAuthConfig},
    secret::Secret,
    signing_key,
    store::{Grant, StoredAccessToken},
};

/// How good a token has to be.
#[derive(Clone, Copy)]
pub(super) enum Need<'a> {
    /// At least this share of its lifetime must be left, in percent.
    Fresh(u8),
    /// The same, or as long as a mail transaction may take.
    Brief(u8),
    /// Not yet ended.
    Valid,
    /// Not yet ended, and not this one.
    Other(&'a Secret),
}

impl Need<'_> {
    pub(super) fn is_met(self, token: &AccessToken, now: SystemTime) -> bool {
        let Some(left) = left(token, now) else {
            return false;
        };
        match self {
            Self::Fresh(percent) => {
                let lifetime = token.expires.duration_since(token.obtained).unwrap_or_default();
                left * 100 >= lifetime * u32::from(percent.min(100)) && left > Duration::ZERO
            }
            Self::Brief(percent) => left >= TRANSACTION || Need::Fresh(percent).is_met(token, now),
            Self::Valid => left >= LAST_MOMENT,
            Self::Other(refused) => {
                left >= LAST_MOMENT && token.secret.expose() != refused.expose()
            }
        }
    }
}

/// What is left of a token, unless it ended, or the clock was set back since it was obtained.
fn left(token: &AccessToken, now: SystemTime) -> Option<Duration> {
    if is_in_the_future(token.obtained, now) {
        return None;
    }
    token.expires.duration_since(now).ok()
}

/// When a token falls below what an IMAP login needs, and what a mail transaction needs.
pub(super) fn falls_short(
    obtained: SystemTime,
    expires: SystemTime,
    percent: u8,
) -> (SystemTime, SystemTime) {
    let lifetime = expires.duration_since(obtained).unwrap_or_default();
    let fresh = obtained + lifetime * u32::from(100 - percent.min(100)) / 100;
    let brief = expires.checked_sub(TRANSACTION).unwrap_or(fresh);
    (fresh, brief.max(fresh))
}

/// Whether something is said to have happened after now: the clock was set back since.
pub(super) fn is_in_the_future(then: SystemTime, now: SystemTime) -> bool {
    then > now + CLOCK_SLACK
}

/// How long ago something was, if that is known: after the clock was set back it is not.
pub(super) fn age(then: SystemTime, now: SystemTime) -> Option<Duration> {
    now.duration_since(then).ok()
}

/// What an access token is obtained for: one of another purpose is not used.
pub(super) fn purpose(oauth: &OAuthConfig) -> String {
    let OAuthConfig { token_url, client_id, .. } = oauth;
    let (grant, user) = (oauth.grant.name(), oauth.grant.user().unwrap_or_default());
    format!("{token_url}|{client_id}|{}|{grant}|{user}", oauth.scopes.join(" "))
}

/// The access token of a stored grant, if it was obtained for this purpose.
pub(super) fn stored_token(grant: &Grant, purpose: &str) -> Option<AccessToken> {
    grant.access_token.as_ref().filter(|token| token.purpose == purpose).map(|token| AccessToken {
        secret: token.secret.clone(),
        obtained: token.obtained,
        expires: token.expires,
    })
}

/// The grant that follows a refresh.
pub(super) fn successor(
    old: &Grant,
    refresh_token: Option<Secret>,
    ends: Option<SystemTime>,
    token: &AccessToken,
    purpose: &str,
) -> Grant {
    // Said only once by some; what was said of another refresh token counts no more.
    let known = old.refresh_token_expires.filter(|_| refresh_token.is_none());
    Grant {
        refresh_token_expires: ends.or(known),
        refresh_token: refresh_token.or_else(|| old.refresh_token.clone()),
        access_token: Some(StoredAccessToken {
            secret: token.secret.clone(),
            obtained: token.obtained,
            expires: token.expires,
            purpose: purpose.to_owned(),
        }),
        refresh_started: None,
        signed_in: old.signed_in.clone(),
    }
}

/// Stands for everything that a provider judges in an exchange. As long as it stays the same, so
/// does a definite refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) async fn of(
        oauth: &OAuthConfig,
        purpose: &str,
        refresh_token: Option<&Secret>,
    ) -> Self {
        let files = oauth.proof_files();
        let files = if files.is_empty() {
            [0; 32]
        } else {
            let digest = move || signing_key::digest_of(&files);
            tokio::task::spawn_blocking(digest).await.unwrap_or_default()
        };
        Self::new(oauth, purpose, refresh_token, &files)
    }

    /// `files` stands for the content of the files that prove who asks.
    fn new(
        oauth: &OAuthConfig,
        purpose: &str,
        refresh_token: Option<&Secret>,
        files: &[u8],
    ) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let (kind, secret) = match &oauth.client_authentication {
            ClientAuthentication::Public => ("public", None),
            ClientAuthentication::Secret(secret) => ("secret", Some(secret)),
            ClientAuthentication::Certificate { passphrase, .. } => {
                ("certificate", passphrase.as_ref())
            }
            ClientAuthentication::FederatedToken { .. } => ("federated", None),
        };
        let password = match &oauth.grant {
            config::Grant::Password { password, .. } => Some(password),
            config::Grant::ClientCredentials
            | config::Grant::RefreshToken
            | config::Grant::ServiceAccount { .. } => None,
        };
        let [secret, password, refresh_token] = [secret, password, refresh_token]
            .map(|secret| secret.map_or(b"".as_slice(), Secret::expose));
        for part in [purpose.as_bytes(), kind.as_bytes(), files, secret, password, refresh_token] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Self(fingerprint)
    }
}

/// Below this a token is not worth a login's way to the upstream.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Ten minutes is what RFC 5321 section 4.5.3.2.6 gives a server to accept a message.
const TRANSACTION: Duration = Duration::from_secs(600);

/// What time servers correct without anybody noticing.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn token() -> AccessToken {
        AccessToken { secret: Secret::new("t"), obtained: at(0), expires: at(3600) }
    }

    #[test]
    fn enough_life_is_a_share_of_the_lifetime() {
        let fresh = |percent, now| Need::Fresh(percent).is_met(&token(), at(now));
        assert!(fresh(50, 0));
        assert!(fresh(50, 1800));
        assert!(!fresh(50, 1801));
        assert!(fresh(10, 3240));
        assert!(!fresh(10, 3241));
        assert!(fresh(0, 3599));
        assert!(!fresh(0, 3600), "an ended token is never fresh");
        assert!(fresh(100, 0));
        assert!(!fresh(255, 1));
    }

    #[test]
    fn a_transaction_needs_minutes_and_not_a_share() {
        let brief = |now| Need::Brief(50).is_met(&token(), at(now));
        assert!(brief(3000));
        assert!(!brief(3001));
        // Of a token that never lasts as long, the share will do.
        let short = AccessToken { expires: at(60), ..token() };
        assert!(Need::Brief(50).is_met(&short, at(30)));
        assert!(!Need::Brief(50).is_met(&short, at(31)));
    }

    #[test]
    fn a_valid_token_has_some_seconds_left() {
        assert!(Need::Valid.is_met(&token(), at(3595)));
        assert!(!Need::Valid.is_met(&token(), at(3596)));
        assert!(!Need::Valid.is_met(&token(), at(9999)));
    }

    #[test]
    fn a_token_from_the_future_is_not_trusted() {
        let before = at(0) - Duration::from_secs(61);
        assert!(!Need::Fresh(50).is_met(&token(), before));
        assert!(Need::Fresh(50).is_met(&token(), at(0) - Duration::from_secs(59)));
    }

    #[test]
    fn another_token_is_told_by_its_content() {
        assert!(!Need::Other(&Secret::new("t")).is_met(&token(), at(1)));
        assert!(Need::Other(&Secret::new("u")).is_met(&token(), at(1)));
    }

    #[test]
    fn a_fingerprint_changes_with_whatever_the_provider_judges() {
        let account = super::super::tests::account("https://id.example.test/token");
        let mut oauth = account.oauth.unwrap();
        let print = |oauth: &OAuthConfig, token: &str, files: &str| {
            Fingerprint::new(oauth, &purpose(oauth), Some(&Secret::new(token)), files.as_bytes())
        };
        let mut seen = vec![print(&oauth, "r", "f")];
        let mut check_new = |print: Fingerprint| {
            assert!(!seen.contains(&print), "the {}th change is not seen", seen.len());
            seen.push(print);
        };
        assert!(print(&oauth, "r", "f") == print(&oauth, "r", "f"));
        check_new(print(&oauth, "s", "f"));
        check_new(print(&oauth, "r", "g"));
        oauth.client_authentication = ClientAuthentication::Secret(Secret::new("corrected"));
        check_new(print(&oauth, "r", "f"));
        oauth.client_authentication = ClientAuthentication::Public;
        check_new(print(&oauth, "r", "f"));
        oauth.client_authentication = ClientAuthentication::FederatedToken { file: "t".into() };
        check_new(print(&oauth, "r", "f"));
        let certificate = |passphrase| ClientAuthentication::Certificate {
            certificate: "c".into(),
            key: "k".into(),
            passphrase,
        };
        oauth.client_authentication = certificate(None);
        check_new(print(&oauth, "r", "f"));
        oauth.client_authentication = certificate(Some(Secret::new("p")));
        check_new(print(&oauth, "r", "f"));
        let (user, password) = ("u".to_owned(), Secret::new("p"));
        oauth.grant = config::Grant::Password { user, password };
        check_new(print(&oauth, "r", "f"));
        let (user, password) = ("u".to_owned(), Secret::new("q"));
        oauth.grant = config::Grant::Password { user, password };
        check_new(print(&oauth, "r", "f"));
        let before = purpose(&oauth);
        oauth.grant = config::Grant::ServiceAccount { key_file: "k".into(), subject: "u".into() };
        assert_ne!(purpose(&oauth), before);
        assert!(before.ends_with("|password|u"), "{before}");
    }

    proptest! {
        /// Two sums about one thing: the keeper's moment is where a login's question has its answer.
        #[test]
        fn a_token_falls_short_when_it_is_said_to(
            lifetime in 0..=40_000_000_000u64,
            percent in any::<u8>(),
            now in 0..=50_000_000_000u64,
        ) {
            let begin = at(0);
            let moment = |millis| begin + Duration::from_millis(millis);
            let token =
                AccessToken { secret: Secret::new("t"), obtained: begin, expires: moment(lifetime) };
            let (fresh, brief) = falls_short(begin, token.expires, percent);
            prop_assert!(begin <= fresh && fresh <= brief && brief <= token.expires.max(fresh));
            let now = moment(now);
            let (is_fresh, is_brief) =
                (Need::Fresh(percent).is_met(&token, now), Need::Brief(percent).is_met(&token, now));
            prop_assert_eq!(is_fresh, now <= fresh && now < token.expires);
            prop_assert_eq!(is_brief, now <= brief && now < token.expires);
            prop_assert!(!is_brief || now < token.expires);
        }
    }
}
