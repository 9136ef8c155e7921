//! The catalogue: what a finding means and what to do, per language. The hard thing is that no language
//! decides anything: what to do is decided once (`plan`), commands, links and settings come from one
//! place (`advice`), and a language holds nothing but sentences, as exhaustive matches, so that none
//! can lack one.

mod advice;
mod de;
mod en;
mod plan;

use serde::Serialize;

use self::advice::Advice;
use super::{About, Finding, Light, Report, StepKind};
use crate::{config::Protocol, proto::text::printable};

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
    /// What to do now. Empty where there is nothing to do.
    pub remedy: Vec<Remedy>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// In words.
    pub text: String,
    /// Commands, links and settings to copy, with the account's own values: the same in every language.
    pub lines: Vec<String>,
}

/// What a finding of this account means, in this language.
pub fn of(finding: &Finding, about: &About, language: Language) -> Words {
    let what = match language {
        Language::En => en::what(finding, about),
        Language::De => de::translated(de::what(finding, about)),
    };
    let remedy = |advice: Advice| {
        let mut text = match language {
            Language::En => en::advice(&advice, about),
            Language::De => de::advice(&advice, about),
        };
        let mut lines = advice.lines(about);
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() && text.ends_with(':') {
            text.pop();
            text.push('.');
        }
        Remedy { text, lines }
    };
    Words { what, remedy: plan::of(finding, about).into_iter().map(remedy).collect() }
}

/// A step's title.
pub fn title(kind: StepKind, protocols: &[Protocol], language: Language) -> String {
    match language {
        Language::En => en::title(kind, &names(protocols)),
        Language::De => de::title(kind, &names(protocols)),
    }
}

/// A light in a word; `None` is that of a step that was not tried.
pub fn light(light: Option<Light>, language: Language) -> &'static str {
    match language {
        Language::En => en::light(light),
        Language::De => de::light(light),
    }
}

/// For a step that waits for another one.
pub fn waits(step: usize, language: Language) -> String {
    match language {
        Language::En => en::waits(step),
        Language::De => de::waits(step),
    }
}

/// What all of it comes to, and where to begin.
pub fn summary(report: &Report, language: Language) -> String {
    let (login, begin_at) = (&report.login, report.begin_at());
    let verdict = match report.light() {
        Light::Red => Verdict::Fails,
        Light::Green | Light::Yellow if report.is_let_in() => Verdict::Works,
        Light::Green | Light::Yellow => Verdict::Open,
    };
    match language {
        Language::En => en::summary(login, verdict, begin_at),
        Language::De => de::summary(login, verdict, begin_at),
    }
}

/// What a check has shown.
#[derive(Clone, Copy)]
enum Verdict {
    Works,
    /// Neither that it works nor that it does not: a server was busy, say.
    Open,
    Fails,
}

/// How what was tried is called.
pub fn tried(language: Language) -> &'static str {
    match language {
        Language::En => "tried",
        Language::De => "versucht",
    }
}

/// `IMAP/SMTP`; empty without one.
fn names(protocols: &[Protocol]) -> String {
    let names: Vec<String> = protocols.iter().map(Protocol::to_string).collect();
    names.join("/")
}

/// A peer's words, bounded and without anything that steers a terminal.
fn shown(text: &str) -> String {
    printable(text.as_bytes(), MAX_QUOTED)
}

/// Words from outside behind words of ours; empty where there are none.
fn said(before: &str, text: &str) -> String {
    let text = shown(text);
    if text.is_empty() { text } else { format!("{before}{text}") }
}

/// The HTTP status, in brackets and after a space, where the words behind it do not say it.
fn status_unless_in(status: Option<u16>, text: &str) -> String {
    let status = status.map(|it| it.to_string()).filter(|it| !text.contains(it.as_str()));
    status.map_or_else(String::new, |status| format!(" (HTTP {status})"))
}

/// Of a list from outside.
fn listed(names: &[String]) -> String {
    shown(&names.join(", "))
}

/// `AADSTS53003`, in brackets and after a space; empty without one.
fn code(code: Option<u32>) -> String {
    code.map_or_else(String::new, |code| format!(" (AADSTS{code})"))
}

const MAX_QUOTED: usize = 300;

#[cfg(test)]
mod tests;
