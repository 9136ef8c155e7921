//! What EHLO may promise before anybody has logged in. The hard thing is that the upstream is not
//! known yet: the promise is what all upstreams have that a login at this gateway may lead to, as
//! their presets say, corrected by what each of them said last.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    config::{AccountConfig, UpstreamConfig},
    proto::smtp::extension::Extensions,
};

/// Host and port.
type Upstream = (String, u16);

/// The promise, kept up to date by [`Promises::learn`].
#[derive(Debug)]
pub(super) struct Promises {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// What some account hides; it cannot be known whose client asks.
    hidden: Vec<String>,
    upstreams: HashMap<Upstream, Has>,
    promise: Extensions,
}

/// What an upstream has.
#[derive(Clone, Copy, Debug)]
struct Has {
    presumed: Extensions,
    said: Option<Extensions>,
}

impl Promises {
    /// The promise of these accounts' presets.
    pub(super) fn new<'a>(accounts: impl Iterator<Item = &'a AccountConfig>) -> Self {
        Self { known: Mutex::new(Known::presumed(accounts)) }
    }

    /// The promise of other accounts. What an upstream has said of itself still counts.
    pub(super) fn renew<'a>(&self, accounts: impl Iterator<Item = &'a AccountConfig>) {
        let mut next = Known::presumed(accounts);
        let mut known = self.known();
        for (upstream, has) in &mut next.upstreams {
            has.said = known.upstreams.get(upstream).and_then(|before| before.said);
        }
        next.promise = promise(&next.upstreams, &next.hidden);
        *known = next;
    }

    pub(super) fn promise(&self) -> Extensions {
        self.known().promise
    }

    /// Notes what an upstream has said of itself.
    pub(super) fn learn(&self, config: &UpstreamConfig, said: Extensions) {
        let said = Extensions { pipelining: true, ..said };
        let mut known = self.known();
        let Some(has) = known.upstreams.get_mut(&(config.host.clone(), config.port)) else {
            return;
        };
        if has.said.replace(said) != Some(said) {
            known.promise = promise(&known.upstreams, &known.hidden);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn presumed<'a>(accounts: impl Iterator<Item = &'a AccountConfig>) -> Self {
        let (mut upstreams, mut hidden) = (HashMap::new(), Vec::new());
        for account in accounts {
            let Some(config) = &account.smtp else { continue };
            hidden.extend(account.hide_capabilities.iter().cloned());
            // PIPELINING is the gateway's own: see `Extensions`.
            let presumed = Extensions {
                pipelining: true,
                ..Extensions::from_keywords(&config.presumed_extensions)
            };
            // Two accounts may presume different things of one server.
            upstreams
                .entry((config.host.clone(), config.port))
                .and_modify(|has: &mut Has| has.presumed = has.presumed.intersection(presumed))
                .or_insert(Has { presumed, said: None });
        }
        hidden.sort_unstable();
        hidden.dedup();
        let promise = promise(&upstreams, &hidden);
        Self { hidden, upstreams, promise }
    }
}

fn promise(upstreams: &HashMap<Upstream, Has>, hidden: &[String]) -> Extensions {
    let all = upstreams.values().map(|has| has.said.unwrap_or(has.presumed));
    let all = all.reduce(Extensions::intersection);
    let mut keywords = all.unwrap_or(Extensions::UNKNOWN).keywords();
    keywords.retain(|keyword| {
        let name = keyword.split(' ').next().unwrap_or_default();
        !hidden.iter().any(|one| one.eq_ignore_ascii_case(name))
    });
    Extensions::from_keywords(&keywords)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::tests::account,
        config::{Authentication, UpstreamTlsMode, Verification},
    };

    fn upstream(host: &str, presumed: &[&str]) -> UpstreamConfig {
        UpstreamConfig {
            host: host.into(),
            port: 587,
            mode: UpstreamTlsMode::StartTls,
            verification: Verification::Roots { ca_file: None, name: None },
            authentication: Authentication::OAuth,
            connection_limit: 3,
            presumed_extensions: presumed.iter().map(|&word| word.into()).collect(),
        }
    }

    #[test]
    fn what_all_have_and_what_each_said_last() {
        let (one, two) = (
            upstream("one.test", &["SIZE 100", "8BITMIME", "CHUNKING"]),
            upstream("two.test", &["SIZE 50", "8BITMIME", "DSN"]),
        );
        let with = |config: &UpstreamConfig| {
            let mut account = std::sync::Arc::unwrap_or_clone(account("a@example.org"));
            account.smtp = Some(config.clone());
            account
        };
        let accounts = [with(&one), with(&two), with(&two)];
        let promises = Promises::new(accounts.iter());
        let promised = || promises.promise().keywords().join(", ");
        assert_eq!(promised(), "SIZE 50, PIPELINING, 8BITMIME");
        promises.learn(&two, Extensions::from_keywords(&["SIZE 200", "CHUNKING"]));
        assert_eq!(promised(), "SIZE 100, PIPELINING, CHUNKING");
        promises.learn(&upstream("else.test", &[]), Extensions::UNKNOWN);
        assert_eq!(promised(), "SIZE 100, PIPELINING, CHUNKING");
    }

    #[test]
    fn other_accounts_make_another_promise_and_what_was_said_still_counts() {
        let with = |config: &UpstreamConfig| {
            let mut account = std::sync::Arc::unwrap_or_clone(account("a@example.org"));
            account.smtp = Some(config.clone());
            account
        };
        let (one, two) =
            (upstream("one.test", &["SIZE 100", "DSN"]), upstream("two.test", &["SIZE 50", "DSN"]));
        let promises = Promises::new([with(&one)].iter());
        let promised = || promises.promise().keywords().join(", ");
        promises.learn(&one, Extensions::from_keywords(&["SIZE 200", "DSN", "8BITMIME"]));
        assert_eq!(promised(), "SIZE 200, PIPELINING, 8BITMIME, DSN");
        promises.renew([with(&one), with(&two)].iter());
        assert_eq!(promised(), "SIZE 50, PIPELINING, DSN");
        promises.renew([with(&one)].iter());
        assert_eq!(promised(), "SIZE 200, PIPELINING, 8BITMIME, DSN");
        // Forgotten with its last account.
        promises.renew([with(&two)].iter());
        promises.renew([with(&one)].iter());
        assert_eq!(promised(), "SIZE 100, PIPELINING, DSN");
    }

    #[test]
    fn what_an_account_hides_is_not_promised() {
        let mut account = std::sync::Arc::unwrap_or_clone(account("a@example.org"));
        account.smtp = Some(upstream("one.test", &["SIZE 100", "CHUNKING", "BINARYMIME"]));
        account.hide_capabilities = vec!["chunking".into(), "SIZE".into()];
        let promises = Promises::new([account].iter());
        assert_eq!(promises.promise().keywords(), ["PIPELINING"]);
    }

    #[test]
    fn of_nobody_nothing_is_known() {
        assert_eq!(Promises::new(std::iter::empty()).promise(), Extensions::UNKNOWN);
        let mut account = std::sync::Arc::unwrap_or_clone(account("a@example.org"));
        account.smtp = Some(upstream("custom.test", &[]));
        assert_eq!(Promises::new([account].iter()).promise(), Extensions::UNKNOWN);
    }
}
