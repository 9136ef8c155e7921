//! From what was written to what is in force: the only validation there is. The hard thing is to go on
//! after a mistake, so that a person hears of all of them at once: each function leaves its mistakes
//! in the [`Context`] and returns `None`, and a [`Config`] exists only if there were none.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::Spanned;

use super::{
    AccountConfig, Config, ExternalToken, Loaded, Protocol, Secrets, SigninRefusal, account,
    hooks::hooks,
    limits::{deadlines, limits},
    listen::{judge_served, listeners},
    mistake::{ConfigError, Mistake, SourceFile},
    names,
    secret_source::SecretReader,
    service::service,
    show::{Row, Section, Source, quoted},
    text::{AccountText, AccountsFileText, FileText, SigninRefusalText, Written},
    token_from::{self, Owner},
    values::Layer,
};
use crate::platform;

/// Judges the main file and the files of `accounts.d`.
pub(super) fn resolve(
    main: &SourceFile,
    account_files: &[SourceFile],
    state_folder: &Path,
    secrets: Secrets,
) -> Result<Loaded, ConfigError> {
    let mut cx = Context::new(secrets);
    let (text, account_texts) = parse_all(main, account_files, &mut cx)?;
    let signin_refusal = signin_refusal(main, &text, &mut cx);
    let listeners = listeners(main, &text.listen, &mut cx);
    let limits = limits(main, &text.limits, &mut cx);
    let deadlines = deadlines(main, &text.deadlines, &mut cx);
    let service = service(main, &text.service, &mut cx);
    let hooks = hooks(main, &text.hooks, &mut cx);
    let listens = |protocol: &Protocol| listeners.iter().any(|it| it.protocol == *protocol);
    let in_use: Vec<Protocol> = Protocol::ALL.into_iter().filter(listens).collect();
    let accounts = accounts(main, &text, account_files, &account_texts, &in_use, &mut cx);
    cx.finish(main, |cx| {
        let config = Config {
            listeners,
            accounts,
            limits: limits?,
            deadlines: deadlines?,
            state_folder: state_folder.into(),
            signin_refusal,
            service: service?,
            hooks: hooks?,
        };
        Some(Loaded {
            programs: programs(&config, &cx.secrets.take_programs()),
            config,
            sections: std::mem::take(&mut cx.sections),
            files: cx.take_files(),
        })
    })
}

/// The settings that name a program, each with its program.
fn programs(config: &Config, for_secrets: &[String]) -> Vec<String> {
    let hook = config.hooks.command.first().map(|program| format!("hooks.command ({program})"));
    let tokens = config.accounts.iter().filter_map(|account| match &account.external_token {
        Some(ExternalToken::Command(words)) => {
            words.first().map(|program| format!("token_command ({program})"))
        }
        Some(ExternalToken::File(_)) | None => None,
    });
    let secrets = for_secrets.iter().map(|program| format!("a secret's command ({program})"));
    let mut programs: Vec<_> = hook.into_iter().chain(tokens).chain(secrets).collect();
    programs.sort_unstable();
    programs.dedup();
    programs
}

/// What all the judging shares.
pub(super) struct Context {
    mistakes: Vec<Mistake>,
    sections: Vec<Section>,
    files: Vec<PathBuf>,
    /// Reads client secrets, each once.
    pub(super) secrets: SecretReader,
}

impl Context {
    fn new(secrets: Secrets) -> Self {
        Self {
            mistakes: Vec::new(),
            sections: Vec::new(),
            files: Vec::new(),
            secrets: SecretReader::new(secrets),
        }
    }

    /// Notes a mistake; `None`, so that a caller can return it.
    pub(super) fn mistake<T>(&mut self, at: &At<'_>, text: impl Into<String>) -> Option<T> {
        let mistake = at.file.mistake(at.offset, &at.key, text);
        // What is wrong in `[defaults]` is wrong in every account.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
        None
    }

