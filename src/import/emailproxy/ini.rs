//! The file's grammar: Python's configparser without interpolation. The hard thing is to read as it does
//! where readers differ: options without case, sections with it, `=` or `:`, whole-line comments only,
//! values that go on in indented lines, and `[DEFAULT]`, whose options every section has.

use configparser::ini::{Ini as Reader, IniDefault};
use zeroize::Zeroize as _;

use super::ReadError;

/// Sections and their options, in the order of the file.
pub(super) struct Ini {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Ini {
    pub(super) fn parse(text: &str) -> Result<Self, ReadError> {
        let mut rules = IniDefault::default();
        DEFAULT.clone_into(&mut rules.default_section);
        rules.comment_symbols = vec!['#', ';'];
        rules.inline_comment_symbols = Some(Vec::new());
        rules.delimiters = vec!['=', ':'];
        rules.case_sensitive = true;
        rules.multiline = true;
        let mut reader = Reader::new_from_defaults(rules);
        // What the reader says may repeat the line.
        let sections = reader
            .read(text.to_owned())
            .map_err(|error| ReadError::NotIni { line: line_of(&error) })?;
        reader.clear();
        let sections = sections
            .into_iter()
            .map(|(name, options)| {
                let options = options.into_iter();
                let options = options.filter_map(|(key, value)| Some((key.to_lowercase(), value?)));
                (name, options.collect())
            })
            .collect();
        Ok(Self { sections })
    }

    /// What the accounts of another file have, over what they have here.
    pub(super) fn add(&mut self, mut other: Self) {
        let sections = std::mem::take(&mut other.sections);
        for (name, options) in sections.into_iter().filter(|(name, _)| name.contains('@')) {
            match self.sections.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) => own.extend(options),
                None => self.sections.push((name, options)),
            }
        }
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str()).filter(|&name| name != DEFAULT)
    }

    /// A value that is not empty.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&str> {
        let own = |section: &str| {
            let (_, options) = self.sections.iter().find(|(name, _)| name == section)?;
            // As written last.
            options.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
        };
        own(section).or_else(|| own(DEFAULT)).map(str::trim).filter(|it| !it.is_empty())
    }

    /// As Python reads yes and no; anything else is no.
    pub(super) fn is_on(&self, section: &str, key: &str) -> bool {
        let value = self.get(section, key).map(str::to_ascii_lowercase);
        matches!(value.as_deref(), Some("1" | "yes" | "true" | "on"))
    }
}

impl Drop for Ini {
    fn drop(&mut self) {
        for (_, options) in &mut self.sections {
            options.iter_mut().for_each(|(_, value)| value.zeroize());
        }
    }
}

fn line_of(error: &str) -> Option<usize> {
    let digits = error.strip_prefix("line ")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

const DEFAULT: &str = "DEFAULT";
