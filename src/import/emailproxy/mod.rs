//! An email-oauth2-proxy installation: what its configuration file says. The hard thing is that the file
//! comes from elsewhere and is believed in nothing: it is bounded, and whatever it holds is at most an
//! account that is not carried over.

mod accounts;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
mod ini;
mod listeners;
mod plan;
mod provider;
mod sealed;

use std::fmt;

pub use self::{
    accounts::{Account, Application, Flow},
    listeners::{Listener, Server},
    plan::{
        NewAccount, NewListener, OwnSecret, Plan, owner_password_file_name, plan, secret_file_name,
    },
    sealed::{Opened, Sealed, Unsealed},
};

/// What one configuration file holds.
#[derive(Debug, Default)]
pub struct Installation {
    /// Its local ports, each with the server behind it.
    pub listeners: Vec<Listener>,
    /// Its accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// What was understood and has no counterpart, or needs a look.
    pub remarks: Vec<Remark>,
}

/// Something that a person should know of: which part of the file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A section, an option or an account.
    pub about: String,
    /// In plain words.
    pub text: String,
}

impl Remark {
    /// A remark about that part of the file.
    pub fn new(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { about: about.into(), text: text.into() }
    }
}

/// Why a file is no configuration of email-oauth2-proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Larger than any such file.
    TooLarge,
    /// Not UTF-8.
    NotText,
    /// Not of the form that Python's configparser reads. Says where, never what stands there.
    NotIni {
        /// Counted from 1, where known.
        line: Option<usize>,
    },
    /// Neither a server nor an account is in it.
    Nothing,
    /// It is about the other file, in which the tokens are.
    Cache(Box<Self>),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("is larger than 1 MiB, which no configuration of email-oauth2-proxy is"),
            Self::NotText => f.write_str("is not UTF-8 text: save it with the encoding UTF-8"),
            Self::NotIni { line: Some(line) } => {
                write!(f, "line {line} is neither a [section] nor an option = value")
            }
            Self::NotIni { line: None } => f.write_str("is not a file of [sections] with options"),
            Self::Cache(error) => error.fmt(f),
            Self::Nothing => f.write_str(
                "has no section such as [IMAP-1993] and none such as [me@example.com]: name the file that \
                 email-oauth2-proxy is started with (emailproxy.config)",
            ),
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads the file's content, and that of the file which its tokens are kept in, if they are kept apart
/// (`--cache-store FILE`).
///
/// # Errors
/// It is not a configuration of email-oauth2-proxy.
pub fn read(content: &[u8], cache: Option<&[u8]>) -> Result<Installation, ReadError> {
    let mut ini = parse(content)?;
    if let Some(cache) = cache {
        ini.add(parse(cache).map_err(|error| ReadError::Cache(Box::new(error)))?);
    }
    let mut installation = Installation::default();
    listeners::read(&ini, &mut installation);
    accounts::read(&ini, &mut installation);
    if installation.listeners.is_empty() && installation.accounts.is_empty() {
        return Err(ReadError::Nothing);
    }
    let has_tokens = installation.accounts.iter().any(|it| it.sealed.is_there());
    if !has_tokens && !installation.accounts.is_empty() {
        installation.remarks.push(Remark::new("tokens", NO_TOKENS));
    }
    Ok(installation)
}

fn parse(content: &[u8]) -> Result<ini::Ini, ReadError> {
    if content.len() > MAX_FILE {
        return Err(ReadError::TooLarge);
    }
    let text = std::str::from_utf8(content).map_err(|_| ReadError::NotText)?;
    ini::Ini::parse(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

const NO_TOKENS: &str = "there are none in the file: if email-oauth2-proxy was started with --cache-store, name \
    the same file here (--cache-store FILE); tokens in a store elsewhere (aws:…) cannot be read, so sign in \
    again";

const GLOBALS: &str = "emailproxy";

/// More than the largest file that the other program is known with, by far.
pub const MAX_FILE: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
