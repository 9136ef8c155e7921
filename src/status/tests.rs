//! Facts to findings, as a table.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::*;
use crate::{
    account::tests::account,
    config::{
        AccountConfig, Authentication, ExternalToken, Grant, Protocol, UpstreamConfig,
        UpstreamTlsMode, Verification,
    },
    store::{RefreshHistory, SignedIn},
};

const DAY: u64 = 24 * 3600;
const NOW: u64 = 1000 * DAY;

fn at(ago: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW - ago)
}

/// A person has signed in a day ago, and all is well.
fn good() -> Facts {
    Facts {
        key: "me@example.com".into(),
        account: Some(account("Me@example.com")),
        served: vec![Protocol::Imap, Protocol::Smtp],
        refresh_token: true,
        access_token: Some((at(600), at(0) + Duration::from_secs(3000))),
        signed_in: Some(SignedIn { at: at(DAY), identity: None }),
        history: RefreshHistory { succeeded: Some(at(600)), failure: None },
        local_passwords: 1,
        ..Facts::default()
    }
}

fn with(change: impl FnOnce(&mut AccountConfig)) -> Facts {
    let mut facts = good();
    let mut account = (*facts.account.take().unwrap()).clone();
    change(&mut account);
    facts.account = Some(Arc::new(account));
    facts
}

fn password_server() -> UpstreamConfig {
    UpstreamConfig {
        host: "Mail.example.org".into(),
        port: 465,
        mode: UpstreamTlsMode::Implicit,
        verification: Verification::DangerSkip,
        authentication: Authentication::Password { user: "u".into() },
        connection_limit: 1,
        presumed_extensions: Vec::new(),
    }
}

fn failed(kind: &str, ago: u64) -> Facts {
    let failure = RefreshFailure {
        since: at(ago + 60),
        last: at(ago),
        kind: kind.into(),
        text: "It says no.".into(),
    };
    let history = RefreshHistory { succeeded: Some(at(2 * DAY)), failure: Some(failure) };
    Facts { history, ..good() }
}

#[track_caller]
fn check(facts: &Facts, state: State, ids: &[&str], next: Option<&str>) {
    let status = judge(facts, at(0));
    assert_eq!(status.findings.iter().map(Finding::id).collect::<Vec<_>>(), ids);
    assert_eq!((status.state, status.next_step().as_deref()), (state, next));
}

#[test]
fn sign_ins_and_refreshes() {
    const SIGN_IN: Option<&str> = Some("saslgate signin Me@example.com");
    check(&good(), State::Ok, &[], None);
    let missing = Facts { refresh_token: false, ..good() };
    check(&missing, State::SignInNeeded, &["sign_in_missing"], SIGN_IN);
    let missing = Facts { refresh_token: false, ..failed("sign-in", 60) };
    check(&missing, State::SignInNeeded, &["sign_in_missing"], SIGN_IN);
    check(&failed("sign-in", 60), State::SignInNeeded, &["sign_in_ended"], SIGN_IN);
    let administrator = Some("ask the administrator of the provider");
    check(&failed("policy", 60), State::Policy, &["policy_forbids"], administrator);
    let correct = Some("correct the configuration, then: saslgate reload");
    for kind in ["configuration", "too-soon"] {
        check(&failed(kind, 60), State::Configuration, &["configuration_refused"], correct);
    }
    for kind in ["unavailable", "of a newer version"] {
        check(&failed(kind, 60), State::Trouble, &["refresh_fails"], None);
    }
    // The sign-in is younger.
    check(&failed("sign-in", DAY + 60), State::Ok, &[], None);
    assert!(judge(&failed("sign-in", DAY + 60), at(0)).failure.is_none());
}

#[test]
fn a_borrower_refers_to_the_owner_of_the_tokens() {
    let borrowed = |facts: Facts| {
        let of = with(|account| account.identity.token_from = Some("Anna's@example.com".into()));
        Facts { account: of.account, ..facts }
    };
    const SIGN_IN: Option<&str> = Some(r"saslgate signin 'Anna'\''s@example.com'");
    const SEE: Option<&str> = Some(r"saslgate account show 'Anna'\''s@example.com'");
    check(&borrowed(good()), State::Ok, &[], None);
    let missing = Facts { refresh_token: false, ..good() };
    check(&borrowed(missing), State::SignInNeeded, &["owner_fails"], SIGN_IN);
    check(&borrowed(failed("sign-in", 60)), State::SignInNeeded, &["owner_fails"], SIGN_IN);
    check(&borrowed(failed("configuration", 60)), State::Configuration, &["owner_fails"], SEE);
    check(&borrowed(failed("policy", 60)), State::Policy, &["owner_fails"], SEE);
    check(&borrowed(failed("unavailable", 60)), State::Trouble, &["owner_fails"], SEE);
    // What only the owner can do something about is not said twice.
    let interrupted = Facts { refresh_started: Some(at(3600)), running: Some((3, true)), ..good() };
    check(&borrowed(interrupted), State::Ok, &[], None);
    let idle = Facts {
        access_token: None,
        history: RefreshHistory { succeeded: Some(at(40 * DAY)), failure: None },
        signed_in: None,
        ..good()
    };
    check(&borrowed(idle), State::Ok, &[], None);
    // The local password is its own.
    let closed = Facts { local_passwords: 0, ..good() };
    let password = Some("saslgate account password Me@example.com");
    check(&borrowed(closed), State::PasswordNeeded, &["local_password_missing"], password);
}

