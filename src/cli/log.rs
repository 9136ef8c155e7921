//! Log lines for people on a terminal, or as JSON for programs. The hard thing is what must *not* come
//! out: libraries below us log what they send, and that holds tokens. So they never get below warn,
//! whatever level is asked for.

use std::{fmt, io::IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One short line, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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

/// Sends the log to standard error from now on. A second call changes nothing.
pub fn init(level: LogLevel, format: LogFormat) {
    let coloured = std::io::stderr().is_terminal() && !no_color();
    let lines = lines(level, format, std::io::stderr, coloured);
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// The log as it is written to standard error, or by the redaction test into memory; `coloured` is for
/// text on a terminal.
pub fn lines<W>(
    level: LogLevel,
    format: LogFormat,
    writer: W,
    coloured: bool,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Seconds);
    match format {
        LogFormat::Text => Box::new(
            lines.compact().with_target(false).with_ansi(coloured).with_filter(filter(level)),
        ),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_filter(filter(level))),
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
