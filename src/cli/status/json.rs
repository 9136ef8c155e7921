//! The status for programs. The hard thing is that its fields are a promise: what `--help` names stays
//! as it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Overview;
use crate::{
    cli::Failure,
    control::message::{ListenerStatus, ProcessStatus},
    status::{AccountStatus, Turn, words},
};

#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    standing: &'static str,
    daemon: Option<Daemon<'a>>,
    daemon_absence: Option<String>,
    accounts: Vec<Account<'a>>,
}

#[derive(Serialize)]
struct Daemon<'a> {
    version: &'a str,
    pid: u32,
    started: String,
    sessions: usize,
    listeners: &'a [ListenerStatus],
}

#[derive(Serialize)]
struct Account<'a> {
    login: &'a str,
    configured: bool,
    state: &'static str,
    grant: Option<&'static str>,
    findings: Vec<Found>,
    next_step: Option<String>,
    signed_in: Option<SignedIn<'a>>,
    access_token: Option<Token>,
    last_refresh: Option<String>,
    failure: Option<Failed<'a>>,
    local_passwords: usize,
    sessions: Option<usize>,
}

#[derive(Serialize)]
struct Found {
    id: &'static str,
    text: String,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    at: String,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Token {
    obtained: String,
    expires: String,
}

#[derive(Serialize)]
struct Failed<'a> {
    since: String,
    last: String,
    kind: &'a str,
    text: &'a str,
}

pub(super) fn text(overview: &Overview) -> Result<String, Failure> {
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        standing: match overview.turn() {
            Turn::Nobodys => "good",
            Turn::Times => "passing",
            Turn::Somebodys => "action",
        },
        daemon: overview.process.as_ref().ok().map(daemon),
        daemon_absence: overview.process.as_ref().err().map(ToString::to_string),
        accounts: overview.accounts.iter().map(account).collect(),
    };
    serde_json::to_string_pretty(&report).map_err(|error| Failure::fault(error.to_string()))
}

fn daemon(process: &ProcessStatus) -> Daemon<'_> {
    Daemon {
        version: &process.version,
        pid: process.pid,
        started: stamp(started(process)),
        sessions: process.sessions,
        listeners: &process.listeners,
    }
}

fn account(status: &AccountStatus) -> Account<'_> {
    let found =
        |finding| Found { id: crate::status::Finding::id(finding), text: words::sentence(finding) };
    Account {
        login: &status.login,
        configured: status.configured,
        state: status.state.name(),
        grant: status.grant,
        findings: status.findings.iter().map(found).collect(),
        next_step: status.next_step(),
        signed_in: status.signed_in.as_ref().map(|signed_in| SignedIn {
            at: stamp(signed_in.at),
            name: signed_in.identity.as_ref().and_then(|it| it.name.as_deref()),
        }),
        access_token: status.access_token.map(|(obtained, expires)| Token {
            obtained: stamp(obtained),
            expires: stamp(expires),
        }),
        last_refresh: status.last_refresh.map(stamp),
        failure: status.failure.as_ref().map(|failure| Failed {
            since: stamp(failure.since),
            last: stamp(failure.last),
            kind: &failure.kind,
            text: &failure.text,
        }),
        local_passwords: status.local_passwords,
        sessions: status.sessions,
    }
}

/// When the daemon was started; a number that is no time is a lie, and told as 1970.
pub(super) fn started(process: &ProcessStatus) -> SystemTime {
    // The year 9999 is the last that a stamp can tell.
    let seconds = process.started.min(253_402_300_799);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

fn stamp(time: SystemTime) -> String {
    // humantime refuses to write what is before 1970 or after 9999, which only a damaged row holds.
    let fits = time.duration_since(UNIX_EPOCH).is_ok_and(|it| it.as_secs() <= 253_402_300_799);
    humantime::format_rfc3339_seconds(if fits { time } else { UNIX_EPOCH }).to_string()
}
