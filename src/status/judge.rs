//! From facts to findings, without I/O. The hard thing is what an old fact still means: a failure from
//! before the last sign-in means nothing, and a refresh that began a moment ago is no interrupted one.

use std::time::{Duration, SystemTime};

use super::{AccountStatus, Finding, State, facts::Facts};
use crate::{
    config::{AccountConfig, Authentication, Protocol},
    store::{RefreshFailure, account_key},
    token::TokenErrorKind,
};

/// How the account stands.
pub fn judge(facts: &Facts, now: SystemTime) -> AccountStatus {
    let failure = standing_failure(facts);
    let mut findings: Vec<Finding> =
        facts.faults.iter().map(|text| Finding::StoreFault { text: text.clone() }).collect();
    // Where the store is silent, nothing can be said to be missing in it.
    let silent = !findings.is_empty();
    match &facts.account {
        None => findings.push(Finding::NotConfigured),
        Some(account) => {
            if !silent {
                of_sign_in(facts, account, failure, now, &mut findings);
                of_passwords(facts, account, &mut findings);
            }
        }
    }
    let account = facts.account.as_deref();
    let unsaved = facts.running.is_some_and(|(_, unsaved)| unsaved);
    if unsaved && account.is_none_or(|account| other_owner(account).is_none()) {
        findings.push(Finding::RefreshUnsaved);
    }
    // Stable, so that what was found first stands first among equals.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.state()));
    AccountStatus {
        login: account.map_or_else(|| facts.key.clone(), |account| account.login.clone()),
        configured: account.is_some(),
        state: findings.first().map_or(State::Ok, Finding::state),
        findings,
        grant: account.and_then(grant_name),
        signed_in: facts.signed_in.clone(),
        access_token: facts.access_token,
        last_refresh: facts.history.succeeded.max(facts.access_token.map(|(obtained, _)| obtained)),
        failure: failure.cloned(),
        local_passwords: facts.local_passwords,
        sessions: facts.running.map(|(sessions, _)| sessions),
    }
}

fn grant_name(account: &AccountConfig) -> Option<&'static str> {
    if account.external_token.is_some() {
        return Some("external");
    }
    account.oauth.as_ref().map(|oauth| oauth.grant.name())
}

/// What has gone wrong since the last sign-in and the last good refresh.
fn standing_failure(facts: &Facts) -> Option<&RefreshFailure> {
    let failure = facts.history.failure.as_ref()?;
    let settled = facts.signed_in.as_ref().is_some_and(|signed_in| signed_in.at > failure.last);
    (!settled).then_some(failure)
}

fn of_sign_in(
    facts: &Facts,
    account: &AccountConfig,
    failure: Option<&RefreshFailure>,
    now: SystemTime,
    findings: &mut Vec<Finding>,
) {
    if grant_name(account).is_none() {
        return;
    }
    let person = account.oauth.as_ref().is_some_and(|oauth| oauth.grant.needs_sign_in());
    if person && !facts.refresh_token {
        // What failed before there was nothing to fail with is of no interest.
        findings.push(told_of(account, Finding::SignInMissing));
        return;
    }
    if let Some(failure) = failure {
        findings.push(told_of(account, of_failure(failure)));
    }
    let used = facts.history.succeeded.max(facts.access_token.map(|(obtained, _)| obtained));
    // Of tokens from elsewhere nothing is written down.
    if used.is_none() && failure.is_none() && account.external_token.is_none() {
        findings.push(Finding::NeverUsed);
    }
    if other_owner(account).is_some() {
        return;
    }
    if let Some(since) = facts.refresh_started
        && now.duration_since(since).is_ok_and(|age| age > LONGEST_REFRESH)
    {
        findings.push(Finding::RefreshInterrupted { since });
    }
    let last = used.max(facts.signed_in.as_ref().map(|it| it.at)).filter(|_| person);
    if let Some(idle) = last.and_then(|last| now.duration_since(last).ok())
        && idle > LONG_IDLE
    {
        findings.push(Finding::SignInIdle { days: idle.as_secs() / (24 * 3600) });
    }
}

/// The account whose tokens this one uses, unless they are its own.
fn other_owner(account: &AccountConfig) -> Option<String> {
    let owner = account.token_login();
    (account_key(&owner) != account.key()).then(|| owner.into_owned())
}

/// What is wrong with tokens is said once, of the account whose they are; the others refer to it.
fn told_of(account: &AccountConfig, finding: Finding) -> Finding {
    match other_owner(account) {
        Some(owner) => Finding::OwnerFails { owner, state: finding.state() },
        None => finding,
    }
}

fn of_failure(failure: &RefreshFailure) -> Finding {
    let text = failure.text.clone();
    match TokenErrorKind::from_name(&failure.kind) {
        Some(TokenErrorKind::SignIn) => Finding::SignInEnded { text },
        Some(TokenErrorKind::Policy) => Finding::PolicyForbids { text },
        // The mail server does not take what the provider gives.
        Some(TokenErrorKind::Configuration | TokenErrorKind::TooSoon) => {
            Finding::ConfigurationRefused { text }
        }
        // A kind of a newer version is tried again by that version, too.
        Some(TokenErrorKind::Unavailable) | None => Finding::RefreshFails { text },
    }
}

fn of_passwords(facts: &Facts, account: &AccountConfig, findings: &mut Vec<Finding>) {
    // A domain has none itself: each of its mailboxes that has one stands for itself.
    if facts.local_passwords == 0 && account.identity.domain.is_none() {
        findings.push(Finding::LocalPasswordMissing);
    }
    for protocol in Protocol::ALL {
        let Some(server) = account.upstream(protocol) else { continue };
        let takes_password = matches!(server.authentication, Authentication::Password { .. });
        let kept = facts.upstream_passwords.iter().find(|(of, _)| of == protocol.name());
        let fits = kept.is_some_and(|(_, host)| *host == server.host_key());
        if takes_password && !fits && facts.served.contains(&protocol) {
            findings.push(Finding::UpstreamPasswordMissing {
                protocol,
                server: server.to_string(),
                kept_for: kept.map(|(_, host)| host.clone()),
            });
        }
    }
    for (protocol, host) in &facts.upstream_passwords {
        let server = Protocol::ALL
            .into_iter()
            .find(|known| known.name() == protocol)
            .and_then(|known| account.upstream(known));
        let asked_for = server
            .is_some_and(|server| matches!(server.authentication, Authentication::Password { .. }));
        if !asked_for {
            let (protocol, host) = (protocol.clone(), host.clone());
            findings.push(Finding::UpstreamPasswordUnused { protocol, host });
        }
    }
}

/// No lease lasts longer.
const LONGEST_REFRESH: Duration = Duration::from_secs(600);

/// The shortest window that a provider is known for is ninety days.
const LONG_IDLE: Duration = Duration::from_secs(30 * 24 * 3600);
