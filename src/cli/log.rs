//! Log lines for people on a terminal, as JSON for programs, or with fields for systemd's journal. The hard thing is what must *not* come
//! out: libraries below us log what they send, and that holds tokens. So they never get below warn,
//! whatever level is asked for.

mod journal;

use std::{fmt, io::IsTerminal};

use tracing::{level_filters::LevelFilter, warn};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::recent::RECENT;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One short line, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
    /// To systemd's journal, each field of a line as a field of the entry.
    Journald,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// What somebody must look at.
    Error,
    /// And what did not work for one client.
    Warn,
    /// And one line for each login and each end.
    #[default]
    Info,
    /// And each connection's phases.
    Debug,
    /// And each step. No password, token or message text, at any level.
    Trace,
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Sends the log to standard error, or to the journal, from now on. Without a format it is the journal
/// where standard error leads there anyway, else text. A second call changes nothing.
pub fn init(level: LogLevel, format: Option<LogFormat>) {
    let (layer, remark) = layer(level, format);
    // Nobody colours what `saslgate report` reads, and nobody asks it for less than info.
    let recent = lines(LogLevel::Info, LogFormat::Text, &RECENT, false);
    let _ = tracing_subscriber::registry().with(vec![layer, recent]).try_init();
    if let Some(remark) = remark {
        warn!("{remark}");
    }
}

/// Whether standard error leads to systemd's journal.
pub(crate) fn is_journal() -> bool {
    #[cfg(unix)]
    return journal::is_standard_error();
    #[cfg(not(unix))]
    return false;
}

#[cfg(unix)]
fn layer(level: LogLevel, format: Option<LogFormat>) -> (BoxedLayer, Option<String>) {
    let journal = match format {
        None => is_journal(),
        Some(format) => format == LogFormat::Journald,
    };
    if !journal {
        return (to_standard_error(level, format.unwrap_or(LogFormat::Text)), None);
    }
    match journal::Journal::open() {
        Ok(journal) => (lines(level, LogFormat::Journald, journal, false), None),
        Err(error) => (
            to_standard_error(level, LogFormat::Text),
            Some(format!(
                "the log goes to standard error, for the journal does not answer: {error}"
            )),
        ),
    }
}

#[cfg(not(unix))]
fn layer(level: LogLevel, format: Option<LogFormat>) -> (BoxedLayer, Option<String>) {
    match format {
        Some(LogFormat::Journald) => (
            to_standard_error(level, LogFormat::Text),
            Some("the log goes to standard error, for this system has no journal".to_owned()),
        ),
        format => (to_standard_error(level, format.unwrap_or(LogFormat::Text)), None),
    }
}

fn to_standard_error(level: LogLevel, format: LogFormat) -> BoxedLayer {
    let coloured = std::io::stderr().is_terminal() && !no_color();
    lines(level, format, std::io::stderr, coloured)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The log as it is written to standard error or to the journal, or by the redaction test into memory; `coloured` is for
/// text on a terminal.
pub fn lines<W>(level: LogLevel, format: LogFormat, writer: W, coloured: bool) -> BoxedLayer
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Seconds);
    match format {
        LogFormat::Text => Box::new(
            lines.compact().with_target(false).with_ansi(coloured).with_filter(filter(level)),
        ),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_filter(filter(level))),
        LogFormat::Journald => {
            Box::new(lines.with_ansi(false).event_format(journal::Entry).with_filter(filter(level)))
        }
    }
}

/// Our own lines from `level` on, and those of libraries from warn on at most.
fn filter(level: LogLevel) -> Targets {
    let own = level.filter();
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), own)
}

/// See no-color.org: set and not empty.
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// UTC to the second: log lines of one connection are told apart by its number, not by microseconds.
struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", humantime::format_rfc3339_seconds(std::time::SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_are_never_heard_below_warn() {
        for level in [LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let filter = filter(level);
            for target in ["hyper_util::client", "reqwest::connect", "rustls::client::hs", "sqlx"] {
                assert!(!filter.would_enable(target, &Level::INFO), "{level:?} {target}");
                assert!(filter.would_enable(target, &Level::WARN), "{level:?} {target}");
            }
        }
        assert!(filter(LogLevel::Trace).would_enable("saslgate::leg", &Level::TRACE));
        assert!(!filter(LogLevel::Debug).would_enable("saslgate::leg", &Level::TRACE));
        assert!(!filter(LogLevel::Error).would_enable("hyper", &Level::WARN));
    }
}
