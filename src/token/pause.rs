//! When a provider that has refused is asked again: the whole policy, in one table. The hard thing is
//! that it must hold for logins, forced refreshes and the keeper alike, or one of them becomes the
//! loop that providers punish (AADSTS50196).
//!
//! | What was said | First pause | Doubled up to | Nobody asked for a token |
//! |---|---|---|---|
//! | no way to it | 3 s | 30 s | the same |
//! | passing trouble | 3 s | 10 min | the same |
//! | policy, configuration | 5 min | 6 h | the same |
//! | somebody must sign in | 5 min | 1 day | 1 day |
//!
//! A pause ends early for another grant, another configuration, or on request
//! ([`Tokens::look_again`](super::Tokens::look_again)); the count begins anew with a success. Of
//! each pause up to a quarter is taken off, another share for each account. `Retry-After` is a lower
//! bound up to 6 h. Meanwhile the last good token is handed out as long as it lasts. Above it all
//! stands a [`Fuse`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;

use super::{TokenErrorKind, grant};

/// One row of the table.
struct Row {
    first: Duration,
    longest: Duration,
    unasked: Duration,
}

fn row(kind: TokenErrorKind) -> Row {
    match kind {
        TokenErrorKind::Unavailable | TokenErrorKind::TooSoon => {
            Row { first: SECOND * 3, longest: MINUTE * 10, unasked: Duration::ZERO }
        }
        TokenErrorKind::Policy | TokenErrorKind::Configuration => {
            Row { first: MINUTE * 5, longest: HOUR * 6, unasked: Duration::ZERO }
        }
        TokenErrorKind::SignIn => Row { first: MINUTE * 5, longest: DAY, unasked: DAY },
    }
}

/// Whether only people can lift it.
pub(super) fn is_definite(kind: TokenErrorKind) -> bool {
    match kind {
        TokenErrorKind::SignIn | TokenErrorKind::Policy | TokenErrorKind::Configuration => true,
        TokenErrorKind::Unavailable | TokenErrorKind::TooSoon => false,
    }
}

/// The pause after the `count`-th refusal in a row, from one on. `share` is this account's, between
/// zero and one.
pub(super) fn after(
    kind: TokenErrorKind,
    count: u32,
    retry_after: Option<Duration>,
    share: f64,
) -> Duration {
    let pause = doubled(&row(kind), count, share);
    // Never earlier than asked for, and then not everybody in the same moment.
    let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    pause.max(asked.mul_f64(1.0 + RETRY_JITTER * share.clamp(0.0, 1.0)))
}

/// The pause after the `count`-th try in a row that has not reached the provider, which no number of them
/// bothers: once the network is back, so is the mail.
pub(super) fn unreached(count: u32, share: f64) -> Duration {
    let row = Row { first: SECOND * 3, longest: SECOND * 30, unasked: Duration::ZERO };
    doubled(&row, count, share)
}

fn doubled(row: &Row, count: u32, share: f64) -> Duration {
    let doublings = count.saturating_sub(1).min(20);
    let pause = row.first.saturating_mul(1 << doublings).min(row.longest);
    pause.mul_f64(1.0 - JITTER * share.clamp(0.0, 1.0))
}

/// The least pause before the provider is asked although nobody waits for a token.
pub(super) fn unasked(kind: TokenErrorKind) -> Duration {
    row(kind).unasked
}

/// A share between zero and one that differs from account to account, and from `salt` to `salt`.
/// Not drawn but computed: a share that is drawn anew in each round ends up at the earliest.
pub(super) fn share(account: &str, salt: SystemTime) -> f64 {
    let millis = salt.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(account.as_bytes());
    context.update(&millis.to_be_bytes());
    let mut octets = [0; 4];
    for (octet, random) in octets.iter_mut().zip(context.finish().as_ref()) {
        *octet = *random;
    }
    f64::from(u32::from_be_bytes(octets)) / f64::from(u32::MAX)
}

/// The last barrier: so many requests per account and hour, whatever a fault of ours does.
#[derive(Default)]
pub(super) struct Fuse {
    since: Option<SystemTime>,
    count: u32,
}

/// What the fuse says to one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fused {
    /// Go on.
    Closed,
    /// Not now; `first` in this hour.
    Blown {
        /// Worth a line in the log.
        first: bool,
        /// So many were made.
        limit: u32,
    },
}

