//! What a port does when file descriptors run out. The hard thing is to say it once: every port meets it, and
//! again with each client, so the ports share one mouth.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{error, info};

use crate::platform::descriptors;

/// Whether descriptors are short, for all ports together.
#[derive(Debug, Default)]
pub(super) struct Shortage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The last time that one was missing, while that is not over.
    last: Option<Instant>,
    told: Option<Instant>,
}

impl Shortage {
    /// One is missing, or only the reserve is left.
    pub(super) fn met(&self) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(now);
        if state.told.is_none_or(|told| now.duration_since(told) >= SILENCE) {
            state.told = Some(now);
            let limit = descriptors::limit().map_or_else(String::new, |it| format!(" of {it}"));
            error!(
                "almost no file descriptors are left{limit}: who has not logged in makes room for new \
                 connections, or they wait; {} (this is said once an hour at most)",
                descriptors::REMEDY,
            );
        }
    }

    /// A connection came, and there was enough for it.
    pub(super) fn over(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() >= CALM) {
            state.last = None;
            info!("there are enough file descriptors again");
        }
    }
}

/// Whether the error is about the connection that was to be accepted, and not about accepting (accept(2)).
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    [Kind::ConnectionAborted, Kind::ConnectionReset, Kind::ConnectionRefused]
        .contains(&error.kind())
}

/// Between two log lines that say the same.
const SILENCE: Duration = Duration::from_secs(3600);
/// How long nothing must have been missing.
const CALM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shortage_ends_when_nothing_was_missing_for_a_moment() {
        let shortage = Shortage::default();
        let is_short = || shortage.0.lock().unwrap().last.is_some();
        shortage.met();
        let told = shortage.0.lock().unwrap().told;
        shortage.over();
        assert!(is_short(), "it flutters");
        tokio::time::advance(CALM).await;
        shortage.over();
        assert!(!is_short());
        shortage.met();
        assert_eq!(shortage.0.lock().unwrap().told, told, "it is told again");
        tokio::time::advance(SILENCE).await;
        shortage.met();
        assert_ne!(shortage.0.lock().unwrap().told, told);
    }
}
