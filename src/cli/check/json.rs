//! A check for programs. The hard thing is that its fields are a promise: what `--help` names stays as it
//! is.

use serde::Serialize;

use super::{Checked, Skipped};
use crate::{
    check::{
        About, Finding, Language, Light, Step, StepKind,
        words::{self, Remedy},
    },
    cli::Failure,
    config::Protocol,
};

#[derive(Serialize)]
struct Object<'a> {
    version: &'static str,
    language: Language,
    light: Light,
    accounts: Vec<Account<'a>>,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Account<'a> {
    login: &'a str,
    light: Light,
    begin_at: Option<usize>,
    steps: Vec<StepObject<'a>>,
}

#[derive(Serialize)]
struct StepObject<'a> {
    number: usize,
    kind: StepKind,
    title: String,
    protocols: &'a [Protocol],
    tried: &'a str,
    milliseconds: u64,
    light: Option<Light>,
    waits_for: Option<usize>,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    light: Light,
    what: String,
    remedy: Vec<Remedy>,
}

pub(super) fn text(
    checks: &[Checked],
    skipped: Vec<Skipped>,
    language: Language,
) -> Result<String, Failure> {
    let account = |it| account(it, language);
    let light = checks.iter().map(|it| it.report.light()).max().unwrap_or(Light::Yellow);
    let object = Object {
        version: env!("CARGO_PKG_VERSION"),
        language,
        light,
        accounts: checks.iter().map(account).collect(),
        skipped,
    };
    serde_json::to_string_pretty(&object)
        .map_err(|error| Failure::fault(format!("cannot write JSON: {error}")))
}

fn account(checked: &Checked, language: Language) -> Account<'_> {
    let Checked { about, report } = checked;
    Account {
        login: &report.login,
        light: report.light(),
        begin_at: report.begin_at(),
        steps: report.steps.iter().map(|it| step(it, about, language)).collect(),
    }
}

fn step<'a>(step: &'a Step, about: &About, language: Language) -> StepObject<'a> {
    let found = |finding: &'a Finding| {
        let words = words::of(finding, about, language);
        Found { finding, light: step.light_of(finding), what: words.what, remedy: words.remedy }
    };
    StepObject {
        number: step.number,
        kind: step.kind,
        title: words::title(step.kind, &step.protocols, language),
        protocols: &step.protocols,
        tried: &step.tried,
        milliseconds: u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
        light: step.light(),
        waits_for: step.waits_for,
        findings: step.findings.iter().map(found).collect(),
    }
}
