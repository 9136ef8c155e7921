//! `saslgate import`. The hard thing is to change nothing that is there already, and to write nothing that
//! would keep saslgate from starting: whatever is to be written is judged first, as if it lay on the disk.

mod ask;
mod draft;
mod store;
mod write;

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use self::draft::Draft;
use super::{
    Failure, Global,
    init::is_service,
    terminal::{remark, say, write_out},
};
use crate::{
    import::emailproxy::{self, MAX_FILE, ReadError, Remark},
    platform,
};

/// Take over the accounts of another program.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saslgate import emailproxy emailproxy.config")]
pub struct ImportArgs {
    #[command(subcommand)]
    command: ImportCommand,
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// Take over an email-oauth2-proxy installation
    ///
    /// Accounts, mail servers and local ports are taken from its configuration file, so that no mail
    /// program changes anything. For each account with cached tokens its password is asked for (the one
    /// that mail programs send), or read as one line from standard input, in the order of the file; an
    /// empty line leaves that account's sign-in behind. The password becomes the local one. Nothing that
    /// is there already is changed, and what cannot be carried over is listed. Stop email-oauth2-proxy
    /// first: it, too, would use up refresh tokens.
    #[command(after_help = EXAMPLES)]
    Emailproxy {
        /// Its configuration file, usually emailproxy.config
        file: PathBuf,
        /// Where it keeps its tokens, if it is started with --cache-store
        #[arg(long, value_name = "FILE")]
        cache_store: Option<PathBuf>,
        /// Only show what would be written
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs `saslgate import`.
///
/// # Errors
/// The file is not one of that program's, the configuration that is there has mistakes, or something
/// cannot be written.
pub fn run(args: &ImportArgs, global: &Global) -> Result<(), Failure> {
    let ImportCommand::Emailproxy { file, cache_store, dry_run } = &args.command;
    let content = read(file)?;
    let cache = cache_store.as_deref().map(read).transpose()?;
    let installation =
        emailproxy::read(&content, cache.as_ref().map(|it| it.as_slice())).map_err(|error| {
            let other = cache_store.as_ref().filter(|_| matches!(error, ReadError::Cache(_)));
            Failure::mistake(format!("{}: {error}", other.unwrap_or(file).display()))
        })?;
    let source = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    let folder = source.parent().unwrap_or_else(|| Path::new("."));
    let plan = emailproxy::plan(&installation, folder);
    let mut draft = Draft::new(plan, &source, global)?;
    if *dry_run {
        write_out(draft.shown().as_bytes())?;
        draft.outcome.left_behind(&installation);
        return summary(&draft, global);
    }
    let done = store::carried_over(&draft)?;
    let answers = ask::ask(&installation, &mut draft, &done)?;
    write::write(&mut draft, &installation, &answers)?;
    store::carry_over(&mut draft, &installation, &answers, global)?;
    summary(&draft, global)
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let fault = |error| Failure::mistake(platform::unreadable(file, &error));
    // Opening a pipe would wait for its other end, for ever.
    if !fs::metadata(file).map_err(fault)?.is_file() {
        return Err(Failure::mistake(format!("{}: is not a file", file.display())));
    }
    let open = File::open(file).map_err(fault)?;
    // As large as it can get, so that no half-filled copy is left behind in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    open.take(MAX_FILE as u64 + 1).read_to_end(&mut content).map_err(fault)?;
    Ok(content)
}

/// What came over, what did not, and what to do now.
fn summary(draft: &Draft, global: &Global) -> Result<(), Failure> {
    let outcome = &draft.outcome;
    let mut lines = Vec::new();
    section(
        &mut lines,
        if outcome.is_try { "Would be carried over" } else { "Carried over" },
        &outcome.done,
    );
    section(&mut lines, "Already there, unchanged", &outcome.unchanged);
    section(&mut lines, "Not carried over, or to look at", &outcome.remarks);
    let is_nothing = outcome.done.is_empty() && !outcome.is_try;
    if is_nothing {
        lines.push("Nothing was changed.".to_owned());
    }
    remark(lines.join("\n"));
    if let Some(listen) = &draft.to_add {
        remark(format_args!(
            "{} is there already and is never changed. Add these to it:\n",
            draft.paths.config.display()
        ));
        say(listen)?;
    }
    let is_begun = !draft.accounts.is_empty();
    if !outcome.is_try && is_begun {
        next(draft, global);
    }
    global.tell_place();
    if outcome.is_fault || is_nothing && !is_begun {
        let what =
            if is_nothing { "nothing was carried over" } else { "not everything was carried over" };
        return Err(Failure::fault(format!(
            "{what}: see the list above, and run the import again"
        )));
    }
    Ok(())
}

fn next(draft: &Draft, global: &Global) {
    let (config, state) = (draft.paths.config.clone(), draft.paths.state.clone());
    let global = Global { config: Some(config), state: Some(state), ..global.clone() };
    let login = draft.accounts.first().map_or("LOGIN", |it| &it.login);
    let start = if is_service(&global) {
        "systemctl enable --now saslgate".to_owned()
    } else {
        global.command(&["run"])
    };
    remark(format_args!(
        "Next, when email-oauth2-proxy is stopped (both use the same ports and refresh tokens):\n  {}\n  {start}\n  {}",
        global.command(&["config", "check"]),
        global.command(&["check", login]),
    ));
}

fn section(lines: &mut Vec<String>, title: &str, remarks: &[Remark]) {
    if remarks.is_empty() {
        return;
    }
    lines.push(format!("{title}:"));
    let shown = |text: &str| text.replace(|c: char| c.is_control(), "?");
    lines.extend(remarks.iter().map(|it| format!("  {}: {}", shown(&it.about), shown(&it.text))));
    lines.push(String::new());
}

const EXAMPLES: &str = "\
Examples:
  saslgate import emailproxy ~/emailproxy.config --dry-run
  saslgate import emailproxy ~/emailproxy.config
  pass show mail/me | saslgate import emailproxy ~/emailproxy.config";
