//! What is in force, and where each value comes from: `saslgate config show`. The hard thing is that
//! it is written down while the configuration is judged, so that it cannot differ from it.

use std::{fmt, path::PathBuf};

/// A table with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `[limits]`, or `[[account]] login`; empty for the keys above all tables.
    pub title: String,
    /// In the order of judgement.
    pub rows: Vec<Row>,
}

/// One value in force. A secret is shown by its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// With its table inside the section, such as `imap.host`.
    pub key: String,
    /// As it would be written.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

impl Row {
    pub(super) fn new(key: impl Into<String>, value: String, source: Source) -> Self {
        Self { key: key.into(), value, source }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A person wrote it.
    Written {
        /// As it was named to us.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The provider's preset of this name.
    Preset(&'static str),
    /// Nobody said anything else.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written { file, line } => {
                let name = file.file_name().unwrap_or(file.as_os_str());
                write!(f, "{}:{line}", name.display())
            }
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.title.is_empty() {
            writeln!(f, "{}", self.title)?;
        }
        let width = |text: fn(&Row) -> &str| {
            self.rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let (keys, values) = (width(|row| &row.key), width(|row| &row.value).min(MAX_VALUE_WIDTH));
        for Row { key, value, source } in &self.rows {
            writeln!(f, "{key:keys$} = {value:values$}  # {source}")?;
        }
        Ok(())
    }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn list(texts: &[String]) -> String {
    let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", items.join(", "))
}

/// Wider values push their own source aside only.
const MAX_VALUE_WIDTH: usize = 40;