#[test]
fn unused_interrupted_and_idle_grants() {
    let nothing = Facts { access_token: None, history: RefreshHistory::default(), ..good() };
    check(&nothing, State::NeverUsed, &["never_used"], None);
    let under_way = Facts { refresh_started: Some(at(30)), ..good() };
    check(&under_way, State::Ok, &[], None);
    let interrupted = Facts { refresh_started: Some(at(3600)), ..good() };
    check(&interrupted, State::Trouble, &["refresh_interrupted"], None);
    let unsaved = Facts { running: Some((3, true)), ..good() };
    check(&unsaved, State::Trouble, &["refresh_unsaved"], None);
    assert_eq!(judge(&unsaved, at(0)).sessions, Some(3));
    let idle = Facts {
        access_token: None,
        history: RefreshHistory { succeeded: Some(at(40 * DAY)), failure: None },
        signed_in: None,
        ..good()
    };
    check(&idle, State::Trouble, &["sign_in_idle"], Some("saslgate run"));
    // An application never gets out of practice.
    let grant =
        |grant: Grant| with(|account| account.oauth.as_mut().unwrap().grant = grant).account;
    let application =
        Facts { account: grant(Grant::ClientCredentials), refresh_token: false, ..idle };
    check(&application, State::Ok, &[], None);
}

#[test]
fn tokens_from_elsewhere_need_no_sign_in() {
    let external = Facts {
        refresh_token: false,
        access_token: None,
        history: RefreshHistory::default(),
        ..with(|account| {
            account.oauth = None;
            account.external_token = Some(ExternalToken::File("token".into()));
        })
    };
    check(&external, State::Ok, &[], None);
    assert_eq!(judge(&external, at(0)).grant, Some("external"));
}

#[test]
fn passwords() {
    let none = Facts { local_passwords: 0, ..good() };
    let next = Some("saslgate account password Me@example.com");
    check(&none, State::PasswordNeeded, &["local_password_missing"], next);

    let sends = |kept: &[(&str, &str)], served: &[Protocol]| Facts {
        served: served.to_vec(),
        upstream_passwords: kept.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        ..with(|account| account.smtp = Some(password_server()))
    };
    let set = Some("saslgate account upstream-password Me@example.com --protocol smtp");
    let missing: &[&str] = &["upstream_password_missing"];
    check(&sends(&[], &[Protocol::Smtp]), State::Configuration, missing, set);
    check(&sends(&[], &[Protocol::Imap]), State::Ok, &[], None);
    check(&sends(&[("smtp", "mail.example.org")], &[Protocol::Smtp]), State::Ok, &[], None);
    check(&sends(&[("smtp", "other")], &[Protocol::Smtp]), State::Configuration, missing, set);
    let remove = Some("saslgate account remove-upstream-password Me@example.com --protocol imap");
    let kept = [("imap", "old.example.org"), ("smtp", "mail.example.org")];
    check(&sends(&kept, &[Protocol::Smtp]), State::Ok, &["upstream_password_unused"], remove);
}

#[test]
fn the_worst_finding_is_the_state() {
    let both = Facts { local_passwords: 0, ..failed("unavailable", 60) };
    let next = Some("saslgate account password Me@example.com");
    check(&both, State::PasswordNeeded, &["local_password_missing", "refresh_fails"], next);
    let faulty = Facts { faults: vec!["It is damaged.".into()], refresh_token: false, ..good() };
    check(&faulty, State::Store, &["store_fault"], None);
    let gone = Facts { account: None, ..failed("sign-in", 60) };
    let next = Some("saslgate account remove me@example.com");
    check(&gone, State::NotConfigured, &["not_configured"], next);
    assert!(!judge(&gone, at(0)).configured);

    let mut all =
        [good(), failed("policy", 60), failed("unavailable", 60)].map(|it| judge(&it, at(0)));
    sort(&mut all);
    assert_eq!(all.map(|it| it.state), [State::Policy, State::Trouble, State::Ok]);
}

#[test]
fn each_state_has_a_name_words_and_a_turn() {
    let names: HashSet<&str> = State::ALL.into_iter().map(State::name).collect();
    let all: HashSet<&str> = State::ALL.into_iter().map(words::state).collect();
    assert_eq!((names.len(), all.len()), (State::ALL.len(), State::ALL.len()));
    assert!(State::ALL.is_sorted());
    let codes: Vec<u8> = State::ALL.into_iter().map(|it| it.turn().exit_code()).collect();
    assert_eq!(codes, [0, 0, 0, 3, 1, 1, 1, 1, 1]);
}

#[test]
fn each_finding_has_its_sentence() {
    let since = UNIX_EPOCH;
    for (finding, expected) in [
        (Finding::SignInMissing, "Nobody has signed in yet."),
        (
            Finding::OwnerFails { owner: "anna".into(), state: State::SignInNeeded },
            "It uses the sign-in of anna, and a person must sign in there.",
        ),
        (
            Finding::OwnerFails { owner: "anna".into(), state: State::Policy },
            "It uses the tokens of anna, which gets none: see there.",
        ),
        (
            Finding::LocalPasswordMissing,
            "No mail program can log in: there is no local password yet.",
        ),
        (
            Finding::RefreshInterrupted { since },
            "A refresh that began at 1970-01-01T00:00:00Z has not ended; the next one settles it.",
        ),
        (
            Finding::UpstreamPasswordUnused { protocol: "smtp".into(), host: "h".into() },
            "The store keeps a password for the SMTP server h, which no longer asks for one.",
        ),
        (
            Finding::UpstreamPasswordMissing {
                protocol: Protocol::Smtp,
                server: "h:465".into(),
                kept_for: Some("g".into()),
            },
            "The SMTP server h:465 takes a password, and the stored one is for g.",
        ),
        (Finding::PolicyForbids { text: "No.".into() }, "No."),
    ] {
        assert_eq!(words::sentence(&finding), expected);
    }
}