    /// Judges a PEM file: that it is there, and, where secrets may be read, that `check` likes what is
    /// in it. Who may not read secrets may not be able to read it either.
    pub(super) fn judge_file<E: fmt::Display>(
        &mut self,
        at: &At<'_>,
        path: &Path,
        missing: impl FnOnce() -> String,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Option<()> {
        self.files.push(path.into());
        let checked = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
            _ if !self.secrets.may_read() => Ok(()),
            Ok(metadata) if metadata.is_file() => check().map_err(|error| error.to_string()),
            Ok(_) => Err(format!("{} is not a file", path.display())),
            Err(error) => Err(platform::unreadable(path, &error)),
        };
        match checked {
            Ok(()) => Some(()),
            Err(text) => self.mistake(at, text),
        }
    }

    /// Every file that a value names, each once.
    fn take_files(&mut self) -> Vec<PathBuf> {
        let mut files = std::mem::take(&mut self.files);
        files.extend(self.secrets.take_files());
        files.sort_unstable();
        files.dedup();
        files
    }

    pub(super) fn section(&mut self, title: impl Into<String>, rows: Vec<Row>) {
        self.sections.push(Section { title: title.into(), rows });
    }

    /// Adds the servers of the owner of its tokens that this account uses, too.
    pub(super) fn borrow_rows(&self, owner: &str, by: &AccountConfig, rows: &mut Vec<Row>) {
        let title = format!("[[account]] {owner}");
        let owner = self.sections.iter().find(|section| section.title == title);
        let servers = owner.iter().flat_map(|section| &section.rows).filter(|row| {
            let Some((server, key)) = row.key.split_once('.') else { return false };
            let mut used = Protocol::ALL.into_iter().filter(|it| by.upstream(*it).is_some());
            used.any(|it| it.name() == server) && !matches!(key, "mailbox" | "user")
        });
        rows.extend(servers.cloned());
    }

    fn finish(
        mut self,
        main: &SourceFile,
        build: impl FnOnce(&mut Self) -> Option<Loaded>,
    ) -> Result<Loaded, ConfigError> {
        let built = if self.mistakes.is_empty() { build(&mut self) } else { None };
        built.ok_or_else(|| {
            if self.mistakes.is_empty() {
                // Unreachable while every `None` leaves a mistake; said rather than assumed.
                self.mistakes.push(main.mistake(0, "", "is not complete"));
            }
            let files = self.take_files();
            ConfigError { mistakes: self.mistakes, files }
        })
    }
}

/// A place in a file, with the key's full name.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) offset: usize,
    pub(super) key: String,
}

impl<'a> At<'a> {
    pub(super) fn new(file: &'a SourceFile, offset: usize, key: impl Into<String>) -> Self {
        Self { file, offset, key: key.into() }
    }

    pub(super) fn source(&self) -> Source {
        Source::Written { file: self.file.path().into(), line: self.file.line(self.offset) }
    }
}

fn parse_all(
    main: &SourceFile,
    account_files: &[SourceFile],
    cx: &mut Context,
) -> Result<(FileText, Vec<AccountsFileText>), ConfigError> {
    let text = main.parse().map_err(|mistake| cx.mistakes.push(mistake)).unwrap_or_default();
    let accounts = account_files
        .iter()
        .map(|file| file.parse().map_err(|mistake| cx.mistakes.push(mistake)).unwrap_or_default())
        .collect();
    if cx.mistakes.is_empty() {
        Ok((text, accounts))
    } else {
        Err(ConfigError { mistakes: std::mem::take(&mut cx.mistakes), files: Vec::new() })
    }
}

fn signin_refusal(main: &SourceFile, text: &FileText, cx: &mut Context) -> SigninRefusal {
    let Some(written) = &text.signin_refusal else {
        cx.section("", vec![Row::new("signin_refusal", quoted("temporary"), Source::Default)]);
        return SigninRefusal::default();
    };
    let (refusal, word) = match written.get_ref() {
        SigninRefusalText::Temporary => (SigninRefusal::Temporary, "temporary"),
        SigninRefusalText::Credentials => (SigninRefusal::Credentials, "credentials"),
    };
    let at = At::new(main, written.span().start, "signin_refusal");
    cx.section("", vec![Row::new("signin_refusal", quoted(word), at.source())]);
    refusal
}