impl Fuse {
    /// Counts a request. `lifetime` is the last token's: one that lives for seconds needs more.
    pub(super) fn count(&mut self, lifetime: Option<Duration>, now: SystemTime) -> Fused {
        let running =
            self.since.is_some_and(|since| grant::age(since, now).is_some_and(|age| age < HOUR));
        if !running {
            *self = Self { since: Some(now), count: 0 };
        }
        let limit = limit(lifetime);
        self.count = self.count.saturating_add(1);
        if self.count <= limit {
            Fused::Closed
        } else {
            Fused::Blown { first: self.count == limit + 1, limit }
        }
    }

    /// The request that was counted last has not reached the provider.
    pub(super) fn uncount(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

/// Four requests for each lifetime, but a token that ends at once is a fault and no reason.
fn limit(lifetime: Option<Duration>) -> u32 {
    let seconds = lifetime.map_or(0, |lifetime| lifetime.as_secs());
    if seconds < SHORTEST_LIFETIME {
        return REQUESTS;
    }
    u32::try_from(4 * HOUR.as_secs() / seconds).unwrap_or(REQUESTS).max(REQUESTS)
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// However long `Retry-After` wants.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(6 * 3600);

/// Up to this part is taken off a pause.
const JITTER: f64 = 0.25;

/// Up to this part is added to what `Retry-After` wants.
const RETRY_JITTER: f64 = 0.1;

/// Of one account in one hour, with tokens of a usual lifetime.
const REQUESTS: u32 = 60;

/// In seconds.
const SHORTEST_LIFETIME: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use TokenErrorKind::{Configuration, Policy, SignIn, Unavailable};

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |kind, count| after(kind, count, None, 0.0).as_secs();
        let passing: Vec<_> = (1..=10).map(|count| seconds(Unavailable, count)).collect();
        assert_eq!(passing, [3, 6, 12, 24, 48, 96, 192, 384, 600, 600]);
        let unreached: Vec<_> = (1..=6).map(|count| unreached(count, 0.0).as_secs()).collect();
        assert_eq!(unreached, [3, 6, 12, 24, 30, 30]);
        let policy: Vec<_> = (1..=8).map(|count| seconds(Policy, count) / 60).collect();
        assert_eq!(policy, [5, 10, 20, 40, 80, 160, 320, 360]);
        assert_eq!(seconds(Configuration, u32::MAX), 6 * 3600);
        assert_eq!(seconds(SignIn, 1), 300);
        assert_eq!(seconds(SignIn, u32::MAX), 24 * 3600);
        assert_eq!(unasked(SignIn).as_secs(), 24 * 3600);
    }

    #[test]
    fn jitter_takes_at_most_a_quarter_off() {
        for count in 1..12 {
            let longest = after(Unavailable, count, None, 0.0);
            assert_eq!(after(Unavailable, count, None, 1.0), longest * 3 / 4);
        }
    }

    #[test]
    fn retry_after_is_never_cut_short() {
        let seconds =
            |asked, share| after(Unavailable, 1, Some(Duration::from_secs(asked)), share).as_secs();
        assert_eq!(seconds(1, 0.0), 3);
        assert_eq!(seconds(3600, 0.0), 3600, "longer than our own longest");
        assert_eq!(seconds(3600, 1.0), 3960);
        assert_eq!(seconds(u64::MAX, 0.0), 6 * 3600, "but not for ever");
    }

    #[test]
    fn shares_differ_and_stay() {
        let shares: Vec<f64> =
            (0..1000).map(|number| share(&format!("u{number}@a.test"), UNIX_EPOCH)).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let count = shares.iter().filter(|share| (low..low + 0.1).contains(*share)).count();
            assert!((50..=150).contains(&count), "{count} of 1000 in one tenth");
        }
        assert!(share("a", UNIX_EPOCH) == share("a", UNIX_EPOCH));
        assert!(share("a", UNIX_EPOCH) != share("a", UNIX_EPOCH + SECOND));
    }

    #[test]
    fn the_fuse_blows_once_an_hour() {
        let mut fuse = Fuse::default();
        for _ in 0..60 {
            assert_eq!(fuse.count(None, UNIX_EPOCH), Fused::Closed);
        }
        assert_eq!(fuse.count(None, UNIX_EPOCH), Fused::Blown { first: true, limit: 60 });
        assert_eq!(fuse.count(None, UNIX_EPOCH), Fused::Blown { first: false, limit: 60 });
        assert_eq!(fuse.count(None, UNIX_EPOCH + HOUR), Fused::Closed);
        assert_eq!(fuse.count(None, UNIX_EPOCH), Fused::Closed, "the clock was set back");
        assert_eq!(limit(Some(Duration::from_secs(3600))), 60);
        assert_eq!(limit(Some(Duration::from_secs(20))), 720);
        assert_eq!(limit(Some(Duration::ZERO)), 60);
    }
}
