//! Who is connected to one port. The hard thing is pressure: a crowd from one address must not cost others
//! their place, and connections that never log in must make room for those that would.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Limits,
    upstream::{is_loopback, site},
};

/// Who is connected to one port.
#[derive(Debug, Default)]
pub(super) struct Load {
    connections: usize,
    /// Those that are being told to go; nobody's place is taken for them.
    sent_away: usize,
    /// By [`site`].
    per_address: HashMap<IpAddr, usize>,
    /// Before login, oldest first: connection numbers grow.
    before_login: BTreeMap<u64, CancellationToken>,
    /// Whose password was right, from then on to their end: while their mail server is asked they may still have to log
    /// in once more.
    sheltered: HashMap<u64, CancellationToken>,
    crowd: Crowd,
}

/// What a crowd came to since it was last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Had no login yet, and made room.
    pub(super) pushed_out: u64,
    /// Found no room.
    pub(super) sent_away: u64,
    told: Option<Instant>,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Welcome,
    SendAway,
    CutOff,
}

impl Load {
    /// Whether there are as many from this address as may be. On loopback everybody has the same address.
    pub(super) fn is_crowd(&self, limits: &Limits, address: IpAddr) -> bool {
        let from_here = self.per_address.get(&site(address)).copied().unwrap_or_default();
        !is_loopback(address) && from_here >= limits.connections_per_address
    }

    pub(super) fn admit(
        &mut self,
        limits: &Limits,
        number: u64,
        address: IpAddr,
        evicted: CancellationToken,
    ) -> Admission {
        let crowd = self.is_crowd(limits, address);
        // Only one that is let in pushes another out: a crowd must not cost others their place.
        if crowd || !self.make_room(limits.connections_per_listener) {
            self.crowd.sent_away += 1;
            return self.turn_away();
        }
        self.connections += 1;
        *self.per_address.entry(site(address)).or_default() += 1;
        self.before_login.insert(number, evicted);
        Admission::Welcome
    }

    /// There is no room for it.
    pub(super) fn turn_away(&mut self) -> Admission {
        if self.sent_away >= SENT_AWAY {
            return Admission::CutOff;
        }
        self.sent_away += 1;
        Admission::SendAway
    }

    /// The number of whoever has waited longest without a login.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.before_login.first_key_value().map(|(number, _)| *number)
    }

    /// Has whoever has waited longest without a login go.
    pub(super) fn push_out(&mut self) -> bool {
        self.before_login.pop_first().map(|(_, end)| end.cancel()).is_some()
    }

    /// Whoever waits longest without a login goes first. They need a moment to go, which bounds how
    /// many can be pushed out at once.
    fn make_room(&mut self, limit: usize) -> bool {
        if self.connections < limit {
            return true;
        }
        let leaving = self.connections - limit;
        let made = leaving < LEAVING && self.push_out();
        self.crowd.pushed_out += u64::from(made);
        made
    }

    /// What is to be told of a crowd now, and how many are connected: at once where it begins, and then once a
    /// minute, or a flood would fill the log.
    pub(super) fn news(&mut self, now: Instant) -> Option<(Crowd, usize)> {
        let told = self.crowd.told;
        let quiet = self.crowd.pushed_out + self.crowd.sent_away == 0;
        if quiet || told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return None;
        }
        let news =
            std::mem::replace(&mut self.crowd, Crowd { told: Some(now), ..Crowd::default() });
        Some((news, self.connections))
    }

    pub(super) fn leave(&mut self, number: u64, address: IpAddr) {
        self.connections -= 1;
        self.before_login.remove(&number);
        self.sheltered.remove(&number);
        let site = site(address);
        if let Some(count) = self.per_address.get_mut(&site) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&site);
            }
        }
    }

    /// Who was only there to be sent away has gone.
    pub(super) fn sent(&mut self) {
        self.sent_away -= 1;
    }

    /// From here on the connection is nobody's to push out. Returns whether it came in time.
    pub(super) fn shelter(&mut self, number: u64) -> bool {
        let Some(evicted) = self.before_login.remove(&number) else { return false };
        self.sheltered.insert(number, evicted);
        true
    }

    /// It has to log in once more: whoever waits longest goes first, and that counts from its beginning.
    pub(super) fn expose(&mut self, number: u64) {
        if let Some(evicted) = self.sheltered.remove(&number) {
            self.before_login.insert(number, evicted);
        }
    }
}