fn accounts<'a>(
    main: &'a SourceFile,
    text: &'a FileText,
    account_files: &'a [SourceFile],
    account_texts: &'a [AccountsFileText],
    in_use: &[Protocol],
    cx: &mut Context,
) -> Vec<Arc<AccountConfig>> {
    let nothing = AccountText::default();
    let defaults = Layer {
        file: main,
        offset: text.defaults.as_ref().map_or(0, |table| table.span().start),
        text: text.defaults.as_ref().map_or(&nothing, Spanned::get_ref),
        table: "defaults",
    };
    account::judge_defaults(&defaults, cx);
    let in_main = text.account.iter().map(|account| (main, account));
    let in_folder = account_files
        .iter()
        .zip(account_texts)
        .flat_map(|(file, text)| text.account.iter().map(move |account| (file, account)));
    let layer = |(file, written): (_, &'a Spanned<AccountText>)| {
        let offset = written.span().start;
        Layer { file, offset, text: written.get_ref(), table: "account" }
    };
    let layers: Vec<Layer<'_>> = in_main.chain(in_folder).map(layer).collect();
    let resolved = resolve_all(&layers, &defaults, in_use, cx);
    let complete = resolved.iter().all(Option::is_some);
    let judged: Vec<_> = layers.iter().zip(&resolved).collect();
    let judged: Vec<_> =
        judged.into_iter().filter_map(|(own, account)| Some((*own, account.as_ref()?))).collect();
    names::judge_unique(&judged, cx);
    let accounts: Vec<_> = resolved.into_iter().flatten().map(Arc::new).collect();
    if accounts.is_empty() && cx.mistakes.is_empty() {
        let text = "there is no account yet: add an [[account]] table with a `login`, here or in a \
                    file in the folder accounts.d";
        cx.mistakes.push(main.mistake(0, "account", text));
    }
    // Of an account with a mistake nobody knows which servers it would have.
    if complete && !accounts.is_empty() {
        judge_served(main, &text.listen, &accounts, cx);
    }
    accounts
}

/// Judges each account; those that use another one's tokens come last, since they follow it.
fn resolve_all(
    layers: &[Layer<'_>],
    defaults: &Layer<'_>,
    in_use: &[Protocol],
    cx: &mut Context,
) -> Vec<Option<AccountConfig>> {
    let mut resolved: Vec<Option<AccountConfig>> = Vec::new();
    for own in layers {
        cx.secrets.begin(|asked| {
            let borrows = |other: &&Layer<'_>| {
                let owner = other.text.token_from.as_ref().map(Spanned::get_ref);
                owner.is_some_and(|owner| token_from::is_named(own, owner))
            };
            let mut borrowers = layers.iter().filter(borrows);
            token_from::is_named(own, asked)
                || borrowers.any(|other| token_from::is_named(other, asked))
        });
        let with_own = own.text.token_from.is_none();
        resolved.push(with_own.then(|| account::resolve(own, defaults, in_use, cx)).flatten());
    }
    let own_tokens = resolved.clone();
    for (own, place) in layers.iter().zip(&mut resolved) {
        if own.text.token_from.is_none() {
            continue;
        }
        let find = |name: &str| {
            let mut known = layers.iter().zip(&own_tokens);
            let found = known.find(|(layer, _)| token_from::is_named(layer, name));
            found.map(|(layer, account)| Owner { layer: *layer, account: account.as_ref() })
        };
        *place = token_from::resolve(own, defaults, find, cx);
    }
    resolved
}

pub(super) fn value<T: Copy>(written: &Written<T>, default: T) -> T {
    written.as_ref().map_or(default, |it| *it.get_ref())
}

pub(super) fn origin<T>(file: &SourceFile, written: &Written<T>) -> Source {
    written.as_ref().map_or(Source::Default, |it| At::new(file, it.span().start, "").source())
}

/// Where a key stands, or the table at `table` in which it is missing.
pub(super) fn place<'a, T>(
    file: &'a SourceFile,
    table: usize,
    key: &str,
    written: &Written<T>,
) -> At<'a> {
    At::new(file, written.as_ref().map_or(table, |it| it.span().start), key)
}
