//! The command line: one file a command. A command returns [`Failure`] for people; the exit code says
//! whose turn it is.

pub mod demo;
pub mod run;

use std::fmt;

/// Why a command did not do what was asked, in words for the terminal.
#[derive(Debug)]
pub struct Failure {
    /// One or two sentences: what happened, and what to do.
    pub text: String,
    /// The process's exit code: 1 for a fault at run time, 2 for a mistake in configuration or usage.
    pub code: u8,
}

impl Failure {
    /// A fault at run time.
    pub fn fault(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// A mistake in configuration or usage.
    pub fn mistake(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
