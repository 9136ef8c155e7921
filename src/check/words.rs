//! The catalogue: what a finding means and what to do, per language. Each language is one exhaustive
//! match, so that none can lack a finding.

use serde::Serialize;

/// A language of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
}

/// What a finding means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// What was seen, and whose fault it is.
    pub what: String,
    /// What to do now, with the account's own values; one command, link or setting a line. Empty where
    /// there is nothing to do.
    pub remedy: Vec<String>,
}
