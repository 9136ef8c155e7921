//! Mistakes in the configuration, as people hear of them: file, line, key, and how to put it right.
//! The hard thing is to translate what the TOML reader says into these words without losing the
//! place: the key is found again from the offset.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::de::DeTable;

use crate::platform;

/// Everything that is wrong with a configuration; at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order found.
    pub mistakes: Vec<Mistake>,
    /// The files that were asked for beside the configuration's own: it may be one of them that makes
    /// it good.
    pub files: Vec<PathBuf>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// As it was named to us.
    pub file: PathBuf,
    /// Counted from 1; `None` if the mistake is the file itself.
    pub line: Option<usize>,
    /// The key with its tables, such as `account.imap.port`; empty if there is none.
    pub key: String,
    /// What is wrong, and how to put it right.
    pub text: String,
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake], files: Vec::new() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.text)
    }
}

/// A file of the configuration with its content.
#[derive(Debug)]
pub(super) struct SourceFile {
    path: PathBuf,
    text: String,
}

impl SourceFile {
    pub(super) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Reads it from the disk.
    pub(super) fn read(path: &Path) -> Result<Self, Mistake> {
        let fault = |text| Mistake { file: path.into(), line: None, key: String::new(), text };
        // A pipe will do (`--config <(…)`), and one without an end must not fill the memory.
        let read = File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(LONGEST + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let bytes = read.map_err(|error| {
            fault(if error.kind() == io::ErrorKind::NotFound {
                NOT_THERE.to_owned()
            } else {
                format!("cannot be read: {}", platform::explain(path, &error))
            })
        })?;
        if bytes.len() as u64 > LONGEST {
            return Err(fault("is longer than 16 MiB: that is no configuration".into()));
        }
        // A device, such as /dev/stdin, is nobody's file.
        let is_file = std::fs::metadata(path).is_ok_and(|it| it.is_file());
        if is_file && platform::is_writable_by_all(path).unwrap_or_default() {
            return Err(fault(writable_by_all(path)));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| fault("is not UTF-8 text: save it with the encoding UTF-8".into()))?;
        Ok(Self::new(path, text))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What a path that is written in this file means: relative to the file's own folder.
    pub(super) fn resolve_path(&self, written: &str) -> PathBuf {
        self.path.parent().map_or_else(|| written.into(), |folder| folder.join(written))
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
    }

    pub(super) fn mistake(&self, offset: usize, key: &str, text: impl Into<String>) -> Mistake {
        Mistake {
            file: self.path.clone(),
            line: Some(self.line(offset)),
            key: key.to_owned(),
            text: text.into(),
        }
    }

    /// Turns the TOML text into its typed form. The first mistake of grammar, type or spelling ends
    /// it.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Mistake> {
        toml::from_str(&self.text).map_err(|error| {
            let Some(span) = error.span() else {
                return self.mistake(0, "", in_our_words(error.message()));
            };
            let key = DeTable::parse(&self.text)
                .ok()
                .and_then(|table| key_at(table.get_ref(), span.start))
                .unwrap_or_default();
            self.mistake(span.start, &key, in_our_words(error.message()))
        })
    }
}

/// The dotted name of the innermost key whose name or value covers `offset`.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        let value_table = value.get_ref().as_table();
        let items = value.get_ref().as_array().into_iter().flat_map(|items| items.iter());
        let mut tables =
            value_table.into_iter().chain(items.filter_map(|it| it.get_ref().as_table()));
        let inner = tables.find_map(|table| key_at(table, offset));
        match inner {
            Some(inner) => Some(format!("{name}.{inner}")),
            None if key.span().contains(&offset) || value.span().contains(&offset) => {
                Some(name.to_string())
            }
            None => None,
        }
    })
}

/// The TOML reader's sentence in the words of this house; the nearest known word is offered.
fn in_our_words(message: &str) -> String {
    let message = message.trim_end();
    let Some((what, wrong, known)) = unknown_word(message) else {
        return WORDS
            .iter()
            .fold(without_types(message), |text, (from, to)| text.replace(from, to));
    };
    let is_key = what == "unknown key";
    let offered: Vec<&str> =
        known.iter().copied().filter(|&word| !is_key || word != NEVER_WRITTEN).collect();
    let offered = offered.join(", ");
    match nearest(wrong, &known) {
        Some(word) if is_key => format!("{what} `{wrong}`: did you mean `{word}`?"),
        Some(word) => {
            format!("{what} `{wrong}`: did you mean `{word}`? Known here: {offered}")
        }
        None => format!("{what} `{wrong}`: known here: {offered}"),
    }
}

/// Our structs stand for tables; their names are nobody's business.
fn without_types(message: &str) -> String {
    match message.split_once("expected struct ") {
        None => message.to_owned(),
        Some((before, rest)) => {
            let after = rest.trim_start_matches(|c: char| c.is_alphanumeric());
            format!("{before}expected a table{after}")
        }
    }
}

/// Takes serde's "unknown field `x`, expected one of `a`, `b`" apart.
fn unknown_word(message: &str) -> Option<(&'static str, &str, Vec<&str>)> {
    let what = match message {
        _ if message.starts_with("unknown field `") => "unknown key",
        _ if message.starts_with("unknown variant `") => "unknown word",
        _ => return None,
    };
    let mut words = message.split('`').skip(1).step_by(2);
    Some((what, words.next()?, words.collect()))
}

pub(super) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let wrong = plain(wrong);
    let other_name = OTHER_NAMES.iter().find(|(name, _)| *name == wrong).map(|(_, word)| *word);
    if let Some(word) = known.iter().find(|word| other_name == Some(**word)) {
        return Some(word);
    }
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&wrong, &plain(word)), *word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= 1.max(word.len() / 4))
        .map(|(_, word)| word)
}

/// What people call a provider.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("gmail", "google"),
    ("googlemail", "google"),
    ("google_workspace", "google"),
    ("office365", "microsoft365"),
    ("o365", "microsoft365"),
    ("m365", "microsoft365"),
    ("microsoft", "microsoft365"),
    ("exchange", "microsoft365"),
    ("exchange_online", "microsoft365"),
    ("outlook", "outlook.com"),
    ("hotmail", "outlook.com"),
    ("live", "outlook.com"),
    ("gcc_high", "microsoft365-gcc-high"),
    ("dod", "microsoft365-dod"),
    ("21vianet", "microsoft365-21vianet"),
    ("china", "microsoft365-21vianet"),
];

/// A key that is known only to be refused.
const NEVER_WRITTEN: &str = "password";

/// What serde calls the types of TOML, and what people call them. A longer name comes before its
/// beginning.
const WORDS: &[(&str, &str)] = &[
    ("expected u64", "expected a whole number from 0 on"),
    ("expected a sequence", "expected a list [\u{2026}]"),
    ("expected a string", "expected a text in quotes"),
    ("expected a boolean", "expected true or false"),
    ("expected a map", "expected a table"),
];

/// Octets of one file; an account takes a hundred.
const LONGEST: u64 = 16 << 20;

const NOT_THERE: &str = "there is no such file: check the name after --config (or in $SASLGATE_CONFIG), \
    or let `saslgate init` write the file (by hand: saslgate.example.toml explains every key)";

/// Whoever may write it sends tokens to a server of their choice.
pub(super) fn writable_by_all(path: &Path) -> String {
    format!(
        "every user of this machine may change it, and with it where tokens go: run `chmod o-w {}`",
        path.display()
    )
}
