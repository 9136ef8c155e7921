//! Words to the service manager (sd_notify(3)). The hard thing is that nobody may be listening: without
//! `$NOTIFY_SOCKET` each call does nothing, and a manager that does not hear us is no reason to stop.
//!
//! The variables stay in the environment: taking them out is unsafe once there are threads. What a child of
//! ours says there is ignored by the manager, which listens to the main process (`NotifyAccess=main`).

use std::time::Duration;

/// Every port is open; `status` is shown by `systemctl status`. Ends a reload as well.
pub fn ready(status: &str) {
    tell(&["READY=1".to_owned(), line(status)]);
}

/// A reload begins; [`ready`] must follow, whatever came of it.
pub fn reloading() {
    let mut assignments = vec!["RELOADING=1".to_owned(), line("reading the configuration again")];
    // With Type=notify-reload the manager counts on it, to tell this reload from an earlier one.
    assignments.extend(monotonic_time());
    tell(&assignments);
}

/// The stop begins; it may take as long as `at_most` without being cut short.
pub fn stopping(status: &str, at_most: Duration) {
    let patience = at_most.as_micros().saturating_add(MARGIN.as_micros());
    tell(&["STOPPING=1".to_owned(), line(status), format!("EXTEND_TIMEOUT_USEC={patience}")]);
}

/// A sign of life for the manager's watchdog.
pub fn alive() {
    tell(&["WATCHDOG=1".to_owned()]);
}

/// How long the manager waits for a sign of life before it starts us anew, if it does.
pub fn watchdog() -> Option<Duration> {
    #[cfg(unix)]
    let patience = sd_notify::watchdog_enabled();
    #[cfg(not(unix))]
    let patience: Option<Duration> = None;
    patience.filter(|patience| !patience.is_zero())
}

/// A status is one line.
fn line(status: &str) -> String {
    format!("STATUS={}", status.replace(['\r', '\n'], " "))
}

#[cfg(unix)]
fn monotonic_time() -> Option<String> {
    sd_notify::NotifyState::monotonic_usec_now().ok().map(|now| now.to_string())
}

#[cfg(not(unix))]
fn monotonic_time() -> Option<String> {
    None
}

#[cfg(unix)]
fn tell(assignments: &[String]) {
    let state: Vec<_> =
        assignments.iter().map(|it| sd_notify::NotifyState::Custom(it.as_str())).collect();
    if let Err(error) = sd_notify::notify(&state) {
        tracing::warn!("the service manager does not hear us at $NOTIFY_SOCKET: {error}");
    }
}

#[cfg(not(unix))]
fn tell(_: &[String]) {}

/// For what follows the last session: the store is closed, the process ends.
const MARGIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(line("a\r\nb"), "STATUS=a  b");
    }

    #[cfg(unix)]
    #[test]
    fn the_time_is_a_number() {
        let now = monotonic_time().unwrap();
        let digits = now.strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(digits.parse::<u64>().is_ok_and(|now| now > 0), "{now}");
    }
}
