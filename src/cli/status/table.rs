//! The status for people: a table of 80 columns, and under each account what there is to say. The hard
//! thing is to keep commands whole: they are copied, so they are never broken.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use super::{Overview, json::started};
use crate::{
    control::{ControlError, message::ProcessStatus},
    status::{AccountStatus, Turn, words},
};

pub(super) fn text(overview: &Overview, coloured: bool) -> String {
    let mut text = process(&overview.process, overview.now);
    let longest = overview.accounts.iter().map(|it| it.login.chars().count()).max().unwrap_or(0);
    let width = longest.clamp("ACCOUNT".len(), WIDEST_LOGIN);
    let _ = writeln!(
        text,
        "\n{:width$}  {:STATE$}  {:TOKEN$}  {:REFRESHED$}  SESSIONS",
        "ACCOUNT", "STATE", "TOKEN", "REFRESHED"
    );
    for account in &overview.accounts {
        row(&mut text, account, width, overview.now, coloured);
    }
    text.truncate(text.trim_end().len());
    text
}

fn process(process: &Result<ProcessStatus, ControlError>, now: SystemTime) -> String {
    match process {
        Ok(process) => {
            let since = humantime::format_rfc3339_seconds(started(process));
            let mut text = format!(
                "saslgate {} runs since {since} ({}), process {}, {}\n",
                process.version,
                ago(started(process), now),
                process.pid,
                counted(process.sessions, "session")
            );
            for listener in &process.listeners {
                let _ = writeln!(text, "  {:4}  {}", listener.protocol, listener.address);
            }
            text
        }
        Err(error @ (ControlError::NotRunning | ControlError::Unsupported)) => format!("{error}\n"),
        Err(ControlError::Refused(words)) => wrapped(words, ""),
    }
}

fn row(text: &mut String, account: &AccountStatus, width: usize, now: SystemTime, coloured: bool) {
    if account.login.chars().count() > width {
        let _ = write!(text, "{}\n{:width$}", account.login, "");
    } else {
        let _ = write!(text, "{:width$}", account.login);
    }
    let (on, off) = match account.turn() {
        _ if !coloured => ("", ""),
        Turn::Nobodys => ("\x1b[32m", "\x1b[0m"),
        Turn::Times => ("\x1b[33m", "\x1b[0m"),
        Turn::Somebodys => ("\x1b[1;31m", "\x1b[0m"),
    };
    let state = words::state(account.state);
    let token = account.access_token.map_or_else(|| "-".to_owned(), |(_, ends)| ending(ends, now));
    let refreshed = account.last_refresh.map_or_else(|| "-".to_owned(), |it| ago(it, now));
    let sessions = account.sessions.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let _ = writeln!(
        text,
        "  {on}{state:STATE$}{off}  {token:TOKEN$}  {refreshed:REFRESHED$}  {sessions}"
    );
    for finding in &account.findings {
        let since = account.failure.as_ref().filter(|it| words::sentence(finding) == it.text);
        let since = since.map_or_else(String::new, |it| format!("For {}: ", length(it.since, now)));
        text.push_str(&wrapped(&format!("{since}{}", words::sentence(finding)), "    "));
    }
    if let Some(next) = account.next_step() {
        let _ = writeln!(text, "    -> {next}");
    }
}

/// Lines of at most 80 columns. What is longer than a line stays whole.
pub(in crate::cli) fn wrapped(words: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            text.push('\n');
            column = 0;
        }
        text.push_str(if column == 0 { indent } else { " " });
        column += length + if column == 0 { indent.len() } else { 1 };
        text.push_str(word);
    }
    text + "\n"
}

/// How long the token still lasts, or since when it no longer does.
pub(in crate::cli) fn ending(ends: SystemTime, now: SystemTime) -> String {
    match ends.duration_since(now) {
        Ok(left) => format!("ends in {}", rough(left)),
        Err(past) => format!("ended {} ago", rough(past.duration())),
    }
}

/// The clock may have been set back since.
pub(in crate::cli) fn ago(then: SystemTime, now: SystemTime) -> String {
    now.duration_since(then)
        .map_or_else(|_| "later".to_owned(), |age| format!("{} ago", rough(age)))
}

fn length(since: SystemTime, now: SystemTime) -> String {
    rough(now.duration_since(since).unwrap_or_default())
}

/// One unit is enough for a glance.
fn rough(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..5400 => format!("{}min", seconds / 60),
        seconds @ 5400..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

const COLUMNS: usize = 80;
/// With these widths and two spaces between them a row has 80 columns at most.
const WIDEST_LOGIN: usize = 25;
const STATE: usize = 15;
const TOKEN: usize = 15;
const REFRESHED: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let minutes = |number: u64| Duration::from_secs(number * 60);
        assert_eq!(ending(now + minutes(52), now), "ends in 52min");
        assert_eq!(ending(now - minutes(150), now), "ended 2h ago");
        assert_eq!(ago(now - minutes(1), now), "60s ago");
        assert_eq!(ago(now - minutes(60 * 24 * 3), now), "3d ago");
        assert_eq!(ago(now + minutes(1), now), "later");
    }

    #[test]
    fn lines_break_between_words_only() {
        let words = "a ".repeat(60);
        assert!(wrapped(&words, "    ").lines().all(|line| line.len() <= 80));
        let long = "x".repeat(100);
        assert_eq!(wrapped(&format!("a {long} b"), "  "), format!("  a\n  {long}\n  b\n"));
    }
}
