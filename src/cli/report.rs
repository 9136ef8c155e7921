//! `saslgate report`: what a maintainer needs, without asking a person to look for secrets in it. The hard
//! thing, what may be written at all, is [`crate::report`]'s.

use std::{
    fs,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use clap::Args;

use super::{
    Failure, Global, check as checking, daemon, status,
    terminal::{remark, write_out},
};
use crate::{
    check::{self, About, CheckContext, Options},
    config::{AccountConfig, Config, Protocol, Secrets},
    platform,
    report::{self, Sources, Trace},
    status::{AccountStatus, Facts, judge},
    store::Store,
};

/// Write what a maintainer needs to know of a problem, safe to post in public
///
/// Versions, the configuration in force, the status, a check with a trace of its logins, and the last lines
/// of the log, as one Markdown text. Names of people, mailboxes, servers, tenants and applications are replaced by stand-ins,
/// and of free text only known words are written; passwords, tokens, addresses, subjects and message texts
/// never are. Look at it before you post it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The account's login, as in the configuration
    login: String,
    /// Write it to this new file [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave the check out, which asks the provider and logs in to the mail servers
    #[arg(long)]
    no_check: bool,
    /// Read the last 500 lines of this log [default: ask the saslgate that runs]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Say on standard error what stands for what; keep that to yourself
    #[arg(long)]
    show_names: bool,
}

/// Runs `saslgate report`.
///
/// # Errors
/// The configuration has mistakes, the account is unknown, or a file cannot be read or written.
pub fn run(args: &ReportArgs, global: &Global) -> Result<(), Failure> {
    let paths = global.paths()?;
    let secrets =
        if args.no_check { Secrets::Skip } else { checking::secrets_of(&args.login, global)? };
    let loaded = global.load(secrets)?;
    let mut account = checking::find(&loaded.config, &args.login)?;
    if !args.no_check {
        account = checking::single(account)?;
    }
    let given = args.log.as_deref().map(read_log).transpose()?;
    let sections = loaded.sections;
    let config = Arc::new(loaded.config);
    let (text, names) = super::block_on(async {
        let store = status::open_to_read(&config).await?;
        let status = standing(&config, &account, store.as_ref()).await;
        // Before the check, whose own lines are none of a mail program's.
        let log = match given {
            Some(log) => log,
            None => log_of_daemon(&config).await,
        };
        let (mut checked, trace) = (None, Arc::new(Trace::default()));
        if !args.no_check {
            let file = paths.config.display().to_string();
            let mut context = CheckContext::new(Arc::clone(&config), file, store);
            let listener = Arc::clone(&trace);
            context.listener = Some(Arc::new(move |protocol| listener.begin(protocol)));
            let options = Options { mail: false, ..Options::default() };
            let made = check::run(&context, &account, &options, &mut |_| {}).await;
            checked = Some((About::new(&account), made));
        }
        Ok::<_, Failure>(report::markdown(&Sources {
            sections: &sections,
            status: &status,
            check: checked.as_ref().map(|(about, made)| (about, made)),
            trace: &trace,
            log: &log,
            names: &names_of(&account),
        }))
    })??;
    if args.show_names {
        for (name, stand_in) in names {
            remark(format_args!("{stand_in:24} {name}"));
        }
    }
    match &args.output {
        None => write_out(text.as_bytes()),
        Some(file) => write_new(file, &text),
    }
}

/// The end of it: a log may be as large as the disk, and a file may be a device without an end.
fn read_log(file: &Path) -> Result<String, Failure> {
    let octets =
        fs::File::open(file).and_then(|file| tail(file, MOST_OF_LOG)).map_err(|error| {
            let why = platform::explain(file, &error);
            Failure::fault(format!("The log {} cannot be read: {why}.", file.display()))
        })?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// The last octets, from the beginning of a line; of what has no length, the first ones.
fn tail(mut file: fs::File, most: u64) -> io::Result<Vec<u8>> {
    let cut = file.metadata()?.len().saturating_sub(most);
    if cut > 0 {
        // Where a line begins just there, it is whole.
        file.seek(io::SeekFrom::Start(cut - 1))?;
    }
    let mut octets = Vec::new();
    file.take(most + u64::from(cut > 0)).read_to_end(&mut octets)?;
    if cut > 0 {
        // Half a name is another name.
        let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
        octets.drain(..octets.len().min(end + 1));
    }
    Ok(octets)
}

/// Many times what a report shows, for most lines may be of other accounts.
const MOST_OF_LOG: u64 = 16 * 1024 * 1024;

/// Nothing where none runs.
async fn log_of_daemon(config: &Config) -> String {
    match daemon::log(config).await {
        Ok(lines) => lines.join("\n"),
        Err(error) => {
            remark(format_args!(
                "There are no log lines in the report ({error}): --log FILE adds those of a file."
            ));
            String::new()
        }
    }
}

/// What log lines may call it.
fn names_of(account: &AccountConfig) -> Vec<String> {
    let mut names: Vec<String> = account.login_names().map(str::to_owned).collect();
    names.push(account.name().into_owned());
    names.push(account.token_login().into_owned());
    names.extend(Protocol::ALL.map(|protocol| account.mailbox(protocol).to_owned()));
    names
}

/// As `saslgate status` judges it.
async fn standing(
    config: &Config,
    account: &Arc<AccountConfig>,
    store: &dyn Store,
) -> AccountStatus {
    let process = daemon::status(config).await.ok();
    let configured = Some(Arc::clone(account));
    let facts = Facts::read(account.key(), configured, config, store, process.as_ref()).await;
    judge(&facts, SystemTime::now())
}

/// Nothing is overwritten.
fn write_new(file: &PathBuf, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let written = fs::File::create_new(file).and_then(|mut it| it.write_all(text.as_bytes()));
    written.map_err(|error| {
        let why = platform::explain(file, &error);
        Failure::fault(format!("The report {} cannot be written: {why}.", file.display()))
    })
}

const EXAMPLES: &str = "\
Examples:
  saslgate report me@example.com --output report.md
  journalctl -u saslgate -n 500 > log; saslgate report me@example.com --log log
  saslgate report me@example.com --no-check --show-names

Exit codes:
  0  written
  1  something failed
  2  a mistake in the configuration or on the command line";

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(text: &str, most: u64) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, text).unwrap();
        String::from_utf8(tail(fs::File::open(path).unwrap(), most).unwrap()).unwrap()
    }

    #[test]
    fn a_logs_end_begins_with_a_whole_line() {
        assert_eq!(tail_of("one\ntwo\nthree\n", 100), "one\ntwo\nthree\n");
        assert_eq!(tail_of("one\ntwo\nthree\n", 10), "two\nthree\n");
        assert_eq!(tail_of("one\ntwo\nthree\n", 9), "three\n");
        assert_eq!(tail_of("a line without an end", 5), "");
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let zero = fs::File::open("/dev/zero").unwrap();
        assert_eq!(tail(zero, 5000).unwrap().len(), 5000);
    }
}