/// How many may be told at once that there is no room; under TLS each takes a handshake.
const SENT_AWAY: usize = 64;
/// How many that were pushed out may still be leaving.
const LEAVING: usize = 64;
const TOLD_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::LoginBounds;

    const LIMITS: Limits = Limits {
        connections_per_listener: 3,
        connections_per_address: 2,
        login_failures_per_connection: 3,
        before_login: LoginBounds { line: 1024, literal: 1024, total: 4096, faults: 5 },
    };

    /// One connection from `address`, and the token that tells it to go.
    fn arrive(load: &mut Load, number: u64, address: &str) -> (Admission, CancellationToken) {
        let evicted = CancellationToken::new();
        (load.admit(&LIMITS, number, address.parse().unwrap(), evicted.clone()), evicted)
    }

    #[test]
    fn a_crowd_from_one_address_costs_no_other_its_place() {
        let mut load = Load::default();
        let (welcome, other) = arrive(&mut load, 1, "192.0.2.1");
        assert_eq!(welcome, Admission::Welcome);
        for number in 2..4 {
            assert_eq!(arrive(&mut load, number, "192.0.2.9").0, Admission::Welcome);
        }
        for number in 4..4 + SENT_AWAY as u64 {
            assert_eq!(arrive(&mut load, number, "192.0.2.9").0, Admission::SendAway);
        }
        assert_eq!(arrive(&mut load, 1000, "192.0.2.9").0, Admission::CutOff);
        assert!(!other.is_cancelled());
        assert_eq!((load.connections, load.before_login.len()), (3, 3));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let mut load = Load::default();
        for (number, address) in (1..).zip(["2001:db8::1", "2001:db8::2"]) {
            assert_eq!(arrive(&mut load, number, address).0, Admission::Welcome);
        }
        assert_eq!(arrive(&mut load, 3, "2001:db8::3").0, Admission::SendAway);
        load.leave(1, "2001:db8::1".parse().unwrap());
        assert_eq!(arrive(&mut load, 4, "2001:db8::4").0, Admission::Welcome);
        load.leave(2, "2001:db8::2".parse().unwrap());
        load.leave(4, "2001:db8::4".parse().unwrap());
        assert!(load.per_address.is_empty());
    }

    #[test]
    fn the_oldest_without_a_login_goes_first_and_they_are_not_pushed_out_faster_than_they_go() {
        let mut load = Load::default();
        let addresses = |number: u64| format!("198.51.100.{number}");
        let tokens: Vec<_> = (0..3 + LEAVING as u64)
            .map(|number| {
                let (admission, token) = arrive(&mut load, number, &addresses(number));
                assert_eq!(admission, Admission::Welcome);
                token
            })
            .collect();
        let pushed_out = tokens.iter().filter(|token| token.is_cancelled()).count();
        assert_eq!(pushed_out, LEAVING);
        assert!(tokens[..LEAVING].iter().all(CancellationToken::is_cancelled));
        assert_eq!(arrive(&mut load, 200, "198.51.100.200").0, Admission::SendAway);
        load.leave(0, addresses(0).parse().unwrap());
        assert_eq!(arrive(&mut load, 201, "198.51.100.201").0, Admission::Welcome);
    }

    #[test]
    fn a_crowd_is_told_once_a_minute() {
        let mut load = Load::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        for number in 0..3 {
            arrive(&mut load, number, "198.51.100.1");
        }
        let (crowd, connected) = load.news(at(0)).unwrap();
        assert_eq!((crowd.pushed_out, crowd.sent_away, connected), (0, 1, 2));
        for number in 3..13 {
            arrive(&mut load, number, &format!("192.0.2.{number}"));
            assert_eq!(load.news(at(59)), None);
        }
        let (crowd, _) = load.news(at(60)).unwrap();
        assert_eq!((crowd.pushed_out, crowd.sent_away), (9, 0));
        assert_eq!(load.news(at(600)), None, "nothing has happened since");
    }

    #[test]
    fn whose_password_was_right_makes_no_room() {
        let mut load = Load::default();
        let owner = arrive(&mut load, 0, "192.0.2.1").1;
        assert!(load.shelter(0));
        let strangers: Vec<_> = (1..9)
            .map(|number| arrive(&mut load, number, &format!("192.0.2.{}", number + 1)).1)
            .collect();
        assert!(!owner.is_cancelled());
        assert_eq!(strangers.iter().filter(|stranger| stranger.is_cancelled()).count(), 6);
        assert!(!load.shelter(1), "it was pushed out before");
        load.expose(1);
        load.expose(0);
        arrive(&mut load, 9, "192.0.2.99");
        assert!(owner.is_cancelled(), "the oldest without a login again");
    }
}
