//! A report for maintainers, safe to post in public. The hard thing is that nobody can list what is secret
//! in free text, so it is the other way round: only what is known to be harmless is written (words of a
//! list, numbers of settings, times), names become stand-ins (`stand_in`), and all else is left out.

mod finding;
mod known;
mod log;
mod setting;
mod stand_in;
mod trace;

use std::{fmt::Write as _, time::SystemTime};

pub use self::trace::Trace;

use self::stand_in::{LEFT_OUT, StandIns};
use crate::{
    check::{About, Language, Report, words},
    config::Section,
    status::AccountStatus,
};

/// What a report is made of; nothing of it is written as it is.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// What is in force, for all accounts.
    pub sections: &'a [Section],
    /// Of the account.
    pub status: &'a AccountStatus,
    /// Where it was made.
    pub check: Option<(&'a About, &'a Report)>,
    /// What was said at its logins.
    pub trace: &'a Trace,
    /// The end of a log.
    pub log: &'a str,
    /// What the log and the configuration may call the account, and the one whose sign-in it uses.
    pub names: &'a [String],
}

/// The report as Markdown, and what stands for what in it, for its owner alone.
pub fn markdown(sources: &Sources<'_>) -> (String, Vec<(String, String)>) {
    let mut names = StandIns::default();
    let mut text = String::from("# saslgate report\n\n");
    text.push_str(
        "Names are replaced by stand-ins, always the same for the same name; \"…\" stands for what is \
         left out.\n\n",
    );
    versions(&mut text);
    configuration(&mut text, sources, &mut names);
    status(&mut text, sources.status, &mut names);
    if let Some((about, report)) = sources.check {
        check(&mut text, about, report, &mut names);
        text.push_str(TRACE);
        sources.trace.write(&mut text);
    }
    log(&mut text, sources, &mut names);
    (text, names.into_table())
}

fn versions(text: &mut String) {
    let _ = writeln!(text, "## Versions\n\n- saslgate {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "- {} {}", std::env::consts::OS, std::env::consts::ARCH);
    for library in ["rustls", "libsqlite3-sys", "reqwest"] {
        if let Some(version) = locked(library) {
            let _ = writeln!(text, "- {library} {version}");
        }
    }
}

/// As this program was built, if it was built as we build it.
fn locked(library: &str) -> Option<&'static str> {
    let (_, after) = LOCK.split_once(&format!("name = \"{library}\"\nversion = \""))?;
    after.split_once('"').map(|(version, _)| version)
}

/// What is of no account, and what is of this one.
fn configuration(text: &mut String, sources: &Sources<'_>, names: &mut StandIns) {
    text.push_str("\n## Configuration in force\n\n```toml\n");
    for section in sources.sections {
        match section.title.strip_prefix(ACCOUNT) {
            Some(login) if !sources.names.iter().any(|name| name == login) => continue,
            Some(login) => {
                let _ = writeln!(text, "{ACCOUNT}{}", names.name(login));
            }
            None if section.title.is_empty() => {}
            None => {
                let _ = writeln!(text, "{}", names.free(&section.title));
            }
        }
        for row in &section.rows {
            let _ = writeln!(text, "{}", setting::line(row, names));
        }
    }
    text.push_str("```\n");
}

fn status(text: &mut String, status: &AccountStatus, names: &mut StandIns) {
    let time = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    let found: Vec<&str> = status.findings.iter().map(crate::status::Finding::id).collect();
    let _ = writeln!(text, "\n## Status\n\n- state: {}", status.state.name());
    let _ = writeln!(text, "- findings: {}", found.join(", "));
    let _ = writeln!(text, "- local passwords: {}", status.local_passwords);
    if let Some(sessions) = status.sessions {
        let _ = writeln!(text, "- sessions: {sessions}");
    }
    if let Some((obtained, ends)) = status.access_token {
        let _ = writeln!(text, "- access token: {} to {}", time(obtained), time(ends));
    }
    if let Some(last) = status.last_refresh {
        let _ = writeln!(text, "- last refresh: {}", time(last));
    }
    if let Some(failure) = &status.failure {
        let _ = writeln!(
            text,
            "- failing since {}: {}",
            time(failure.since),
            names.free(&failure.text)
        );
    }
}

/// The words are made anew, of findings in which every name is a stand-in already.
fn check(text: &mut String, about: &About, report: &Report, names: &mut StandIns) {
    let about = finding::about(about, names);
    text.push_str("\n## Check\n");
    for step in &report.steps {
        let title = words::title(step.kind, &step.protocols, Language::En);
        let light = words::light(step.light(), Language::En);
        let took = step.took.as_millis();
        let _ = writeln!(text, "\n{}. {title}: {light} ({took} ms)", step.number);
        if !step.tried.is_empty() {
            let _ = writeln!(text, "   - tried: {}", names.free(&step.tried));
        }
        if let Some(other) = step.waits_for {
            let _ = writeln!(text, "   - {}", words::waits(other, Language::En));
        }
        for found in &step.findings {
            let Some(redacted) = finding::redacted(found, names) else {
                let _ = writeln!(text, "   - `{}`", found.id());
                continue;
            };
            let said = words::of(&redacted, &about, Language::En);
            let _ = writeln!(text, "   - `{}`: {}", redacted.id(), said.what);
            for line in said.remedy.iter().flat_map(|remedy| &remedy.lines) {
                let _ = writeln!(text, "     - `{line}`");
            }
        }
    }
}

/// Of the account, and of the process.
fn log(text: &mut String, sources: &Sources<'_>, names: &mut StandIns) {
    if sources.log.is_empty() {
        return;
    }
    text.push_str("\n## Log\n\n```text\n");
    let lines = log::about(sources.log, sources.names);
    for line in lines.iter().skip(lines.len().saturating_sub(MAX_LOG_LINES)) {
        let line = log::line(line, names);
        if !matches!(line.as_str(), "" | LEFT_OUT) {
            let _ = writeln!(text, "{line}");
        }
    }
    text.push_str("```\n");
}

const LOCK: &str = include_str!("../../Cargo.lock");
const TRACE: &str = "\n## Trace\n\nWhat was said at the check's logins, line by line: S is the server and C this program, then how many \
     octets the line has (rounded up where something is left out), then those of its words that are the \
     protocol's own.\n";
const ACCOUNT: &str = "[[account]] ";
const MAX_LOG_LINES: usize = 500;

#[cfg(test)]
mod tests;
