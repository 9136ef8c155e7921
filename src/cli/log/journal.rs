//! Log entries for systemd's journal, in its native protocol, so that `journalctl SASLGATE_ACCOUNT=…` finds
//! what became of an account. The hard thing is that people read MESSAGE alone: it says all that the text log
//! says, and the fields stand beside it. (The crate for this sends only the event's message there.)

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

/// Writes an event as one datagram of the journal: a line for each field.
pub(super) struct Entry;

impl<S, N> FormatEvent<S, N> for Entry
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        let mut lines = Lines { writer: &mut writer, result: Ok(()) };
        lines.line("MESSAGE", &message);
        lines.line("PRIORITY", priority(*metadata.level()));
        lines.line("SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        lines.line("SASLGATE_MODULE", metadata.target());
        event.record(&mut lines);
        lines.result
    }
}

/// As syslog(3) counts. Trace has no number of its own.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

struct Lines<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Lines<'_, '_> {
    /// A line's end inside a value would begin another field.
    fn line(&mut self, name: &str, value: &str) {
        let value = value.trim_end().replace('\n', " | ");
        self.result = self.result.and_then(|()| writeln!(self.writer, "{name}={value}"));
    }

    fn field(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            // journald takes upper-case letters, digits and underscores, 64 of them at most.
            let name = field.name().to_ascii_uppercase().replace(['.', '-'], "_");
            self.line(&format!("SASLGATE_{name}"), value);
        }
    }
}

impl Visit for Lines<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        self.result = self.result.and_then(|()| write!(text, "{value:?}"));
        self.field(field, &text);
    }
}

#[cfg(unix)]
pub(super) use self::socket::{Journal, is_standard_error};

#[cfg(unix)]
mod socket {
    use std::{
        env, fs,
        io::{self, Write},
        os::{
            fd::AsFd as _,
            unix::{fs::MetadataExt as _, net::UnixDatagram},
        },
        path::{Path, PathBuf},
    };

    use tracing_subscriber::fmt::MakeWriter;

    /// journald's door.
    pub(in super::super) struct Journal {
        socket: UnixDatagram,
        path: PathBuf,
    }

    impl Journal {
        /// Opens it; fails where no journald runs.
        pub(in super::super) fn open() -> io::Result<Self> {
            Self::at(Path::new("/run/systemd/journal/socket"))
        }

        fn at(path: &Path) -> io::Result<Self> {
            let socket = UnixDatagram::unbound()?;
            // Nothing in it: asks only whether somebody is there.
            socket.send_to(&[], path)?;
            Ok(Self { socket, path: path.into() })
        }
    }

    impl<'a> MakeWriter<'a> for Journal {
        type Writer = &'a Self;

        fn make_writer(&'a self) -> Self::Writer {
            self
        }
    }

    /// Each write is one entry. The name is looked up each time, since journald may have been started anew.
    impl Write for &Journal {
        fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
            self.socket.send_to(entry, &self.path)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Whether standard error leads to the journal (systemd.exec(5), `$JOURNAL_STREAM`).
    pub(in super::super) fn is_standard_error() -> bool {
        let stream = env::var("JOURNAL_STREAM").unwrap_or_default();
        let standard_error = io::stderr().as_fd().try_clone_to_owned();
        standard_error
            .and_then(|it| fs::File::from(it).metadata())
            .is_ok_and(|it| stream == format!("{}:{}", it.dev(), it.ino()))
    }

    #[cfg(test)]
    mod tests {
        use tracing::{info, warn};
        use tracing_subscriber::layer::SubscriberExt as _;

        use super::{
            super::super::{LogFormat, LogLevel, lines},
            *,
        };

        /// The entries that journald would get.
        fn entries(log: impl FnOnce()) -> Vec<String> {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let journald = UnixDatagram::bind(&path).unwrap();
            journald.set_nonblocking(true).unwrap();
            let journal = Journal::at(&path).unwrap();
            let layer = lines(LogLevel::Info, LogFormat::Journald, journal, false);
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(subscriber, log);
            let mut entry = [0; 4096];
            let mut entries = Vec::new();
            while let Ok(length) = journald.recv(&mut entry) {
                entries.push(String::from_utf8(entry[..length].to_vec()).unwrap());
            }
            assert_eq!(entries.remove(0), "", "the question whether somebody is there");
            entries
        }

        #[test]
        fn an_entry_has_the_text_and_its_fields() {
            let account = "me@example.com";
            let entries = entries(|| info!(connection = 7, %account, "logged in"));
            let target = module_path!();
            let expected = format!(
                "MESSAGE=logged in connection=7 account=me@example.com\nPRIORITY=6\n\
                 SYSLOG_IDENTIFIER=saslgate\nSASLGATE_MODULE={target}\nSASLGATE_CONNECTION=7\n\
                 SASLGATE_ACCOUNT=me@example.com\n"
            );
            assert_eq!(entries, [expected]);
        }

        #[test]
        fn a_line_end_makes_no_field() {
            let entries = entries(|| warn!(account = "a\nPRIORITY=0", "two\nlines\n"));
            let [entry] = entries.as_slice() else { panic!("{entries:?}") };
            assert!(entry.starts_with("MESSAGE=two | lines | "), "{entry}");
            assert!(entry.contains("\nSASLGATE_ACCOUNT=a | PRIORITY=0\n"), "{entry}");
            assert_eq!(entry.matches("\nPRIORITY=").count(), 1, "{entry}");
        }

        #[test]
        fn what_is_not_asked_for_is_not_sent() {
            assert_eq!(entries(|| tracing::debug!("nothing")), [""; 0]);
        }
    }
}
