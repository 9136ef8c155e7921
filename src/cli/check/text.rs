//! A check for people. The hard thing is what is copied: sentences are wrapped, commands, links and
//! settings never are, and each stands on a line of its own.

use std::fmt::Write as _;

use super::Checked;
use crate::{
    check::{About, Language, Light, Step, words},
    cli::status::table::wrapped,
};

/// One step, with all that there is to say of it.
pub(in crate::cli) fn step(
    step: &Step,
    about: &About,
    language: Language,
    coloured: bool,
) -> String {
    let light = step.light();
    let word = words::light(light, language);
    let (dot, on, off) = match light {
        _ if !coloured => ("", "", ""),
        Some(Light::Green) => ("● ", "\x1b[32m", "\x1b[0m"),
        Some(Light::Yellow) => ("● ", "\x1b[33m", "\x1b[0m"),
        Some(Light::Red) => ("● ", "\x1b[1;31m", "\x1b[0m"),
        None => ("○ ", "\x1b[2m", "\x1b[0m"),
    };
    let title = words::title(step.kind, &step.protocols, language);
    let number = step.number;
    let mut text = format!("{number:>3}. {title}: {on}{dot}{word}{off}\n");
    if !step.tried.is_empty() {
        let _ = writeln!(text, "{INDENT}{}: {}", words::tried(language), step.tried);
    }
    if let Some(other) = step.waits_for {
        text.push_str(&wrapped(&words::waits(other, language), INDENT));
    }
    for finding in &step.findings {
        let words = words::of(finding, about, language);
        text.push_str(&wrapped(&words.what, INDENT));
        for remedy in &words.remedy {
            text.push_str(&wrapped(&format!("→ {}", remedy.text), INDENT));
            for line in &remedy.lines {
                let _ = writeln!(text, "{COPIED}{line}");
            }
        }
    }
    text
}

/// At the end, of all accounts: how it is, and where to begin.
pub(super) fn summaries(checks: &[Checked], language: Language) -> String {
    let mut text = "\n".to_owned();
    for checked in checks {
        let _ = writeln!(text, "{}", words::summary(&checked.report, language));
    }
    text
}

const INDENT: &str = "     ";
const COPIED: &str = "         ";
